//! `read_file`: numbered lines of a text file, and the truth about what is missing.

use super::{
    document::{Kind, Trouble},
    similar,
};
use crate::{
    sandbox::Jail,
    tools::{arguments::Arguments, failure::Failure},
};
use serde_json::{Value, json};
use std::{
    borrow::Cow,
    fs::File,
    io::{self, BufRead, BufReader, Read as _, Seek as _},
    path::Path,
};

const DEFAULT_LINES: u64 = 500;
const MOST_LINES: u64 = 2_000;
/// Characters of one line that are shown.
const LINE: usize = 2_000;
/// Bytes of one result.
const RESULT: usize = 100_000;
/// Larger files are not counted through; other tools show parts of them.
const MOST_BYTES: u64 = 64 << 20;
/// As far as a file is looked at to see whether it is text.
const SNIFF: usize = 8_192;

pub struct Read {
    path: String,
    offset: u64,
    limit: u64,
}

/// What the lines that were asked for came to.
#[derive(Default)]
struct Page {
    text: String,
    total: u64,
    /// The first line that found no room any more.
    full_at: Option<u64>,
    cut_lines: u64,
    /// Lines that are shown with other bytes than they have.
    replaced_lines: u64,
}

impl Read {
    pub fn parse(arguments: &Arguments<'_>) -> Result<Self, Failure> {
        Ok(Self {
            path: arguments.filled("path")?.to_owned(),
            offset: arguments.number("offset", 1, 1)?,
            limit: arguments.number("limit", DEFAULT_LINES, 1)?.min(MOST_LINES),
        })
    }

    pub fn names_document(&self) -> bool {
        Kind::of(Path::new(&self.path)).is_some()
    }

    pub fn run(&self, jail: &Jail) -> Result<Value, Failure> {
        let place = jail.locate(&self.path)?;
        let (file, stat) = place.open().map_err(|error| similar::explain(error, &place))?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        if size > MOST_BYTES {
            let text = format!("`{}` has {size} bytes; files up to {MOST_BYTES} can be read", self.path);
            return Err(Failure::new("too_large", text)
                .hint("use search_files, or `sed -n` in the terminal")
                .with("file_size", size));
        }
        // The file may grow meanwhile.
        let mut reader = BufReader::with_capacity(SNIFF.max(64 << 10), (&file).take(MOST_BYTES));
        let io_failed = |error: io::Error| Failure::io(&format!("`{}`", self.path), &error);
        let start = reader.fill_buf().map_err(io_failed)?;
        let start = &start[..start.len().min(SNIFF)];
        let kind = Kind::of(place.relative()).filter(|kind| kind.begins(start));
        let Some(kind) = kind else {
            if let Some(failure) = self.binary(start, size) {
                return Err(failure);
            }
            let page = self.page(reader).map_err(io_failed)?;
            return Ok(self.answer(&page, size, None));
        };
        match self.document(kind, &file, size)? {
            Ok(answer) => Ok(answer),
            Err(hint) => {
                (&file).rewind().map_err(io_failed)?;
                let page = self.page(BufReader::new((&file).take(MOST_BYTES))).map_err(io_failed)?;
                Ok(self.answer(&page, size, Some(hint)))
            }
        }
    }

    /// The text of a document. The inner error: it is none, and may be read as the text that it is.
    fn document(&self, kind: Kind, file: &File, size: u64) -> Result<Result<Value, String>, Failure> {
        let io_failed = |error: io::Error| Failure::io(&format!("`{}`", self.path), &error);
        let mut start = file;
        start.rewind().map_err(io_failed)?;
        let text = match (kind.text(file.try_clone().map_err(io_failed)?), kind) {
            (Ok(text), _) => text,
            (Err(Trouble::Damaged(what)), Kind::Notebook) => {
                return Ok(Err(format!("{what}, so it is shown as text")));
            }
            (Err(trouble), _) => return Err(trouble.failure(&self.path, kind)),
        };
        let page = self.page(text.lines.as_bytes()).map_err(io_failed)?;
        let mut hints = Vec::new();
        if kind == Kind::Notebook {
            hints.push("shown as cells; the file is JSON, and patch works on that");
        }
        if !text.whole {
            hints.push("the document is longer: the rest of it is for a program in the terminal");
        }
        let hint = (!hints.is_empty()).then(|| hints.join(". "));
        let mut answer = self.answer(&page, size, hint);
        answer["format"] = kind.name().into();
        if !text.whole {
            answer["truncated"] = true.into();
        }
        Ok(Ok(answer))
    }

    fn binary(&self, start: &[u8], size: u64) -> Option<Failure> {
        let image = image_kind(start);
        if image.is_none() && !start.contains(&0) && !is_unreadable(start) {
            return None;
        }
        let what = image.map_or_else(|| "a binary file".to_owned(), |kind| format!("an image ({kind})"));
        let failure = Failure::new("binary_file", format!("`{}` is {what}, not text", self.path))
            .hint("use the terminal, with a program for this kind of file, or `iconv` if it is text of another encoding");
        Some(failure.with("is_binary", true).with("is_image", image.is_some()).with("file_size", size))
    }

    fn page(&self, mut reader: impl BufRead) -> io::Result<Page> {
        let mut page = Page::default();
        let end = self.offset.saturating_add(self.limit);
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                return Ok(page);
            }
            page.total += 1;
            if (self.offset..end).contains(&page.total) && page.full_at.is_none() {
                page.add(&line);
            }
        }
    }

    fn answer(&self, page: &Page, size: u64, hint: Option<String>) -> Value {
        let shown_to = page.full_at.map_or(page.total, |line| line - 1);
        let last = shown_to.min(self.offset.saturating_add(self.limit) - 1);
        let more = last < page.total;
        let mut hints = Vec::new();
        if page.total == 0 {
            hints.push("it has no lines".to_owned());
        } else if page.total < self.offset {
            hints
                .push(format!("the file has {} lines; offset {} is behind its end", page.total, self.offset));
        } else if more {
            hints.push(format!(
                "lines {}-{last} of {}; go on with offset={}",
                self.offset,
                page.total,
                last + 1
            ));
        }
        if page.cut_lines > 0 {
            hints.push(format!("{} lines were cut at {LINE} characters", page.cut_lines));
        }
        if page.replaced_lines > 0 {
            let count = page.replaced_lines;
            hints.push(format!(
                "{count} lines have bytes that are not UTF-8, shown as \u{fffd}; `iconv` in the terminal converts other \
                 encodings"
            ));
        }
        hints.extend(hint);
        json!({
            "content": page.text,
            "total_lines": page.total,
            "file_size": size,
            "truncated": (more && page.total >= self.offset) || page.cut_lines > 0,
            "hint": (!hints.is_empty()).then(|| hints.join(". ")),
            "is_binary": false,
            "is_image": false,
        })
    }
}

impl Page {
    fn add(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // A character has at most four bytes: no need to decode a line of megabytes.
        let text = String::from_utf8_lossy(&line[..line.len().min(LINE * 4)]);
        let cut = text.char_indices().nth(LINE).map_or(text.len(), |(at, _)| at);
        if self.text.len() + cut > RESULT && !self.text.is_empty() {
            self.full_at = Some(self.total);
            return;
        }
        self.cut_lines += u64::from(cut < text.len() || line.len() > LINE * 4);
        let is_replaced = matches!(text, Cow::Owned(_)) && text[..cut].contains('\u{fffd}');
        self.replaced_lines += u64::from(is_replaced);
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&format!("{}|{}", self.total, &text[..cut]));
    }
}

/// Whether more than a third of it is no UTF-8. Text of an encoding with one byte per letter has less, unless it is all in
/// letters beyond ASCII: then nothing of it could be read here either.
fn is_unreadable(start: &[u8]) -> bool {
    let wrong: usize = start.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    wrong * 3 > start.len()
}

/// What kind of image begins so.
pub fn image_kind(start: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 5] = [
        (b"\x89PNG", "PNG"),
        (b"\xff\xd8\xff", "JPEG"),
        (b"GIF8", "GIF"),
        (b"BM", "BMP"),
        (b"II*\0", "TIFF"),
    ];
    let webp = start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WEBP");
    let known = KINDS.iter().find(|(magic, _)| start.starts_with(magic) && start.contains(&0));
    known.map(|(_, name)| *name).or_else(|| webp.then_some("WebP"))
}
