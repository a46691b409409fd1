//! The writer's bench: makes one commit out of what waits, and keeps what only the writer may change.

use super::{
    StoreError,
    batch::Batch,
    clean, codec,
    command::{Command, LogAck, Stage, Write},
    database::Database,
    error::guarded,
    files,
    inner::Inner,
    journal::Journal,
    keyspace::{Key, Table},
    mark::{Mark, MarkFile},
    opening::{self, Meta},
    sessions::{Draft, Sessions},
    values::ValueWriter,
    wake::WakeFile,
    writer::Work,
};
use crate::{domain::RunId, redact::Redactor};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

/// Only its holder writes: whoever has the lock is the store's writer.
pub(super) struct Bench {
    pub(super) file: MarkFile,
    /// The last commit.
    pub(super) at: Mark,
    pub(super) journal: Journal,
    /// A timer is under way that will empty the journal.
    pub(super) due: bool,
    pub(super) wake: WakeFile,
    /// Where the longer values of wide commits go.
    pub(super) values: ValueWriter,
    /// Runs without a terminal event, as the disk has them.
    pub(super) open: HashSet<RunId>,
    /// In which generation each open run's last deltas are.
    pub(super) generation_of: HashMap<RunId, u64>,
    /// Why the database must be opened anew before it is written again, and since when.
    pub(super) broken: Option<(StoreError, Instant)>,
    /// A timer is under way that will say in `state/wake` that no run is open.
    pub(super) settling: bool,
    /// The last commit changed sessions.
    wrote_sessions: bool,
    /// The last commit failed.
    stumbled: bool,
}

/// Text of a run, under its key.
type Chunk = (Key, Vec<u8>);

/// What a commit does beside the records that it puts into the batch.
#[derive(Default)]
struct Sheet {
    opened: HashSet<RunId>,
    closed: HashSet<RunId>,
    chunks: Vec<Chunk>,
    /// It changes keys.
    keys: bool,
    /// Writes of the main database.
    count: usize,
    sessions: Sessions,
}

impl Sheet {
    /// A write of which nobody else knows stays whole: should the commit fail, it may be tried again.
    fn take(
        &mut self,
        draft: &mut Draft<'_>,
        redactor: &Redactor,
        write: &mut Write,
    ) -> Result<(), StoreError> {
        let is_of_log = write.is_of_log();
        self.count += usize::from(!matches!(write, Write::Deltas(..)));
        match write {
            Write::Put(key, json) => {
                self.keys |= key.is(Table::Key);
                if key.is(Table::OpenRun) {
                    self.opened.insert(RunId::from_bytes(key.id()));
                }
                draft.put_json(*key, json)?;
                if is_of_log {
                    *json = Vec::new();
                }
                Ok(())
            }
            Write::Remove(key) => {
                if key.is(Table::OpenRun) {
                    self.closed.insert(RunId::from_bytes(key.id()));
                }
                draft.remove(*key);
                Ok(())
            }
            Write::Deltas(key, json) => {
                self.chunks.push((*key, std::mem::take(json)));
                Ok(())
            }
            Write::Whole(ended) => {
                let (key, json) = ended.encode(redactor)?;
                draft.put_json(key, &json)
            }
            Write::Session { append, unlisted } => {
                clean::append(redactor, append);
                self.sessions.append(draft, append, *unlisted)
            }
            Write::Summary(change) => self.sessions.summarise(draft, change),
            Write::SessionEdit(edit) => self.sessions.settle(draft, edit),
        }
    }
}

impl Bench {
    pub(super) fn new(
        file: MarkFile,
        at: Mark,
        journal: Journal,
        wake: WakeFile,
        open: HashSet<RunId>,
        values: ValueWriter,
    ) -> Self {
        Self {
            file,
            at,
            journal,
            due: false,
            wake,
            values,
            open,
            generation_of: HashMap::new(),
            broken: None,
            settling: false,
            wrote_sessions: false,
            stumbled: false,
        }
    }

    /// Writes what waits as one commit, and tells all who wait for it.
    pub(super) fn commit(&mut self, inner: &Arc<Inner>, work: Work) {
        if std::mem::take(&mut self.stumbled) {
            // What failed then goes first: a session's next turn is to find the last one in it.
            inner.save(self);
        }
        let mut commands = gather(inner, work);
        if commands.is_empty() {
            return;
        }
        let mut refused = Vec::new();
        let result = Self::check_space(inner).and_then(|()| {
            let written = guarded(|| {
                self.heal(inner)?;
                let sessions = prepare(inner, &mut commands, &mut refused)?;
                self.write(inner, &mut commands, sessions)
            });
            if let Err(error) = &written {
                self.break_off(error);
            }
            written
        });
        if result.is_ok() && self.wrote_sessions {
            inner.follow_later();
        }
        if let Err(error) = &result {
            self.stumbled = true;
            tracing::error!(%error, commands = commands.len(), "a commit failed");
        }
        for command in commands {
            inner.finish(command, &result);
        }
        for (command, error) in refused {
            tracing::error!(%error, "a session cannot be written to");
            inner.finish(command, &Err(error));
        }
        self.settle_wake(inner);
        self.due = self.due || (!self.journal.is_empty() && inner.checkpoint_later());
    }

    fn write(
        &mut self,
        inner: &Arc<Inner>,
        commands: &mut [Command],
        sessions: Sessions,
    ) -> Result<(), StoreError> {
        let wide = commands.len() >= inner.options.wide;
        let writes = commands.iter_mut().flat_map(|command| &mut command.writes);
        let mut batch = Batch::default();
        let mut sheet = Sheet { sessions, ..Sheet::default() };
        self.values.begin();
        inner.read(|database| {
            let values = wide.then_some(&mut self.values);
            let mut draft = Draft { database, payloads: &inner.payloads, batch: &mut batch, values };
            for write in writes {
                sheet.take(&mut draft, &inner.options.redactor, write)?;
            }
            self.wrote_sessions = !sheet.sessions.is_empty();
            std::mem::take(&mut sheet.sessions).write(&mut draft)
        })?;
        let Sheet { opened, closed, chunks, keys, mut count, sessions: _ } = sheet;
        if !opened.is_empty() {
            self.wake.set(|wake| wake.open_runs = true)?;
        }
        let chunks = self.chunks_beside(inner, &mut batch, chunks, &closed)?;
        // Chunks first: a terminal event that is on disk has all its text on disk.
        count += self.write_chunks(inner, &mut batch, &chunks)?;
        // And values before the places that the batch names.
        self.values.flush()?;
        if count > 0 {
            self.write_main(inner, batch)?;
        }
        self.open.extend(&opened);
        for run in &closed {
            self.open.remove(run);
            self.generation_of.remove(run);
        }
        if keys {
            let keys = inner.read(opening::count_keys)?;
            self.wake.set(|wake| wake.keys = keys)?;
        }
        Ok(())
    }

    /// Puts the text of runs that end before any of it was written among the rest, and gives back what other runs said:
    /// the first needs no second database, and no second flush.
    fn chunks_beside(
        &mut self,
        inner: &Inner,
        batch: &mut Batch,
        chunks: Vec<Chunk>,
        closed: &HashSet<RunId>,
    ) -> Result<Vec<Chunk>, StoreError> {
        let mut beside = Vec::with_capacity(chunks.len());
        for (key, json) in chunks {
            let run = RunId::from_bytes(key.id());
            if closed.contains(&run) && !self.has_generation(inner, run)? {
                codec::put(batch, &inner.payloads, key, &json)?;
            } else {
                beside.push((key, json));
            }
        }
        Ok(beside)
    }

    /// Whether text of this run lies in a second database. What is in the main one has to be older than that.
    fn has_generation(&self, inner: &Inner, run: RunId) -> Result<bool, StoreError> {
        if self.generation_of.contains_key(&run) {
            return Ok(true);
        }
        let mut found = false;
        inner.read(|db| {
            db.scan_all(Table::RunGeneration, Key::run(Table::RunGeneration, run), |_, _| {
                found = true;
                Ok(false)
            })
        })?;
        Ok(found)
    }

    /// Commits the chunks to the second database; returns how many writes of the main batch came of it.
    fn write_chunks(
        &mut self,
        inner: &Inner,
        batch: &mut Batch,
        chunks: &[Chunk],
    ) -> Result<usize, StoreError> {
        if chunks.is_empty() {
            return Ok(0);
        }
        let generation = inner.deltas.newest()?;
        let database = inner.generation(generation)?;
        let number = generation_mark(&database)? + 1;
        let mut second = Batch::default();
        let meta = Meta { generation, commit: number, indexes: 0 };
        codec::put(&mut second, &inner.payloads, Key::table(Table::Meta), &codec::to_json(&meta)?)?;
        let mut indexed = 0;
        for (key, json) in chunks {
            codec::put(&mut second, &inner.payloads, *key, json)?;
            let run = RunId::from_bytes(key.id());
            if self.generation_of.insert(run, generation) != Some(generation) {
                let index = Key::numbered(Table::RunGeneration, run, generation);
                codec::put(batch, &inner.payloads, index, b"null")?;
                indexed += 1;
            }
        }
        // If there is a commit of the main database it says how far this one has come; alone it is not worth one.
        let key = Key::table(Table::Generation).with(&generation.to_be_bytes());
        codec::put(batch, &inner.payloads, key, &codec::to_json(&number)?)?;
        // Should it fail, the database stays open for readers; before the next write it is opened anew.
        database.commit(&second).map(|()| indexed)
    }

    /// Refuses before sled meets a full disk: what it has in memory after that is not what the disk has, it has to be
    /// opened anew, and that takes space too.
    pub(super) fn check_space(inner: &Inner) -> Result<(), StoreError> {
        if files::has_less_than(&inner.dir, inner.room()) { Err(StoreError::Full) } else { Ok(()) }
    }

    /// Why the last write failed, until one works again.
    pub(super) fn error(&self) -> Option<StoreError> {
        self.broken.as_ref().map(|(error, _)| error.clone())
    }

    pub(super) fn settle_wake(&mut self, inner: &Arc<Inner>) {
        if self.settling || !self.open.is_empty() || !self.wake.says_open() {
            return;
        }
        self.settling = inner.settle_wake_later();
    }

    /// Says that no run is open, if that is so.
    pub(super) fn write_wake(&mut self) {
        self.settling = false;
        if self.open.is_empty()
            && let Err(error) = self.wake.set(|wake| wake.open_runs = false)
        {
            // A store that is opened once more than needed is no harm.
            tracing::warn!(%error, "`state/wake` was not written");
        }
    }
}

/// What is to be written of a commit's work: the deltas become a command of their log's.
fn gather(inner: &Arc<Inner>, work: Work) -> Vec<Command> {
    let mut commands = Vec::with_capacity(work.commands.len() + work.dirty.len());
    for command in work.commands {
        // Behind a commit that failed nothing of the same log is written: it would have a hole.
        let failed = command.log.as_ref().and_then(|log| log.live.state().failed.clone());
        match failed {
            Some(error) => inner.finish(command, &Err(error)),
            None => commands.push(command),
        }
    }
    for live in work.dirty {
        let mut state = live.state();
        let writes = state.collect();
        let upto = state.last();
        drop(state);
        match writes {
            Ok(writes) if writes.is_empty() => {}
            Ok(writes) => {
                let log = LogAck { live, upto, reserved: None, stage: Stage::Going };
                commands.push(Command { writes, log: Some(log), answer: None });
            }
            Err(error) => live.fail(&error),
        }
    }
    commands
}

/// The sessions that the commands change. A command whose session is damaged is taken out: it fails alone.
fn prepare(
    inner: &Inner,
    commands: &mut Vec<Command>,
    refused: &mut Vec<(Command, StoreError)>,
) -> Result<Sessions, StoreError> {
    let mut sessions = Sessions::default();
    let mut damaged = Vec::new();
    inner.read(|db| {
        for (at, command) in commands.iter().enumerate() {
            match command.writes.iter().try_for_each(|write| sessions.prepare(db, write)) {
                Err(error @ StoreError::Damaged(_)) => damaged.push((at, error)),
                prepared => prepared?,
            }
        }
        Ok(())
    })?;
    refused.extend(damaged.into_iter().rev().map(|(at, error)| (commands.remove(at), error)));
    Ok(sessions)
}

/// How many commits a database of deltas knows of.
pub(super) fn generation_mark(database: &Database) -> Result<u64, StoreError> {
    Ok(database.read::<Meta>(Key::table(Table::Meta))?.map_or(0, |meta| meta.commit))
}
