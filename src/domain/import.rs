//! Sessions of another database on their way into a store: told record by record, so that nobody ever holds all of them.

use super::{Finish, Message, Millis, Usage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One record. A session comes first, then its messages in order, then how it ended; [`ImportRecord::End`] comes last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportRecord {
    Session(Box<ImportSession>),
    Message(ImportMessage),
    /// All messages of the session were told, but for these: why, and how many.
    SessionEnd(BTreeMap<String, u64>),
    /// The session cannot be read to its end, for this reason: nothing of it is to be kept.
    SessionBroken(String),
    /// A session that nothing can be told of.
    Skipped(ImportSkip),
    /// All was told, or all that could be: then with the reason.
    End(Option<String>),
}

/// A session as the other database has it. Texts are as they were found there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImportSession {
    pub id: String,
    pub source: Option<String>,
    pub model: Option<String>,
    pub title: Option<String>,
    /// What its client wanted to be told to the model; `None`, too, where an agent had put its own prompt in its place.
    pub system_prompt: Option<String>,
    /// The session that it was made from.
    pub parent: Option<String>,
    pub created_at: Millis,
    /// When it was ended, and why.
    pub ended: Option<(Millis, String)>,
    pub usage: Usage,
    /// In billionths of a dollar.
    pub cost: Option<u64>,
}

/// A message with what is known beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportMessage {
    pub message: Message,
    pub at: Millis,
    pub finish: Option<Finish>,
    /// It gave way to a shorter form, which is among the messages that follow: models are shown it no more. All such
    /// messages of a session come before the others.
    pub compacted: bool,
}

/// A session that was not imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportSkip {
    pub id: String,
    pub why: String,
}

/// A session that could not keep its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportRename {
    pub from: String,
    pub to: String,
}

/// What an import came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// Nothing was written: the numbers are what would have been.
    pub dry_run: bool,
    pub sessions: u64,
    pub messages: u64,
    /// Sessions that an earlier import had brought; they stayed as they are.
    pub already_imported: u64,
    /// Of these: how many have got messages since, which were not taken over.
    pub grown_since: u64,
    /// Sessions whose title was another one's: they have a number behind it.
    pub retitled: u64,
    /// Sessions whose parent is not here.
    pub without_parent: u64,
    /// The first hundred of `renamed_count`.
    pub renamed: Vec<ImportRename>,
    pub renamed_count: u64,
    /// The first hundred of `skipped_count`.
    pub skipped: Vec<ImportSkip>,
    pub skipped_count: u64,
    /// Messages that were not taken over: why, and how many.
    pub left_out: BTreeMap<String, u64>,
    /// Why it ended before its end. What is counted is kept all the same; to import again goes on behind it.
    pub stopped: Option<String>,
}

impl ImportReport {
    /// Entries of each list.
    const LISTED: usize = 100;

    pub fn skip(&mut self, id: String, why: impl Into<String>) {
        self.skipped_count += 1;
        if self.skipped.len() < Self::LISTED {
            self.skipped.push(ImportSkip { id, why: why.into() });
        }
    }

    pub fn rename(&mut self, from: String, to: String) {
        self.renamed_count += 1;
        if self.renamed.len() < Self::LISTED {
            self.renamed.push(ImportRename { from, to });
        }
    }

    /// Notes messages that were not taken over.
    pub fn leave_out(&mut self, why: &str, count: u64) {
        *self.left_out.entry(why.to_owned()).or_default() += count;
    }
}
