//! A reader of one run's log.

use super::{StoreError, ToolResults, inner::Inner, live::Live};
use crate::domain::{Event, Logged, RunId, RunRecord, Seq, now};
use serde_json::{Value, json};
use std::sync::{Arc, atomic::Ordering};

/// A reader of one run's log at its own pace: ring first, else the store.
pub struct EventCursor {
    store: Arc<Inner>,
    run: RunId,
    /// Number of the last event that was given.
    after: u64,
    /// The log's writer's side, while somebody writes.
    live: Option<Attached>,
    done: bool,
}

/// Counts as a reader for as long as it lives.
struct Attached(Arc<Live>);

impl Attached {
    fn new(live: Arc<Live>) -> Self {
        live.attach();
        Self(live)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.detach();
    }
}

/// What a look at the log gave.
enum Look {
    Events(Vec<Arc<Logged>>),
    /// Somebody goes on with the run.
    Again,
    /// Nothing yet.
    Wait,
    /// The writer has let go of the log, which goes on in the store.
    LetGo,
    End,
}

impl EventCursor {
    pub(super) fn live(store: Arc<Inner>, live: Arc<Live>, after: Seq) -> Self {
        let run = live.run;
        Self { store, run, after: after.0, live: Some(Attached::new(live)), done: false }
    }

    pub(super) const fn stored(store: Arc<Inner>, run: RunId, after: Seq) -> Self {
        Self { store, run, after: after.0, live: None, done: false }
    }

    /// All events that are visible and not yet read, waiting for at least one. `None` once the terminal event has
    /// been given. Cancel-safe. A position that is no longer there gives one [`Event::Gap`] first.
    ///
    /// A run that waits in the store for somebody to go on with it is waited for, until
    /// [nobody will](super::Store::let_readers_go): then it is `None` too.
    pub async fn next(&mut self) -> Option<Result<Vec<Arc<Logged>>, StoreError>> {
        while !self.done {
            let store = Arc::clone(&self.store);
            let live = self.live.as_ref().map(|attached| Arc::clone(&attached.0));
            // Listening begins before the look, so that nothing can come between.
            let bell = live.as_ref().map_or(&store.arrivals, |live| &live.bell).notified();
            let mut bell = std::pin::pin!(bell);
            bell.as_mut().enable();
            let look = match &live {
                Some(live) => self.look_live(live),
                None => self.look_stored(),
            };
            match look {
                Ok(Look::Events(events)) => return Some(Ok(self.give(events))),
                Ok(Look::Wait) => bell.await,
                Ok(Look::Again) => {}
                Ok(Look::LetGo) => self.live = None,
                Ok(Look::End) => self.done = true,
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// The run as it stands now.
    pub fn record(&self) -> Result<RunRecord, StoreError> {
        if let Some(attached) = &self.live {
            return Ok(attached.0.state().shown().clone());
        }
        let gone = || StoreError::Io("the run is no longer kept".to_owned());
        self.store.run(self.run)?.ok_or_else(gone)
    }

    /// The whole results of the run's tool calls.
    #[must_use]
    pub fn results(&self) -> ToolResults {
        ToolResults::new(Arc::clone(&self.store), self.run)
    }

    fn give(&mut self, events: Vec<Arc<Logged>>) -> Vec<Arc<Logged>> {
        if let Some(last) = events.last() {
            self.after = last.seq.0;
            self.done |= last.event.is_terminal();
        }
        events
    }

    fn look_live(&self, live: &Live) -> Result<Look, StoreError> {
        let limit = self.store.options.page;
        let state = live.state();
        if self.after >= state.floor {
            let events = state.read(self.after, limit);
            return Ok(if !events.is_empty() {
                Look::Events(events)
            } else if state.is_over() {
                Look::End
            } else if state.parked {
                Look::LetGo
            } else {
                Look::Wait
            });
        }
        let floor = state.floor;
        drop(state);
        let page = self.store.page(self.run, self.after, floor, limit)?;
        if page.is_empty() {
            // Neither in memory nor on disk: a failed commit, and a reader that was too slow.
            let snapshot = snapshot(live.state().shown());
            return Ok(Look::Events(vec![self.gap(floor + 1, snapshot)]));
        }
        Ok(Look::Events(self.checked(page, || snapshot(live.state().shown()))))
    }

    fn look_stored(&mut self) -> Result<Look, StoreError> {
        if let Some(live) = self.store.live(self.run) {
            self.live = Some(Attached::new(live));
            return Ok(Look::Again);
        }
        let page = self.store.page(self.run, self.after, u64::MAX - 1, self.store.options.page)?;
        if !page.is_empty() {
            let snapshot = || self.store.run(self.run).ok().flatten().as_ref().map_or(Value::Null, snapshot);
            return Ok(Look::Events(self.checked(page, snapshot)));
        }
        let Some(record) = self.store.run(self.run)? else {
            // Retention was quicker than this reader.
            self.done = true;
            let snapshot = json!({ "run_id": self.run });
            return Ok(Look::Events(vec![self.gap(self.after + 2, snapshot)]));
        };
        if !record.status.is_terminal() {
            let ending = self.store.ending.load(Ordering::Acquire);
            return Ok(if ending { Look::End } else { Look::Wait });
        }
        if self.after >= record.last_seq.0 {
            return Ok(Look::End);
        }
        self.done = true;
        Ok(Look::Events(vec![self.gap(record.last_seq.0 + 1, snapshot(&record))]))
    }

    /// Puts a gap in front of a page that does not begin where the reader stands.
    fn checked(&self, page: Vec<Logged>, snapshot: impl FnOnce() -> Value) -> Vec<Arc<Logged>> {
        let mut events = Vec::with_capacity(page.len() + 1);
        if let Some(first) = page.first().filter(|first| !follows(first, self.after)) {
            events.push(self.gap(first.seq.0, snapshot()));
        }
        events.extend(page.into_iter().map(Arc::new));
        events
    }

    /// A gap from the reader's position up to `next`. Its number is that of the last event that is missing, so that
    /// whoever comes back with it goes on at `next`.
    fn gap(&self, next: u64, snapshot: Value) -> Arc<Logged> {
        let from = Seq(self.after + 1);
        let seq = Seq(next.saturating_sub(1).max(from.0));
        Arc::new(Logged { seq, at: now(), lost_after: None, event: Event::Gap { from, snapshot } })
    }
}

/// Whether nothing is missing between a reader's position and this event: numbers that a crash left out are not.
fn follows(logged: &Logged, after: u64) -> bool {
    logged.seq.0 == after + 1 || logged.lost_after.is_some_and(|lost| lost.0 <= after)
}

fn snapshot(record: &RunRecord) -> Value {
    serde_json::to_value(record).unwrap_or(Value::Null)
}
