//! Word files as Markdown: headings, paragraphs, lists, tables, and the notes and comments behind them.

use super::{
    Trouble,
    archive::Archive,
    lines::{self, Lines},
    xml::{Tag, Visitor},
};
use std::collections::HashMap;

/// Tables have at most 63 columns; styles come in hundreds.
const MOST_COLUMNS: usize = 1_000;
const MOST_STYLES: usize = 10_000;

pub fn read(archive: &Archive, lines: &mut Lines) -> Result<(), Trouble> {
    let (main, relations) = archive.main()?;
    let mut styles = Styles::default();
    if let Some(part) = relations.of_kind("styles") {
        archive.visit(part, &mut styles)?;
    }
    archive.visit_main(&main, &mut Body::new(&styles.known, lines))?;
    for notes in ["footnotes", "endnotes", "comments"] {
        if let Some(part) = relations.of_kind(notes) {
            lines.part();
            archive.visit(part, &mut Body::new(&styles.known, lines))?;
        }
    }
    Ok(())
}

/// What a style makes of a paragraph.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Style {
    Heading(usize),
    Item,
}

/// The styles that matter, by their id.
#[derive(Default)]
struct Styles {
    known: HashMap<String, Style>,
    id: String,
}

impl Visitor for Styles {
    fn open(&mut self, name: &str, tag: &Tag<'_>) {
        let value = || tag.get("val").unwrap_or_default().to_ascii_lowercase();
        let style = match name {
            "style" => {
                self.id = tag.get("styleId").unwrap_or_default();
                None
            }
            // Built-in styles have the same names in every language; their ids have not.
            "name" => named(&value()),
            "outlineLvl" => {
                value().parse().ok().filter(|level| *level < 9).map(|level: usize| Style::Heading(level + 1))
            }
            _ => None,
        };
        if let Some(style) = style.filter(|_| self.known.len() < MOST_STYLES) {
            self.known.insert(self.id.clone(), style);
        }
    }
}

fn named(name: &str) -> Option<Style> {
    match name {
        "title" => Some(Style::Heading(1)),
        "list paragraph" => None,
        _ if name.starts_with("list ") => Some(Style::Item),
        _ => name.strip_prefix("heading ")?.parse().ok().map(Style::Heading),
    }
}

#[derive(Default)]
struct Paragraph {
    text: String,
    style: Option<Style>,
    /// How far it is moved in, if it is an item of a list.
    item: Option<usize>,
}

#[derive(Default)]
struct Table {
    rows: usize,
    row: Vec<String>,
    cell: String,
}

struct Body<'a> {
    styles: &'a HashMap<String, Style>,
    lines: &'a mut Lines,
    /// Those that are open: a text box stands within one.
    paragraphs: Vec<Paragraph>,
    /// Tables within tables.
    tables: Vec<Table>,
    in_text: bool,
    /// Within what is said of a paragraph: a `tab` is a place there, and none is set.
    in_properties: bool,
    /// How deep within something that is not shown: what was deleted, or is there in another form.
    hidden: usize,
    /// What the next paragraph begins with: which note it is.
    note: Option<String>,
}

impl<'a> Body<'a> {
    fn new(styles: &'a HashMap<String, Style>, lines: &'a mut Lines) -> Self {
        Self {
            styles,
            lines,
            paragraphs: Vec::new(),
            tables: Vec::new(),
            in_text: false,
            in_properties: false,
            hidden: 0,
            note: None,
        }
    }

    fn say(&mut self, text: &str) {
        match self.paragraphs.last_mut() {
            Some(paragraph) if paragraph.text.len() < lines::MOST => paragraph.text.push_str(text),
            Some(_) => self.lines.fill(),
            None => {}
        }
    }

    /// What is said of the paragraph that is open.
    fn property(&mut self, name: &str, tag: &Tag<'_>) {
        let Some(paragraph) = self.paragraphs.last_mut().filter(|_| self.in_properties) else { return };
        let value = tag.get("val");
        match (name, value.as_deref()) {
            ("pStyle", Some(style)) => paragraph.style = self.styles.get(style).copied(),
            ("numPr", _) => paragraph.item = Some(0),
            ("ilvl", Some(level)) => paragraph.item = level.parse().ok().filter(|level| *level < 10),
            // That it is no item, whatever its style says.
            ("numId", Some("0")) => (paragraph.item, paragraph.style) = (None, None),
            _ => {}
        }
    }

    fn end_paragraph(&mut self) {
        let Some(Paragraph { text, style, item }) = self.paragraphs.pop() else { return };
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if let Some(table) = self.tables.last_mut() {
            return add(&mut table.cell, " ", &in_a_cell(text));
        }
        let note = self.note.take().unwrap_or_default();
        match (style, item) {
            (Some(Style::Heading(level)), _) => {
                self.lines.part();
                let marks = "#".repeat(level.clamp(1, 6));
                self.lines.push(&format!("{marks} {}", text.replace('\n', " ")));
            }
            (Some(Style::Item), None) => self.lines.push(&format!("{note}- {text}")),
            (_, Some(level)) => self.lines.push(&format!("{note}{:indent$}- {text}", "", indent = level * 2)),
            (None, None) => self.lines.push(&format!("{note}{text}")),
        }
    }

    fn end_row(&mut self) {
        let Some(table) = self.tables.last_mut() else { return };
        let row = std::mem::take(&mut table.row);
        table.rows += 1;
        let first = table.rows == 1;
        if let Some(around) = self.tables.iter_mut().rev().nth(1) {
            return add(&mut around.cell, "; ", &row.join(", "));
        }
        if first {
            self.lines.part();
        }
        self.lines.push(&format!("| {} |", row.join(" | ")));
        if first {
            self.lines.push(&format!("|{}", "---|".repeat(row.len())));
        }
    }

    fn end_table(&mut self) {
        self.tables.pop();
        if self.tables.is_empty() {
            self.lines.part();
        }
    }
}

impl Visitor for Body<'_> {
    fn open(&mut self, name: &str, tag: &Tag<'_>) {
        if self.hidden > 0 || matches!(name, "del" | "moveFrom" | "Fallback" | "pPrChange") {
            self.hidden += 1;
            return;
        }
        let id = || tag.get("id").unwrap_or_default();
        match name {
            "p" => self.paragraphs.push(Paragraph::default()),
            "pPr" => self.in_properties = true,
            "t" => self.in_text = true,
            "tab" if !self.in_properties => self.say("\t"),
            "br" | "cr" => self.say("\n"),
            "noBreakHyphen" => self.say("-"),
            "docPr" => match tag.get("descr").filter(|told| !told.trim().is_empty()) {
                Some(told) => self.say(&format!("[image: {told}]")),
                None => self.say("[image]"),
            },
            "footnoteReference" => self.say(&format!("[^{}]", id())),
            "endnoteReference" => self.say(&format!("[^end {}]", id())),
            "commentReference" => self.say(&format!("[comment {}]", id())),
            "footnote" => self.note = Some(format!("[^{}]: ", id())),
            "endnote" => self.note = Some(format!("[^end {}]: ", id())),
            "comment" => {
                let author = tag.get("author").unwrap_or_default();
                self.note = Some(format!("[comment {} by {author}]: ", id()));
            }
            "tbl" => self.tables.push(Table::default()),
            _ => self.property(name, tag),
        }
    }

    fn close(&mut self, name: &str) {
        if self.hidden > 0 {
            self.hidden -= 1;
            return;
        }
        match name {
            "t" => self.in_text = false,
            "pPr" => self.in_properties = false,
            "p" => self.end_paragraph(),
            "tc" => {
                if let Some(table) = self.tables.last_mut().filter(|table| table.row.len() < MOST_COLUMNS) {
                    table.row.push(std::mem::take(&mut table.cell));
                }
            }
            "tr" => self.end_row(),
            "tbl" => self.end_table(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.in_text && self.hidden == 0 {
            self.say(text);
        }
    }

    fn has_enough(&self) -> bool {
        self.lines.is_full()
    }
}

fn add(to: &mut String, between: &str, text: &str) {
    if !to.is_empty() {
        to.push_str(between);
    }
    to.push_str(text);
}

/// A row is one line, and its cells are parted by bars.
fn in_a_cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
