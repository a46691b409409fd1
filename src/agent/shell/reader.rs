//! The grammar of commands: lists, pipes, compound commands, redirections.
//!
//! Compound commands are looked through: both branches of an `if`, the body of a loop or of a function count as commands of
//! the text, since any of them may run.

use super::{
    Simple, Unreadable,
    documents::Waiting,
    variables::Variables,
    word::{Build, Word},
};

/// Substitutions, groups and scripts within each other.
pub(super) const DEEPEST: usize = 24;
/// Simple commands of one text.
const MOST_COMMANDS: usize = 5_000;
/// Words of one command.
const MOST_WORDS: usize = 10_000;

/// What all parts of one text add to.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) found: Vec<Simple>,
    /// Here-documents and here-strings.
    pub(super) bodies: Vec<String>,
    pub(super) variables: Variables,
    /// Bytes that came from variables.
    pub(super) expanded: usize,
    /// Names of functions that the text defines.
    pub(super) functions: Vec<String>,
}

/// A position in a text.
pub(super) struct Reader<'a> {
    pub(super) chars: &'a [char],
    pub(super) at: usize,
    pub(super) depth: usize,
    pub(super) shared: &'a mut Shared,
    /// Here-documents whose text comes with the next line.
    pub(super) waiting: Vec<Waiting>,
    /// The working directory, where the text has changed it.
    pub(super) dir: Option<String>,
    /// For each compound command that is open: whether it stands behind a pipe.
    scopes: Vec<bool>,
    /// Open `case`s.
    cases: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        chars: &'a [char],
        depth: usize,
        dir: Option<String>,
        shared: &'a mut Shared,
    ) -> Result<Self, Unreadable> {
        if depth > DEEPEST {
            return Err(Unreadable("it is nested too deeply"));
        }
        Ok(Self { chars, at: 0, depth, shared, waiting: Vec::new(), dir, scopes: Vec::new(), cases: 0 })
    }

    pub(super) fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    /// Whether the text goes on with `text`; then it is passed over.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = text.chars().enumerate().all(|(n, c)| self.peek(n) == Some(c));
        if found {
            self.at += text.chars().count();
        }
        found
    }

    pub(super) fn blanks(&mut self) {
        loop {
            match self.peek(0) {
                Some(' ' | '\t' | '\r') => self.at += 1,
                Some('\\') if self.peek(1) == Some('\n') => self.at += 2,
                Some(_) | None => return,
            }
        }
    }

    /// Reads commands up to `close`, or to the end.
    pub(super) fn list(&mut self, close: Option<char>) -> Result<(), Unreadable> {
        let mut now = Simple::default();
        loop {
            self.blanks();
            let Some(c) = self.peek(0) else {
                self.end(&mut now, false)?;
                return close.map_or(Ok(()), |_| Err(Unreadable("a parenthesis is not closed")));
            };
            match c {
                '\n' => {
                    self.end(&mut now, false)?;
                    self.at += 1;
                    self.here_documents()?;
                }
                ';' => {
                    self.end(&mut now, false)?;
                    self.at += 1;
                    let next_case = self.eat(";&") || self.eat(";") || self.eat("&");
                    if next_case && self.cases > 0 {
                        self.patterns()?;
                    }
                }
                '&' if self.peek(1) == Some('>') => {
                    self.at += 1;
                    self.redirect(&mut now)?;
                }
                '&' | '|' => {
                    self.at += 1;
                    let double = self.eat(if c == '&' { "&" } else { "|" });
                    let pipe = c == '|' && !double;
                    if pipe {
                        self.eat("&");
                    }
                    self.end(&mut now, pipe)?;
                }
                '(' => self.open_parenthesis(&mut now)?,
                ')' if close == Some(')') => {
                    self.end(&mut now, false)?;
                    self.at += 1;
                    return Ok(());
                }
                ')' => return Err(Unreadable("a parenthesis closes nothing")),
                '<' | '>' if self.peek(1) != Some('(') => self.redirect(&mut now)?,
                '#' => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => self.words(&mut now)?,
            }
        }
    }

    /// A subshell, an arithmetic command, or the parentheses of a function.
    fn open_parenthesis(&mut self, now: &mut Simple) -> Result<(), Unreadable> {
        self.at += 1;
        if now.words.len() == 1 && now.assigned.is_empty() {
            self.blanks();
            if self.eat(")") {
                // Its body follows and is read like a group.
                self.shared.functions.extend(now.words.pop().map(|word| word.text));
                return Ok(());
            }
        }
        if !now.words.is_empty() {
            return Err(Unreadable("a parenthesis stands where none can be"));
        }
        if self.peek(0) == Some('(') && self.arithmetic(false)? {
            return Ok(());
        }
        self.nested(self.is_piped(now.piped))
    }

    /// Commands up to the closing parenthesis; `piped`: they read what others write. What they change of the working directory
    /// ends with them.
    pub(super) fn nested(&mut self, piped: bool) -> Result<(), Unreadable> {
        if self.depth >= DEEPEST {
            return Err(Unreadable("it is nested too deeply"));
        }
        let scopes = std::mem::replace(&mut self.scopes, vec![piped]);
        let (dir, cases) = (self.dir.clone(), std::mem::take(&mut self.cases));
        self.depth += 1;
        let read = self.list(Some(')'));
        self.depth -= 1;
        (self.dir, self.scopes, self.cases) = (dir, scopes, cases);
        read
    }

    fn is_piped(&self, itself: bool) -> bool {
        itself || self.scopes.contains(&true)
    }

    /// One word, or what stands in its place at the beginning of a command.
    fn words(&mut self, now: &mut Simple) -> Result<(), Unreadable> {
        if now.words.is_empty() && self.assignment(now)? {
            return Ok(());
        }
        let (build, plain) = self.build()?;
        if plain && self.peek(0).is_some_and(|c| matches!(c, '<' | '>')) && is_descriptor(&build.text()) {
            return self.redirect(now);
        }
        if plain && now.words.is_empty() && now.assigned.is_empty() && self.keyword(&build.text(), now)? {
            return Ok(());
        }
        now.words.extend(build.finish()?);
        if now.words.len() > MOST_WORDS {
            return Err(Unreadable("a command has too many words"));
        }
        Ok(())
    }

    /// Looks through the words of compound commands; `false` for a word that is none of them.
    fn keyword(&mut self, word: &str, now: &mut Simple) -> Result<bool, Unreadable> {
        match word {
            "then" | "elif" | "else" | "do" | "!" | "coproc" => {}
            "if" | "while" | "until" | "{" => self.scopes.push(std::mem::take(&mut now.piped)),
            "fi" | "done" | "}" => drop(self.scopes.pop()),
            "esac" => {
                self.scopes.pop();
                self.cases = self.cases.saturating_sub(1);
            }
            "for" | "select" => {
                self.scopes.push(std::mem::take(&mut now.piped));
                self.loop_head()?;
            }
            "case" => {
                self.scopes.push(std::mem::take(&mut now.piped));
                self.cases += 1;
                self.blanks();
                self.build()?;
                self.gap();
                let (build, _) = self.build()?;
                if build.text() != "in" {
                    return Err(Unreadable("a `case` has no `in`"));
                }
                self.patterns()?;
            }
            "function" => {
                self.blanks();
                let (name, _) = self.build()?;
                self.shared.functions.push(name.text());
                self.blanks();
                if self.eat("(") {
                    self.blanks();
                    self.eat(")");
                }
            }
            "[[" => {
                now.words.push(Word::new("[["));
                self.condition(now)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// `NAME in WORDS`, or an arithmetic head.
    fn loop_head(&mut self) -> Result<(), Unreadable> {
        self.blanks();
        if self.eat("(") {
            return match self.arithmetic(true)? {
                true => Ok(()),
                false => Err(Unreadable("the head of a loop is not closed")),
            };
        }
        let (build, _) = self.build()?;
        self.shared.variables.forget(&build.text());
        self.gap();
        let start = self.at;
        let (build, _) = self.build()?;
        if build.text() != "in" {
            self.at = start;
            return Ok(());
        }
        loop {
            self.blanks();
            if self.peek(0).is_none_or(|c| matches!(c, ';' | '\n' | '&' | '|' | '(' | ')')) {
                return Ok(());
            }
            self.build()?;
        }
    }

    /// Patterns of a `case` up to their parenthesis, unless the `case` ends here.
    fn patterns(&mut self) -> Result<(), Unreadable> {
        loop {
            self.gap();
            let start = self.at;
            match self.peek(0) {
                None => return Ok(()),
                Some('(' | '|') => self.at += 1,
                Some(')') => {
                    self.at += 1;
                    return Ok(());
                }
                Some('#') => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                Some(_) => {
                    let (build, plain) = self.build()?;
                    if plain && build.text() == "esac" {
                        self.at = start;
                        return Ok(());
                    }
                    if self.at == start {
                        return Err(Unreadable("a `case` has a pattern that cannot be read"));
                    }
                }
            }
        }
    }

    /// The inside of `[[ … ]]`, where operators are words.
    fn condition(&mut self, now: &mut Simple) -> Result<(), Unreadable> {
        loop {
            self.gap();
            let start = self.at;
            if self.peek(0).is_none() {
                return Err(Unreadable("a `[[` is not closed"));
            }
            let (build, plain) = self.build()?;
            if self.at == start {
                // An operator.
                self.at += 1;
            } else if plain && build.text() == "]]" {
                return Ok(());
            } else {
                now.words.push(build.finish_one());
            }
        }
    }

    /// Blanks, line ends included.
    fn gap(&mut self) {
        loop {
            self.blanks();
            if !self.eat("\n") {
                return;
            }
        }
    }

    /// A command is complete.
    fn end(&mut self, now: &mut Simple, pipes: bool) -> Result<(), Unreadable> {
        let mut simple = std::mem::replace(now, Simple { piped: pipes, ..Simple::default() });
        let Simple { words, assigned, writes, reads, here, .. } = &simple;
        if words.is_empty() && assigned.is_empty() && writes.is_empty() && reads.is_empty() && here.is_empty()
        {
            // `) | sh` and `done | sh`: the pipe is of what has just closed. An empty line between does not end it.
            now.piped |= simple.piped && !pipes;
            return Ok(());
        }
        if self.shared.found.len() >= MOST_COMMANDS {
            return Err(Unreadable("it has too many commands"));
        }
        simple.piped = self.is_piped(simple.piped);
        simple.dir.clone_from(&self.dir);
        self.follow(&simple);
        self.shared.found.push(simple);
        Ok(())
    }

    /// What a command changes for those behind it.
    fn follow(&mut self, simple: &Simple) {
        let Some(program) = simple.words.first() else { return };
        match program.text.as_str() {
            "cd" | "pushd" => {
                let to = simple.words[1..].iter().find(|word| !word.text.starts_with('-'));
                self.dir = Some(match (to.map(|word| word.text.as_str()), &self.dir) {
                    (None, _) => "~".to_owned(),
                    (Some(to), Some(dir)) if !to.starts_with(['/', '~']) => format!("{dir}/{to}"),
                    (Some(to), _) => to.to_owned(),
                });
            }
            "export" | "readonly" | "local" | "declare" | "typeset" => self.declare(&simple.words[1..]),
            "read" | "mapfile" | "readarray" | "printf" | "let" | "getopts" | "unset" => {
                for word in &simple.words[1..] {
                    self.shared.variables.forget(&word.text);
                }
            }
            _ => {}
        }
    }

    /// `NAME=VALUE`, as an assignment before no command. Options but these change what the value means.
    fn declare(&mut self, words: &[Word]) {
        let plain =
            words.iter().all(|word| !word.text.starts_with('-') || matches!(&*word.text, "-x" | "-r" | "-g"));
        for word in words {
            let Some((name, value)) = word.text.split_once('=') else { continue };
            if plain {
                self.shared.variables.set(name, &Word { text: value.to_owned(), ..word.clone() });
            } else {
                self.shared.variables.forget(name);
            }
        }
    }
}

/// `2` of `2>x`, `{name}` of `{name}>x`.
fn is_descriptor(text: &str) -> bool {
    let named = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    named.is_some() || !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A word as it is being read, and whether it may be a keyword.
pub(super) type Read = (Build, bool);
