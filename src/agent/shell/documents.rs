//! Redirections and here-documents.

use super::{Simple, Unreadable, reader::Reader, word::Build};

/// A here-document that was announced.
pub(super) struct Waiting {
    number: usize,
    delimiter: String,
    /// Nothing in it is expanded.
    quoted: bool,
    /// `<<-`: tabs at the beginning of lines do not count.
    tabs: bool,
}

impl Reader<'_> {
    /// `<`, `>` and their kin, with what they name.
    pub(super) fn redirect(&mut self, now: &mut Simple) -> Result<(), Unreadable> {
        if self.eat("<<<") {
            let text = self.operand()?.finish_one().text;
            now.here.push(self.shared.bodies.len());
            self.shared.bodies.push(text);
            return Ok(());
        }
        if self.eat("<<") {
            return self.announce(now);
        }
        // `>&` and `<&` name a descriptor, or a file for both outputs.
        let writes = self.peek(0) == Some('>');
        let both = self.eat(">&") || self.eat("<&");
        let known =
            both || self.eat(">>") || self.eat(">|") || self.eat("<>") || self.eat("<") || self.eat(">");
        if !known {
            return Err(Unreadable("a redirection cannot be read"));
        }
        let reads_and_writes = self.at >= 2 && self.chars[self.at - 2..self.at] == ['<', '>'];
        let words = self.operand()?.finish()?;
        let is_descriptor =
            |text: &str| text == "-" || text.trim_end_matches('-').bytes().all(|b| b.is_ascii_digit());
        for word in words {
            if both && is_descriptor(&word.text) {
                continue;
            }
            if writes || reads_and_writes {
                now.writes.push(word);
            } else {
                now.reads.push(word);
            }
        }
        Ok(())
    }

    fn operand(&mut self) -> Result<Build, Unreadable> {
        self.blanks();
        let start = self.at;
        let (build, _) = self.build()?;
        if self.at == start {
            return Err(Unreadable("a redirection names nothing"));
        }
        Ok(build)
    }

    fn announce(&mut self, now: &mut Simple) -> Result<(), Unreadable> {
        let tabs = self.eat("-");
        let build = self.operand()?;
        let number = self.shared.bodies.len();
        self.shared.bodies.push(String::new());
        now.here.push(number);
        let quoted = build.quoted;
        self.waiting.push(Waiting { number, delimiter: build.finish_one().text, quoted, tabs });
        Ok(())
    }

    /// The documents that were announced on the line before. One that does not end goes to the end of the text, as bash has it.
    pub(super) fn here_documents(&mut self) -> Result<(), Unreadable> {
        for waiting in std::mem::take(&mut self.waiting) {
            let mut body = String::new();
            while self.at < self.chars.len() {
                let rest = &self.chars[self.at..];
                let length = rest.iter().position(|c| *c == '\n').unwrap_or(rest.len());
                let line: String = rest[..length].iter().collect();
                self.at = (self.at + length + 1).min(self.chars.len());
                let line = if waiting.tabs { line.trim_start_matches('\t') } else { &line };
                if line == waiting.delimiter {
                    break;
                }
                body.push_str(line);
                body.push('\n');
            }
            if !waiting.quoted {
                self.expansions_of(&body)?;
            }
            self.shared.bodies[waiting.number] = body;
        }
        Ok(())
    }
}
