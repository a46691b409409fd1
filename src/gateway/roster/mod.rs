//! The roster: which profiles this gateway has, and the way to each one's keeper.
//!
//! Tiny and panic-free on purpose: it is the parent that outlives every profile. It never waits: what takes time is
//! done by the [`keeper`] of the profile concerned.

mod backoff;
mod certificate;
mod files;
mod keeper;
mod lock;
mod opening;
mod socket;

pub use files::{Files, Plan, Selection, plans};
pub use keeper::{Acted, Action, Answer, Seat, View};
pub use opening::Ground;

use crate::{
    actors::ProfileGone,
    config::Secret,
    domain::ProfileName,
    gateway::status::{ProfileStatus, State},
};
use actix::{Actor, AsyncContext as _, Context, Handler, Message, ResponseFuture};
use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use keeper::{End, Handle, Keeper, Request};
use std::{collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Command: start these profiles, all at once. Answers when each is up or has said why not, with what is odd about those
/// that are up.
#[derive(Message)]
#[rtype(result = "Vec<String>")]
pub struct BeginAll(pub Vec<(ProfileName, Plan)>);

/// Command for one profile. A profile that the roster does not know is looked for in the home.
#[derive(Message)]
#[rtype(result = "Answer")]
pub struct Act {
    pub name: ProfileName,
    pub action: Action,
}

/// Command: stop all profiles, each within `limit`. They cannot be started again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct EndAll {
    pub limit: Duration,
}

/// Query: all profiles by name, without those that were stopped and deleted.
#[derive(Message)]
#[rtype(result = "Vec<ProfileStatus>")]
pub struct ListProfiles;

/// Query: the way to a profile's tenant; an error says why there is none.
#[derive(Message)]
#[rtype(result = "Result<Seat, String>")]
pub struct GetSeat(pub ProfileName);

/// Query: the key that was made at a profile's start, if one was.
#[derive(Message)]
#[rtype(result = "Option<Secret>")]
pub struct GetFirstKey(pub ProfileName);

pub struct Roster {
    ground: Rc<Ground>,
    files: Arc<Files>,
    drain: Duration,
    profiles: BTreeMap<ProfileName, Handle>,
    ended: bool,
}

impl Roster {
    /// Starts the roster; `ground` gets the address to which tenants send their notices.
    pub fn start(
        files: Arc<Files>,
        drain: Duration,
        ground: impl FnOnce(actix::Recipient<ProfileGone>) -> Ground,
    ) -> actix::Addr<Self> {
        Self::create(|ctx| {
            let ground = Rc::new(ground(ctx.address().recipient()));
            Self { ground, files, drain, profiles: BTreeMap::new(), ended: false }
        })
    }

    /// The keeper of a profile, made when there is none yet.
    fn keeper(&mut self, name: &ProfileName) -> Option<&Handle> {
        if self.ended {
            return None;
        }
        if !self.profiles.contains_key(name) {
            let made = Keeper::start(name.clone(), self.ground.clone(), self.files.clone(), self.drain)?;
            self.profiles.insert(name.clone(), made);
        }
        self.profiles.get(name)
    }

    fn ask(
        &mut self,
        name: &ProfileName,
        request: impl FnOnce(oneshot::Sender<Answer>) -> Request,
    ) -> BoxFuture<'static, Answer> {
        const ENDING: &str = "the gateway is ending";
        let (answer, answered) = oneshot::channel();
        let sent = self.keeper(name).is_some_and(|keeper| keeper.requests.send(request(answer)).is_ok());
        async move {
            if !sent {
                return Err(ENDING.to_owned());
            }
            answered.await.unwrap_or_else(|_closed| Err(ENDING.to_owned()))
        }
        .boxed()
    }
}

impl Actor for Roster {
    type Context = Context<Self>;
}

impl Handler<BeginAll> for Roster {
    type Result = ResponseFuture<Vec<String>>;

    fn handle(&mut self, BeginAll(plans): BeginAll, _ctx: &mut Self::Context) -> Self::Result {
        let begun: Vec<_> = plans
            .into_iter()
            .map(|(name, plan)| self.ask(&name, |answer| Request::Begin { plan: Box::new(plan), answer }))
            .collect();
        // What went wrong stands in the status.
        Box::pin(
            join_all(begun).map(|begun| begun.into_iter().flatten().flat_map(|up| up.warnings).collect()),
        )
    }
}

impl Handler<Act> for Roster {
    type Result = ResponseFuture<Answer>;

    fn handle(&mut self, Act { name, action }: Act, _ctx: &mut Self::Context) -> Self::Result {
        if self.profiles.contains_key(&name) {
            return self.ask(&name, |answer| Request::Act { action, answer });
        }
        match action {
            // An unknown name must not leave a keeper behind, so it is looked up by the one that the command makes.
            Action::Start | Action::Restart | Action::Reload if self.files.may_have(&name) => {
                self.ask(&name, |answer| Request::Act { action, answer })
            }
            Action::Start | Action::Restart | Action::Reload | Action::Stop => {
                let unknown = format!("this gateway has no profile `{name}`");
                Box::pin(std::future::ready(Err(unknown)))
            }
        }
    }
}

impl Handler<EndAll> for Roster {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, EndAll { limit }: EndAll, _ctx: &mut Self::Context) -> Self::Result {
        self.ended = true;
        let all_drained = CancellationToken::new();
        let ends = self.profiles.values().map(|keeper| {
            let (drained, is_drained) = oneshot::channel();
            let (done, is_done) = oneshot::channel();
            let end = End { limit, drained, all_drained: all_drained.clone(), done };
            // A keeper that is gone already drops both.
            let _gone = keeper.requests.send(Request::End(end));
            (is_drained, is_done)
        });
        let (drained, done): (Vec<_>, Vec<_>) = ends.unzip();
        Box::pin(async move {
            join_all(drained).await;
            all_drained.cancel();
            join_all(done).await;
        })
    }
}

impl Handler<ListProfiles> for Roster {
    type Result = Vec<ProfileStatus>;

    fn handle(&mut self, _query: ListProfiles, _ctx: &mut Self::Context) -> Self::Result {
        let deleted = |view: &View| {
            // One that has its port is there, whatever became of its folder.
            let down = view.seat.is_none() && matches!(view.status.state, State::Stopped | State::Failed);
            down && !self.files.may_have(&view.status.name)
        };
        let views = self.profiles.values().map(|keeper| keeper.view.borrow());
        let status = |view: &View| {
            let breach = view.seat.as_ref().and_then(|seat| seat.tenant.sandbox().standing.breach());
            ProfileStatus { breach, ..view.status.clone() }
        };
        views.filter(|view| !deleted(view)).map(|view| status(&view)).collect()
    }
}

impl Handler<GetSeat> for Roster {
    type Result = Result<Seat, String>;

    fn handle(&mut self, GetSeat(name): GetSeat, _ctx: &mut Self::Context) -> Self::Result {
        let keeper =
            self.profiles.get(&name).ok_or_else(|| format!("this gateway has no profile `{name}`"))?;
        let View { status, seat, first_key: _ } = keeper.view.borrow().clone();
        seat.ok_or_else(|| match status.reason {
            Some(reason) => format!("the profile `{name}` is {}: {reason}", status.state.name()),
            None => format!("the profile `{name}` is {}", status.state.name()),
        })
    }
}

impl Handler<GetFirstKey> for Roster {
    type Result = Option<Secret>;

    fn handle(&mut self, GetFirstKey(name): GetFirstKey, _ctx: &mut Self::Context) -> Self::Result {
        self.profiles.get(&name).and_then(|keeper| keeper.view.borrow().first_key.clone())
    }
}

impl Handler<ProfileGone> for Roster {
    type Result = ();

    fn handle(&mut self, ProfileGone { name, reason }: ProfileGone, _ctx: &mut Self::Context) {
        if let Some(keeper) = self.profiles.get(&name) {
            // A keeper that is gone has taken its profile down already.
            let _ = keeper.gone.send(reason);
        }
    }
}
