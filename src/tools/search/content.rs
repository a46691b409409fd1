//! Lines that match.

use super::{Paging, Patience, explain, walk::Found};
use crate::tools::failure::Failure;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{
    BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkContextKind, SinkMatch,
};
use serde_json::{Map, Value, json};
use std::io;

/// Characters of a line that are shown.
const LINE: usize = 500;
/// Memory that one line may take while it is searched; a file with longer ones is skipped and counted.
const LONGEST_LINE: usize = 16 << 20;
/// Bytes of all lines that are shown.
const RESULT: usize = 100_000;

/// What the caller wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Lines,
    FilesOnly,
    Count,
}

/// Counts all matches and keeps those of the page.
pub struct Content {
    matcher: RegexMatcher,
    searcher: Searcher,
    page: Paging,
    output: Output,
    matches: u64,
    /// Results that found room: lines, files or counts.
    shown: Vec<Value>,
    bytes: usize,
    files: u64,
    unreadable: u64,
    /// Patience ended inside a file.
    cut: bool,
}

impl Content {
    pub fn new(pattern: &str, context: usize, page: Paging, output: Output) -> Result<Self, Failure> {
        let invalid = |error: grep_regex::Error| {
            Failure::new(
                "invalid_pattern",
                format!("`pattern` is not a valid regular expression: {error}"),
            )
            .hint("escape special characters such as ( [ { . * + ? with a backslash to find them as they are")
        };
        let matcher =
            RegexMatcherBuilder::new().line_terminator(Some(b'\n')).build(pattern).map_err(invalid)?;
        let context = if output == Output::Lines { context } else { 0 };
        let searcher = SearcherBuilder::new()
            .binary_detection(BinaryDetection::quit(0))
            .heap_limit(Some(LONGEST_LINE))
            .before_context(context)
            .after_context(context)
            .build();
        Ok(Self {
            matcher,
            searcher,
            page,
            output,
            matches: 0,
            shown: Vec::new(),
            bytes: 0,
            files: 0,
            unreadable: 0,
            cut: false,
        })
    }

    pub fn search(&mut self, file: &Found<'_>, patience: &Patience<'_>) {
        // Gone or not readable since the walk saw it.
        let Ok((reader, _)) = file.place.open() else {
            return;
        };
        let mut hits = Hits {
            file,
            patience,
            page: self.page,
            before: Vec::new(),
            lines: Vec::new(),
            showing: false,
            count: 0,
            seen: self.matches,
            lines_wanted: self.output == Output::Lines,
            over: false,
        };
        if self.searcher.search_reader(&self.matcher, reader, &mut hits).is_err() {
            self.unreadable += 1;
        }
        let Hits { lines, count, over, .. } = hits;
        self.cut |= over;
        if count == 0 {
            return;
        }
        match self.output {
            Output::Lines => lines.into_iter().for_each(|line| self.show(line)),
            Output::FilesOnly if self.page.shows(self.files) => self.shown.push(file.shown.clone().into()),
            Output::Count if self.page.shows(self.files) => {
                self.shown.push(json!({ "path": file.shown, "count": count }));
            }
            Output::FilesOnly | Output::Count => {}
        }
        self.matches += count;
        self.files += 1;
    }

    fn show(&mut self, line: Value) {
        self.bytes +=
            line["content"].as_str().map_or(0, str::len) + line["path"].as_str().map_or(0, str::len);
        if self.bytes <= RESULT {
            self.shown.push(line);
        }
    }

    pub fn answer(self, complete: bool) -> Value {
        let complete = complete && !self.cut;
        let counted = if self.output == Output::Lines { self.matches } else { self.files };
        let is_hit = |value: &&Value| value.get("context").is_none();
        let shown = self.shown.iter().filter(is_hit).count() as u64;
        let truncated = !complete || counted > self.page.offset + shown;
        let mut answer = Map::new();
        answer.insert("total_count".into(), self.matches.into());
        answer.insert("files_matched".into(), self.files.into());
        let member = match self.output {
            Output::Lines => "matches",
            Output::FilesOnly => "files",
            Output::Count => "counts",
        };
        answer.insert(member.into(), self.shown.into());
        answer.insert("truncated".into(), truncated.into());
        if self.unreadable > 0 {
            answer.insert("files_not_searched".into(), self.unreadable.into());
        }
        let mut answer = Value::Object(answer);
        let page = Paging { limit: shown.max(1).min(self.page.limit), ..self.page };
        explain(&mut answer, complete, truncated, page);
        answer
    }
}

/// The matches of one file.
struct Hits<'a> {
    file: &'a Found<'a>,
    patience: &'a Patience<'a>,
    page: Paging,
    /// Context that belongs to the next match.
    before: Vec<Value>,
    lines: Vec<Value>,
    /// Whether the last match is on the page, and with it the context that follows.
    showing: bool,
    count: u64,
    /// Matches in the files before.
    seen: u64,
    lines_wanted: bool,
    over: bool,
}

impl Hits<'_> {
    fn line(&self, number: Option<u64>, text: &[u8], context: bool) -> Value {
        let text = String::from_utf8_lossy(&text[..text.len().min(LINE * 4)]);
        let text = text.trim_end_matches(['\n', '\r']);
        let cut = text.char_indices().nth(LINE).map_or(text.len(), |(at, _)| at);
        let mut line = json!({ "path": self.file.shown, "line": number, "content": &text[..cut] });
        if context {
            line["context"] = true.into();
        }
        line
    }
}

impl Sink for Hits<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> Result<bool, io::Error> {
        self.showing = self.lines_wanted && self.page.shows(self.seen + self.count);
        if self.showing {
            self.lines.append(&mut self.before);
            let line = self.line(found.line_number(), found.bytes(), false);
            self.lines.push(line);
        }
        self.before.clear();
        self.count += 1;
        // Looking at the clock costs more than most matches.
        self.over = self.count.is_multiple_of(1_024) && self.patience.is_over();
        Ok(!self.over)
    }

    fn context(&mut self, _: &Searcher, found: &SinkContext<'_>) -> Result<bool, io::Error> {
        let line = self.line(found.line_number(), found.bytes(), true);
        match found.kind() {
            SinkContextKind::Before => self.before.push(line),
            SinkContextKind::After | SinkContextKind::Other if self.showing => self.lines.push(line),
            SinkContextKind::After | SinkContextKind::Other => {}
        }
        Ok(true)
    }
}
