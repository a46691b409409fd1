//! One session while its messages are told.

use super::{
    Origin, TITLE,
    write::{Incoming, Nobodys},
};
use crate::{
    domain::{Author, ImportMessage, ImportSession, Message, Millis, SessionId, Summary},
    redact::Redactor,
    store::{
        Store, StoreError, codec,
        keyspace::Key,
        sessions::{SessionEnd, SessionError, SessionHeader, Title, fork, row::Row, writing::fresh},
    },
};
use std::collections::HashMap;

/// What the model is told where older messages gave way to a shorter form before the import.
const SHORTENED: &str = "The older messages had been made shorter before this session came here. What was left of them \
is at the beginning of the messages below.";

/// A session that is being told, with the messages that are not written yet.
pub(super) struct Arriving {
    /// Its id in the other database.
    pub(super) origin_id: String,
    pub(super) title: Option<String>,
    incoming: Incoming,
    named_parent: bool,
    bytes: usize,
    told: u64,
    /// Calls that have no result yet.
    open: HashMap<String, u32>,
    /// Results are among what was compacted.
    strangers: bool,
    /// What of it is on disk already belongs to nobody, and goes when this does.
    nobodys: Option<Nobodys>,
}

impl Arriving {
    pub(super) fn new(
        session: ImportSession,
        id: SessionId,
        mark: Key,
        parent: Option<SessionId>,
        now: Millis,
    ) -> Self {
        let created_at = session.created_at.clamp(0, now);
        let ended = session.ended.map(|(at, reason)| SessionEnd { at: at.clamp(created_at, now), reason });
        let header = SessionHeader {
            source: source(session.source.as_deref()),
            usage: session.usage,
            cost: session.cost,
            ended,
            parent,
            ..fresh(id, shortened(&session.model.unwrap_or_default(), 200), created_at)
        };
        let origin = Origin { session: header.id.clone(), told: 0 };
        Self {
            named_parent: session.parent.is_some(),
            title: session.title.map(|title| shortened(&title, TITLE)).filter(|title| !title.is_empty()),
            origin_id: session.id,
            incoming: Incoming::new(header, mark, origin, session.system_prompt),
            bytes: 0,
            told: 0,
            open: HashMap::new(),
            strangers: false,
            nobodys: None,
        }
    }

    /// Takes secrets out of all but the messages.
    pub(super) fn clean(&mut self, redactor: &Redactor) {
        let header = &mut self.incoming.header;
        redactor.clean_text(&mut header.source);
        redactor.clean_text(&mut header.model);
        header.ended.iter_mut().for_each(|end| redactor.clean_text(&mut end.reason));
        self.title.iter_mut().for_each(|title| redactor.clean_text(title));
        self.incoming.prompt.iter_mut().for_each(|prompt| redactor.clean_text(prompt));
    }

    pub(super) const fn id(&self) -> &SessionId {
        &self.incoming.header.id
    }

    pub(super) const fn messages(&self) -> u64 {
        self.incoming.header.messages
    }

    /// Nothing of it is worth a session.
    pub(super) const fn is_empty(&self) -> bool {
        self.messages() == 0 && self.incoming.prompt.is_none() && self.title.is_none()
    }

    /// It had a parent, and has none here.
    pub(super) const fn is_orphan(&self) -> bool {
        self.named_parent && self.incoming.header.parent.is_none()
    }

    /// Takes a message, and writes those before it when they have become many; inside: why it is left out.
    pub(super) fn push(
        &mut self,
        told: ImportMessage,
        redactor: &Redactor,
        store: Option<&Store>,
        now: Millis,
    ) -> Result<Result<(), &'static str>, StoreError> {
        let ImportMessage { mut message, at, finish, compacted } = told;
        self.told += 1;
        if compacted {
            self.strangers |= matches!(message, Message::Tool { .. });
        } else if self.incoming.covered.is_none() {
            // What is shown begins here: a result that answers a call before it would be lost.
            self.incoming.covered = Some(self.messages());
            self.open.clear();
        }
        if !self.answers_or_asks(&message) {
            return Ok(Err("a result that belongs to no call"));
        }
        redactor.clean_message(&mut message);
        let header = &mut self.incoming.header;
        let at = if at > 0 { at.min(now) } else { header.last_active };
        header.last_active = header.last_active.max(at);
        header.count(&message);
        header.turns += u64::from(matches!(message, Message::User { .. }));
        let json = codec::to_json(&Row { message: &message, at, finish })?;
        self.bytes += json.len();
        self.incoming.rows.push(json);
        if self.incoming.rows.len() >= fork::BATCH || self.bytes >= fork::BATCH_BYTES {
            self.flush(store)?;
        }
        Ok(Ok(()))
    }

    /// An upstream takes no result without its call. Notes the calls of a message.
    fn answers_or_asks(&mut self, message: &Message) -> bool {
        match message {
            Message::Tool { tool_call_id, .. } => match self.open.get_mut(tool_call_id) {
                Some(open) if *open > 0 => *open -= 1,
                Some(_) | None => return false,
            },
            Message::Assistant { tool_calls, .. } => {
                for call in tool_calls {
                    *self.open.entry(call.id.clone()).or_default() += 1;
                }
            }
            Message::System { .. } | Message::User { .. } => {}
        }
        true
    }

    /// Writes what has gathered; a dry run forgets it.
    fn flush(&mut self, store: Option<&Store>) -> Result<(), StoreError> {
        self.bytes = 0;
        match store {
            None => self.incoming.rows.clear(),
            Some(store) => {
                let transcript = self.incoming.header.transcript;
                if self.nobodys.is_none() {
                    self.nobodys = transcript.map(|transcript| Nobodys::begin(store, transcript));
                }
                self.incoming.flush(store)?;
            }
        }
        Ok(())
    }

    /// Makes the session; inside: why it cannot be made after all.
    pub(super) fn write(mut self, store: &Store, title: Title) -> Result<Result<(), String>, StoreError> {
        let covered = self.incoming.covered.unwrap_or_else(|| self.messages());
        self.incoming.origin.told = self.told;
        self.incoming.summary = (covered > 0).then(|| Summary {
            number: 1,
            head: 0,
            upto: covered,
            kept: None,
            text: SHORTENED.to_owned(),
            author: Author::Extract,
            strangers: self.strangers,
            at: self.incoming.header.last_active,
        });
        self.incoming.title = title;
        let written = self.incoming.write(store);
        if written.is_ok()
            && let Some(nobodys) = self.nobodys.take()
        {
            nobodys.keep();
        }
        match written {
            Ok(()) => Ok(Ok(())),
            Err(SessionError::Store(error)) => Err(error),
            Err(
                taken @ (SessionError::NotFound(_)
                | SessionError::Exists(_)
                | SessionError::TitleTaken { .. }),
            ) => Ok(Err(format!("{taken} (it was made at this moment): import again"))),
        }
    }
}

/// A surface's name as it can be shown and asked for.
fn source(told: Option<&str>) -> String {
    let plain = |text: &&str| {
        text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte))
    };
    told.filter(plain).unwrap_or("imported").to_owned()
}

/// Without control characters, on one line.
pub(super) fn plain_text(text: &str) -> String {
    shortened(text, 300)
}

fn shortened(text: &str, most: usize) -> String {
    let plain: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(most).collect()
}
