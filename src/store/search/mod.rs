//! Finding messages by their words.
//!
//! An inverted index in a database of its own, `state/search`, made of nothing but the transcripts: when it is lost, or
//! is another store's, it is made anew. Chats do not write it. A task follows the order of last activity behind them,
//! some seconds later, and a search first takes in what that task has not yet ([`follow`]).
//!
//! | table | what |
//! |---|---|
//! | `search_term` | word, number: in which messages from that number on ([`postings`]) |
//! | `search_span` | number: whose messages these numbers are |
//! | `search_of` | transcript, number: its spans |
//! | `search_mark` | transcript: how many of its messages are in the index |
//!
//! A message that is deleted leaves the index before it leaves the transcript.

mod find;
mod follow;
mod forget;
mod index;
mod postings;
mod query;
mod snippet;
mod terms;

pub(super) use follow::Search;
pub use query::{BadQuery, Query};
pub use snippet::Snippet;

use super::{SessionHeader, SessionMessage};
use crate::domain::{Message, Millis, SessionId};
use std::borrow::Cow;

/// Whose message it is. The numbers are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SearchRole {
    User = 0,
    Assistant = 1,
    Tool = 2,
    System = 3,
}

impl SearchRole {
    /// By the names of the wire.
    pub const NAMED: [(&'static str, Self); 4] = [
        ("user", Self::User),
        ("assistant", Self::Assistant),
        ("tool", Self::Tool),
        ("system", Self::System),
    ];

    const fn of(message: &Message) -> Self {
        match message {
            Message::User { .. } => Self::User,
            Message::Assistant { .. } => Self::Assistant,
            Message::Tool { .. } => Self::Tool,
            Message::System { .. } => Self::System,
        }
    }

    const fn of_bits(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::User,
            1 => Self::Assistant,
            2 => Self::Tool,
            _ => Self::System,
        }
    }

    /// As the wire calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
            Self::System => "system",
        }
    }
}

/// Which messages are looked for, and which page of them.
#[derive(Debug, Clone)]
pub struct SearchFilter {
    pub query: Query,
    pub roles: Vec<SearchRole>,
    /// Not said before this …
    pub since: Option<Millis>,
    /// … and before that.
    pub until: Option<Millis>,
    pub session: Option<SessionId>,
    pub source: Option<String>,
    /// The newest first, not the best.
    pub newest: bool,
    /// Of a session and its forks only the best message.
    pub one_each: bool,
    pub offset: usize,
    pub limit: usize,
}

impl SearchFilter {
    /// The best messages of all sessions.
    #[must_use]
    pub const fn new(query: Query, limit: usize) -> Self {
        Self {
            query,
            roles: Vec::new(),
            since: None,
            until: None,
            session: None,
            source: None,
            newest: false,
            one_each: false,
            offset: 0,
            limit,
        }
    }
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchHit {
    pub session: SessionHeader,
    pub message: SessionMessage,
    pub role: SearchRole,
    /// Higher is better; says nothing beside other hits of the same search.
    pub score: f64,
    pub snippet: Snippet,
}

/// A page of what was found.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchPage {
    pub hits: Vec<SearchHit>,
    pub has_more: bool,
    /// False: the index does not have every message yet, or so many messages had to be looked at that the search was
    /// ended.
    pub complete: bool,
}

/// What of a message can be found: its text, and the calls that it makes.
fn text_of(message: &Message) -> Cow<'_, str> {
    let text = match message {
        Message::System { content } => Cow::from(content),
        Message::User { content } => content.text(),
        Message::Assistant { content, tool_calls, .. } if tool_calls.is_empty() => content.into(),
        Message::Assistant { content, tool_calls, .. } => {
            let calls = tool_calls.iter().map(|call| format!("{} {}", call.name, call.arguments));
            std::iter::once(content.clone()).chain(calls).collect::<Vec<_>>().join("\n").into()
        }
        Message::Tool { name: Some(name), content, .. } => format!("{name}\n{content}").into(),
        Message::Tool { name: None, content, .. } => content.into(),
    };
    bounded(text)
}

/// Bytes of one message that are in the index.
const INDEXED: usize = 256 << 10;

fn bounded(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.len() <= INDEXED {
        return text;
    }
    let end = text.floor_char_boundary(INDEXED);
    match text {
        Cow::Borrowed(text) => text[..end].into(),
        Cow::Owned(mut text) => {
            text.truncate(end);
            text.into()
        }
    }
}
