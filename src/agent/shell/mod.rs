//! A reading of shell text that is good enough to ask questions about it: simple commands with their words, and
//! what is joined to what. It errs toward seeing more commands than there are.

mod words;

pub use words::core;

/// One simple command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Simple {
    /// Words with quotes and escapes resolved.
    pub words: Vec<String>,
    /// Targets of `>`, `>>`, `>|`, `&>`.
    pub writes: Vec<String>,
    /// It reads what the command before it writes.
    pub piped: bool,
    /// It has a here-document or here-string.
    pub heredoc: bool,
}

/// All simple commands of `text`, those in substitutions and in `sh -c` arguments included.
#[must_use]
pub fn commands(text: &str) -> Vec<Simple> {
    let mut reader = Reader { found: Vec::new(), depth: 0 };
    reader.read(text);
    reader.found
}

struct Reader {
    found: Vec<Simple>,
    depth: usize,
}

/// Where the next word goes.
#[derive(PartialEq)]
enum Next {
    Word,
    Write,
    Skip,
}

impl Reader {
    /// Substitutions inside substitutions are followed this deep.
    const DEPTH: usize = 8;

    fn read(&mut self, text: &str) {
        if self.depth > Self::DEPTH {
            return;
        }
        self.depth += 1;
        let chars: Vec<char> =
            text.replace("\\\n", " ").replace("${IFS}", " ").replace("$IFS", " ").chars().collect();
        let mut line = Line::default();
        let mut at = 0;
        while at < chars.len() {
            at = self.step(&chars, at, &mut line);
        }
        self.end(&mut line, false);
        self.depth -= 1;
    }

    /// Takes the character at `at` in and returns the next position.
    fn step(&mut self, chars: &[char], at: usize, line: &mut Line) -> usize {
        match chars[at] {
            '\\' => {
                line.push(chars.get(at + 1).copied());
                at + 2
            }
            '\'' => {
                let end = find(chars, at + 1, '\'');
                line.open();
                line.word.extend(&chars[at + 1..end]);
                end + 1
            }
            '"' => self.double(chars, at + 1, line),
            '`' => {
                let end = find(chars, at + 1, '`');
                self.read(&chars[at + 1..end].iter().collect::<String>());
                line.push(Some('$'));
                end + 1
            }
            '$' if chars.get(at + 1) == Some(&'(') => self.substitution(chars, at + 2, line),
            '#' if line.word.is_empty() && !line.started => {
                chars[at..].iter().position(|c| *c == '\n').map_or(chars.len(), |n| at + n)
            }
            ' ' | '\t' => {
                line.close();
                at + 1
            }
            '<' | '>' if chars.get(at + 1) == Some(&'(') => {
                line.close();
                line.push(Some('<'));
                self.substitution(chars, at + 2, line)
            }
            '<' | '>' => redirect(chars, at, line),
            ';' | '\n' | '(' | ')' => {
                self.end(line, false);
                at + 1
            }
            '&' if chars.get(at + 1) == Some(&'>') => redirect(chars, at + 1, line),
            '&' | '|' => {
                let double = chars.get(at + 1) == Some(&chars[at]);
                self.end(line, chars[at] == '|' && !double);
                at + 1 + usize::from(double || chars.get(at + 1) == Some(&'&'))
            }
            '{' | '}' if line.word.is_empty() && !line.started => {
                line.close();
                at + 1
            }
            other => {
                line.push(Some(other));
                at + 1
            }
        }
    }

    fn double(&mut self, chars: &[char], mut at: usize, line: &mut Line) -> usize {
        line.open();
        while at < chars.len() && chars[at] != '"' {
            if chars[at] == '\\' {
                line.push(chars.get(at + 1).copied());
                at += 2;
            } else if chars[at] == '$' && chars.get(at + 1) == Some(&'(') {
                at = self.substitution(chars, at + 2, line);
            } else if chars[at] == '`' {
                let end = find(chars, at + 1, '`');
                self.read(&chars[at + 1..end].iter().collect::<String>());
                at = end + 1;
            } else {
                line.word.push(chars[at]);
                at += 1;
            }
        }
        at + 1
    }

    fn substitution(&mut self, chars: &[char], start: usize, line: &mut Line) -> usize {
        let mut depth = 1;
        let mut at = start;
        while at < chars.len() {
            match chars[at] {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            at += 1;
        }
        self.read(&chars[start.min(chars.len())..at.min(chars.len())].iter().collect::<String>());
        // What it will print is not known; the mark keeps the word from looking empty.
        line.push(Some('$'));
        at + 1
    }

    fn end(&mut self, line: &mut Line, pipes: bool) {
        line.close();
        let simple = std::mem::take(&mut line.simple);
        let piped = std::mem::replace(&mut line.simple.piped, pipes);
        let simple = Simple { piped: piped || simple.piped, ..simple };
        line.next = Next::Word;
        if simple.words.is_empty() && simple.writes.is_empty() {
            return;
        }
        let inner = inner_script(&simple.words);
        self.found.push(simple);
        if let Some(script) = inner {
            self.read(&script);
        }
    }
}

/// The text that `sh -c`, `bash -lc` or `eval` would run.
fn inner_script(words: &[String]) -> Option<String> {
    let core = core(words);
    match core.first().copied()? {
        "eval" => Some(core[1..].join(" ")),
        program if is_shell(program) => {
            let at = core
                .iter()
                .position(|word| word.starts_with('-') && !word.starts_with("--") && word.contains('c'))?;
            core.get(at + 1).map(|script| (*script).to_owned())
        }
        "xargs" => {
            let at = core.iter().skip(1).position(|word| !word.starts_with('-'))? + 1;
            Some(core[at..].join(" "))
        }
        _ => None,
    }
}

/// Programs that run text given to them.
#[must_use]
pub fn is_shell(program: &str) -> bool {
    matches!(program, "sh" | "bash" | "dash" | "zsh" | "ksh" | "fish" | "ash")
}

fn find(chars: &[char], from: usize, what: char) -> usize {
    chars.iter().skip(from).position(|c| *c == what).map_or(chars.len(), |n| from + n)
}

fn redirect(chars: &[char], at: usize, line: &mut Line) -> usize {
    // A number right before it names a descriptor, not a word.
    if !line.word.is_empty() && line.word.bytes().all(|b| b.is_ascii_digit()) {
        line.word.clear();
        line.started = false;
    }
    line.close();
    let mut end = at;
    while end < chars.len() && matches!(chars[end], '<' | '>' | '|') && end < at + 3 {
        end += 1;
    }
    let writes = chars[at] == '>';
    line.simple.heredoc |= end - at >= 2 && chars[at] == '<';
    if chars.get(end) == Some(&'&') {
        // `2>&1` names a descriptor, `>& file` a file.
        let descriptor = chars.get(end + 1).is_some_and(|c| c.is_ascii_digit() || *c == '-');
        line.next = if writes && !descriptor { Next::Write } else { Next::Skip };
        return end + 1;
    }
    line.next = if writes { Next::Write } else { Next::Skip };
    end
}

/// A simple command in the making.
struct Line {
    simple: Simple,
    word: String,
    /// A word has begun, though it may be empty so far (`''`).
    started: bool,
    next: Next,
}

impl Default for Line {
    fn default() -> Self {
        Self { simple: Simple::default(), word: String::new(), started: false, next: Next::Word }
    }
}

impl Line {
    fn open(&mut self) {
        self.started = true;
    }

    fn push(&mut self, c: Option<char>) {
        self.started = true;
        self.word.extend(c);
    }

    fn close(&mut self) {
        if !std::mem::take(&mut self.started) {
            return;
        }
        let word = std::mem::take(&mut self.word);
        match std::mem::replace(&mut self.next, Next::Word) {
            Next::Word => self.simple.words.push(word),
            Next::Write => self.simple.writes.push(word),
            Next::Skip => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        commands(text).into_iter().map(|simple| simple.words).collect()
    }

    #[test]
    fn commands_are_found_wherever_they_hide() {
        let cases: [(&str, &[&[&str]]); 8] = [
            ("a b; c && d || e", &[&["a", "b"], &["c"], &["d"], &["e"]]),
            ("echo 'a; b' \"c d\"", &[&["echo", "a; b", "c d"]]),
            ("echo $(rm x)", &[&["rm", "x"], &["echo", "$"]]),
            ("bash -lc 'rm -r y'", &[&["bash", "-lc", "rm -r y"], &["rm", "-r", "y"]]),
            ("rm${IFS}-rf${IFS}/", &[&["rm", "-rf", "/"]]),
            ("r\\m x", &[&["rm", "x"]]),
            ("git commit -m \"block rm -rf /\"", &[&["git", "commit", "-m", "block rm -rf /"]]),
            ("a # b; c", &[&["a"]]),
        ];
        for (text, want) in cases {
            assert_eq!(words(text), want, "{text}");
        }
    }

    #[test]
    fn redirections_and_pipes_are_kept_apart_from_words() {
        let found = commands("cat x 2>&1 | tee y > /etc/z");
        assert_eq!(found[0].words, ["cat", "x"]);
        assert_eq!(
            (found[1].words.clone(), found[1].writes.clone(), found[1].piped),
            (vec!["tee".to_owned(), "y".to_owned()], vec!["/etc/z".to_owned()], true)
        );
    }

    #[test]
    fn wrappers_are_looked_through() {
        for text in ["sudo -u bob rm x", "timeout 5 rm x", "A=1 nice -n 3 /bin/rm x", "env B=2 command rm x"]
        {
            let found = commands(text);
            assert_eq!(core(&found[0].words), ["rm", "x"], "{text}");
        }
    }
}
