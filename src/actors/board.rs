//! What a profile's runs share: slots, the order of turns within a session, and the table of live runs.
//!
//! It belongs to the tenant, not to the profile's actor, so an actor that is built anew finds the runs that still live.
//! Slots and turns are guards: whatever way a run ends, they come back.

use super::{
    MachineSlots,
    machine::MachinePermit,
    run::{RunActor, Stop, StopReason},
};
use crate::domain::{RunId, SessionId};
use actix::Addr;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Notify, oneshot};

/// Runs that wait for an approval without a slot, per profile.
const MAX_PARKED: usize = 100;

/// The shared state of one profile's runs.
pub struct Board {
    inner: Mutex<Inner>,
    machine: Arc<MachineSlots>,
    /// At most one run of a profile stands in the machine's queue, so that profiles take turns there.
    at_machine: tokio::sync::Mutex<()>,
    /// Rung when a run ends.
    ended: Notify,
}

#[derive(Default)]
struct Inner {
    /// 0 = no cap.
    cap: usize,
    queue: usize,
    running: usize,
    waiting: VecDeque<oneshot::Sender<Slot>>,
    /// A session that is here has a turn; the turns behind it wait.
    sessions: HashMap<SessionId, Line>,
    live: HashMap<RunId, Addr<RunActor>>,
    /// Runs that are to be stopped as soon as they live.
    unwanted: HashSet<RunId>,
    parked: usize,
}

/// The turns of a session.
struct Line {
    /// Whose turn it is; `None`: not a run's.
    holder: Option<RunId>,
    waiting: VecDeque<(Option<RunId>, oneshot::Sender<SessionTurn>)>,
}

/// Neither a slot nor a place in the queue is free.
#[derive(Debug, Clone, Copy)]
pub struct Full {
    pub cap: usize,
    /// Seconds until it is worth another try, 1 to 60.
    pub retry_after: u64,
}

impl Board {
    #[must_use]
    pub fn new(machine: Arc<MachineSlots>) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::default(),
            machine,
            at_machine: tokio::sync::Mutex::new(()),
            ended: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every critical section leaves the state whole, so a panic elsewhere while it was held does no harm.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over the limits of the configuration; what runs goes on.
    pub fn configure(&self, cap: usize, queue: usize) {
        let mut inner = self.lock();
        (inner.cap, inner.queue) = (cap, queue);
    }

    // ---- slots

    /// A slot, or a place in the queue for one.
    ///
    /// # Errors
    ///
    /// [`Full`] when the queue has no place either. `patient` runs were accepted before and always find one.
    pub fn slot(self: &Arc<Self>, patient: bool) -> Result<SlotWait, Full> {
        let mut inner = self.lock();
        if inner.cap == 0 || (inner.running < inner.cap && inner.waiting.is_empty()) {
            inner.running += 1;
            return Ok(SlotWait::Ready(Slot { board: Some(self.clone()), machine: None }));
        }
        if inner.waiting.len() >= inner.queue {
            // Those that gave up stand in nobody's way.
            inner.waiting.retain(|waits| !waits.is_closed());
        }
        if inner.waiting.len() >= inner.queue && !patient {
            let behind = u64::try_from(inner.waiting.len() / inner.cap.max(1)).unwrap_or(u64::MAX);
            return Err(Full { cap: inner.cap, retry_after: behind.saturating_add(1).clamp(1, 60) });
        }
        let (tell, told) = oneshot::channel();
        inner.waiting.push_back(tell);
        Ok(SlotWait::Queued(told))
    }

    /// Turns that wait for one of the profile's slots, or for their session.
    pub fn queued(&self) -> usize {
        let inner = self.lock();
        let in_lines = inner.sessions.values().flat_map(|line| &line.waiting);
        inner.waiting.iter().filter(|waits| !waits.is_closed()).count()
            + in_lines.filter(|(_, waits)| !waits.is_closed()).count()
    }

    /// Hands a free slot to the next that waits, or takes it back.
    fn release_slot(self: &Arc<Self>) {
        loop {
            let next = {
                let mut inner = self.lock();
                let over = inner.cap != 0 && inner.running > inner.cap;
                match if over { None } else { inner.waiting.pop_front() } {
                    Some(next) => next,
                    None => {
                        inner.running = inner.running.saturating_sub(1);
                        return;
                    }
                }
            };
            match next.send(Slot { board: Some(self.clone()), machine: None }) {
                Ok(()) => return,
                // The one that waited is gone; its slot is ours again, to be handed on.
                Err(mut slot) => slot.board = None,
            }
        }
    }

    /// Counts a run that gave its slot back while it waits for a person; `false` when there are too many.
    pub fn park(&self) -> bool {
        let mut inner = self.lock();
        let room = inner.parked < MAX_PARKED;
        inner.parked += usize::from(room);
        room
    }

    pub fn unpark(&self) {
        let mut inner = self.lock();
        inner.parked = inner.parked.saturating_sub(1);
    }

    // ---- sessions

    /// Whether a turn of this session runs.
    #[must_use]
    pub fn is_busy(&self, session: &SessionId) -> bool {
        self.lock().sessions.contains_key(session)
    }

    /// The run whose turn it is in this session.
    #[must_use]
    pub fn holder(&self, session: &SessionId) -> Option<RunId> {
        self.lock().sessions.get(session)?.holder
    }

    /// The runs that have or wait for a turn of this session, in order.
    #[must_use]
    pub fn in_line(&self, session: &SessionId) -> Vec<RunId> {
        let inner = self.lock();
        let line = inner.sessions.get(session);
        let waiting = line.into_iter().flat_map(|line| line.waiting.iter().filter_map(|(run, _)| *run));
        line.and_then(|line| line.holder).into_iter().chain(waiting).collect()
    }

    /// The session's turn, at once or when those before are through. `run` is whose it will be, when it is a run's.
    pub fn turn(self: &Arc<Self>, session: &SessionId, run: Option<RunId>) -> TurnWait {
        let mut inner = self.lock();
        if let Some(line) = inner.sessions.get_mut(session) {
            let (tell, told) = oneshot::channel();
            line.waiting.push_back((run, tell));
            return TurnWait::Queued(told);
        }
        inner.sessions.insert(session.clone(), Line { holder: run, waiting: VecDeque::new() });
        TurnWait::Ready(SessionTurn { board: Some(self.clone()), session: session.clone() })
    }

    fn release_turn(self: &Arc<Self>, session: &SessionId) {
        loop {
            let next = {
                let mut inner = self.lock();
                let Some(line) = inner.sessions.get_mut(session) else {
                    return;
                };
                let over = line.holder.take();
                let next = line.waiting.pop_front().map(|(run, next)| {
                    line.holder = run;
                    next
                });
                if let Some(over) = over {
                    // It may have failed before it lived.
                    inner.unwanted.remove(&over);
                }
                match next {
                    Some(next) => next,
                    None => {
                        inner.sessions.remove(session);
                        return;
                    }
                }
            };
            match next.send(SessionTurn { board: Some(self.clone()), session: session.clone() }) {
                Ok(()) => return,
                Err(mut turn) => turn.board = None,
            }
        }
    }

    // ---- live runs

    pub fn enlist(&self, run: RunId, actor: Addr<RunActor>) {
        let mut inner = self.lock();
        if inner.unwanted.remove(&run) {
            actor.do_send(Stop(StopReason::Asked));
        }
        inner.live.insert(run, actor);
    }

    /// Stops a run: one that has a turn and is not live yet, as soon as it is.
    pub fn stop(&self, run: RunId) {
        let mut inner = self.lock();
        match inner.live.get(&run) {
            Some(actor) => actor.do_send(Stop(StopReason::Asked)),
            None => drop(inner.unwanted.insert(run)),
        }
    }

    pub fn strike(&self, run: RunId) {
        self.lock().live.remove(&run);
        self.ended.notify_waiters();
    }

    /// Resolves when no run is live.
    pub async fn emptied(&self) {
        loop {
            let ended = self.ended.notified();
            if self.live_count() == 0 {
                return;
            }
            ended.await;
        }
    }

    #[must_use]
    pub fn live(&self, run: RunId) -> Option<Addr<RunActor>> {
        self.lock().live.get(&run).filter(|actor| actor.connected()).cloned()
    }

    #[must_use]
    pub fn all_live(&self) -> Vec<(RunId, Addr<RunActor>)> {
        self.lock().live.iter().map(|(run, actor)| (*run, actor.clone())).collect()
    }

    /// Runs that were taken on and are not over.
    #[must_use]
    pub fn live_count(&self) -> usize {
        self.lock().live.len()
    }
}

/// The right to run, held while a run runs.
pub struct Slot {
    /// `None`: given up, nothing to release.
    board: Option<Arc<Board>>,
    machine: Option<MachinePermit>,
}

impl Slot {
    /// Also waits for the machine's own limit.
    async fn at_machine(mut self) -> Self {
        let Some(board) = self.board.clone() else {
            return self;
        };
        self.machine = match board.machine.try_acquire() {
            Some(permit) => Some(permit),
            None => {
                let _first = board.at_machine.lock().await;
                board.machine.acquire().await
            }
        };
        self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.machine.take());
        if let Some(board) = self.board.take() {
            board.release_slot();
        }
    }
}

/// A slot, or the promise of one. Dropping it gives up the place.
pub enum SlotWait {
    Ready(Slot),
    Queued(oneshot::Receiver<Slot>),
}

impl SlotWait {
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }

    /// `None` only when the board is gone.
    pub async fn wait(self) -> Option<Slot> {
        let slot = match self {
            Self::Ready(slot) => slot,
            Self::Queued(told) => told.await.ok()?,
        };
        Some(slot.at_machine().await)
    }
}

/// The right to add to a session, held for one turn.
pub struct SessionTurn {
    board: Option<Arc<Board>>,
    session: SessionId,
}

impl Drop for SessionTurn {
    fn drop(&mut self) {
        if let Some(board) = self.board.take() {
            board.release_turn(&self.session);
        }
    }
}

/// A session's turn, or the promise of it.
pub enum TurnWait {
    Ready(SessionTurn),
    Queued(oneshot::Receiver<SessionTurn>),
}

impl TurnWait {
    pub async fn wait(self) -> Option<SessionTurn> {
        match self {
            Self::Ready(turn) => Some(turn),
            Self::Queued(told) => told.await.ok(),
        }
    }
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
