//! Summaries: a session is gone on with from the newest one, and reads nothing of what that covers.

use super::{SessionHeader, header_of, rows, writing::Draft};
use crate::{
    domain::{Message, SessionId, Summary},
    store::{
        Store, StoreError, codec,
        database::Database,
        keyspace::{Key, Table},
    },
};

/// What a turn is told of its session.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionContext {
    /// The first messages, in front of the summary; all of them, where there is none.
    pub head: Vec<Message>,
    pub summary: Option<Summary>,
    /// The covered message that stays as it was.
    pub kept: Option<Message>,
    /// What was said after all that the summary covers.
    pub tail: Vec<Message>,
    /// How many messages the session has.
    pub total: u64,
    /// How many summaries.
    pub summaries: u32,
}

/// A new summary of a session.
#[derive(Debug, Clone)]
pub struct SessionSummary {
    pub session: SessionId,
    pub summary: Summary,
}

fn key(header: &SessionHeader, number: u32) -> Key {
    all_of(header.messages_key()).with(&u64::from(number).to_be_bytes())
}

/// The beginning of the keys of a transcript's summaries.
pub(super) fn all_of(messages: Key) -> Key {
    Key::table(Table::SessionSummary).with(messages.body())
}

/// Has the session go on from this summary. One that does not fit it any more (it was deleted and made again, or has a
/// newer one) is left out.
pub(super) fn write(
    draft: &mut Draft<'_>,
    header: &mut SessionHeader,
    summary: &Summary,
) -> Result<(), StoreError> {
    let next = header.summaries + 1;
    if summary.number != next || summary.upto > header.messages || summary.upto <= summary.head {
        tracing::debug!(session = %header.id, number = summary.number, "a summary does not fit its session");
        return Ok(());
    }
    header.summaries = next;
    // What the prompt was made of may have changed: the next turn builds it anew, and the cache is lost anyway.
    header.prompt = None;
    draft.put(key(header, next), summary)
}

/// The newest summary that covers none but the first `total` messages.
pub(super) fn newest(
    db: &Database,
    header: &SessionHeader,
    total: u64,
) -> Result<Option<Summary>, StoreError> {
    for number in (1..=header.summaries).rev() {
        let summary: Option<Summary> = db.read(key(header, number))?;
        if let Some(summary) = summary.filter(|summary| summary.upto <= total) {
            return Ok(Some(summary));
        }
    }
    Ok(None)
}

impl Store {
    /// What a turn of the session is told of it; `total`: as it was when it had so many messages. `None`: no such
    /// session. Reads nothing of what a summary covers.
    pub fn session_context(
        &self,
        session: &SessionId,
        total: Option<u64>,
    ) -> Result<Option<SessionContext>, StoreError> {
        self.0.read(|db| {
            let Some(header) = header_of(db, session)? else {
                return Ok(None);
            };
            let total = total.map_or(header.messages, |total| total.min(header.messages));
            let summary = newest(db, &header, total)?;
            let read = |from: u64, until: u64| messages(db, &header, from, until);
            Ok(Some(match &summary {
                None => SessionContext {
                    head: read(0, total)?,
                    total,
                    summaries: header.summaries,
                    ..SessionContext::default()
                },
                Some(covered) => SessionContext {
                    head: read(0, covered.head)?,
                    kept: covered
                        .kept
                        .map_or(Ok(None), |kept| read(kept - 1, kept).map(|mut one| one.pop()))?,
                    tail: read(covered.upto, total)?,
                    total,
                    summaries: header.summaries,
                    summary,
                },
            }))
        })
    }

    /// The summary that the session goes on from.
    pub fn session_summary(&self, session: &SessionId) -> Result<Option<Summary>, StoreError> {
        self.0.read(|db| match header_of(db, session)? {
            Some(header) => newest(db, &header, header.messages),
            None => Ok(None),
        })
    }
}

fn messages(
    db: &Database,
    header: &SessionHeader,
    from: u64,
    until: u64,
) -> Result<Vec<Message>, StoreError> {
    let mut found = Vec::new();
    rows::each(db, header.messages_key(), from, until, |_, json| {
        found.push(codec::from_json(json)?);
        Ok(true)
    })?;
    Ok(found)
}
