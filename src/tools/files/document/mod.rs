//! Documents that `read_file` shows as text: notebooks, Word and Excel files.
//!
//! They come from strangers. They are read through the open file and never unpacked, nothing in them is expanded, and what
//! reading may take is bounded by what it comes to, not by what a document says of itself.

mod archive;
mod cells;
mod dates;
mod lines;
mod notebook;
mod relations;
mod word;
mod workbook;
mod xml;

#[cfg(test)]
mod tests;

use crate::{
    sandbox::Place,
    tools::{failure::Failure, units},
};
use archive::{Archive, MOST_BYTES};
use lines::Lines;
use std::{fs::File, io, path::Path};

/// What a file is by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Notebook,
    Word,
    Workbook,
}

/// What a document says.
#[derive(Debug)]
pub struct Text {
    pub lines: String,
    /// `false`: there was room for its beginning only.
    pub whole: bool,
}

/// Why a document cannot be shown.
#[derive(Debug)]
pub enum Trouble {
    /// What is wrong with it, as half a sentence.
    Damaged(String),
    /// It would take more than reading may.
    Bulky,
    Io(io::Error),
}

impl Kind {
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "ipynb" => Some(Self::Notebook),
            "docx" | "docm" => Some(Self::Word),
            "xlsx" | "xlsm" => Some(Self::Workbook),
            _ => None,
        }
    }

    /// Whether a file that begins so can be one.
    pub fn begins(self, start: &[u8]) -> bool {
        match self {
            Self::Notebook => !start.contains(&0),
            Self::Word | Self::Workbook => start.starts_with(b"PK\x03\x04"),
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Notebook => "notebook",
            Self::Word => "docx",
            Self::Workbook => "xlsx",
        }
    }

    /// Blocking.
    ///
    /// # Errors
    ///
    /// See [`Trouble`].
    pub fn text(self, file: File) -> Result<Text, Trouble> {
        let mut lines = Lines::default();
        match self {
            Self::Notebook => notebook::read(file, &mut lines)?,
            Self::Word => word::read(&Archive::open(file)?, &mut lines)?,
            Self::Workbook => workbook::read(&Archive::open(file)?, &mut lines)?,
        }
        Ok(lines.done())
    }
}

impl Trouble {
    pub fn failure(self, path: &str, kind: Kind) -> Failure {
        let kind = kind.name();
        match self {
            Self::Damaged(what) => {
                Failure::new("damaged_document", format!("`{path}` cannot be read as {kind}: {what}"))
                    .hint("ask the user for the file anew, or look into it with a program in the terminal")
            }
            Self::Bulky => {
                let most = units::bytes(MOST_BYTES);
                Failure::new("too_large", format!("what `{path}` unpacks to is more than {most}"))
                    .hint("read parts of it with a program in the terminal")
            }
            Self::Io(error) => Failure::io(&format!("`{path}`"), &error),
        }
    }
}

/// A text under such a name would be a document that no program opens.
pub fn takes_text(place: &Place<'_>, path: &str) -> Result<(), Failure> {
    match Kind::of(place.relative()) {
        Some(kind @ (Kind::Word | Kind::Workbook)) => {
            let text = format!("`{path}` would be a {} file, and a text is none", kind.name());
            Err(Failure::new("binary_file", text)
                .hint("make it with a program in the terminal (python-docx, openpyxl), or write .md or .csv"))
        }
        Some(Kind::Notebook) | None => Ok(()),
    }
}
