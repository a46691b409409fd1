//! One run of one agent, from acceptance to its last event.
//!
//! ```text
//! queued ──► running ⇄ waiting for approval
//!    │          │              │
//!    └──────────┴── stop ──────┴──► stopping ──► completed | failed | cancelled
//! ```
//!
//! The work is a [`drive::Driver`], a future that owns the log: the actor only passes commands on to it. It is not
//! supervised: a run that died half-way is reported as failed, never repeated, because its tools may have acted. That
//! report needs nobody: a driver that is dropped before its end writes it.

mod approvals;
mod audit;
mod children;
mod clarify;
mod compress;
mod drive;
mod explain;
mod fallback;
mod finish;
mod heard;
mod helper;
mod history;
mod images;
mod ledger;
mod look;
mod nearby;
mod nested;
mod port;
mod prompt;
mod question_there;
mod refusal;
mod relay;
mod remember;
mod results;
mod review;
mod room;
mod session;
mod steer;
mod text;
mod tools;
mod transcript;
mod typing;

pub use drive::{Entry, Kit, Work};
pub use helper::Rest;
pub(super) use room::told;
pub use steer::{Manner, Steer};
pub(super) use transcript::{Broken, Came, append as session_append, conversation};

use crate::{
    domain::{Approval, ApprovalId, Choice, KeyId, OnDisconnect, RunId},
    store::Store,
};
use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, ResponseFuture,
    SpawnHandle, WrapFuture,
};
use futures_util::FutureExt;
use local_channel::mpsc;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    panic::AssertUnwindSafe,
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::Board;

/// A run that was told to stop and still has not ended after this long is cut off.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A client that goes away gets this long to come back.
const READER_GRACE: Duration = Duration::from_secs(2);

/// Why a run is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// A person or client asked for it, or the last reader went away.
    Asked,
    /// The gateway ends.
    Shutdown,
}

/// Command: end the run now. Stopping a run that is stopping already is not an error.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Stop(pub StopReason);

/// Command: answer a question. Gives the approval as it was settled, by this answer or by an earlier one; `None` when
/// this run does not ask it (any more).
#[derive(Debug, Message)]
#[rtype(result = "Option<Approval>")]
pub struct Decide {
    pub approval: ApprovalId,
    pub choice: Choice,
    pub reason: Option<String>,
    pub key_id: KeyId,
}

/// Notice: a reader went away. If nobody reads when the grace is over, a run that lives for its reader is stopped.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Unread;

/// Query: waits until a run that has its place has said so in its log. Answers at once while it queues, and once it works.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Entered;

/// What the actor and its driver share; both live on one thread.
pub(super) struct Control {
    pub stop: CancellationToken,
    pub reason: Cell<Option<StopReason>>,
    /// The run has its place, and reads what was said before it begins.
    entering: Cell<bool>,
    entered: Notify,
    questions: RefCell<HashMap<ApprovalId, Question>>,
    /// Both of a kind that is small while it is empty: hardly any run hears something.
    answers: mpsc::Sender<Decide>,
    said: mpsc::Sender<steer::Said>,
}

impl Control {
    pub fn set_entering(&self, entering: bool) {
        self.entering.set(entering);
        if !entering {
            self.entered.notify_waiters();
        }
    }
}

/// The driver's ends of what the actor passes on.
struct Inbox {
    answered: mpsc::Receiver<Decide>,
    said: mpsc::Receiver<steer::Said>,
}

/// A question that somebody was asked.
struct Question {
    answered: bool,
    settled: watch::Sender<Option<Approval>>,
}

impl Question {
    fn open() -> Self {
        Self { answered: false, settled: watch::Sender::new(None) }
    }
}

pub struct RunActor {
    run: RunId,
    store: Store,
    on_disconnect: OnDisconnect,
    board: Arc<Board>,
    control: Rc<Control>,
    /// Taken when the actor starts.
    work: Option<(Work, Inbox)>,
    driver: Option<SpawnHandle>,
}

impl RunActor {
    /// Starts the run on this thread and puts it into the table of live runs.
    pub fn launch(work: Work) {
        let (answers, answered) = mpsc::channel();
        let (say, said) = mpsc::channel();
        let control = Rc::new(Control {
            stop: CancellationToken::new(),
            reason: Cell::new(None),
            entering: Cell::new(false),
            entered: Notify::new(),
            questions: RefCell::default(),
            answers,
            said: say,
        });
        let (run, board) = (work.spec.run_id, work.tenant.board().clone());
        let actor = Self {
            run,
            store: work.store.clone(),
            on_disconnect: work.spec.on_disconnect,
            board: board.clone(),
            control,
            work: Some((work, Inbox { answered, said })),
            driver: None,
        };
        board.enlist(run, actor.start());
    }
}

impl Actor for RunActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let Some((work, inbox)) = self.work.take() else {
            return;
        };
        let driver = drive::Driver::new(work, self.control.clone(), inbox);
        self.driver = Some(ctx.spawn(driven(driver).into_actor(self).map(|_done, _run, ctx| ctx.stop())));
    }
}

/// Drives a run to its end. A panic drops the driver, which writes the turn's end; here it only must not take the actor's
/// context down in the middle of a poll. An async function that took the driver would keep room for it twice.
fn driven(mut driver: drive::Driver) -> impl Future<Output = std::thread::Result<()>> {
    AssertUnwindSafe(async move { driver.run().await }).catch_unwind()
}

impl Drop for RunActor {
    /// Reached by every road: the end, a panic, the end of the thread.
    fn drop(&mut self) {
        self.board.strike(self.run);
    }
}

impl Handler<Stop> for RunActor {
    type Result = ();

    fn handle(&mut self, Stop(reason): Stop, ctx: &mut Self::Context) {
        if self.control.reason.get().is_some() {
            return;
        }
        self.control.reason.set(Some(reason));
        self.control.stop.cancel();
        ctx.run_later(STOP_LIMIT, |run, ctx| {
            tracing::error!(run = %run.run, "a stopped run did not end; it is cut off");
            run.driver.take().map(|driver| ctx.cancel_future(driver));
            ctx.stop();
        });
    }
}

impl Handler<Entered> for RunActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Entered, _ctx: &mut Self::Context) -> Self::Result {
        let control = self.control.clone();
        // A driver that is gone takes this with it.
        Box::pin(async move {
            let entered = control.entered.notified();
            if control.entering.get() {
                entered.await;
            }
        })
    }
}

impl Handler<Unread> for RunActor {
    type Result = ();

    fn handle(&mut self, _: Unread, ctx: &mut Self::Context) {
        if self.on_disconnect == OnDisconnect::Cancel {
            ctx.run_later(READER_GRACE, |run, ctx| {
                if run.store.readers(run.run) == 0 {
                    ctx.notify(Stop(StopReason::Asked));
                }
            });
        }
    }
}

impl Handler<Decide> for RunActor {
    type Result = ResponseFuture<Option<Approval>>;

    fn handle(&mut self, answer: Decide, _ctx: &mut Self::Context) -> Self::Result {
        let mut questions = self.control.questions.borrow_mut();
        let Some(question) = questions.get_mut(&answer.approval) else {
            return Box::pin(async { None });
        };
        let mut settled = question.settled.subscribe();
        if !std::mem::replace(&mut question.answered, true) {
            // The driver holds the other end for as long as it has questions.
            let _sent = self.control.answers.send(answer);
        }
        Box::pin(async move { settled.wait_for(Option::is_some).await.ok()?.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_waits_for_its_model_is_small() {
        fn size<F: Future>(_: impl FnOnce(drive::Driver) -> F) -> usize {
            size_of::<F>()
        }
        // Thousands of these are held at once.
        let size = size(driven);
        assert!(size < 4_096, "{size}");
    }
}
