//! `search_files`: by content or by name, inside the process.
//!
//! The walk only finds names; each file is opened through the jail, so that a folder that is swapped for a link during
//! the walk shows nothing from outside.

mod content;
mod rules;
mod walk;

use super::{arguments::Arguments, failure::Failure};
use crate::sandbox::Jail;
use content::{Content, Output};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use walk::Walk;

/// Results of one answer at most, whatever was asked for.
const MOST: u64 = 1_000;
/// A search ends then, and says that it is not complete.
const PATIENCE: Duration = Duration::from_secs(20);
const MOST_CONTEXT: u64 = 20;

pub struct Search {
    pattern: String,
    by_name: bool,
    path: String,
    glob: Option<String>,
    page: Paging,
    output: Output,
    context: usize,
}

/// Which results are shown; all are counted.
#[derive(Debug, Clone, Copy)]
struct Paging {
    offset: u64,
    limit: u64,
}

impl Paging {
    const fn shows(self, number: u64) -> bool {
        number >= self.offset && number - self.offset < self.limit
    }
}

/// When to give up.
struct Patience<'a> {
    deadline: Instant,
    stop: &'a CancellationToken,
}

impl Patience<'_> {
    fn is_over(&self) -> bool {
        self.stop.is_cancelled() || Instant::now() >= self.deadline
    }
}

impl Search {
    pub fn parse(arguments: &Arguments<'_>) -> Result<Self, Failure> {
        let output = match arguments.choice("output_mode", &["content", "files_only", "count"])? {
            "files_only" => Output::FilesOnly,
            "count" => Output::Count,
            _ => Output::Lines,
        };
        let context = arguments.number("context", 0, 0)?.min(MOST_CONTEXT);
        Ok(Self {
            pattern: arguments.filled("pattern")?.to_owned(),
            // `grep` and `find` are what some models call the two.
            by_name: arguments.choice("target", &["content", "files", "grep", "find"])?.starts_with("fi"),
            path: arguments.opt_text("path")?.filter(|path| !path.is_empty()).unwrap_or(".").to_owned(),
            glob: arguments.opt_text("file_glob")?.filter(|glob| !glob.is_empty()).map(str::to_owned),
            page: Paging {
                offset: arguments.number("offset", 0, 0)?,
                limit: arguments.number("limit", 50, 1)?.min(MOST),
            },
            output,
            context: usize::try_from(context).unwrap_or(0),
        })
    }

    pub fn run(&self, jail: &Jail, stop: &CancellationToken) -> Result<Value, Failure> {
        let patience = Patience { deadline: Instant::now() + PATIENCE, stop };
        let place = jail.locate(&self.path)?;
        let answer = if self.by_name {
            self.names(&Walk::new(&place, Some(&self.pattern))?, &patience)
        } else {
            let mut content = Content::new(&self.pattern, self.context, self.page, self.output)?;
            let complete = Walk::new(&place, self.glob.as_deref())?
                .each(&patience, |file| content.search(&file, &patience));
            content.answer(complete)
        };
        if stop.is_cancelled() { Err(Failure::stopped()) } else { Ok(answer) }
    }

    fn names(&self, walk: &Walk<'_>, patience: &Patience<'_>) -> Value {
        let (mut total, mut files) = (0, Vec::new());
        let complete = walk.each(patience, |file| {
            if self.page.shows(total) {
                files.push(Value::from(file.shown.clone()));
            }
            total += 1;
        });
        let truncated = !complete || total > self.page.offset + files.len() as u64;
        let mut answer = json!({ "total_count": total, "files": files, "truncated": truncated });
        explain(&mut answer, complete, truncated, self.page);
        answer
    }
}

/// Says how to see the rest, and when a total is only a lower bound.
fn explain(answer: &mut Value, complete: bool, truncated: bool, page: Paging) {
    if !complete {
        answer["hint"] = "the search took too long and is not complete: narrow path or pattern".into();
    } else if truncated {
        answer["hint"] = format!("go on with offset={}", page.offset + page.limit).into();
    }
}
