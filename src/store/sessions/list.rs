//! Reading by pages: sessions by last activity, messages by number.

use super::{SessionHeader, SessionMessage, header_of, row, rows, summary, writing};
use crate::{
    domain::{SessionId, Summary},
    store::{
        Store, StoreError, codec,
        error::one_of_many,
        keyspace::{Key, Table},
    },
};
use std::fmt;

/// Index entries that are read at once: a swap of the database waits for no more than these.
const CHUNK: usize = 500;
/// JSON of messages in one page.
const PAGE_BYTES: usize = 8 << 20;

/// Which sessions, and which page of them.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    pub source: Option<String>,
    /// Those behind this one.
    pub after: Option<SessionCursor>,
    /// How many to pass over first.
    pub offset: usize,
    pub limit: usize,
}

/// A place in the list of sessions: it stays where it is, whatever becomes of the session that stood there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionCursor(Key);

impl SessionCursor {
    /// The place of a session as it is now.
    #[must_use]
    pub fn of(header: &SessionHeader) -> Self {
        Self(writing::activity(header))
    }

    /// `None` unless [`fmt::Display`] wrote it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 2 * Table::SessionActivity.width() && text.is_ascii();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let plain = text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let body: Option<Vec<u8>> =
            (digits && plain).then(|| text.as_bytes().chunks(2).map(byte).collect()).flatten();
        body.map(|body| Self(Key::table(Table::SessionActivity).with(&body)))
    }
}

impl fmt::Display for SessionCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.body().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A page of a transcript.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionMessages {
    pub messages: Vec<SessionMessage>,
    pub has_more: bool,
    /// Size of the page as it is stored, in bytes.
    pub bytes: usize,
    /// What turns are told instead of some of the messages.
    pub summary: Option<Summary>,
}

impl Store {
    /// Most recently active first.
    pub fn sessions(&self, filter: &SessionFilter) -> Result<Vec<SessionHeader>, StoreError> {
        let all = Key::table(Table::SessionActivity);
        let mut until = filter.after.map_or(all.end(), |cursor| cursor.0);
        let mut skip = filter.offset;
        let mut found = Vec::new();
        while found.len() < filter.limit {
            let mut seen = 0;
            let mut wanted = Vec::new();
            let room = filter.limit - found.len();
            self.0.read(|db| {
                db.scan_back(Table::SessionActivity, all, until, |key, json| {
                    (seen, until) = (seen + 1, key);
                    let fits = match &filter.source {
                        Some(source) => codec::from_json::<String>(json)? == *source,
                        None => true,
                    };
                    if fits && skip > 0 {
                        skip -= 1;
                    } else if fits {
                        wanted.push(key);
                    }
                    Ok(seen < CHUNK && wanted.len() < room)
                })?;
                for key in wanted {
                    let name = key.body().last_chunk::<16>().copied().unwrap_or_default();
                    let header = db.read::<SessionHeader>(Key::table(Table::Session).with(&name));
                    found.extend(one_of_many(header)?);
                }
                Ok(())
            })?;
            if seen < CHUNK && found.len() < filter.limit {
                break;
            }
        }
        Ok(found)
    }

    /// Messages behind the first `after`, oldest first, of a bounded size. `None`: no such session.
    pub fn session_messages(
        &self,
        session: &SessionId,
        after: u64,
        limit: usize,
    ) -> Result<Option<SessionMessages>, StoreError> {
        self.0.read(|db| {
            let Some(header) = header_of(db, session)? else {
                return Ok(None);
            };
            let summary = summary::newest(db, &header, header.messages)?;
            let mut page = SessionMessages { messages: Vec::new(), has_more: false, bytes: 0, summary };
            if limit > 0 {
                rows::each(db, header.messages_key(), after, header.messages, |place, json| {
                    page.bytes += json.len();
                    page.messages.push(row::message(place, json)?);
                    Ok(page.messages.len() < limit && page.bytes < PAGE_BYTES)
                })?;
            }
            let last = page.messages.last().map_or(after, |message| message.number);
            page.has_more = last < header.messages;
            Ok(Some(page))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_written_and_nothing_else_does() {
        let cursor = SessionCursor(Key::table(Table::SessionActivity).with(&[7; 24]));
        assert_eq!(SessionCursor::parse(&cursor.to_string()), Some(cursor));
        for wrong in ["", "00", &"0".repeat(47), &"g".repeat(48), &"ä".repeat(24), "session-1"] {
            assert_eq!(SessionCursor::parse(wrong), None, "{wrong}");
        }
    }
}
