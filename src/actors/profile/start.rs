//! Taking a turn on: admission, the first record, the run's actor.

use super::{
    ProfileActor,
    idempotency::{Earlier, Reserving},
    queries::settled,
    recall::{brings_results, recall},
    responses,
};
use crate::{
    actors::{
        Caller, KEY_REVOKED, NewRun, ProfileError, StartRun, StartedRun, Tenant,
        board::{Full, Slot, SlotWait, TurnWait},
        run::{Entry, Kit, Manner, RunActor, Steer, Unread, Work},
    },
    domain::{
        Code, Content, Message, OnBusy, OnDisconnect, ResponseRecord, RunId, RunSpec, RunStatus, Seq,
        SessionId, SessionRef, StandsFor, now,
    },
    store::{Change, IdempotencyEntry, Store},
};
use actix::{ActorFutureExt, Handler, ResponseActFuture, WrapFuture};
use std::{sync::Arc, time::Instant};

impl Handler<StartRun> for ProfileActor {
    type Result = ResponseActFuture<Self, Result<StartedRun, ProfileError>>;

    fn handle(&mut self, StartRun(new): StartRun, _ctx: &mut Self::Context) -> Self::Result {
        let Some((run, said)) = self.steer(&new) else {
            return self.take_on(new);
        };
        if let Some(key) = &new.idempotency {
            self.reserving.insert(key.scope, Reserving::new(key.fingerprint));
        }
        let joined = said.into_actor(self).then(move |joined, profile, _ctx| {
            if let Some(key) = &new.idempotency {
                profile.reserving.remove(&key.scope);
            }
            if !joined {
                return profile.take_on(new);
            }
            let joined =
                profile.replay(run).map(|joined| StartedRun { replayed: false, steered: true, ..joined });
            Box::pin(async { joined }.into_actor(profile))
        });
        Box::pin(joined)
    }
}

impl ProfileActor {
    /// Says the request's words to the turn at work, when that is asked for and can be done: the turn that is to have
    /// them, and whether it took them.
    fn steer(&self, new: &NewRun) -> Option<(RunId, impl Future<Output = bool> + use<>)> {
        let session = new.session.as_ref().filter(|session| session.named)?;
        let Content::Text(text) = &new.input else { return None };
        // What brings more than words is a turn of its own, and so is what a key stands for already.
        let words_alone =
            new.results.is_empty() && new.client_tools.definitions.is_empty() && new.tools.is_all();
        let first = new.idempotency.as_ref().is_none_or(|key| matches!(self.earlier(key), Ok(Earlier::None)));
        if new.on_busy != OnBusy::Steer || !words_alone || !first {
            return None;
        }
        let run = self.tenant.board().holder(&session.id)?;
        let actor = self.tenant.board().live(run)?;
        let of = self.store.run(run).ok()??.key_id;
        if !self.tenant.may_speak_to(&new.caller.rights, &of) {
            return None;
        }
        // A response that is to be kept can only be that of the turn at work.
        let keeps = new.response.as_ref().is_some_and(|response| response.store);
        if keeps && !matches!(self.store.response(run), Ok(Some(_))) {
            return None;
        }
        let idempotency = new.idempotency.as_ref().map(|key| key.entry(StandsFor::Run(run)));
        let words = Steer { input: text.clone(), manner: Manner::Joins { idempotency } };
        let store = self.store.clone();
        let said = async move {
            settled(store.clone(), Some(actor.clone()), run).await;
            // One that waits, for its slot or for a person, does not hear soon; nor does one that ends.
            let runs = matches!(store.run(run), Ok(Some(record)) if record.status == RunStatus::Running);
            runs && matches!(actor.send(words).await, Ok(Ok(true)))
        };
        Some((run, said))
    }

    fn take_on(&mut self, new: Box<NewRun>) -> ResponseActFuture<Self, Result<StartedRun, ProfileError>> {
        let Some(looking) = self.look(&new) else {
            return self.take_on_seen(new);
        };
        let looked = looking.into_actor(self).then(move |looked, profile, _ctx| match looked {
            Ok(()) => profile.take_on_seen(new),
            Err(error) => Box::pin(async { Err(error) }.into_actor(profile)),
        });
        Box::pin(looked)
    }

    fn take_on_seen(
        &mut self,
        new: Box<NewRun>,
    ) -> ResponseActFuture<Self, Result<StartedRun, ProfileError>> {
        let earlier = new.idempotency.as_ref().map_or(Ok(Earlier::None), |key| self.earlier(key));
        match earlier {
            Ok(Earlier::None) => self.take_first(new),
            Ok(Earlier::Beginning(first)) => {
                Box::pin(first.settled().into_actor(self).then(|(), profile, _ctx| profile.take_on(new)))
            }
            Ok(Earlier::Run(run)) => {
                let replay = self.replay(run);
                Box::pin(async { replay }.into_actor(self))
            }
            Err(error) => Box::pin(async { Err(error) }.into_actor(self)),
        }
    }

    /// Begins the run of a request that none before it stands for.
    fn take_first(&mut self, new: Box<NewRun>) -> ResponseActFuture<Self, Result<StartedRun, ProfileError>> {
        let idempotency = new.idempotency.clone();
        let begun = match self.begin(new) {
            Ok(begun) => begun,
            Err(error) => return Box::pin(async { Err(error) }.into_actor(self)),
        };
        if begun.response.as_ref().is_some_and(|response| response.kept) {
            self.evict_responses();
        }
        if let Some(key) = &idempotency {
            self.reserving.insert(key.scope, Reserving::new(key.fingerprint));
        }
        let started = begun.start().into_actor(self).map(move |started, profile, _ctx| {
            if let Some(key) = idempotency {
                profile.reserving.remove(&key.scope);
            }
            started
        });
        Box::pin(started)
    }

    fn begin(&self, mut new: Box<NewRun>) -> Result<Begun, ProfileError> {
        if self.tenant.is_draining() {
            return Err(ProfileError {
                retry_after: Some(1),
                ..ProfileError::new(
                    Code::GatewayDraining,
                    "Gateway is draining existing work; retry shortly.",
                )
            });
        }
        if self.store.is_disk_low() {
            let text =
                "The disk is nearly full: new turns are refused until space is freed. Reading still works.";
            return Err(ProfileError::new(Code::StorageLow, text));
        }
        let images = new.input.has_image() || new.history.iter().any(Message::has_image);
        if images && !self.kit.upstreams.takes_images(new.upstream.as_ref()) {
            let text = "The model of this profile takes no images (`model.vision: false`); send text only.";
            return Err(ProfileError::new(Code::VisionUnsupported, text));
        }
        if let Some(previous) = self.previous(&new)? {
            responses::inherit(&mut new, &previous);
        }
        let (background, on_busy, caller) = (new.background, new.on_busy, new.caller.clone());
        let idempotency = new.idempotency.take();
        new.durable |= idempotency.is_some();
        let (spec, response) = spec(*new);
        let board = self.tenant.board();
        let busy = spec.takes_turns() && board.is_busy(&spec.session.id);
        if busy {
            self.make_way(&spec.session.id, on_busy)?;
        }
        let slot = if busy { None } else { Some(board.slot(false).map_err(full)?) };
        // Taken here and not later: two turns that come at once must not both find the session free.
        let turn = spec.takes_turns().then(|| board.turn(&spec.session.id, Some(spec.run_id)));
        let idempotency = idempotency.map(|key| key.entry(StandsFor::Run(spec.run_id)));
        Ok(Begun {
            tenant: self.tenant.clone(),
            store: self.store.clone(),
            kit: self.kit.clone(),
            spec: Arc::new(spec),
            since: Instant::now(),
            idempotency,
            response,
            slot,
            turn,
            background,
            caller,
        })
    }

    fn is_over(&self, run: RunId) -> bool {
        matches!(self.store.run(run), Ok(Some(record)) if record.status.is_terminal())
    }

    /// Does to the turn that is at work in a session what the next one wants of it.
    fn make_way(&self, session: &SessionId, on_busy: OnBusy) -> Result<(), ProfileError> {
        let board = self.tenant.board();
        match on_busy {
            // Words that could be said to the turn have been, before it came to this.
            OnBusy::Queue | OnBusy::Steer => Ok(()),
            // Whoever has just read the end of a turn is right that the session is free, though the turn may still be
            // clearing up.
            OnBusy::Reject if board.in_line(session).into_iter().all(|run| self.is_over(run)) => Ok(()),
            OnBusy::Reject => {
                let text =
                    "A turn of this session is at work. Wait for it, stop it, or send `on_busy: queue`.";
                Err(ProfileError::new(Code::SessionBusy, text))
            }
            OnBusy::Interrupt => {
                if let Some(run) = board.holder(session) {
                    board.stop(run);
                }
                Ok(())
            }
        }
    }
}

pub(super) fn draining() -> ProfileError {
    let text = "Gateway is draining existing work; retry shortly.";
    ProfileError { retry_after: Some(1), ..ProfileError::new(Code::GatewayDraining, text) }
}

fn gone() -> ProfileError {
    ProfileError::new(Code::Internal, "the profile is gone")
}

fn full(full: Full) -> ProfileError {
    let text = format!("Too many concurrent runs (max {}), and the queue is full.", full.cap);
    ProfileError { retry_after: Some(full.retry_after), ..ProfileError::new(Code::RateLimitExceeded, text) }
}

fn spec(new: NewRun) -> (RunSpec, Option<ResponseRecord>) {
    let (run_id, created_at) = (RunId::new(), now());
    let response = responses::record(run_id, created_at, &new);
    let instructions = response.as_ref().and_then(|response| response.request.instructions.as_deref());
    let texts: Vec<&str> = instructions.into_iter().chain(new.system.as_deref()).collect();
    let spec = RunSpec {
        run_id,
        surface: new.surface,
        created_at,
        system: (!texts.is_empty()).then(|| texts.join("\n")),
        session: new.session.unwrap_or_else(|| own_session(run_id)),
        key_id: new.caller.key_id,
        session_key: new.session_key,
        model: new.model,
        history: new.history,
        load_history: new.load_history,
        after: new.previous.map(RunId::from),
        history_limit: new.history_limit,
        results: new.results,
        input: new.input,
        client_tools: new.client_tools,
        tools: new.tools,
        parent: None,
        upstream: new.upstream,
        runtime: new.runtime,
        sampling: new.sampling,
        durable: new.durable,
        on_disconnect: new.on_disconnect,
        unattended: new.unattended,
    };
    (spec, response)
}

/// The session of a run that names none.
pub(super) fn own_session(run_id: RunId) -> SessionRef {
    SessionRef { id: SessionId::from(run_id), named: false }
}

/// A turn that may begin, with what it takes along from the actor.
struct Begun {
    tenant: Arc<Tenant>,
    store: Store,
    kit: Kit,
    spec: Arc<RunSpec>,
    since: Instant,
    idempotency: Option<IdempotencyEntry>,
    response: Option<ResponseRecord>,
    /// `None`: it queues for its session first.
    slot: Option<SlotWait>,
    /// Its place in a named session.
    turn: Option<TurnWait>,
    background: bool,
    caller: Caller,
}

impl Begun {
    async fn start(mut self) -> Result<StartedRun, ProfileError> {
        if brings_results(&self.spec) {
            let recalled = recall(&self.store, Arc::unwrap_or_clone(self.spec));
            self.spec = Arc::new(Box::pin(recalled).await?);
        }
        let (board, tenant) = (self.tenant.board().clone(), self.tenant.clone());
        let turn = self.turn.take();
        let mut waited = false;
        let entry = match self.slot.take() {
            // A chat is answered 429 or 200, so it is known which before the first byte; a run has its 202 and queues.
            Some(slot) if !self.background => {
                waited = !slot.is_ready();
                let slot = if waited {
                    Box::pin(self.chat_slot(slot)).await?
                } else {
                    slot.wait().await.ok_or_else(gone)?
                };
                match turn {
                    None => Entry::Now { slot, since: self.since },
                    Some(turn) => Entry::Queue { turn: Some(turn), slot: Some(SlotWait::Ready(slot)) },
                }
            }
            slot => Entry::Queue { turn, slot },
        };
        let idempotency = self.idempotency.take().map(Change::Idempotency);
        let stored = self.response.clone().filter(|response| response.kept).map(Change::Response);
        let with = idempotency.into_iter().chain(stored).collect();
        let spec = self.spec;
        let (log, committed) = self.store.begin_with(spec.clone(), with);
        committed.await?;
        let run = spec.run_id;
        let events = self.store.tail(run, Seq::default())?;
        let events = events.ok_or_else(|| ProfileError::new(Code::Internal, "the run's log is missing"))?;
        RunActor::launch(Work {
            tenant: self.tenant,
            store: self.store,
            kit: self.kit,
            spec: spec.clone(),
            log,
            entry,
            messages: Vec::new(),
            approvals: Vec::new(),
        });
        if tenant.has_lost_its_key(&self.caller) {
            board.stop(run);
        }
        if waited && spec.on_disconnect == OnDisconnect::Cancel {
            // Whoever asked may have gone while the answer waited, before there was a stream whose end would tell.
            if let Some(actor) = board.live(run) {
                actor.do_send(Unread);
            }
        }
        Ok(StartedRun {
            run_id: run,
            session_id: spec.session.id.clone(),
            created_at: spec.created_at,
            replayed: false,
            steered: false,
            response: self.response,
            events,
        })
    }

    async fn chat_slot(&self, slot: SlotWait) -> Result<Slot, ProfileError> {
        let config = self.tenant.config();
        let waited = tokio::select! {
            () = self.tenant.parking().cancelled() => return Err(draining()),
            () = self.caller.revoked.cancelled() => {
                return Err(ProfileError::new(Code::KeyRevoked, KEY_REVOKED));
            }
            waited = tokio::time::timeout(config.api.queue_timeout, slot.wait()) => waited,
        };
        match waited {
            Ok(Some(slot)) => Ok(slot),
            Ok(None) | Err(_) => Err(ProfileError {
                retry_after: Some(5),
                ..ProfileError::new(
                    Code::RateLimitExceeded,
                    format!(
                        "Too many concurrent runs (max {}); no place became free in {} s.",
                        config.api.max_concurrent_runs,
                        config.api.queue_timeout.as_secs()
                    ),
                )
            }),
        }
    }
}
