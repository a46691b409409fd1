//! What a live log's lock guards: the ring of last events, and which of them readers may see.

use super::{
    StoreError, codec,
    command::Write,
    deltas, index,
    keyspace::{Key, Table},
    whole::WholeRun,
};
use crate::domain::{Event, Logged, Message, Millis, RunRecord, RunSpec, RunStatus, Seq, UpstreamCall};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::VecDeque, mem, sync::Arc};

/// Text in one chunk of deltas: a reader at any position decodes no more than this.
const CHUNK: usize = 32 << 10;

/// A stored event: its place beside it, since `Event` knows none.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredEvent<'a> {
    pub(super) seq: Seq,
    pub(super) at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lost_after: Option<Seq>,
    pub(super) event: Cow<'a, Event>,
}

impl<'a> StoredEvent<'a> {
    pub(super) fn of(logged: &'a Logged) -> Self {
        let Logged { seq, at, lost_after, event } = logged;
        Self { seq: *seq, at: *at, lost_after: *lost_after, event: Cow::Borrowed(event) }
    }

    pub(super) fn into_logged(self) -> Logged {
        let Self { seq, at, lost_after, event } = self;
        Logged { seq, at, lost_after, event: event.into_owned() }
    }
}

/// What the log's lock guards.
pub(super) struct LiveState {
    pub(super) record: RunRecord,
    /// The record as readers may see it, while events wait for the disk.
    held: Option<Box<RunRecord>>,
    /// Events behind `floor`, in order; the last are perhaps not visible yet.
    ring: VecDeque<Arc<Logged>>,
    bytes: usize,
    /// All events up to here are no longer in the ring, or never were.
    pub(super) floor: u64,
    next: u64,
    /// What the first event has to say after a crash.
    lost_after: Option<Seq>,
    pub(super) visible: u64,
    /// Numbers of events that are visible only after their commit.
    pending: VecDeque<u64>,
    /// Highest number that may be visible; `None`: any.
    pub(super) granted: Option<u64>,
    /// Whether events wait for the disk.
    pub(super) gated: bool,
    /// Whether the store has been given the run.
    pub(super) stored: bool,
    /// All up to here has been given to the store's writer …
    handed: u64,
    /// … and is on disk.
    durable: u64,
    /// Commands of the log's writer that are on their way to the disk.
    in_flight: usize,
    /// Whether the store's writer has been told that deltas wait.
    dirty: bool,
    pub(super) parked: bool,
    pub(super) failed: Option<StoreError>,
    /// What else came with the events that the disk did not take, in its order.
    pub(super) refused: Vec<Write>,
}

impl LiveState {
    pub(super) fn begin(record: RunRecord, gated: bool) -> Self {
        Self {
            held: None,
            ring: VecDeque::new(),
            bytes: 0,
            floor: record.last_seq.0,
            next: record.last_seq.0 + 1,
            lost_after: None,
            visible: record.last_seq.0,
            pending: VecDeque::new(),
            granted: gated.then_some(record.reserved.0),
            gated,
            stored: false,
            handed: record.last_seq.0,
            durable: record.last_seq.0,
            in_flight: 0,
            dirty: false,
            parked: false,
            failed: None,
            refused: Vec::new(),
            record,
        }
    }

    /// Goes on behind a stored log: at the next number if it was closed in order, else behind all that were reserved.
    pub(super) fn resume(record: RunRecord) -> Self {
        let (last, reserved) = (record.last_seq, record.reserved);
        let mut state = Self::begin(record, true);
        state.stored = true;
        // Deltas may have come to the disk behind the block that it knows of; nobody saw their numbers.
        state.record.reserved = reserved.max(last);
        if reserved > last {
            state.next = reserved.0 + 1;
            state.lost_after = Some(last);
        }
        state
    }

    pub(super) fn last(&self) -> u64 {
        self.record.last_seq.0
    }

    /// The record as readers may see it.
    pub(super) fn shown(&self) -> &RunRecord {
        self.held.as_deref().unwrap_or(&self.record)
    }

    /// At work, but readers may not know yet.
    pub(super) fn begins(&self) -> bool {
        let queued = |record: &RunRecord| record.status == RunStatus::Queued;
        !self.parked && queued(self.shown()) && !queued(&self.record)
    }

    /// Ended, and all of it is visible.
    pub(super) fn is_over(&self) -> bool {
        self.record.status.is_terminal() && self.visible >= self.last()
    }

    /// Appends an event; whether the run's state allows it, the record decides.
    pub(super) fn push(&mut self, event: Event, now: Millis) -> Result<(), StoreError> {
        let waits = self.gated && !event.is_delta() && self.failed.is_none();
        let before = (waits && self.held.is_none()).then(|| Box::new(self.record.clone()));
        let logged = Logged {
            seq: Seq(self.next),
            // Time does not run backwards inside a log, whatever the wall clock does.
            at: now.max(self.record.updated_at),
            lost_after: self.lost_after,
            event,
        };
        self.record.apply(&logged).map_err(|step| StoreError::Illegal(step.to_string()))?;
        self.held = self.held.take().or(before);
        self.lost_after = None;
        if waits {
            self.pending.push_back(self.next);
        }
        self.next += 1;
        self.bytes += weight(&logged);
        self.ring.push_back(Arc::new(logged));
        Ok(())
    }

    /// What the store has not been given yet, as records.
    pub(super) fn hand_over(&mut self) -> Result<Vec<Write>, StoreError> {
        let from = self.ring.partition_point(|logged| logged.seq.0 <= self.handed);
        let mut writes = Vec::new();
        let mut rest = self.ring.range(from..).peekable();
        while let Some(logged) = rest.next() {
            if !logged.event.is_delta() {
                let key = Key::numbered(Table::Event, self.record.run_id, logged.seq.0);
                writes.push(Write::Put(key, codec::to_json(&StoredEvent::of(logged))?));
                continue;
            }
            let mut size = weight(logged);
            let mut chunk: Vec<&Logged> = vec![logged];
            while let Some(next) = rest.next_if(|next| next.event.is_delta() && size < CHUNK) {
                size += weight(next);
                chunk.push(next);
            }
            let key = Key::numbered(Table::Deltas, self.record.run_id, logged.seq.0);
            writes.push(Write::Deltas(key, deltas::encode(chunk.into_iter())?));
        }
        self.handed_over();
        Ok(writes)
    }

    /// Nothing of an ended log that had failed is on its way any more: it can be tried again.
    pub(super) const fn is_all_back(&self) -> bool {
        self.in_flight == 0
    }

    /// The end of a log that had failed is tried again.
    pub(super) fn goes_again(&mut self) {
        self.failed = None;
        self.in_flight = 1;
        self.record.reserved = Seq(self.last());
    }

    /// The same: what the disk does not have of it, as far as it is still here.
    pub(super) fn rest(&mut self) -> Result<Vec<Write>, StoreError> {
        self.goes_again();
        self.handed = self.durable;
        if let Some(first) = self.ring.front_mut().filter(|_| self.floor > self.durable) {
            *first = Arc::new(Logged { lost_after: Some(Seq(self.durable)), ..(**first).clone() });
        }
        let mut writes = self.hand_over()?;
        writes.push(self.head()?);
        writes.extend(index::of_run(&self.record, false));
        Ok(writes)
    }

    /// All of an ended run, as one record: what the disk does not have is in the ring.
    pub(super) fn whole<'a>(
        &'a self,
        spec: &'a RunSpec,
        messages: &'a [Message],
        calls: &'a [UpstreamCall],
    ) -> WholeRun<'a> {
        let log = self.ring.iter().map(|logged| &**logged);
        WholeRun::new(&self.record, spec, messages, calls, log)
    }

    /// Nothing is left that the store has not been given.
    pub(super) fn handed_over(&mut self) {
        self.handed = self.last();
    }

    /// A commit is on disk, with all up to `upto`.
    pub(super) fn arrived(&mut self, upto: u64, reserved: Option<u64>) {
        self.durable = self.durable.max(upto);
        self.landed(reserved);
        self.granted = self.granted.max(reserved);
        while self.pending.front().is_some_and(|&seq| seq <= upto) {
            self.pending.pop_front();
        }
    }

    /// A command was not carried out.
    pub(super) fn came_back(&mut self, writes: Vec<Write>, reserved: Option<u64>) {
        self.landed(reserved);
        self.refused.extend(writes.into_iter().filter(|write| !write.is_of_log()));
    }

    /// Only commands of the log's writer say something about numbers.
    fn landed(&mut self, reserved: Option<u64>) {
        self.in_flight = self.in_flight.saturating_sub(usize::from(reserved.is_some()));
    }

    pub(super) fn give_up(&mut self, error: &StoreError) {
        self.failed.get_or_insert_with(|| error.clone());
        self.pending.clear();
    }

    pub(super) fn holds_more_than(&self, events: usize, bytes: usize) -> bool {
        self.ring.len() > events || self.bytes > bytes
    }

    /// A command with all up to the last event goes its way.
    pub(super) const fn sent(&mut self) {
        self.stored = true;
        self.in_flight += 1;
    }

    /// For the store's writer: deltas that wait. None while a command is on its way: it may have been handed over after
    /// this commit's work was taken, and what comes after it must not overtake it.
    pub(super) fn collect(&mut self) -> Result<Vec<Write>, StoreError> {
        self.dirty = false;
        if self.failed.is_some() || self.in_flight > 0 {
            return Ok(Vec::new());
        }
        self.hand_over()
    }

    /// Whether the store's writer has to be told of deltas that wait; says so once until they are collected.
    pub(super) fn wants_writing(&mut self) -> bool {
        let waits = self.stored && !self.dirty && self.failed.is_none() && self.handed < self.last();
        self.dirty |= waits;
        waits
    }

    /// The record as a stored value. While the run is open its text is left out: the deltas have it, and it would be
    /// written again with every event.
    pub(super) fn head(&mut self) -> Result<Write, StoreError> {
        let key = Key::run(Table::Run, self.record.run_id);
        if self.record.status.is_terminal() {
            return Ok(Write::Put(key, codec::to_json(&self.record)?));
        }
        let text = mem::take(&mut self.record.text);
        let json = codec::to_json(&self.record);
        self.record.text = text;
        Ok(Write::Put(key, json?))
    }

    /// Reserves another block when the present one is nearly used up.
    pub(super) fn reserve(&mut self, block: u64) -> bool {
        let short = self.last() + block / 4 > self.record.reserved.0;
        if short {
            self.record.reserved = Seq(self.last() + block);
        }
        short
    }

    /// Moves the limit of what is visible; `true` when there is more.
    pub(super) fn settle(&mut self) -> bool {
        let mut limit = self.last();
        if self.failed.is_none() {
            limit = self.pending.front().map_or(limit, |&first| limit.min(first - 1));
            limit = self.granted.map_or(limit, |granted| limit.min(granted));
        }
        if limit <= self.visible {
            return false;
        }
        self.visible = limit;
        if self.pending.is_empty() {
            self.held = None;
        } else if let Some(held) = &mut self.held {
            let seen = held.last_seq;
            for logged in self.ring.iter().filter(|logged| logged.seq > seen && logged.seq.0 <= limit) {
                // The writer's record took the same events in the same order.
                let _ = held.apply(logged);
            }
        }
        true
    }

    /// Drops the oldest events that the disk has. What is nowhere else stays, whatever the limits say, unless the
    /// disk will never have it.
    pub(super) fn trim(&mut self, events: usize, bytes: usize) {
        while self.ring.len() > events.max(1) || self.bytes > bytes && self.ring.len() > 1 {
            let kept = |logged: &Arc<Logged>| {
                logged.seq.0 > self.visible || logged.seq.0 > self.durable && self.failed.is_none()
            };
            let Some(oldest) = self.ring.front() else { return };
            if kept(oldest) {
                return;
            }
            self.bytes -= weight(oldest);
            self.floor = oldest.seq.0;
            self.ring.pop_front();
        }
    }

    /// Visible events behind `after`, which must not be below the floor.
    pub(super) fn read(&self, after: u64, limit: usize) -> Vec<Arc<Logged>> {
        let from = self.ring.partition_point(|logged| logged.seq.0 <= after);
        let visible = self.ring.range(from..).take_while(|logged| logged.seq.0 <= self.visible);
        visible.take(limit).cloned().collect()
    }
}

/// Roughly what an event costs in memory.
fn weight(logged: &Logged) -> usize {
    let text = deltas::text_of(&logged.event).map_or(256, |(_, text)| text.len());
    mem::size_of::<Logged>() + 2 * mem::size_of::<usize>() + text
}
