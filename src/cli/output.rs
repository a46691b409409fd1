//! Where words go, and how tables look.

use super::error::CliError;
use crate::{config::ProcessEnv, domain::shell_word};
use serde::Serialize;
use std::{
    fmt,
    io::{self, IsTerminal as _, Write as _},
    path::Path,
};

/// Standard output and error. A reader that has gone (`hermes profile list | head -1`) is no reason to fail.
pub struct Output {
    colour: bool,
    log_colour: bool,
    /// What the hints must repeat: the home as it was given.
    home: Option<String>,
}

/// How a word of a table looks on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    Bold,
    Good,
    Bad,
    Faint,
}

impl Style {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Bold => "1",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Faint => "2",
        }
    }
}

impl Output {
    pub fn new(env: &ProcessEnv) -> Self {
        let wanted = env.0.get("NO_COLOR").is_none_or(String::is_empty);
        Self {
            colour: wanted && io::stdout().is_terminal(),
            log_colour: wanted && io::stderr().is_terminal(),
            home: None,
        }
    }

    /// Commands in hints name this home from now on: they are to be pasted as they stand.
    pub fn with_home(self, given: Option<&Path>) -> Self {
        Self { home: given.map(|home| shell_word(&home.display().to_string())), ..self }
    }

    /// Whether the log may be coloured.
    pub const fn colour_on_stderr(&self) -> bool {
        self.log_colour
    }

    pub fn line(&self, text: impl fmt::Display) {
        let _ = writeln!(io::stdout(), "{text}");
    }

    /// A line with commands to type in it.
    pub fn hint(&self, text: impl fmt::Display) {
        self.line(self.at_home(&text.to_string()));
    }

    pub fn note(&self, text: impl fmt::Display) {
        let _ = writeln!(io::stderr(), "{}", self.at_home(&text.to_string()));
    }

    /// Done here for all hints: those that a gateway sends cannot know how this command was called.
    fn at_home(&self, text: &str) -> String {
        match &self.home {
            Some(home) if !text.contains("`hermes --home") => {
                text.replace("`hermes ", &format!("`hermes --home {home} "))
            }
            Some(_) | None => text.to_owned(),
        }
    }

    pub fn error(&self, error: &CliError) {
        self.note(format_args!("hermes: {error}"));
    }

    pub fn json(&self, value: &impl Serialize) -> Result<(), CliError> {
        let text =
            serde_json::to_string_pretty(value).map_err(|error| CliError::failed(error.to_string()))?;
        self.line(text);
        Ok(())
    }

    pub fn paint(&self, style: Style, text: &str) -> String {
        if self.colour && style != Style::Plain {
            format!("\x1b[{}m{text}\x1b[0m", style.code())
        } else {
            text.to_owned()
        }
    }

    /// Prints rows under their heads, columns as wide as they need to be.
    pub fn table(&self, heads: &[&str], rows: &[Vec<Cell>]) {
        let cells = |row: &[Cell], place: usize| row.get(place).map_or(0, |cell| width(&cell.text));
        let widths: Vec<_> = heads
            .iter()
            .enumerate()
            .map(|(place, head)| rows.iter().map(|row| cells(row, place)).max().unwrap_or(0).max(width(head)))
            .collect();
        let heads: Vec<_> = heads.iter().map(|head| Cell::new(Style::Faint, *head)).collect();
        for row in std::iter::once(&heads).chain(rows) {
            let mut line = String::new();
            for (cell, wide) in row.iter().zip(&widths) {
                line += &self.paint(cell.style, &cell.text);
                line.extend(std::iter::repeat_n(' ', wide + 2 - width(&cell.text).min(*wide)));
            }
            self.line(line.trim_end());
        }
    }
}

/// One word of a table.
#[derive(Debug, Clone)]
pub struct Cell {
    pub style: Style,
    pub text: String,
}

impl Cell {
    pub fn new(style: Style, text: impl Into<String>) -> Self {
        Self { style, text: printable(&text.into()) }
    }

    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(Style::Plain, text)
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// At most `most` characters, the end of a longer text cut off.
pub fn clip(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Text that others chose (a command that a model wrote) must not steer the terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_repeat_the_home_that_was_given() {
        let output = |home: Option<&str>| Output::new(&ProcessEnv::default()).with_home(home.map(Path::new));
        let hint = "type `hermes gateway` or `hermes -p a gateway`";
        assert_eq!(output(None).at_home(hint), hint);
        assert_eq!(
            output(Some("/my home")).at_home(hint),
            "type `hermes --home '/my home' gateway` or `hermes --home '/my home' -p a gateway`"
        );
    }

    #[test]
    fn long_and_hostile_texts_stay_in_their_cell() {
        let cases = [("short", "short"), ("exactly ten", "exactly t…"), ("äöüäöüäöüä", "äöüäöüäöüä")];
        for (text, clipped) in cases {
            assert_eq!(clip(text, 10), clipped);
        }
        assert_eq!(printable("a\x1b[2Jb\nc"), "a\u{fffd}[2Jb\u{fffd}c");
    }
}
