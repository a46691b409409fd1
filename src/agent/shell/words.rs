//! The words of a simple command, and which of them name what really runs.

/// Commands that run what follows them.
const WRAPPERS: [&str; 14] = [
    "sudo", "doas", "env", "nice", "ionice", "nohup", "command", "exec", "time", "timeout", "stdbuf",
    "busybox", "builtin", "setsid",
];

/// Words of the shell's grammar that a command may follow.
const KEYWORDS: [&str; 9] = ["if", "then", "elif", "else", "while", "until", "do", "!", "coproc"];

/// Options of wrappers that take the next word as their value.
const WITH_VALUE: [&str; 8] = ["-u", "-g", "-n", "-c", "-k", "-s", "-C", "--user"];

/// The words of a command behind its wrappers and variable assignments, the program's folder taken off.
#[must_use]
pub fn core(words: &[String]) -> Vec<&str> {
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    loop {
        while words.first().is_some_and(|word| is_assignment(word) || KEYWORDS.contains(word)) {
            words.remove(0);
        }
        let Some(first) = words.first().copied() else {
            return words;
        };
        let program = base(first);
        words[0] = program;
        if !WRAPPERS.contains(&program) || words.len() == 1 {
            return words;
        }
        words.remove(0);
        while let Some(option) = words.first().copied() {
            let duration = program == "timeout" && option.starts_with(|c: char| c.is_ascii_digit());
            if !option.starts_with('-') && !duration && !is_assignment(option) {
                break;
            }
            words.remove(0);
            if WITH_VALUE.contains(&option) && !words.is_empty() {
                words.remove(0);
            }
        }
    }
}

/// `/bin/rm` and `\rm` are `rm`.
fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn is_assignment(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else {
        return false;
    };
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
