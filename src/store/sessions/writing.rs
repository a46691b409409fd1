//! The writer's side: what one commit does to sessions. Nobody else reads a header in order to change it.

use super::{
    Edit, NewSession, SessionChange, SessionEdit, SessionEnd, SessionError, SessionHeader, Title, header_of,
    trash,
};
use crate::{
    domain::{Millis, PromptId, SessionId, TranscriptId, Usage, now},
    store::{
        StoreError,
        batch::Batch,
        codec,
        command::Write,
        database::Database,
        error::one_of_many,
        index,
        keyspace::{Key, Table},
        payload::{self, Payloads},
        values::ValueWriter,
    },
};
use std::collections::HashMap;

/// Forks of one title that get a number of their own.
const MOST_FORKS: u32 = 10_000;

/// Sessions that a commit changes: several of its commands may touch one of them.
#[derive(Default)]
pub(in crate::store) struct Sessions {
    touched: HashMap<SessionId, Touched>,
    /// Titles that change hands; `None`: it is free.
    titles: HashMap<String, Option<SessionId>>,
    /// The last prompt that a turn brought: the store has it by now.
    pub(super) prompt: Option<PromptId>,
}

/// A header as the disk has it, and as it is to be.
pub(super) struct Touched {
    before: Option<SessionHeader>,
    pub(super) now: Option<SessionHeader>,
}

/// What a commit is made of.
pub(in crate::store) struct Draft<'a> {
    pub(in crate::store) database: &'a Database,
    pub(in crate::store) payloads: &'a Payloads,
    pub(in crate::store) batch: &'a mut Batch,
    /// In a commit of many: where longer values go.
    pub(in crate::store) values: Option<&'a mut ValueWriter>,
}

/// Values from which on a [value file](crate::store::values) is worth the detour.
const LONG: usize = 128;

impl Draft<'_> {
    pub(super) fn put<T: serde::Serialize + ?Sized>(
        &mut self,
        key: Key,
        value: &T,
    ) -> Result<(), StoreError> {
        self.put_json(key, &codec::to_json(value)?)
    }

    pub(in crate::store) fn put_json(&mut self, key: Key, json: &[u8]) -> Result<(), StoreError> {
        if let Some(values) = &mut self.values
            && key.may_lie_in_file()
            && (LONG..=payload::LARGE).contains(&json.len())
            && let Some(place) = values.put(key.part(0).as_slice(), json)
        {
            codec::put_place(self.batch, key, place);
            return Ok(());
        }
        codec::put(self.batch, self.payloads, key, json)
    }

    /// What a record leaves behind its first part is never looked at.
    pub(in crate::store) fn remove(&mut self, key: Key) {
        self.batch.remove(key.part(0).as_slice());
    }
}

/// Where a session stands in the order of last activity.
pub(in crate::store) fn activity(header: &SessionHeader) -> Key {
    let at = u64::try_from(header.last_active).unwrap_or(0);
    let name = Key::text(Table::Session, header.id.as_str());
    Key::table(Table::SessionActivity).with(&at.to_be_bytes()).with(name.body())
}

pub(in crate::store) fn title_key(title: &str) -> Key {
    Key::text(Table::SessionTitle, title)
}

impl Sessions {
    pub(in crate::store) fn is_empty(&self) -> bool {
        self.touched.is_empty()
    }

    /// Reads what a write needs to know of its session.
    ///
    /// # Errors
    /// It cannot be read: the write must not become part of a commit.
    pub(in crate::store) fn prepare(&mut self, database: &Database, write: &Write) -> Result<(), StoreError> {
        let session = match write {
            Write::Session { append, unlisted: _ } => &append.session.id,
            Write::Summary(change) => &change.session,
            Write::SessionEdit(SessionEdit { edit, .. }) => match edit {
                Edit::Change { id, .. } | Edit::Delete(id) => id,
                Edit::Create(new) => &new.id,
                Edit::Import(_) => return Ok(()),
            },
            Write::Put(..) | Write::Remove(_) | Write::Deltas(..) | Write::Whole(_) => return Ok(()),
        };
        self.touch(database, session).map(drop)
    }

    /// Carries an edit out, or has it answered why not.
    pub(in crate::store) fn settle(
        &mut self,
        draft: &mut Draft<'_>,
        edit: &SessionEdit,
    ) -> Result<(), StoreError> {
        match self.edit(draft, &edit.edit) {
            Err(SessionError::Store(error)) => Err(error),
            verdict => {
                edit.settle(verdict);
                Ok(())
            }
        }
    }

    fn edit(&mut self, draft: &mut Draft<'_>, edit: &Edit) -> Result<SessionHeader, SessionError> {
        match edit {
            Edit::Create(new) => self.create(draft, new),
            Edit::Change { id, change } => self.change(draft, id, change),
            Edit::Delete(id) => self.delete(draft, id),
            Edit::Import(incoming) => self.import(draft, incoming),
        }
    }

    fn create(&mut self, draft: &mut Draft<'_>, new: &NewSession) -> Result<SessionHeader, SessionError> {
        let parent = match &new.copy {
            None => None,
            Some(copy) => match &self.touch(draft.database, &copy.parent)?.now {
                // Deleted while it was being copied, perhaps made again since: not what was to be forked.
                Some(parent) if parent.messages_key() == copy.source => Some(parent.clone()),
                Some(_) | None => return Err(SessionError::NotFound(copy.parent.clone())),
            },
        };
        if self.touch(draft.database, &new.id)?.now.is_some() {
            return Err(SessionError::Exists(new.id.clone()));
        }
        let title = self.title(draft.database, &new.title, None, &new.id)?;
        let at = now();
        let mut header = SessionHeader {
            title,
            source: new.source.to_owned(),
            lock: new.lock.clone(),
            parent: parent.as_ref().map(|parent| parent.id.clone()),
            prompt: parent.as_ref().and_then(|parent| parent.prompt.clone()),
            ..fresh(new.id.clone(), new.model.clone(), at)
        };
        if let Some(copy) = &new.copy {
            copy.write(draft, &mut header)?;
        }
        if let Some(mut parent) = parent {
            parent.ended.get_or_insert_with(|| SessionEnd { at, reason: "branched".to_owned() });
            self.set(draft.database, parent)?;
        }
        set_prompt(draft, &mut header, new.system_prompt.as_deref())?;
        if let Some(entry) = &new.idempotency {
            draft.put(Key::idempotency(&entry.scope), entry)?;
        }
        self.set(draft.database, header.clone())?;
        Ok(header)
    }

    fn change(
        &mut self,
        draft: &mut Draft<'_>,
        id: &SessionId,
        change: &SessionChange,
    ) -> Result<SessionHeader, SessionError> {
        let Some(mut header) = self.touch(draft.database, id)?.now.clone() else {
            return Err(SessionError::NotFound(id.clone()));
        };
        if let Some(title) = &change.title {
            let wanted = Title::Given(title.clone());
            header.title = self.title(draft.database, &wanted, header.title.as_deref(), id)?;
        }
        if let Some(prompt) = &change.system_prompt {
            set_prompt(draft, &mut header, prompt.as_deref())?;
        }
        if let Some(lock) = &change.lock {
            header.lock.clone_from(lock);
            if let Some(model) = lock.as_ref().and_then(|lock| lock.model.as_ref()) {
                header.model.clone_from(model);
            }
        }
        if let Some(reason) = &change.end_reason {
            header.ended.get_or_insert_with(|| SessionEnd { at: now(), reason: reason.clone() });
        }
        // Somebody cares for it: it is no mere label any more.
        header.named = true;
        self.set(draft.database, header.clone())?;
        Ok(header)
    }

    /// Deletes the labels among sessions that stand at these places of the order of activity; how many there were.
    pub(in crate::store) fn forget(
        &mut self,
        draft: &mut Draft<'_>,
        places: &[Key],
    ) -> Result<usize, StoreError> {
        let mut count = 0;
        for place in places {
            let name = place.body().last_chunk::<16>().copied().unwrap_or_default();
            let header = draft.database.read::<SessionHeader>(Key::table(Table::Session).with(&name));
            let label = one_of_many(header)?.filter(|header| !header.named && activity(header) == *place);
            if let Some(label) = label {
                match self.delete(draft, &label.id) {
                    Err(SessionError::Store(error)) => return Err(error),
                    deleted => count += usize::from(deleted.is_ok()),
                }
            }
        }
        Ok(count)
    }

    fn delete(&mut self, draft: &mut Draft<'_>, id: &SessionId) -> Result<SessionHeader, SessionError> {
        let Some(header) = self.touch(draft.database, id)?.now.take() else {
            return Err(SessionError::NotFound(id.clone()));
        };
        if let Some(title) = &header.title {
            self.titles.insert(title.clone(), None);
        }
        if let Some(run) = header.first_run
            && draft.database.has(Key::run(Table::WholeRun, run))?
        {
            // It is the session's still, whose name may be used again.
            draft.put(index::session_run(id, run), &())?;
        }
        draft.remove(Key::text(Table::SessionPrompt, id.as_str()));
        draft.remove(crate::store::todos::key(id));
        trash::mark(draft, header.messages_key())?;
        Ok(header)
    }

    /// Whether the title can be had, and which one it is then. Takes it, and gives back the one from before.
    pub(super) fn title(
        &mut self,
        database: &Database,
        wanted: &Title,
        current: Option<&str>,
        id: &SessionId,
    ) -> Result<Option<String>, SessionError> {
        let title = match wanted {
            Title::Given(None) => None,
            Title::Given(Some(title)) => match self.owner(database, title)? {
                Some(by) if by != *id => {
                    return Err(SessionError::TitleTaken { title: title.clone(), by });
                }
                Some(_) | None => Some(title.clone()),
            },
            Title::NextOf(base) => self.next_title(database, base)?,
        };
        if let Some(current) = current {
            self.titles.insert(current.to_owned(), None);
        }
        if let Some(title) = &title {
            self.titles.insert(title.clone(), Some(id.clone()));
        }
        Ok(title)
    }

    fn next_title(&self, database: &Database, base: &str) -> Result<Option<String>, StoreError> {
        for number in 2..MOST_FORKS {
            let title = format!("{base} #{number}");
            if self.owner(database, &title)?.is_none() {
                return Ok(Some(title));
            }
        }
        Ok(None)
    }

    fn owner(&self, database: &Database, title: &str) -> Result<Option<SessionId>, StoreError> {
        match self.titles.get(title) {
            Some(owner) => Ok(owner.clone()),
            None => database.read(title_key(title)),
        }
    }

    pub(super) fn touch(&mut self, database: &Database, id: &SessionId) -> Result<&mut Touched, StoreError> {
        if !self.touched.contains_key(id) {
            let before = header_of(database, id)?;
            self.touched.insert(id.clone(), Touched { now: before.clone(), before });
        }
        self.touched.get_mut(id).ok_or_else(|| StoreError::Illegal("a session went astray".to_owned()))
    }

    pub(super) fn set(&mut self, database: &Database, header: SessionHeader) -> Result<(), StoreError> {
        let id = header.id.clone();
        self.touch(database, &id)?.now = Some(header);
        Ok(())
    }

    /// Puts headers and indexes into the batch, once per session whatever happened to it.
    pub(in crate::store) fn write(self, draft: &mut Draft<'_>) -> Result<(), StoreError> {
        for (id, Touched { before, now }) in self.touched {
            if before == now {
                continue;
            }
            if let Some(before) = &before {
                draft.remove(activity(before));
            }
            match &now {
                Some(header) => {
                    draft.put(Key::text(Table::Session, id.as_str()), header)?;
                    draft.put(activity(header), header.source.as_str())?;
                }
                None => draft.remove(Key::text(Table::Session, id.as_str())),
            }
        }
        for (title, owner) in self.titles {
            match owner {
                Some(id) => draft.put(title_key(&title), &id)?,
                None => draft.remove(title_key(&title)),
            }
        }
        Ok(())
    }
}

pub(super) fn fresh(id: SessionId, model: String, at: Millis) -> SessionHeader {
    SessionHeader {
        id,
        source: String::new(),
        named: true,
        model,
        created_at: at,
        last_active: at,
        messages: 0,
        turns: 0,
        usage: Usage::default(),
        cost: None,
        title: None,
        has_prompt: false,
        prompt: None,
        lock: None,
        parent: None,
        ended: None,
        tool_calls: 0,
        answers: 0,
        preview: None,
        summaries: 0,
        first_run: None,
        transcript: Some(TranscriptId::new()),
    }
}

pub(super) fn set_prompt(
    draft: &mut Draft<'_>,
    header: &mut SessionHeader,
    prompt: Option<&str>,
) -> Result<(), StoreError> {
    let key = Key::text(Table::SessionPrompt, header.id.as_str());
    header.has_prompt = prompt.is_some();
    match prompt {
        Some(prompt) => draft.put(key, prompt),
        None => {
            draft.remove(key);
            Ok(())
        }
    }
}
