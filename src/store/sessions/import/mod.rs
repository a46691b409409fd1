//! Sessions of another database, taken over one after the other.
//!
//! As with a fork, a long transcript is written before its session is, in commits of bounded size, to a transcript that is
//! marked as nobody's; the commit that makes the session takes the mark away, and notes which session of the other database it
//! was. So what there is of an import that was cut is whole sessions, and the next one goes on behind them.

mod incoming;
mod write;

pub(super) use write::Incoming;

use super::fork;
use crate::{
    domain::{ImportMessage, ImportRecord, ImportReport, ImportSession, ImportSkip, Millis, SessionId, now},
    redact::Redactor,
    store::{
        Store, StoreError, codec,
        keyspace::{Key, Table},
        sessions::{Title, title_key},
    },
};
use incoming::{Arriving, plain_text};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Longest title, in characters.
const TITLE: usize = 100;
/// Ids that are tried for a session that cannot have its own.
const NAMES: u32 = 1_000;

/// Which session was made of one of another database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Origin {
    /// Its id here.
    session: SessionId,
    /// How many messages it was told with.
    told: u64,
}

/// Takes over what is told, up to the last record. A `dry_run` writes nothing and gives the report that there would be;
/// without a store everything is new. What stops an import is in its report. Blocking.
pub fn import_sessions(
    store: Option<&Store>,
    records: impl Iterator<Item = Result<ImportRecord, String>>,
    dry_run: bool,
) -> ImportReport {
    let mut import = Import::new(store, dry_run || store.is_none());
    for record in records {
        let taken = record.and_then(|record| import.take(record).map_err(|error| error.to_string()));
        match taken {
            Ok(false) => {}
            Ok(true) => return import.report,
            Err(why) => {
                import.report.stopped = Some(why);
                return import.report;
            }
        }
    }
    import.report.stopped = Some("the records broke off".to_owned());
    import.report
}

/// What becomes of the messages that are told next.
enum Current {
    Nobody,
    /// It is not taken over, or not again: so many messages it had then.
    Passing {
        known: Option<u64>,
        told: u64,
    },
    Arriving(Box<Arriving>),
}

struct Import<'a> {
    store: Option<&'a Store>,
    redactor: Redactor,
    report: ImportReport,
    current: Current,
    now: Millis,
    /// Hashes of ids of the other database that were told, of ids and of titles that were given away.
    told: HashSet<[u8; 16]>,
    ids: HashSet<[u8; 16]>,
    titles: HashSet<[u8; 16]>,
}

impl<'a> Import<'a> {
    fn new(store: Option<&'a Store>, dry_run: bool) -> Self {
        Self {
            redactor: store.map_or_else(Redactor::default, |store| store.0.options.redactor.clone()),
            store,
            report: ImportReport { dry_run, ..ImportReport::default() },
            current: Current::Nobody,
            now: now(),
            told: HashSet::new(),
            ids: HashSet::new(),
            titles: HashSet::new(),
        }
    }

    /// Whether it was the last record.
    fn take(&mut self, record: ImportRecord) -> Result<bool, StoreError> {
        match record {
            ImportRecord::Session(session) => {
                self.current = Current::Nobody;
                self.begin(*session)?;
            }
            ImportRecord::Message(message) => self.message(message)?,
            ImportRecord::SessionEnd(left_out) => {
                left_out.iter().for_each(|(why, count)| self.report.leave_out(&plain_text(why), *count));
                self.end()?;
            }
            ImportRecord::SessionBroken(why) => {
                if let Current::Arriving(arriving) = std::mem::replace(&mut self.current, Current::Nobody) {
                    let id = arriving.origin_id.clone();
                    self.skip(&id, &why);
                }
            }
            ImportRecord::Skipped(ImportSkip { id, why }) => self.skip(&id, &why),
            ImportRecord::End(stopped) => {
                self.report.stopped = stopped;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn skip(&mut self, id: &str, why: &str) {
        let clean = |text: &str| self.redactor.clean(&plain_text(text)).into_owned();
        let (id, why) = (clean(id), clean(why));
        self.report.skip(id, why);
    }

    fn begin(&mut self, session: ImportSession) -> Result<(), StoreError> {
        self.current = Current::Passing { known: None, told: 0 };
        if !self.told.insert(hash(&session.id)) {
            self.skip(&session.id, "another session of the file has the same id");
            return Ok(());
        }
        let mark = origin_key(&session);
        if let Some(origin) = self.origin(mark)? {
            self.report.already_imported += 1;
            self.current = Current::Passing { known: Some(origin.told), told: 0 };
            return Ok(());
        }
        let Some(id) = self.id_for(&session)? else {
            self.skip(&session.id, "no id is free for it");
            return Ok(());
        };
        let parent = match &session.parent {
            None => None,
            Some(parent) => self.parent(parent)?,
        };
        let mut arriving = Arriving::new(session, id, mark, parent, self.now);
        arriving.clean(&self.redactor);
        self.current = Current::Arriving(Box::new(arriving));
        Ok(())
    }

    fn message(&mut self, message: ImportMessage) -> Result<(), StoreError> {
        match &mut self.current {
            Current::Nobody => Ok(()),
            Current::Passing { told, .. } => {
                *told += 1;
                Ok(())
            }
            Current::Arriving(arriving) => {
                let store = self.store.filter(|_| !self.report.dry_run);
                if let Err(why) = arriving.push(message, &self.redactor, store, self.now)? {
                    self.report.leave_out(why, 1);
                }
                Ok(())
            }
        }
    }

    fn end(&mut self) -> Result<(), StoreError> {
        match std::mem::replace(&mut self.current, Current::Nobody) {
            Current::Nobody => Ok(()),
            Current::Passing { known, told } => {
                self.report.grown_since += u64::from(known.is_some_and(|known| told > known));
                Ok(())
            }
            Current::Arriving(arriving) if arriving.is_empty() => {
                let id = arriving.origin_id.clone();
                self.skip(&id, "it has no messages");
                Ok(())
            }
            Current::Arriving(arriving) => self.finish(*arriving),
        }
    }

    fn finish(&mut self, arriving: Arriving) -> Result<(), StoreError> {
        let title = self.title(arriving.title.clone())?;
        let (origin_id, messages) = (arriving.origin_id.clone(), arriving.messages());
        let (id, is_orphan) = (arriving.id().clone(), arriving.is_orphan());
        let retitled = matches!(title, Title::NextOf(_));
        if let Some(store) = self.store.filter(|_| !self.report.dry_run)
            && let Err(why) = arriving.write(store, title)?
        {
            self.skip(&origin_id, &why);
            return Ok(());
        }
        self.ids.insert(hash(id.as_str()));
        if id.as_str() != origin_id {
            let from = self.redactor.clean(&plain_text(&origin_id)).into_owned();
            self.report.rename(from, id.to_string());
        }
        self.report.sessions += 1;
        self.report.messages += messages;
        self.report.retitled += u64::from(retitled);
        self.report.without_parent += u64::from(is_orphan);
        Ok(())
    }

    /// Its own, where that is one of ours and free.
    fn id_for(&self, session: &ImportSession) -> Result<Option<SessionId>, StoreError> {
        let odd = |letter: char| letter.is_control() || letter == char::REPLACEMENT_CHARACTER;
        let plain = |id: &SessionId| id.as_str() == session.id && !session.id.contains(odd);
        let own = SessionId::parse(&session.id).ok().filter(plain);
        let own = own.filter(|id| !self.redactor.finds(id.as_str().as_bytes()));
        if let Some(id) = own
            && self.is_free(&id)?
        {
            return Ok(Some(id));
        }
        let digest = blake3::hash(session.id.as_bytes()).to_hex();
        let stem = digest.get(..16).unwrap_or_default();
        for number in 1..NAMES {
            let name =
                if number == 1 { format!("imported-{stem}") } else { format!("imported-{stem}-{number}") };
            if let Ok(id) = SessionId::parse(&name)
                && self.is_free(&id)?
            {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    fn is_free(&self, id: &SessionId) -> Result<bool, StoreError> {
        let given = self.ids.contains(&hash(id.as_str()));
        Ok(!given && !self.has(Key::text(Table::Session, id.as_str()))?)
    }

    fn title(&mut self, title: Option<String>) -> Result<Title, StoreError> {
        let Some(title) = title else { return Ok(Title::Given(None)) };
        let taken = !self.titles.insert(hash(&title)) || self.has(title_key(&title))?;
        Ok(if taken { Title::NextOf(fork::base(Some(&title))) } else { Title::Given(Some(title)) })
    }

    /// The session here that was made of this one: only what came before can be a parent, so lineages have no circles.
    fn parent(&self, id: &str) -> Result<Option<SessionId>, StoreError> {
        let Some(store) = self.store else { return Ok(None) };
        let mut found = None;
        store.0.read(|db| {
            db.scan_all(Table::Imported, Key::text(Table::Imported, id), |_, json| {
                found = Some(codec::from_json::<Origin>(&json)?);
                Ok(true)
            })
        })?;
        Ok(found.map(|origin| origin.session))
    }

    fn origin(&self, mark: Key) -> Result<Option<Origin>, StoreError> {
        self.store.map_or(Ok(None), |store| store.0.read(|db| db.read(mark)))
    }

    fn has(&self, key: Key) -> Result<bool, StoreError> {
        self.store.map_or(Ok(false), |store| store.0.read(|db| db.has(key)))
    }
}

fn hash(text: &str) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
    half
}

fn origin_key(session: &ImportSession) -> Key {
    Key::text(Table::Imported, &session.id).with(&session.created_at.to_be_bytes())
}
