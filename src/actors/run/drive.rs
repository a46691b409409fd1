//! The work of a run: waiting for its place, asking the model, running tools, writing the log.

use super::{
    Control, Inbox, StopReason,
    finish::End,
    helper::Rest,
    history::said,
    ledger,
    room::Room,
    steer::{Amid, Unheard, take_in},
    text::{TextWriter, parted},
};
use crate::{
    actors::{
        Tenant,
        board::{SessionTurn, Slot, SlotWait, TurnWait},
    },
    agent::{Asking, Bounds, Guard, Offer, Policy, Step, Turn},
    config::ProfileConfig,
    domain::{Approval, Code, Event, Failure, Message, RunSpec, SystemPrompt, Toolset, Usage},
    model::{Asked, Delta, Images, Mind, ModelAnswer, ModelClient, ModelRequest, Shrinker, Upstreams},
    store::{Change, LogWriter, Store, StoreError},
    tools::Toolbox,
};
use std::{cell::RefCell, pin::pin, rc::Rc, sync::Arc, time::Instant};

/// What the runs of a profile work with. Belongs to the profile's thread; cheap to clone.
#[derive(Clone)]
pub struct Kit {
    pub upstreams: Upstreams,
    pub toolbox: Toolbox,
    pub policy: Rc<Policy>,
    /// Of the helper that sums long conversations up.
    pub rest: Rc<Rest>,
    pub shrinker: Rc<Shrinker>,
}

/// How a run gets its place.
pub enum Entry {
    /// It has a slot already, and waits for no session. It was taken on at `since`.
    Now { slot: Slot, since: Instant },
    /// It queues for its session first, then for a slot.
    Queue { turn: Option<TurnWait>, slot: Option<SlotWait> },
    /// A child works in its parent's place.
    Within,
    /// It goes on waiting for an approval after a restart: no slot until it has something to do.
    Parked { turn: Option<TurnWait> },
}

/// A run to be driven.
pub struct Work {
    pub tenant: Arc<Tenant>,
    pub store: Store,
    pub kit: Kit,
    pub spec: Arc<RunSpec>,
    pub log: LogWriter,
    pub entry: Entry,
    /// Of a former process: this turn's messages and approvals.
    pub messages: Vec<Message>,
    pub approvals: Vec<Approval>,
}

pub(super) struct Driver {
    pub tenant: Arc<Tenant>,
    pub store: Store,
    pub kit: Kit,
    pub spec: Arc<RunSpec>,
    pub log: LogWriter,
    pub control: Rc<Control>,
    pub inbox: Inbox,
    /// What was said to the turn since its last model call began.
    pub unheard: Vec<Unheard>,
    pub turn: Turn,
    /// Records that go to disk with the next event.
    pub changes: Vec<Change>,
    pub approvals: Vec<Approval>,
    pub slot: Option<Slot>,
    entry: Option<Entry>,
    /// When it was taken on, if it began at once.
    pub since: Option<Instant>,
    pub session: Option<SessionTurn>,
    /// Loaded transcript of a named session, when the spec asks for it.
    pub loaded: Vec<Message>,
    /// The agent's own prompt, once it is known.
    pub prompt: Option<SystemPrompt>,
    /// The session's own system prompt.
    pub session_system: Option<String>,
    pub opening: Vec<Message>,
    /// All of these as one, when they could not stay as they were.
    pub mended: Option<Vec<Message>>,
    /// Calls of a former process: what was secret in their arguments is gone.
    pub restored: Vec<String>,
    wrote_text: bool,
    /// The model that is asked: the chosen one, or a fallback.
    pub thinker: Option<Rc<Asked<ModelClient>>>,
    /// How many fallbacks have been asked.
    pub fallen: usize,
    pub guard: Guard,
    pub room: Room,
    pub images: Images,
    /// Characters of results of the newest answer's calls.
    pub pile: usize,
}

/// Why the driver leaves the loop before the turn's own end.
pub(super) enum Break {
    Stopped(StopReason),
    Parked,
    Failed(Failure),
}

impl From<StoreError> for Break {
    fn from(error: StoreError) -> Self {
        Self::Failed(Failure::new(error.code(), format!("The turn could not be recorded: {error}")))
    }
}

impl Driver {
    pub fn new(work: Work, control: Rc<Control>, inbox: Inbox) -> Self {
        let Work { tenant, store, kit, spec, log, entry, messages, approvals } = work;
        Self {
            restored: called(&messages),
            turn: Turn::new(
                Bounds {
                    calls: model_calls(&tenant.config(), &spec),
                    limited: spec.sampling.limits_answer(),
                },
                spec.client_tools.clone(),
                messages,
            ),
            opening: spec.opening(),
            wrote_text: log.text_length() > 0,
            tenant,
            store,
            kit,
            spec,
            log,
            control,
            inbox,
            unheard: Vec::new(),
            changes: Vec::new(),
            approvals,
            slot: None,
            entry: Some(entry),
            since: None,
            session: None,
            loaded: Vec::new(),
            prompt: None,
            session_system: None,
            mended: None,
            thinker: None,
            fallen: 0,
            guard: Guard::default(),
            room: Room::default(),
            images: Images::default(),
            pile: 0,
        }
    }

    /// Drives the run to its end.
    pub async fn run(&mut self) {
        self.pose_restored();
        let end = match self.enter().await {
            Ok(()) => self.work().await,
            Err(broke) => Err(broke),
        };
        let end = match end {
            Ok(end) => end,
            // A client that waits for its answer is told; whoever asked through `/v1/runs` finds the run later.
            Err(Break::Parked) if self.lives_for_its_reader() => self.turned_out(),
            Err(Break::Parked) => return self.park().await,
            Err(Break::Stopped(reason)) => End::Stopped(reason),
            Err(Break::Failed(failure)) => End::Failed(failure),
        };
        self.finish(end).await;
    }

    async fn park(&mut self) {
        if let Err(error) = self.log.park().await {
            tracing::error!(run = %self.spec.run_id, %error, "a waiting run could not be put aside");
        }
    }

    /// Waits for the run's place: its session's turn, then a slot.
    async fn enter(&mut self) -> Result<(), Break> {
        match self.entry.take() {
            Some(Entry::Now { slot, since }) => {
                self.slot = Some(slot);
                self.since = Some(since);
            }
            Some(Entry::Queue { turn, slot }) => {
                if let Some(turn) = turn {
                    self.session = self.unless_stopped(turn.wait()).await?;
                }
                let slot = match slot {
                    Some(slot) => Ok(slot),
                    None => self.tenant.board().slot(true),
                };
                if let Ok(slot) = slot {
                    self.slot = self.unless_stopped(slot.wait()).await?;
                }
            }
            Some(Entry::Parked { turn: Some(turn) }) => {
                self.session = self.unless_stopped(turn.wait()).await?;
            }
            Some(Entry::Parked { turn: None } | Entry::Within) | None => {}
        }
        self.control.set_entering(true);
        let begun = self.begin().await;
        self.control.set_entering(false);
        begun
    }

    /// Reads what was said before, and says that the run works.
    async fn begin(&mut self) -> Result<(), Break> {
        if self.spec.session.named {
            self.load_session().await?;
        }
        self.load_chain().await?;
        self.mend_history()?;
        if self.log.see(|record| record.started_at).is_none() {
            let started = Event::RunStarted {
                session_id: self.spec.session.id.clone(),
                model: self.spec.model.clone(),
            };
            // Nobody waits for this one: the next durable event brings it to disk as well.
            drop(self.log.append(started, Vec::new())?);
        }
        Ok(())
    }

    /// Waits for `what`, unless the run is stopped or put aside meanwhile.
    pub async fn unless_stopped<T>(&self, what: impl Future<Output = T>) -> Result<T, Break> {
        tokio::select! {
            biased;
            () = self.control.stop.cancelled() => Err(self.stopped()),
            () = self.tenant.parking().cancelled() => Err(Break::Parked),
            done = what => Ok(done),
        }
    }

    pub fn stopped(&self) -> Break {
        Break::Stopped(self.control.reason.get().unwrap_or(StopReason::Asked))
    }

    async fn work(&mut self) -> Result<End, Break> {
        match self.mind()? {
            Mind::Model(mind) => self.thinker = Some(Rc::new(mind)),
            Mind::Agent(agent) => {
                self.refuse_unbounded_agent()?;
                return Box::pin(self.relay(&agent)).await;
            }
        }
        self.pass_over_the_resting()?;
        if let Some(focus) = self.spec.clone().asks_to_compress() {
            return self.compress_now(focus).await;
        }
        let spec = self.spec.clone();
        let kit = self.kit.clone();
        self.unless_stopped(kit.toolbox.discover()).await?;
        let toolset = kit.toolbox.toolset();
        let allowed = self.allowed_tools(&toolset);
        let offer = Offer::new(toolset.schema(), allowed.as_deref(), &spec.client_tools);
        loop {
            match self.turn.next() {
                Step::Ask(asking) => self.ask(asking, &offer, &toolset, allowed.as_deref()).await?,
                Step::Call(calls) => Box::pin(self.call_all(&calls)).await?,
                Step::HandOver(calls) => return Ok(End::HandedOver(calls)),
                Step::Done(_) if self.owes_an_answer() => self.turn.go_on(),
                Step::Done(finish) => return Ok(End::Completed(finish)),
                Step::Fail { failure, ask_another } => {
                    if !ask_another || !self.fall_back(&failure, None)? {
                        return Err(Break::Failed(failure));
                    }
                    self.turn.go_on();
                }
            }
        }
    }

    /// What the turn thinks with, as it was chosen when the turn was accepted.
    pub(super) fn mind(&self) -> Result<Mind, Break> {
        let choice = self.spec.upstream.as_ref();
        self.kit.upstreams.mind(choice, &self.spec.sampling).ok_or_else(|| {
            let provider = choice.map(|choice| choice.provider.as_str()).unwrap_or_default();
            let text = format!(
                "The provider `{provider}`, which was chosen for this turn, is not configured any more; choose another."
            );
            Break::Failed(Failure::new(Code::UpstreamError, text))
        })
    }

    /// One model call.
    async fn ask(
        &mut self,
        Asking { tools, limits, nudge }: Asking,
        offer: &Offer<'_>,
        toolset: &Arc<Toolset>,
        allowed: Option<&[String]>,
    ) -> Result<(), Break> {
        self.hear_all();
        let Some(mind) = self.thinker.clone() else { return Ok(()) };
        let offer = tools.then_some(offer);
        let mut system = self.system(toolset, allowed).await?;
        if self.make_room(&mind, self.fixed(&system, offer)).await? {
            system = self.system(toolset, allowed).await?;
        }
        let part = self.turn.part();
        let cut = (!part.is_empty()).then(|| Message::assistant(part));
        let nudge = nudge.map(|nudge| Message::user(nudge.text()));
        let aside: Vec<Message> = cut.into_iter().chain(nudge).collect();
        let theirs = [self.session_system.as_deref(), self.spec.system.as_deref()];
        let systems: Vec<&str> = std::iter::once(&*system).chain(theirs.into_iter().flatten()).collect();
        let (sampling, limit) = self.bounds(&mind, limits);
        let [first, second, third] =
            said(self.mended.as_deref(), [&self.loaded, &self.spec.history, &self.opening]);
        let [base, first, second, third, own] = self.room.shown([first, second, third, self.turn.messages()]);
        let request = ModelRequest {
            run: Some(self.spec.run_id),
            model: &mind.model,
            system: &systems,
            messages: &[base, first, second, third, own, &aside],
            images: &self.images,
            tools: offer.map(|offer| &*offer.tools),
            tool_choice: offer.and_then(|offer| offer.choice.as_ref()),
            parallel: offer.and_then(|offer| offer.parallel),
            limit,
            sampling: &sampling,
        };
        let (length, broken) = (self.log.text_length(), self.wrote_text && self.turn.part().is_empty());
        // Text and what is said meanwhile go into the same log.
        let log = RefCell::new(&mut self.log);
        let mut text = TextWriter {
            log: &log,
            break_first: broken,
            reasoning: self.tenant.config().api.show_reasoning,
            wrote: false,
            failed: None,
            provider: &mind.provider,
            model: &mind.model,
            since: Instant::now(),
            attempts: Vec::new(),
        };
        let answer = {
            let mut write = |delta: Delta<'_>| text.write(&delta);
            let asking = mind.client.ask(&request, &self.control.stop, &mut write);
            let mut asking = pin!(asking);
            loop {
                tokio::select! {
                    biased;
                    answer = &mut asking => break answer,
                    Some(said) = self.inbox.said.recv() => {
                        let taken = take_in(&mut log.borrow_mut(), &mut self.changes, Amid::ModelCall, said);
                        self.unheard.extend(taken);
                    }
                }
            }
        };
        let (wrote, failed) = (text.wrote, text.failed.take());
        let (attempts, took) = (std::mem::take(&mut text.attempts), text.since.elapsed());
        for (took, error) in attempts {
            self.called(&mind, took, Some(error), Usage::default());
        }
        let (error, usage) = ledger::outcome(&answer);
        self.called(&mind, took, error, usage);
        self.room.scale.learn(self.room.guessed, usage.input_tokens);
        self.wrote_text |= wrote;
        if let Some(error) = failed {
            return Err(error.into());
        }
        self.log.end_text()?;
        // What the turn goes on with is what its log has: the one text, without secrets.
        let text = parted(self.log.text_behind(length), broken);
        match answer {
            Ok(answer) => self.heard(ModelAnswer { text, ..answer }),
            Err(error) if self.made_smaller(&mind, &error).await? => {}
            Err(error) => self.unanswered(&error, &text)?,
        }
        Ok(())
    }
}

/// The cap on model calls.
fn model_calls(config: &ProfileConfig, spec: &RunSpec) -> u32 {
    if spec.parent.is_some() { config.delegation.max_turns } else { config.agent.max_turns }
}

/// The ids of all calls of a turn.
fn called(messages: &[Message]) -> Vec<String> {
    let calls = messages.iter().filter_map(|message| match message {
        Message::Assistant { tool_calls, .. } => Some(tool_calls),
        Message::System { .. } | Message::User { .. } | Message::Tool { .. } => None,
    });
    calls.flatten().map(|call| call.id.clone()).collect()
}
