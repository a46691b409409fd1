//! The writer of one run's log.

use super::{
    Change, Committed, StoreError,
    clean::Text,
    command::{self, Command, LogAck, Stage, Write},
    index,
    inner::Inner,
    keyspace::{Key, Table},
    live::Live,
    spec::SpecToStore,
    state::LiveState,
    usage,
    whole::Ended,
    writer::Urgency,
};
use crate::domain::{
    self, Code, Event, PromptId, RunRecord, RunSpec, Seq, SessionId, UpstreamCall, UpstreamRun, Usage, both,
};
use std::{mem, sync::Arc};
use tokio::sync::oneshot;

/// The one writer of one run's log.
///
/// Order is kept: no event is visible before all before it are. Once the run is durable, an event that is not a
/// delta is visible only when it is on disk. When a commit fails, the log goes on in memory alone, so that readers
/// still get their terminal event; every later append returns the error.
///
/// Dropped without a terminal event and without [`LogWriter::park`], it writes `run.failed / internal_error`.
pub struct LogWriter {
    pub(super) store: Arc<Inner>,
    pub(super) live: Arc<Live>,
    /// Text that is being written, a tail of it perhaps held back.
    pub(super) text: Option<Text>,
    spec: SpecToStore,
    /// A child's calls are its parent's session's.
    parents_session: Option<SessionId>,
    /// Number of the run's next message.
    messages: u64,
    /// Model calls that the store has not been given yet …
    calls: Vec<UpstreamCall>,
    /// … and the number of the last one that it has.
    last_call: u64,
    /// Changes of a run that nothing has been stored of.
    deferred: Vec<Change>,
    durable: bool,
    done: bool,
}

impl LogWriter {
    pub(super) fn begin(store: Arc<Inner>, spec: Arc<RunSpec>, with: Vec<Change>) -> (Self, Committed) {
        let durable = spec.durable || !with.is_empty();
        let live = store.admit(LiveState::begin(RunRecord::new(&spec), durable));
        let parents_session = spec.parent.as_ref().map(|parent| parent.session.clone());
        let mut writer = Self {
            store,
            live,
            text: None,
            spec: SpecToStore::new(spec),
            parents_session,
            messages: 0,
            calls: Vec::new(),
            last_call: 0,
            deferred: Vec::new(),
            durable,
            done: false,
        };
        let begun = if durable { writer.write_at(Stage::Begun, with) } else { Committed::known(Ok(())) };
        (writer, begun)
    }

    pub(super) fn resume(store: Arc<Inner>, record: RunRecord, messages: usize) -> Self {
        let live = store.admit(LiveState::resume(record));
        store.arrivals.notify_waiters();
        Self {
            store,
            live,
            text: None,
            spec: SpecToStore::none(),
            // No child is taken up again.
            parents_session: None,
            messages: messages as u64,
            calls: Vec::new(),
            last_call: 0,
            deferred: Vec::new(),
            durable: true,
            done: false,
        }
    }

    /// # Errors
    /// [`StoreError::Illegal`] when the run's state does not allow the event; the error of an earlier commit.
    pub fn append(&mut self, mut event: Event, changes: Vec<Change>) -> Result<Committed, StoreError> {
        if !event.may_come_amid_text() {
            self.end_text()?;
        }
        self.store.options.redactor.clean_event(&mut event);
        let terminal = event.is_terminal();
        let live = Arc::clone(&self.live);
        let mut state = live.state();
        state.gated |= self.durable;
        state.push(event, domain::now())?;
        self.done |= terminal;
        self.defer(changes);
        if let Some(error) = state.failed.clone() {
            let refused = if terminal { self.records(&state.record)? } else { Vec::new() };
            state.refused.extend(refused);
            live.publish(state);
            if terminal {
                self.store.unsaved(&live);
            }
            return Err(error);
        }
        let stage = if terminal { Stage::Ended } else { Stage::Going };
        let must_store = terminal || self.durable || state.stored || live.overflows(&state);
        let command = must_store.then(|| self.command(&mut state, stage)).transpose();
        live.publish(state);
        // An event that cannot be written must not hold up those behind it.
        let command = command.inspect_err(|error| live.fail(error))?;
        Ok(command.map_or_else(|| Committed::known(Ok(())), |command| self.submit(command)))
    }

    /// A delta whose text is clean.
    pub(super) fn put_delta(&mut self, event: Event) -> Result<(), StoreError> {
        let live = Arc::clone(&self.live);
        let mut state = live.state();
        state.push(event, domain::now())?;
        if let Some(error) = state.failed.clone() {
            live.publish(state);
            return Err(error);
        }
        let block = self.store.options.reserve;
        let command = if state.stored {
            let short = state.last() + block / 4 > state.record.reserved.0;
            short.then(|| self.command(&mut state, Stage::Going)).transpose()?
        } else if live.overflows(&state) {
            Some(self.command(&mut state, Stage::Going)?)
        } else {
            None
        };
        let waits = state.wants_writing();
        live.publish(state);
        if let Some(command) = command {
            // A block that is nearly used up is not waited for: readers are held only at its very end.
            self.store.submit(command, Urgency::Now);
        } else if waits {
            self.store.mark_dirty(&live);
        }
        Ok(())
    }

    /// Records without an event.
    pub fn write(&mut self, changes: Vec<Change>) -> Committed {
        let stored = self.live.state().stored;
        if stored || self.durable {
            return self.write_at(Stage::Going, changes);
        }
        self.defer(changes);
        Committed::known(Ok(()))
    }

    /// From here on the run is durable: spec and all before go to disk with the next append.
    pub const fn make_durable(&mut self) {
        self.durable = true;
    }

    /// Adds an upstream call's usage, and its cost in billionths of a dollar, to the record (written with the next commit).
    pub fn add_usage(&mut self, usage: Usage, cost: Option<u64>) {
        let record = &mut self.live.state().record;
        record.usage += usage;
        record.cost = both(record.cost, cost);
    }

    /// Notes a model call, and adds its usage to the record (written with the next commit).
    pub fn add_call(&mut self, call: UpstreamCall) {
        self.add_usage(call.usage, call.cost);
        self.calls.push(call);
    }

    /// Notes how much of its session's transcript the run has read (written with the next commit).
    pub fn set_loaded(&mut self, messages: usize) {
        self.live.state().record.loaded = Some(messages);
    }

    /// Notes which prompt the run has (written with the next commit).
    pub fn set_prompt(&mut self, prompt: PromptId) {
        self.live.state().record.prompt = Some(prompt);
    }

    /// Notes which run of another gateway does this one's work, and how far it was followed (written with the next commit).
    pub fn set_upstream(&mut self, run: UpstreamRun) {
        self.live.state().record.upstream = Some(run);
    }

    /// Takes something out of the run's record, of which a copy is long.
    pub fn see<T>(&self, of: impl FnOnce(&RunRecord) -> T) -> T {
        of(&self.live.state().record)
    }

    #[must_use]
    pub fn record(&self) -> RunRecord {
        self.see(RunRecord::clone)
    }

    /// Whether the log has its last event, or was let go of: nothing more is to be written.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.done
    }

    /// Lets go of the log in order, the run staying open in the store.
    pub fn park(&mut self) -> Committed {
        self.done = true;
        self.durable = true;
        self.write_at(Stage::Parked, Vec::new())
    }

    fn defer(&mut self, changes: Vec<Change>) {
        if self.deferred.is_empty() {
            self.deferred = changes;
        } else {
            self.deferred.extend(changes);
        }
    }

    fn write_at(&mut self, stage: Stage, changes: Vec<Change>) -> Committed {
        self.defer(changes);
        let live = Arc::clone(&self.live);
        let mut state = live.state();
        if let Some(error) = state.failed.clone() {
            return Committed::known(Err(error));
        }
        let command = self.command(&mut state, stage);
        live.publish(state);
        match command {
            Ok(command) => self.submit(command),
            Err(error) => Committed::known(Err(error)),
        }
    }

    /// Everything that the store has not been given of this run, as one command.
    fn command(&mut self, state: &mut LiveState, stage: Stage) -> Result<Command, StoreError> {
        let writes = match self.spec.take_whole(stage == Stage::Ended && !state.stored) {
            Some(spec) => self.whole(state, spec)?,
            None => self.parts(state, stage)?,
        };
        state.sent();
        let log = LogAck {
            live: Arc::clone(&self.live),
            upto: state.last(),
            reserved: Some(state.record.reserved.0),
            stage,
        };
        Ok(Command { writes, log: Some(log), answer: None })
    }

    /// A run of which this is the first and the last that the store gets.
    fn whole(&mut self, state: &mut LiveState, spec: Arc<RunSpec>) -> Result<Vec<Write>, StoreError> {
        state.record.reserved = Seq(state.last());
        let mut messages = Vec::new();
        let mut others = mem::take(&mut self.deferred);
        for change in others.extract_if(.., |change| matches!(change, Change::Message(_))) {
            if let Change::Message(message) = change {
                messages.push(message);
            }
        }
        let mut writes = command::encode(&self.store.options.redactor, others, None)?;
        let (live, calls) = (Arc::clone(&self.live), mem::take(&mut self.calls));
        writes.push(Write::Whole(Box::new(Ended { live, spec, messages, calls })));
        state.handed_over();
        // Its session's header says whose run it is, if it has one.
        let mut listed = false;
        for write in &mut writes {
            if let Write::Session { unlisted, .. } = write {
                (*unlisted, listed) = (true, true);
            }
        }
        writes.extend(index::of_run(&state.record, !listed));
        Ok(writes)
    }

    /// What came with the events.
    fn records(&mut self, record: &RunRecord) -> Result<Vec<Write>, StoreError> {
        let run = self.live.run;
        let changes = mem::take(&mut self.deferred);
        let redactor = &self.store.options.redactor;
        let mut writes = command::encode(redactor, changes, Some((run, &mut self.messages)))?;
        writes.extend(self.spec.write(redactor, self.durable)?);
        for call in mem::take(&mut self.calls) {
            // By time, so that a former process's are not written over.
            self.last_call = u64::try_from(call.at).unwrap_or(0).max(self.last_call + 1);
            let RunRecord { session_id, key_id, .. } = record;
            let session = self.parents_session.as_ref().unwrap_or(session_id);
            writes.push(usage::write(run, self.last_call, session, key_id, &call)?);
        }
        Ok(writes)
    }

    fn parts(&mut self, state: &mut LiveState, stage: Stage) -> Result<Vec<Write>, StoreError> {
        let run = self.live.run;
        let mut writes = self.records(&state.record)?;
        let open = Key::run(Table::OpenRun, run);
        match stage {
            Stage::Ended if state.stored => writes.push(Write::Remove(open)),
            Stage::Begun | Stage::Going | Stage::Parked if !state.stored => {
                writes.push(Write::Put(open, b"null".to_vec()));
            }
            Stage::Begun | Stage::Going | Stage::Ended | Stage::Parked => {}
        }
        writes.extend(index::of_run(&state.record, !state.stored));
        match stage {
            // What nobody will go on with needs no block; a log closed in order goes on without a hole.
            Stage::Ended | Stage::Parked => state.record.reserved = Seq(state.last()),
            Stage::Going => {
                state.reserve(self.store.options.reserve);
            }
            Stage::Begun => {}
        }
        if !state.stored && stage == Stage::Going {
            // What readers already see was never limited. From now on the disk may learn of the run at any moment, so
            // nothing beyond what this command tells it is shown.
            state.granted = Some(state.record.reserved.0);
        }
        writes.extend(state.hand_over()?);
        writes.push(state.head()?);
        Ok(writes)
    }

    /// A durable run's command is waited for; a stateless one's goes with the next commit.
    fn submit(&self, mut command: Command) -> Committed {
        if !self.durable {
            self.store.submit(command, Urgency::Background);
            return Committed::known(Ok(()));
        }
        let (answer, committed) = oneshot::channel();
        command.answer = Some(answer);
        self.store.submit(command, Urgency::Now);
        Committed::told(committed)
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // It may refuse, for the reason for which the last event will be refused too.
        let _ = self.end_text();
        let record = self.record();
        let withdrawn = self.store.withdrawn(&record);
        let event = Event::RunFailed {
            error: "the run ended unexpectedly".to_owned(),
            error_code: Code::Internal,
            retryable: true,
            retry_after: None,
            partial_output: record.text,
            usage: record.usage,
            pending_steer: None,
        };
        // Of a run that was never taken on nobody misses the end.
        if let Err(error) = self.append(event, withdrawn)
            && self.store.live(self.live.run).is_some()
        {
            tracing::warn!(run = %self.live.run, %error, "the end of an abandoned run was not stored");
        }
    }
}
