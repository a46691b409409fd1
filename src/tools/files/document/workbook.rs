//! Excel files: each sheet under its name, each row a line of cells with tabs between them.

use super::{
    Trouble,
    archive::Archive,
    cells::Cells,
    dates::{self, Dates},
    lines::Lines,
    xml::{Tag, Visitor},
};
use std::collections::HashSet;

const MOST_SHEETS: usize = 10_000;

pub fn read(archive: &Archive, lines: &mut Lines) -> Result<(), Trouble> {
    let (main, relations) = archive.main()?;
    let mut book = Book::default();
    archive.visit_main(&main, &mut book)?;
    let mut shared = Shared::default();
    if let Some(part) = relations.of_kind("sharedStrings") {
        archive.visit(part, &mut shared)?;
    }
    let mut formats = Formats::default();
    if let Some(part) = relations.of_kind("styles") {
        archive.visit(part, &mut formats)?;
    }
    for Sheet { name, hidden, id } in book.sheets {
        lines.part();
        let hidden = if hidden { " (hidden)" } else { "" };
        lines.push(&format!("## Sheet: {name}{hidden}"));
        match relations.of_id(&id, "worksheet") {
            Some(part) => {
                archive.visit_main(part, &mut Cells::new(&shared, &formats.dates, book.since, lines))?;
            }
            None => lines.push("(no cells: a chart, or a macro)"),
        }
        if lines.is_full() {
            break;
        }
    }
    Ok(())
}

#[derive(Default)]
struct Book {
    sheets: Vec<Sheet>,
    since: Dates,
}

struct Sheet {
    name: String,
    hidden: bool,
    /// Of its relation.
    id: String,
}

impl Visitor for Book {
    fn open(&mut self, name: &str, tag: &Tag<'_>) {
        match name {
            "workbookPr" if tag.get("date1904").is_some_and(|set| set == "1" || set == "true") => {
                self.since = Dates::Since1904;
            }
            "sheet" if self.sheets.len() < MOST_SHEETS => {
                let hidden = tag.get("state").is_some_and(|state| state != "visible");
                let name = tag.get("name").unwrap_or_default();
                self.sheets.push(Sheet { name, hidden, id: tag.get("id").unwrap_or_default() });
            }
            _ => {}
        }
    }
}

/// Texts that cells refer to by number: all in one, since there may be millions.
#[derive(Default)]
pub struct Shared {
    text: String,
    ends: Vec<u32>,
    in_text: bool,
    /// Within what only says how the text before it is spoken.
    in_phonetic: bool,
}

impl Shared {
    pub fn get(&self, number: usize) -> Option<&str> {
        let end = *self.ends.get(number)?;
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start as usize..end as usize)
    }
}

impl Visitor for Shared {
    fn open(&mut self, name: &str, _tag: &Tag<'_>) {
        match name {
            "t" => self.in_text = !self.in_phonetic,
            "rPh" => self.in_phonetic = true,
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "t" => self.in_text = false,
            "rPh" => self.in_phonetic = false,
            "si" => self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX)),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.in_text {
            self.text.push_str(text);
        }
    }
}

/// Which styles of cells make a date of a number.
#[derive(Default)]
struct Formats {
    /// Numbers of formats of the file's own that are dates.
    own: HashSet<u32>,
    in_cells: bool,
    /// By the number of the style.
    dates: Vec<bool>,
}

impl Visitor for Formats {
    fn open(&mut self, name: &str, tag: &Tag<'_>) {
        let format = || tag.get("numFmtId").and_then(|number| number.parse::<u32>().ok());
        match name {
            "numFmt" if tag.get("formatCode").is_some_and(|code| dates::is_date(&code)) => {
                self.own.extend(format());
            }
            "cellXfs" => self.in_cells = true,
            "xf" if self.in_cells => {
                let date = format().is_some_and(|number| {
                    self.own.contains(&number) || dates::BUILT_IN.iter().any(|range| range.contains(&number))
                });
                self.dates.push(date);
            }
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        if name == "cellXfs" {
            self.in_cells = false;
        }
    }
}
