//! The grammar of words: quotes, escapes, variables, substitutions.

use super::{
    Simple, Unreadable,
    reader::{DEEPEST, Read, Reader},
    word::{Build, Word},
};

/// Bytes that variables may add to a text: `b=$a$a; c=$b$b; …` doubles with each word.
const MOST_EXPANDED: usize = 256 << 10;

const QUOTE: Unreadable = Unreadable("a quote is not closed");

impl Reader<'_> {
    /// One word, up to a blank or an operator; empty when it begins with one. Says whether it is free of quotes.
    pub(super) fn build(&mut self) -> Result<Read, Unreadable> {
        let mut build = Build::default();
        while let Some(c) = self.peek(0) {
            match c {
                '<' | '>' if self.peek(1) == Some('(') => {
                    self.at += 2;
                    self.nested(c == '>')?;
                    build.made();
                }
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                _ => self.part(&mut build)?,
            }
        }
        let plain = !build.quoted;
        Ok((build, plain))
    }

    /// One character of a word, or what begins with it.
    fn part(&mut self, build: &mut Build) -> Result<(), Unreadable> {
        let Some(c) = self.peek(0) else { return Ok(()) };
        self.at += 1;
        match c {
            '\\' => match self.peek(0) {
                Some('\n') => self.at += 1,
                Some(next) => {
                    build.open();
                    build.literal(next);
                    self.at += 1;
                }
                None => build.literal('\\'),
            },
            '\'' => {
                build.open();
                while let Some(c) = self.peek(0) {
                    self.at += 1;
                    if c == '\'' {
                        return Ok(());
                    }
                    build.literal(c);
                }
                return Err(QUOTE);
            }
            '"' => self.double(build)?,
            '$' => self.dollar(build, false)?,
            '`' => self.backticks(build)?,
            other => build.bare(other),
        }
        Ok(())
    }

    fn double(&mut self, build: &mut Build) -> Result<(), Unreadable> {
        build.open();
        while let Some(c) = self.peek(0) {
            self.at += 1;
            match c {
                '"' => return Ok(()),
                '\\' => match self.peek(0) {
                    Some('\n') => self.at += 1,
                    Some(next @ ('$' | '`' | '"' | '\\')) => {
                        build.literal(next);
                        self.at += 1;
                    }
                    Some(_) | None => build.literal('\\'),
                },
                '$' => self.dollar(build, true)?,
                '`' => self.backticks(build)?,
                other => build.literal(other),
            }
        }
        Err(QUOTE)
    }

    /// Behind a `$`.
    fn dollar(&mut self, build: &mut Build, in_quotes: bool) -> Result<(), Unreadable> {
        match self.peek(0) {
            Some('(') => {
                self.at += 1;
                if self.peek(0) == Some('(') && self.arithmetic(false)? {
                    build.unknown();
                } else {
                    self.nested(false)?;
                    build.made();
                }
            }
            Some('{') => {
                self.at += 1;
                self.parameter(build, in_quotes)?;
            }
            Some('\'') if !in_quotes => {
                self.at += 1;
                self.escapes(build)?;
            }
            Some('"') if !in_quotes => {
                self.at += 1;
                self.double(build)?;
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let name = self.name();
                self.variable(&name, build, in_quotes);
            }
            Some(c) if c.is_ascii_digit() || "@*#?-$!".contains(c) => {
                self.at += 1;
                build.unknown();
            }
            Some(_) | None => build.literal('$'),
        }
        Ok(())
    }

    fn variable(&mut self, name: &str, build: &mut Build, in_quotes: bool) {
        match self.shared.variables.get(name) {
            Some(value) if self.shared.expanded < MOST_EXPANDED => {
                self.shared.expanded += value.len();
                build.value(value, in_quotes);
            }
            Some(_) | None => build.unknown(),
        }
    }

    fn name(&mut self) -> String {
        let start = self.at;
        while self.peek(0).is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }

    /// Behind `${`: the value, or what stands in for it. What is cut out of a value is not computed.
    fn parameter(&mut self, build: &mut Build, in_quotes: bool) -> Result<(), Unreadable> {
        if self.depth >= DEEPEST {
            return Err(Unreadable("it is nested too deeply"));
        }
        self.depth += 1;
        let name = self.name();
        if self.eat("}") {
            self.variable(&name, build, in_quotes);
        } else {
            let stands_in = !name.is_empty()
                && [":-", ":=", ":+", "-", "=", "+"].iter().any(|operator| self.eat(operator));
            let mut rest = Build::default();
            while !self.eat("}") {
                match self.peek(0) {
                    None => return Err(Unreadable("a `${` is not closed")),
                    Some('\'') if in_quotes => {
                        self.at += 1;
                        rest.literal('\'');
                    }
                    Some(_) => self.part(&mut rest)?,
                }
            }
            let rest = rest.finish_one();
            let is_set = self.shared.variables.get(&name).is_some_and(|value| !value.is_empty());
            if !stands_in {
                build.unknown();
            } else if is_set {
                self.variable(&name, build, in_quotes);
            } else {
                build.value(&rest.text, in_quotes);
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn backticks(&mut self, build: &mut Build) -> Result<(), Unreadable> {
        let mut inner = Vec::new();
        loop {
            let Some(c) = self.peek(0) else { return Err(QUOTE) };
            self.at += 1;
            match c {
                '`' => break,
                '\\' if self.peek(0).is_some_and(|next| matches!(next, '`' | '\\' | '$')) => {
                    inner.extend(self.peek(0));
                    self.at += 1;
                }
                other => inner.push(other),
            }
        }
        Reader::new(&inner, self.depth + 1, self.dir.clone(), self.shared)?.list(None)?;
        build.made();
        Ok(())
    }

    /// `$'…'`: escapes as in C.
    fn escapes(&mut self, build: &mut Build) -> Result<(), Unreadable> {
        build.open();
        while let Some(c) = self.peek(0) {
            self.at += 1;
            match c {
                '\'' => return Ok(()),
                '\\' => {
                    let Some(kind) = self.peek(0) else { return Err(QUOTE) };
                    self.at += 1;
                    let value = match kind {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'a' | 'b' | 'e' | 'E' | 'f' | 'v' => ' ',
                        'x' => self.digits(16, 2),
                        'u' => self.digits(16, 4),
                        'U' => self.digits(16, 8),
                        '0'..='7' => {
                            self.at -= 1;
                            self.digits(8, 3)
                        }
                        other => other,
                    };
                    build.literal(value);
                }
                other => build.literal(other),
            }
        }
        Err(QUOTE)
    }

    fn digits(&mut self, base: u32, most: usize) -> char {
        let mut value = 0_u32;
        for _ in 0..most {
            let Some(digit) = self.peek(0).and_then(|c| c.to_digit(base)) else { break };
            value = value.saturating_mul(base).saturating_add(digit);
            self.at += 1;
        }
        char::from_u32(value).unwrap_or(super::UNKNOWN)
    }

    /// The rest of `((…))` behind its first parenthesis. `false`, and nothing read, when it is no arithmetic; the `head` of a
    /// loop can be nothing else.
    pub(super) fn arithmetic(&mut self, head: bool) -> Result<bool, Unreadable> {
        let start = self.at;
        let mut depth = 1_usize;
        let mut end = start;
        while depth > 0 {
            match self.chars.get(end) {
                None => return Ok(false),
                Some('(') => depth += 1,
                Some(')') => depth -= 1,
                Some(_) => {}
            }
            end += 1;
        }
        if self.chars.get(end.saturating_sub(2)) != Some(&')') {
            return Ok(false);
        }
        let inner: String = self.chars[start..end].iter().collect();
        // Quotes and separators do not stand in arithmetic; a group in a subshell has them.
        if !head && inner.contains(['\n', ';', '"', '\'']) {
            return Ok(false);
        }
        self.at = end;
        self.expansions_of(&inner)?;
        Ok(true)
    }

    /// Reads the substitutions of a text in which nothing else has a meaning.
    pub(super) fn expansions_of(&mut self, text: &str) -> Result<(), Unreadable> {
        let chars: Vec<char> = text.chars().collect();
        let mut inner = Reader::new(&chars, self.depth + 1, self.dir.clone(), self.shared)?;
        let mut sink = Build::default();
        while let Some(c) = inner.peek(0) {
            inner.at += 1;
            match c {
                '\\' => inner.at += 1,
                '$' => inner.dollar(&mut sink, true)?,
                '`' => inner.backticks(&mut sink)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// `NAME=value` before a command.
    pub(super) fn assignment(&mut self, now: &mut Simple) -> Result<bool, Unreadable> {
        let start = self.at;
        let name = self.name();
        if self.peek(0) == Some('[') {
            while self.peek(0).is_some_and(|c| !matches!(c, ']' | '\n')) {
                self.at += 1;
            }
            self.eat("]");
        }
        let adds = self.peek(0) == Some('+') && self.peek(1) == Some('=');
        if adds {
            self.at += 1;
        }
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !self.eat("=") {
            self.at = start;
            return Ok(false);
        }
        if self.eat("(") {
            self.array()?;
            self.shared.variables.forget(&name);
            return Ok(true);
        }
        let value = self.build()?.0.finish_one();
        if adds {
            self.shared.variables.forget(&name);
        } else {
            self.shared.variables.set(&name, &value);
        }
        now.assigned.push((name, value));
        Ok(true)
    }

    fn array(&mut self) -> Result<(), Unreadable> {
        loop {
            self.blanks();
            if self.eat(")") {
                return Ok(());
            }
            let start = self.at;
            let _words: Vec<Word> = self.build()?.0.finish()?;
            if self.at == start && !self.eat("\n") {
                return Err(Unreadable("an array cannot be read"));
            }
        }
    }
}
