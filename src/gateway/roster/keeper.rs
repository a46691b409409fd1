//! The keeper of one profile: a task that alone starts, stops and revives it.
//!
//! ```text
//!            start                       crash                  5 crashes in 60 s
//! Stopped ──────────► Starting ─► Serving ─────► Restarting ─────────────────────► Failed
//!    ▲                    │          │    ◄──────  (port open, 503)     (port open, 503)
//!    └──── stop ──────────┴──────────┘     after 1, 2, 4 … 60 s
//! ```
//!
//! What it is told to do it does one after the other, so two commands for one profile never meet. What others may know
//! is in a [`View`] that never waits for it.

use super::{
    backoff::{Failures, Verdict},
    certificate,
    files::{Files, Plan},
    opening::{self, Ground, Kept, Trouble, Up},
};
use crate::{
    actors::{GoneReason, Tenant},
    config::Secret,
    domain::ProfileName,
    gateway::{
        plane::Place,
        status::{KeyState, ProfileStatus, State, floor_warning, tenant_state},
    },
    sandbox::disk_holder,
    store::StoreError,
};
use std::{rc::Rc, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// How long the reason of a failed opening may be behind the failure itself.
const NOTICE_GRACE: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Start,
    Stop,
    /// Down and up again, with the files as they are now.
    Restart,
    /// As restart, but a profile whose files are broken now goes on as it is.
    Reload,
}

/// What came of an action.
#[derive(Debug)]
pub struct Acted {
    pub status: ProfileStatus,
    /// The key that this very action made: whoever asked is the only one to see it.
    pub first_key: Option<Secret>,
    /// What the files have that is odd.
    pub warnings: Vec<String>,
}

pub type Answer = Result<Acted, String>;

pub enum Request {
    /// The first start, with what the home's files said.
    Begin {
        plan: Box<Plan>,
        answer: oneshot::Sender<Answer>,
    },
    Act {
        action: Action,
        answer: oneshot::Sender<Answer>,
    },
    /// Stop for good; the keeper ends.
    End(End),
}

/// The end of all profiles of a gateway: none closes its port while another one's turns run.
pub struct End {
    /// For the turns that run.
    pub limit: Duration,
    /// Told when no turn runs any more.
    pub drained: oneshot::Sender<()>,
    /// That is so everywhere.
    pub all_drained: CancellationToken,
    pub done: oneshot::Sender<()>,
}

/// What others may know of a profile.
#[derive(Clone)]
pub struct View {
    pub status: ProfileStatus,
    pub first_key: Option<Secret>,
    /// While the port is open.
    pub seat: Option<Seat>,
}

/// A tenant and where its work is done.
#[derive(Clone)]
pub struct Seat {
    pub tenant: Arc<Tenant>,
    pub place: Place,
}

/// The ends that the roster keeps.
pub struct Handle {
    pub requests: mpsc::UnboundedSender<Request>,
    pub gone: mpsc::UnboundedSender<GoneReason>,
    pub view: watch::Receiver<View>,
}

pub struct Keeper {
    name: ProfileName,
    ground: Rc<Ground>,
    files: Arc<Files>,
    place: Place,
    /// For a stop that nobody gave a limit to.
    drain: Duration,
    up: Option<Up>,
    failures: Failures,
    retry_at: Option<Instant>,
    gone: mpsc::UnboundedReceiver<GoneReason>,
    view: watch::Sender<View>,
}

impl Keeper {
    /// Starts the task. `None`: the gateway has no workers any more.
    pub fn start(
        name: ProfileName,
        ground: Rc<Ground>,
        files: Arc<Files>,
        drain: Duration,
    ) -> Option<Handle> {
        let place = ground.plane.place()?;
        let (requests, received) = mpsc::unbounded_channel();
        let (gone, notices) = mpsc::unbounded_channel();
        let view = View { status: ProfileStatus::new(name.clone()), first_key: None, seat: None };
        let (publish, view) = watch::channel(view);
        let keeper = Self {
            name,
            ground,
            files,
            place,
            drain,
            up: None,
            failures: Failures::default(),
            retry_at: None,
            gone: notices,
            view: publish,
        };
        actix_rt::spawn(keeper.keep(received));
        Some(Handle { requests, gone, view })
    }

    async fn keep(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        loop {
            let retry_at = self.retry_at;
            tokio::select! {
                request = requests.recv() => match request {
                    // Whoever asked may have gone away; the answers below are then for nobody.
                    Some(Request::Begin { plan, answer }) => {
                        let begun = self.bring_up(*plan, Kept::default()).await;
                        let _ = answer.send(begun);
                    }
                    Some(Request::Act { action, answer }) => {
                        let done = self.act(action).await;
                        let _ = answer.send(done);
                    }
                    Some(Request::End(end)) => return self.end(end).await,
                    None => return,
                },
                Some(reason) = self.gone.recv() => self.lost(&reason),
                () = sleep_until(retry_at.unwrap_or_else(Instant::now)), if retry_at.is_some() => {
                    self.revive().await;
                }
            }
        }
    }

    async fn act(&mut self, action: Action) -> Answer {
        match action {
            Action::Start if self.view.borrow().status.state == State::Serving => Ok(self.nothing_new()),
            Action::Start | Action::Restart => {
                let plan = self.plan().await?;
                self.failures = Failures::default();
                Box::pin(self.replace(plan)).await
            }
            Action::Reload => {
                let plan = self.plan().await?;
                let readable = match &plan.config {
                    Ok(config) => certificate::load(config).await.map(drop),
                    Err(error) => Err(error.clone()),
                };
                readable.map_err(|error| self.as_before(error))?;
                Box::pin(self.replace(plan)).await
            }
            Action::Stop => {
                self.drain(self.drain).await;
                self.stop().await;
                Ok(self.nothing_new())
            }
        }
    }

    async fn plan(&self) -> Result<Plan, String> {
        self.files.plan(&self.name).await.map_err(|error| self.as_before(error))
    }

    /// A refusal, with what the profile does after it: one that never ran has no settings to go on with.
    fn as_before(&self, error: String) -> String {
        match self.view.borrow().status.state {
            State::Serving => format!("{error}. The profile goes on with its earlier settings"),
            State::Starting | State::Restarting | State::Failed | State::Stopped => error,
        }
    }

    /// To be boxed: a start is large, and the task that waits for it lives as long as the profile.
    async fn replace(&mut self, plan: Plan) -> Answer {
        self.drain(self.drain).await;
        let kept = match self.up.take() {
            Some(up) => up.take_down(&self.place).await,
            None => Kept::default(),
        };
        self.bring_up(plan, kept).await
    }

    async fn bring_up(&mut self, mut plan: Plan, kept: Kept) -> Answer {
        let mut warnings = std::mem::take(&mut plan.warnings);
        let config = plan.config.as_ref().ok();
        warnings.extend(config.and_then(|config| floor_warning(config, &self.ground.sandbox)));
        self.retry_at = None;
        // Notices of an earlier life say nothing of the next one.
        while self.gone.try_recv().is_ok() {}
        self.view.send_modify(|view| {
            view.status = ProfileStatus::new(self.name.clone());
            view.status.set(State::Starting, None);
            if let Ok(config) = &plan.config {
                view.status.describe(config, &self.ground.sandbox);
            }
        });
        let brought = opening::bring_up(&self.ground, &self.place, &self.name, plan, kept).await;
        let up = match brought {
            Ok(up) => up,
            Err(reason) => {
                // Whoever asked gets the reason, and shows it.
                tracing::debug!(profile = %self.name, reason, "the profile cannot be started");
                self.set(State::Failed, Some(reason.clone()));
                self.view.send_modify(|view| view.seat = None);
                self.ground.directory.leave(&self.name);
                return Err(reason);
            }
        };
        self.view.send_modify(|view| {
            view.status.address = Some(up.address);
            view.status.tls = up.tls.is_some();
            view.status.keys = up.keys;
            disk_holder(up.footing.held).clone_into(&mut view.status.disk);
            view.status.uid = up.footing.owner.map(|owner| owner.uid);
            view.first_key.clone_from(&up.first_key);
            view.seat = Some(Seat { tenant: up.tenant.clone(), place: self.place.clone() });
        });
        self.ground.directory.enter(up.tenant.clone());
        warnings.extend(up.footing.warnings.iter().cloned());
        let (trouble, first_key) = (up.trouble.clone(), up.first_key.clone());
        self.up = Some(up);
        match trouble {
            None => {
                self.set(State::Serving, None);
                Ok(Acted { status: self.status(), first_key, warnings })
            }
            Some(Trouble::Held(reason)) => {
                tracing::warn!(profile = %self.name, reason, "the profile cannot be started again; its port says so");
                // The tenant has a state of its own, without what only the operator may read.
                self.view.send_modify(|view| view.status.set(State::Failed, Some(reason.clone())));
                Err(reason)
            }
            Some(Trouble::Store(trouble)) => {
                self.opening_failed(trouble).await;
                Err(self.status().reason.unwrap_or_default())
            }
        }
    }

    async fn end(mut self, End { limit, drained, all_drained, done }: End) {
        self.drain(limit).await;
        let _ = drained.send(());
        all_drained.cancelled().await;
        self.stop().await;
        let _ = done.send(());
    }

    /// No new turns, and the running ones end. The profile answers meanwhile: its approvals, its keys.
    async fn drain(&mut self, limit: Duration) {
        self.retry_at = None;
        if let Some(up) = &self.up {
            up.drain(&self.place, limit).await;
        }
    }

    async fn stop(&mut self) {
        if let Some(up) = self.up.take() {
            self.view.send_modify(|view| {
                view.seat = None;
                view.first_key = None;
            });
            let kept = up.take_down(&self.place).await;
            self.ground.directory.leave(&self.name);
            kept.release().await;
        }
        self.view.send_modify(|view| {
            view.status.address = None;
            if view.status.keys == KeyState::JustMade {
                view.status.keys = KeyState::Unknown;
            }
        });
        self.set(State::Stopped, None);
    }

    /// The profile's actor is gone, or its store failed.
    fn lost(&mut self, reason: &GoneReason) {
        if self.up.is_none() {
            return;
        }
        let text = match reason {
            GoneReason::Panicked => "its actor crashed".to_owned(),
            GoneReason::Store(StoreError::Damaged(what)) => {
                let offer = format!("restore it from a backup: `hermes restore {} FILE`", self.name);
                return self.give_up(format!("its store is damaged ({what}); {offer}"));
            }
            GoneReason::Store(error) => format!("its store failed: {error}"),
        };
        // Several notices of one fall count as one.
        if self.retry_at.is_none() && self.view.borrow().status.state == State::Serving {
            self.fell(text);
        }
    }

    fn fell(&mut self, reason: String) {
        match self.failures.record(Instant::now()) {
            Verdict::RetryAfter(wait) => {
                tracing::error!(profile = %self.name, reason, ?wait, "the profile fell; it will be opened again");
                self.retry_at = Some(Instant::now() + wait);
                self.set(State::Restarting, Some(reason));
            }
            Verdict::GiveUp => {
                let next = format!("`hermes profile restart {}` tries again", self.name);
                self.give_up(format!("{reason}, five times within a minute; {next}"));
            }
        }
    }

    fn give_up(&mut self, reason: String) {
        tracing::error!(profile = %self.name, reason, "the profile is given up");
        self.retry_at = None;
        self.set(State::Failed, Some(reason));
    }

    async fn revive(&mut self) {
        self.retry_at = None;
        let Some(up) = &self.up else { return };
        match opening::open(&self.ground, &self.place, &up.tenant).await {
            Ok(()) => self.set(State::Serving, None),
            Err(reason) => self.opening_failed(reason).await,
        }
    }

    /// The store could not be opened. Its notice, which may be under way, knows better why.
    async fn opening_failed(&mut self, reason: String) {
        if let Ok(Some(better)) = timeout(NOTICE_GRACE, self.gone.recv()).await
            && matches!(better, GoneReason::Store(StoreError::Damaged(_)))
        {
            return self.lost(&better);
        }
        self.fell(reason);
    }

    fn set(&self, state: State, reason: Option<String>) {
        if let Some(up) = &self.up {
            up.tenant.set_state(tenant_state(state, reason.as_deref()));
        }
        self.view.send_modify(|view| view.status.set(state, reason));
    }

    fn nothing_new(&self) -> Acted {
        Acted { status: self.status(), first_key: None, warnings: Vec::new() }
    }

    fn status(&self) -> ProfileStatus {
        self.view.borrow().status.clone()
    }
}
