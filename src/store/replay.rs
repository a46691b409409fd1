//! A run's log as the disk has it: events and deltas, merged by number.

use super::{
    StoreError, codec,
    database::Database,
    deltas,
    inner::Inner,
    keyspace::{Key, Table},
    state::StoredEvent,
};
use crate::domain::{Logged, RunId};

impl Inner {
    /// Up to `limit` stored events behind `after`, up to and with `upto`.
    pub(super) fn page(
        &self,
        run: RunId,
        after: u64,
        upto: u64,
        limit: usize,
    ) -> Result<Vec<Logged>, StoreError> {
        if let Some(page) = self.page_of_whole(run, after, upto, limit)? {
            return Ok(page);
        }
        // The first `limit` of each side hold the first `limit` of both.
        let mut page = self.read(|db| events(db, run, after, upto, limit))?;
        self.deltas_of(run, after, &mut |logged| {
            if logged.seq.0 > upto {
                return false;
            }
            page.push(logged);
            page.len() < 2 * limit
        })?;
        page.sort_by_key(|logged| logged.seq);
        page.truncate(limit);
        Ok(page)
    }

    /// Gives all stored deltas behind `after`, in order, until `visit` says `false`.
    pub(super) fn deltas_of(
        &self,
        run: RunId,
        after: u64,
        visit: &mut dyn FnMut(Logged) -> bool,
    ) -> Result<(), StoreError> {
        // What came with the run or a restore is in the main database, and is older than any generation's.
        if !self.read(|db| chunks(db, run, after, visit))? {
            return Ok(());
        }
        let mut generations = Vec::new();
        self.read(|db| {
            let prefix = Key::run(Table::RunGeneration, run);
            db.scan_all(Table::RunGeneration, prefix, |key, _| {
                generations.push(key.number());
                Ok(true)
            })
        })?;
        for generation in generations {
            if !self.deltas.exists(generation) {
                let what = format!("`state/events/{generation:08}` is missing");
                return Err(StoreError::Damaged(what));
            }
            if !chunks(&*self.generation(generation)?, run, after, visit)? {
                break;
            }
        }
        Ok(())
    }
}

fn events(db: &Database, run: RunId, after: u64, upto: u64, limit: usize) -> Result<Vec<Logged>, StoreError> {
    let mut found = Vec::new();
    let from = Key::numbered(Table::Event, run, after.saturating_add(1));
    let until = Key::numbered(Table::Event, run, upto).end();
    if from.as_slice() >= until.as_slice() {
        return Ok(found);
    }
    db.scan(Table::Event, from, until, |_, json| {
        found.push(codec::from_json::<StoredEvent<'_>>(&json)?.into_logged());
        Ok(found.len() < limit)
    })?;
    Ok(found)
}

/// `false`: `visit` had enough.
fn chunks(
    db: &Database,
    run: RunId,
    after: u64,
    visit: &mut dyn FnMut(Logged) -> bool,
) -> Result<bool, StoreError> {
    let all = Key::run(Table::Deltas, run);
    // The chunk that begins at or before the position may reach over it.
    let position = Key::numbered(Table::Deltas, run, after.saturating_add(1)).end();
    let from = db.last_key(Table::Deltas, all, position)?.unwrap_or(all);
    let mut more = true;
    db.scan(Table::Deltas, from, all.end(), |_, json| {
        for logged in deltas::decode(&json)? {
            if logged.seq.0 > after && more {
                more = visit(logged);
            }
        }
        Ok(more)
    })?;
    Ok(more)
}
