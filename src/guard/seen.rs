//! A text as it looks to a reader: letters in disguise are the letters that they look like.

/// Whether a text has characters that no reader sees, beyond those that scripts and emoji need.
pub fn hides(text: &str) -> bool {
    let mut before = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        // A byte order mark at the start is an editor's, not a disguise.
        let mark = letter == '\u{feff}' && before.is_none();
        let beside = |one: Option<char>| one.is_none_or(|one| one.is_ascii());
        let hidden = match letter {
            // Joiners belong between letters of some scripts and inside emoji, never beside a Latin letter.
            '\u{200c}' | '\u{200d}' => beside(before) && beside(letters.peek().copied()),
            other => is_invisible(other),
        };
        if hidden && !mark {
            return true;
        }
        before = Some(letter);
    }
    false
}

const fn is_invisible(letter: char) -> bool {
    matches!(letter,
        '\u{00ad}' | '\u{180e}' | '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        | '\u{e0100}'..='\u{e01ef}')
}

/// The text with one form per letter, and one blank between words.
pub fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars().filter(|letter| !is_invisible(*letter)) {
        let letter = plain(letter);
        if !letter.is_whitespace() {
            out.push(letter);
        } else if letter == '\n' {
            // Kept: some patterns are about one line.
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
        } else if !out.ends_with([' ', '\n']) {
            out.push(' ');
        }
    }
    out
}

/// The Latin letter that a wide, Cyrillic or Greek one is mistaken for.
fn plain(letter: char) -> char {
    match letter {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(letter as u32 - 0xfee0).unwrap_or(letter),
        'а' | 'α' => 'a',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'ε' => 'e',
        'һ' => 'h',
        'і' | 'ι' => 'i',
        'ј' => 'j',
        'о' | 'ο' => 'o',
        'р' | 'ρ' => 'p',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' => 'u',
        'ν' => 'v',
        'х' | 'χ' => 'x',
        'у' => 'y',
        other => other,
    }
}
