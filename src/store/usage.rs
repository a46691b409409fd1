//! The ledger: what model calls cost. A run that was written in one piece has its calls in it; others have a record for each.
//! When runs are deleted, their sums are kept by day, key, model and kind.

use super::{
    Store, StoreError,
    batch::Batch,
    codec,
    command::Write,
    database::Database,
    error::one_of_many,
    keyspace::{Key, Table},
    payload::Payloads,
};
use crate::domain::{
    CallKind, DAY, KeyId, Millis, RunId, SessionId, UpstreamCall, UsageBy, UsageGroup, UsageSums,
};
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
};

/// No run that was written in one piece takes longer than this.
const LONGEST_WHOLE: Millis = DAY;

/// A call of a run that has records of its own for them.
#[derive(Serialize, Deserialize)]
struct StoredCall<'a> {
    session: Cow<'a, SessionId>,
    key: Cow<'a, KeyId>,
    call: Cow<'a, UpstreamCall>,
}

/// The calls of a run that was written in one piece.
#[derive(Deserialize)]
struct WholeCalls {
    record: Whose,
    #[serde(default)]
    calls: Vec<UpstreamCall>,
}

#[derive(Deserialize)]
struct Whose {
    session_id: SessionId,
    key_id: KeyId,
}

/// What is left of deleted runs.
#[derive(Serialize, Deserialize)]
struct DaySum {
    day: i64,
    key: KeyId,
    provider: String,
    model: String,
    #[serde(default, skip_serializing_if = "CallKind::is_main")]
    kind: CallKind,
    sums: UsageSums,
}

impl DaySum {
    fn place(&self) -> Key {
        let mut who = format!("{}\n{}\n{}", self.key, self.provider, self.model);
        if !self.kind.is_main() {
            who += &format!("\n{}", self.kind.wire());
        }
        first_of(self.day).with(&blake3::hash(who.as_bytes()).as_bytes()[..16])
    }
}

/// The beginning of the sums of a day.
fn first_of(day: i64) -> Key {
    Key::table(Table::UsageDay).with(&day.max(0).to_be_bytes())
}

/// Which calls are asked for: of `[from, until)`.
#[derive(Debug, Clone)]
pub struct UsageFilter {
    pub by: UsageBy,
    pub from: Millis,
    pub until: Millis,
}

/// Sums by group, and of all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UsageReport {
    pub groups: BTreeMap<UsageGroup, UsageSums>,
    pub total: UsageSums,
}

/// The record of one call. `number` is its own in its run.
pub(super) fn write(
    run: RunId,
    number: u64,
    session: &SessionId,
    key: &KeyId,
    call: &UpstreamCall,
) -> Result<Write, StoreError> {
    let stored =
        StoredCall { session: Cow::Borrowed(session), key: Cow::Borrowed(key), call: Cow::Borrowed(call) };
    Ok(Write::Put(Key::numbered(Table::Call, run, number), codec::to_json(&stored)?))
}

impl UsageReport {
    fn add(&mut self, filter: &UsageFilter, session: Option<&SessionId>, key: &KeyId, call: &UpstreamCall) {
        if call.at < filter.from || call.at >= filter.until {
            return;
        }
        let mut sums = UsageSums::default();
        sums += call;
        let group = match filter.by {
            UsageBy::Day => UsageGroup::Day(call.at.div_euclid(DAY)),
            UsageBy::Session => UsageGroup::Session(session.map(ToString::to_string)),
            UsageBy::Key => UsageGroup::Key(key.to_string()),
            UsageBy::Model => {
                UsageGroup::Model { provider: call.provider.clone(), model: call.model.clone() }
            }
            UsageBy::Kind => UsageGroup::Kind(call.kind),
        };
        self.put(group, sums);
    }

    fn put(&mut self, group: UsageGroup, sums: UsageSums) {
        *self.groups.entry(group).or_default() += sums;
        self.total += sums;
    }
}

impl Store {
    /// What the calls of a time cost. Blocking. Of days whose runs are deleted, all of a day counts that begins in the time.
    pub fn usage(&self, filter: &UsageFilter) -> Result<UsageReport, StoreError> {
        let mut report = UsageReport::default();
        let day = |at: Millis| first_of(at.div_euclid(DAY));
        self.0.read(|db| {
            let (first, end) = (day(filter.from.saturating_add(DAY - 1)), day(filter.until - 1).end());
            db.scan(Table::UsageDay, first, end, |_, json| {
                let DaySum { day, key, provider, model, kind, sums } = codec::from_json(&json)?;
                let group = match filter.by {
                    UsageBy::Day => UsageGroup::Day(day),
                    UsageBy::Session => UsageGroup::Session(None),
                    UsageBy::Key => UsageGroup::Key(key.to_string()),
                    UsageBy::Model => UsageGroup::Model { provider, model },
                    UsageBy::Kind => UsageGroup::Kind(kind),
                };
                report.put(group, sums);
                Ok(true)
            })?;
            db.scan_all(Table::Call, Key::table(Table::Call), |_, json| {
                let StoredCall { session, key, call } = codec::from_json(&json)?;
                report.add(filter, Some(&session), &key, &call);
                Ok(true)
            })?;
            // Their keys begin with the time at which they were accepted.
            let born = |at: Millis| Key::table(Table::WholeRun).with(&at.max(0).to_be_bytes()[2..]);
            let first = born(filter.from.saturating_sub(LONGEST_WHOLE));
            db.scan_each(Table::WholeRun, first, born(filter.until), |_, json| {
                let whole = json.and_then(|json| codec::from_json(&json));
                let Some(WholeCalls { record, calls }) = one_of_many(whole.map(Some))? else {
                    return Ok(true);
                };
                for call in &calls {
                    report.add(filter, Some(&record.session_id), &record.key_id, call);
                }
                Ok(true)
            })
        })?;
        Ok(report)
    }
}

/// Adds what these runs cost to the sums of their days, in the batch that deletes them.
pub(super) fn keep_sums(
    db: &Database,
    payloads: &Payloads,
    batch: &mut Batch,
    runs: &[RunId],
) -> Result<(), StoreError> {
    let mut days: BTreeMap<Vec<u8>, DaySum> = BTreeMap::new();
    let mut add = |key: &KeyId, call: &UpstreamCall| {
        let fresh = DaySum {
            day: call.at.div_euclid(DAY),
            key: key.clone(),
            provider: call.provider.clone(),
            model: call.model.clone(),
            kind: call.kind,
            sums: UsageSums::default(),
        };
        let sum = match days.entry(fresh.place().as_slice().to_vec()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(db.read(fresh.place())?.unwrap_or(fresh)),
        };
        sum.sums += call;
        Ok::<_, StoreError>(())
    };
    for &run in runs {
        let whole = db.read(Key::run(Table::WholeRun, run));
        if let Some(WholeCalls { record, calls }) = one_of_many(whole)? {
            calls.iter().try_for_each(|call| add(&record.key_id, call))?;
        }
        db.scan_all(Table::Call, Key::run(Table::Call, run), |_, json| {
            let StoredCall { session: _, key, call } = codec::from_json(&json)?;
            add(&key, &call)?;
            Ok(true)
        })?;
    }
    for sum in days.into_values() {
        codec::put(batch, payloads, sum.place(), &codec::to_json(&sum)?)?;
    }
    Ok(())
}
