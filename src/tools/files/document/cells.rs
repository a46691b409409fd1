//! The cells of one sheet.

use super::{
    dates::Dates,
    lines::{self, Lines},
    workbook::Shared,
    xml::{Tag, Visitor},
};
use std::borrow::Cow;

/// As many columns as a sheet can have, and bytes as a cell should; one text can stand in millions of cells.
const MOST_COLUMNS: usize = 16_384;
const MOST_OF_CELL: usize = 32_767;

pub struct Cells<'a> {
    shared: &'a Shared,
    /// Which styles are dates.
    dates: &'a [bool],
    since: Dates,
    lines: &'a mut Lines,
    /// The present row's number, and the last one's that was shown.
    row: u64,
    shown: u64,
    columns: Vec<String>,
    /// Bytes that the row may still come to.
    room: usize,
    cell: Cell,
    place: Place,
}

#[derive(Default)]
struct Cell {
    column: usize,
    kind: String,
    style: usize,
    value: String,
    formula: String,
}

/// What a piece of text belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Value,
    Formula,
    Elsewhere,
}

impl<'a> Cells<'a> {
    pub fn new(shared: &'a Shared, dates: &'a [bool], since: Dates, lines: &'a mut Lines) -> Self {
        Self {
            shared,
            dates,
            since,
            lines,
            row: 0,
            shown: 0,
            columns: Vec::new(),
            room: lines::MOST,
            cell: Cell::default(),
            place: Place::Elsewhere,
        }
    }

    fn begin_cell(&mut self, tag: &Tag<'_>) {
        let next = self.cell.column + 1;
        self.cell = Cell {
            column: tag.get("r").and_then(|place| column(&place)).unwrap_or(next),
            kind: tag.get("t").unwrap_or_default(),
            style: tag.get("s").and_then(|style| style.parse().ok()).unwrap_or(0),
            ..Cell::default()
        };
    }

    fn end_cell(&mut self) {
        let Cell { column, kind, style, value, formula } = &self.cell;
        let shared = |number: &str| self.shared.get(number.trim().parse().ok()?);
        let shown = match kind.as_str() {
            "s" => Cow::Borrowed(shared(value).unwrap_or_default()),
            "b" if value == "1" => "TRUE".into(),
            "b" if value == "0" => "FALSE".into(),
            "" | "n" if self.dates.get(*style).copied().unwrap_or(false) => {
                self.since.shown(value).map_or(value.into(), Cow::Owned)
            }
            _ => value.into(),
        };
        // The program that wrote the file may not have calculated.
        let shown =
            if shown.is_empty() && !formula.is_empty() { format!("={formula}").into() } else { shown };
        if shown.is_empty() || *column == 0 || *column > MOST_COLUMNS {
            return;
        }
        if self.columns.len() < *column {
            self.columns.resize(*column, String::new());
        }
        let shown = &shown[..shown.floor_char_boundary(MOST_OF_CELL)];
        self.room = self.room.saturating_sub(shown.len());
        self.columns[*column - 1] = shown.replace(['\n', '\r', '\t'], " ");
    }

    fn end_row(&mut self) {
        if self.columns.is_empty() {
            return;
        }
        match self.row.saturating_sub(self.shown) {
            0 | 1 => {}
            2 => self.lines.push(&format!("(row {} is empty)", self.row - 1)),
            _ => self.lines.push(&format!("(rows {} to {} are empty)", self.shown + 1, self.row - 1)),
        }
        self.shown = self.row;
        self.lines.push(&self.columns.join("\t"));
        self.columns.clear();
    }
}

impl Visitor for Cells<'_> {
    fn open(&mut self, name: &str, tag: &Tag<'_>) {
        match name {
            "row" => {
                let number = tag.get("r").and_then(|number| number.parse().ok());
                self.row = number.unwrap_or_else(|| self.row.saturating_add(1));
                self.cell.column = 0;
                self.columns.clear();
                self.room = lines::MOST;
            }
            "c" => self.begin_cell(tag),
            "v" | "t" => self.place = Place::Value,
            "f" => self.place = Place::Formula,
            // How the text before it is spoken.
            "rPh" => self.place = Place::Elsewhere,
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "v" | "t" | "f" => self.place = Place::Elsewhere,
            "c" => {
                self.end_cell();
                if self.room == 0 {
                    self.lines.fill();
                }
            }
            "row" => self.end_row(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        match self.place {
            Place::Value => self.cell.value.push_str(text),
            Place::Formula => self.cell.formula.push_str(text),
            Place::Elsewhere => {}
        }
    }

    fn has_enough(&self) -> bool {
        self.lines.is_full()
    }
}

/// The number of a cell's column, from 1: `AB12` is in column 28.
fn column(place: &str) -> Option<usize> {
    let letters = place.bytes().take_while(u8::is_ascii_alphabetic);
    let add = |number: usize, letter: u8| {
        number.checked_mul(26)?.checked_add(usize::from(letter.to_ascii_uppercase() - b'A') + 1)
    };
    letters.take(8).try_fold(0, add).filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_as_in_a_sheet() {
        let cases =
            [("A1", Some(1)), ("z9", Some(26)), ("AB12", Some(28)), ("XFD1", Some(16_384)), ("12", None)];
        for (place, number) in cases {
            assert_eq!(column(place), number, "{place}");
        }
    }
}
