//! Notebooks: each cell with its source, and of its outputs what is text.

use super::{Trouble, lines::Lines};
use crate::tools::terminal::Plain;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use std::{
    fmt,
    fs::File,
    io::{BufReader, Read},
};

/// As larger files are not read either.
const MOST_BYTES: u64 = 64 << 20;
/// Characters of one output.
const OUTPUT: usize = 20_000;
const CELLS: usize = 20_000;
const OUTPUTS: usize = 200;

pub fn read(file: File, lines: &mut Lines) -> Result<(), Trouble> {
    let read = serde_json::from_reader(BufReader::new(file.take(MOST_BYTES)));
    let Notebook { cells } = read.map_err(|error: serde_json::Error| match error.classify() {
        serde_json::error::Category::Io => Trouble::Io(error.into()),
        serde_json::error::Category::Syntax
        | serde_json::error::Category::Data
        | serde_json::error::Category::Eof => Trouble::Damaged(format!("it is no notebook ({error})")),
    })?;
    for (at, cell) in cells.few.iter().enumerate() {
        lines.part();
        lines.push(&format!("[cell {}: {}]", at + 1, cell.kind));
        lines.push(&cell.source.0);
        for output in &cell.outputs.few {
            output.show(lines);
        }
        left_out(cell.outputs.more, "outputs", lines);
    }
    left_out(cells.more, "cells", lines);
    Ok(())
}

fn left_out(more: usize, what: &str, lines: &mut Lines) {
    if more > 0 {
        lines.push(&format!("[{more} more {what} are left out]"));
    }
}

#[derive(Deserialize)]
struct Notebook {
    cells: Few<Cell, CELLS>,
}

#[derive(Deserialize)]
struct Cell {
    #[serde(rename = "cell_type")]
    kind: String,
    #[serde(default)]
    source: Joined,
    #[serde(default)]
    outputs: Few<Output, OUTPUTS>,
}

#[derive(Deserialize)]
struct Output {
    #[serde(default)]
    text: Joined,
    #[serde(default)]
    data: Data,
    #[serde(default)]
    ename: String,
    #[serde(default)]
    evalue: String,
    #[serde(default)]
    traceback: Traceback,
}

impl Output {
    fn show(&self, lines: &mut Lines) {
        let mut said = |head: &str, text: &str| {
            lines.push(head);
            let text = plain(text);
            match text.char_indices().nth(OUTPUT) {
                None => lines.push(&text),
                Some((cut, _)) => {
                    lines.push(&text[..cut]);
                    lines.push(&format!("[... {} bytes of output left out]", text.len() - cut));
                }
            }
        };
        if !self.text.0.is_empty() {
            said("[output]", &self.text.0);
        }
        if let Some(text) = self.data.text.as_deref() {
            said("[output]", text);
        }
        for kind in &self.data.others {
            said(&format!("[output: {kind}, not shown]"), "");
        }
        match (self.ename.is_empty(), self.traceback.0.is_empty()) {
            (_, false) => said("[error]", &self.traceback.0),
            (false, true) => said("[error]", &format!("{}: {}", self.ename, self.evalue)),
            (true, true) => {}
        }
    }
}

/// Without colours.
fn plain(text: &str) -> String {
    let mut seen = Vec::with_capacity(text.len());
    Plain::default().strip(text.as_bytes(), &mut seen);
    String::from_utf8_lossy(&seen).into_owned()
}

/// A text, or the lines of one, which are joined as they come.
#[derive(Default)]
struct Joined(String);

/// The same, where the line breaks are left out.
#[derive(Default)]
struct Traceback(String);

impl<'de> Deserialize<'de> for Joined {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Join("")).map(Self)
    }
}

impl<'de> Deserialize<'de> for Traceback {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Join("\n")).map(Self)
    }
}

/// What stands between the pieces.
struct Join(&'static str);

impl<'de> Visitor<'de> for Join {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or its lines")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok(String::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pieces: A) -> Result<String, A::Error> {
        let mut text = String::new();
        while let Some(piece) = pieces.next_element::<String>()? {
            if !text.is_empty() {
                text.push_str(self.0);
            }
            text.push_str(&piece);
        }
        Ok(text)
    }
}

/// The forms of one output: the text among them, and the names of the others when there is none.
#[derive(Default)]
struct Data {
    text: Option<String>,
    others: Vec<String>,
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl<'de> Visitor<'de> for Forms {
            type Value = Data;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the forms of an output")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut forms: A) -> Result<Data, A::Error> {
                let mut data = Data::default();
                while let Some(kind) = forms.next_key::<String>()? {
                    match kind.as_str() {
                        "text/markdown" | "text/plain" if data.text.is_none() => {
                            data.text = Some(forms.next_value::<Joined>()?.0);
                        }
                        _ => {
                            forms.next_value::<IgnoredAny>()?;
                            if kind.starts_with("image/") && data.others.len() < 10 {
                                data.others.push(kind);
                            }
                        }
                    }
                }
                Ok(data)
            }
        }
        deserializer.deserialize_map(Forms)
    }
}

/// The first of a list, and how many more there are: a list of millions of nothing is short as text.
struct Few<T, const MOST: usize> {
    few: Vec<T>,
    more: usize,
}

impl<T, const MOST: usize> Default for Few<T, MOST> {
    fn default() -> Self {
        Self { few: Vec::new(), more: 0 }
    }
}

impl<'de, T: DeserializeOwned, const MOST: usize> Deserialize<'de> for Few<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T, const MOST: usize>(Few<T, MOST>);
        impl<'de, T: DeserializeOwned, const MOST: usize> Visitor<'de> for List<T, MOST> {
            type Value = Few<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self::Value, A::Error> {
                while self.0.few.len() < MOST {
                    match list.next_element()? {
                        Some(one) => self.0.few.push(one),
                        None => return Ok(self.0),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    self.0.more += 1;
                }
                Ok(self.0)
            }
        }
        deserializer.deserialize_seq(List(Self::default()))
    }
}
