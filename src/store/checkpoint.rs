//! The way of a commit to the disk: into the journal, into the database, and at a checkpoint to the disk from there, too.

use super::{
    StoreError,
    batch::Batch,
    bench::Bench,
    codec,
    database::Database,
    inner::Inner,
    journal::Journal,
    keyspace::{Key, Table},
    mark::Mark,
    opening::{self, Meta},
};
use std::time::Instant;

impl Bench {
    /// Commits to the main database, with the commit's number in the batch, and notes the number outside. The disk has
    /// it in the journal.
    pub(super) fn write_main(&mut self, inner: &Inner, mut batch: Batch) -> Result<(), StoreError> {
        #[cfg(test)]
        inner.options.fault.check()?;
        let next = Mark { commit: self.at.commit + 1, ..self.at };
        let meta = codec::to_json(&Meta::from(next))?;
        codec::put(&mut batch, &inner.payloads, Key::table(Table::Meta), &meta)?;
        self.journal.append(next, &batch)?;
        inner.read(|db| db.apply(&batch))?;
        self.at = next;
        self.file.write(self.at)?;
        if self.journal.is_full() {
            self.try_checkpoint(inner);
        }
        Ok(())
    }

    /// Brings the database's own file to the disk, and empties the journal.
    pub(super) fn checkpoint(&mut self, inner: &Inner) -> Result<(), StoreError> {
        if self.journal.is_empty() {
            return Ok(());
        }
        self.at.length = inner.read(|db| db.flush().map(|()| db.size()))?;
        self.file.write(self.at)?;
        self.journal.clear()
    }

    /// The same, when the time for it has come.
    pub(super) fn checkpoint_now(&mut self, inner: &Inner) {
        self.due = false;
        if self.broken.is_none() {
            self.try_checkpoint(inner);
        }
    }

    /// What fails is no failure of a commit, which the disk has; the next one mends it.
    fn try_checkpoint(&mut self, inner: &Inner) {
        if let Err(error) = self.checkpoint(inner) {
            tracing::error!(%error, "the store's database cannot be written");
            self.break_off(&error);
        }
    }

    /// The database is opened anew before the next write.
    pub(super) fn break_off(&mut self, error: &StoreError) {
        self.broken.get_or_insert_with(|| (error.clone(), Instant::now()));
    }

    /// After a failed write the database is opened anew before the next one.
    pub(super) fn heal(&mut self, inner: &Inner) -> Result<(), StoreError> {
        let Some((error, since)) = &mut self.broken else {
            return Ok(());
        };
        if since.elapsed() < inner.options.heal_after {
            return Err(error.clone());
        }
        *since = Instant::now();
        let mut main = inner.main_mut();
        // sled holds a lock on its file: the old one goes first.
        drop(main.take());
        inner.deltas.close();
        self.generation_of.clear();
        let (mut journal, found) = Journal::open(&inner.dir, self.at)?;
        let database = Database::open(&inner.dir.join("db"), &inner.payloads, inner.options.cache)?;
        self.at = opening::catch_up(&database, &self.file, self.at, &mut journal, found)?;
        self.journal = journal;
        *main = Some(database);
        self.broken = None;
        tracing::info!("the store writes again");
        Ok(())
    }
}
