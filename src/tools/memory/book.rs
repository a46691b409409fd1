//! A profile's memory on disk: the files, which people may edit, and the side records, which say where entries come from.
//!
//! An edit holds the folder's lock from reading to the commit of the record. The file is replaced only if it still is
//! what was read; else the edit begins anew with what it has become. What was changed without us shows as a change of
//! its own in the history, so that it can be undone like any other.

use super::{
    LARGEST,
    edit::{Refusal, apply},
    text::{characters, join, split},
};
use crate::{
    config::{MemoryConfig, MemoryScoping},
    domain::{
        MemoryAct, MemoryChange, MemoryEntry, MemoryOperation as Operation, MemoryOrigin, MemoryPlace,
        MemoryRecord, MemoryScope, MemoryTarget, Millis, now,
    },
    guard::{self, Found, Kind},
    store::{Change, Store, StoreError},
    tools::own_file,
};
use std::{
    io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};
use tokio::runtime::Handle;

/// How often an edit begins anew because somebody else wrote.
const ATTEMPTS: usize = 16;

/// The memory of one profile. Cheap to make.
#[derive(Debug, Clone)]
pub struct MemoryBook {
    folder: PathBuf,
    config: MemoryConfig,
}

/// What is wanted of a file.
#[derive(Debug, Clone)]
pub struct Edit {
    pub place: MemoryPlace,
    pub wanted: Wanted,
    /// The edit is for the file of this etag and no other.
    pub etag: Option<String>,
    pub origin: MemoryOrigin,
}

#[derive(Debug, Clone)]
pub enum Wanted {
    Operations(Vec<Operation>),
    /// Takes back the change of this number.
    Undo(u64),
}

/// A file as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub place: MemoryPlace,
    pub entries: Vec<MemoryEntry>,
    /// Of the bytes of the file.
    pub etag: String,
    pub limit: usize,
}

impl Page {
    #[must_use]
    pub fn characters(&self) -> usize {
        characters(&self.texts())
    }

    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.entries.iter().map(|entry| entry.text.clone()).collect()
    }
}

/// What an edit came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Edited {
    pub page: Page,
    /// `None`: everything was as wanted before.
    pub change: Option<MemoryChange>,
}

/// Why an edit was not made. Nothing was changed.
#[derive(Debug)]
pub enum EditError {
    Refused {
        refusal: Refusal,
        page: Box<Page>,
    },
    /// The file has another etag than the edit is for.
    Stale(Box<Page>),
    NoSuchChange(u64),
    /// What the change did has been changed again since.
    Superseded(u64),
    /// The setting that turns this file off.
    Off(&'static str),
    Io(io::Error),
    Store(StoreError),
}

impl From<io::Error> for EditError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<StoreError> for EditError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What is wrong with an entry that is not shown to the model.
#[must_use]
pub fn threat_in(entry: &str) -> Option<Found> {
    guard::scan(entry, Kind::Memory)
}

/// Whose memory a turn with this session key has.
pub fn scope(config: &MemoryConfig, session_key: Option<&str>) -> MemoryScope {
    match config.scope {
        MemoryScoping::Profile => MemoryScope::default(),
        MemoryScoping::Key => session_key.map(MemoryScope::of_key).unwrap_or_default(),
    }
}

impl MemoryBook {
    /// `root`: the profile's folder.
    #[must_use]
    pub fn new(root: &Path, config: &MemoryConfig) -> Self {
        Self { folder: root.join("memories"), config: config.clone() }
    }

    /// Whose memory a turn with this session key has.
    #[must_use]
    pub fn scope(&self, session_key: Option<&str>) -> MemoryScope {
        scope(&self.config, session_key)
    }

    /// The setting that turns a file off, if it is off.
    #[must_use]
    pub const fn off(&self, target: MemoryTarget) -> Option<&'static str> {
        match target {
            MemoryTarget::Memory if !self.config.enabled => Some("memory.memory_enabled"),
            MemoryTarget::User if !self.config.user_enabled => Some("memory.user_profile_enabled"),
            MemoryTarget::Memory | MemoryTarget::User => None,
        }
    }

    #[must_use]
    pub const fn limit(&self, target: MemoryTarget) -> usize {
        match target {
            MemoryTarget::Memory => self.config.limit,
            MemoryTarget::User => self.config.user_limit,
        }
    }

    #[must_use]
    pub fn path(&self, place: &MemoryPlace) -> PathBuf {
        self.folder_of(place).join(place.target.file_name())
    }

    fn folder_of(&self, place: &MemoryPlace) -> PathBuf {
        match place.scope.folder() {
            Some(name) => self.folder.join("keys").join(name),
            None => self.folder.clone(),
        }
    }

    /// A file as it is now, with what is known of its entries. Blocking.
    ///
    /// # Errors
    ///
    /// The file or its record cannot be read.
    pub fn look(&self, store: &Store, place: &MemoryPlace) -> Result<Page, EditError> {
        let path = self.path(place);
        let text = own_file::read(&path, LARGEST)?;
        Ok(self.page(&path, text.as_deref(), &store.memory(place)?))
    }

    fn page(&self, path: &Path, text: Option<&str>, record: &MemoryRecord) -> Page {
        let text = text.unwrap_or_default();
        // Of an entry that nobody told us of, the file's time is the best that is known.
        let found_at = || modified(path).unwrap_or_else(now);
        let known = |entry: String| match record.entries.iter().find(|known| known.text == entry) {
            Some(known) => known.clone(),
            None => MemoryEntry { text: entry, at: found_at(), origin: MemoryOrigin::file() },
        };
        Page {
            place: record.place.clone(),
            entries: split(text).into_iter().map(known).collect(),
            etag: etag(text),
            limit: self.limit(record.place.target),
        }
    }

    /// Makes an edit, and returns when file and record are on disk. Blocking: on a thread of the blocking pool of a
    /// runtime.
    ///
    /// # Errors
    ///
    /// See [`EditError`].
    pub fn edit(&self, store: &Store, edit: &Edit) -> Result<Edited, EditError> {
        if let Some(setting) = self.off(edit.place.target) {
            return Err(EditError::Off(setting));
        }
        let path = self.path(&edit.place);
        let _held = own_file::lock(&self.folder_of(&edit.place).join(".lock"))?;
        for _ in 0..ATTEMPTS {
            let before = own_file::read(&path, LARGEST)?;
            let record = store.memory(&edit.place)?;
            let page = self.page(&path, before.as_deref(), &record);
            if edit.etag.as_ref().is_some_and(|wanted| *wanted != page.etag) {
                return Err(EditError::Stale(Box::new(page)));
            }
            let after = self.wanted(store, edit, &page)?;
            if after == page.texts() {
                return Ok(Edited { page, change: None });
            }
            if !own_file::replace(&path, before.as_deref(), &join(&after))? {
                continue;
            }
            return settle(store, edit, &record, page, after);
        }
        Err(EditError::Io(io::Error::other("somebody else keeps changing the file")))
    }

    fn wanted(&self, store: &Store, edit: &Edit, page: &Page) -> Result<Vec<String>, EditError> {
        let refused = |refusal| EditError::Refused { refusal, page: Box::new(page.clone()) };
        match &edit.wanted {
            Wanted::Operations(operations) => {
                let operations: Vec<Operation> =
                    operations.iter().map(|operation| clean(store, operation)).collect();
                apply(&page.texts(), &operations, page.limit).map_err(refused)
            }
            Wanted::Undo(number) => {
                let change = store.memory_change(&edit.place, *number)?;
                let change = change.ok_or(EditError::NoSuchChange(*number))?;
                let after = undone(&change, page.texts()).ok_or(EditError::Superseded(*number))?;
                let would_be = characters(&after);
                if would_be > page.limit && would_be >= page.characters() {
                    return Err(refused(Refusal::Full { would_be, limit: page.limit }));
                }
                Ok(after)
            }
        }
    }
}

/// The same without the profile's secrets: a memory is read by every later session.
fn clean(store: &Store, operation: &Operation) -> Operation {
    match operation {
        Operation::Add { content } => Operation::Add { content: store.without_secrets(content) },
        Operation::Replace { old_text, content } => {
            Operation::Replace { old_text: old_text.clone(), content: store.without_secrets(content) }
        }
        Operation::Remove { old_text } => Operation::Remove { old_text: old_text.clone() },
    }
}

/// Brings the record up to the file that was just written.
fn settle(
    store: &Store,
    edit: &Edit,
    record: &MemoryRecord,
    page: Page,
    after: Vec<String>,
) -> Result<Edited, EditError> {
    let (at, place) = (now(), &edit.place);
    let known: Vec<String> = record.entries.iter().map(|entry| entry.text.clone()).collect();
    let before = page.texts();
    let mut number = record.changes;
    let mut changes = Vec::new();
    // The record has no secrets, whatever a person wrote into the file.
    let seen: Vec<String> = before.iter().map(|entry| store.without_secrets(entry)).collect();
    if known != seen {
        number += 1;
        changes.push(MemoryChange {
            place: place.clone(),
            number,
            at,
            act: MemoryAct::Found,
            origin: MemoryOrigin::file(),
            before: known,
            after: before.clone(),
            undoes: None,
        });
    }
    number += 1;
    let (act, undoes) = match &edit.wanted {
        Wanted::Operations(operations) => match &operations[..] {
            [one] => (one.act(), None),
            _ => (MemoryAct::Batch, None),
        },
        Wanted::Undo(number) => (MemoryAct::Undo, Some(*number)),
    };
    let entry = |text: &String| match page.entries.iter().find(|entry| entry.text == *text) {
        Some(entry) => entry.clone(),
        None => MemoryEntry { text: text.clone(), at, origin: edit.origin.clone() },
    };
    let entries: Vec<MemoryEntry> = after.iter().map(entry).collect();
    let etag = etag(&join(&after));
    let origin = edit.origin.clone();
    let change = MemoryChange { place: place.clone(), number, at, act, origin, before, after, undoes };
    changes.push(change.clone());
    let mut written: Vec<Change> = changes.into_iter().map(Change::MemoryChange).collect();
    let record = MemoryRecord { place: place.clone(), entries: entries.clone(), changes: number };
    written.push(Change::Memory(record));
    Handle::current().block_on(store.commit(written))?;
    let page = Page { entries, etag, ..page };
    Ok(Edited { page, change: Some(change) })
}

/// The entries without what the change did; `None` when some of what it brought is gone.
fn undone(change: &MemoryChange, mut entries: Vec<String>) -> Option<Vec<String>> {
    for added in change.added() {
        let at = entries.iter().position(|entry| entry == added)?;
        entries.remove(at);
    }
    for removed in change.removed() {
        if !entries.iter().any(|entry| entry == removed) {
            let at = change.before.iter().position(|entry| entry == removed).unwrap_or(0);
            entries.insert(at.min(entries.len()), removed.to_owned());
        }
    }
    Some(entries)
}

fn etag(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

fn modified(path: &Path) -> Option<Millis> {
    let at = path.metadata().ok()?.modified().ok()?;
    Millis::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}
