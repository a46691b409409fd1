//! What each command of the control socket does.

use super::{
    import,
    protocol::{Command, GatewayStatus, KeyInfo, ProfileAnswer, Reply},
};
use crate::{
    actors::{
        AnswerQuestion, ApprovalTarget, Asker, DecideApproval, Editor, ListApprovals, NewKey, ProfileError,
        Tenant, Unavailable,
    },
    domain::{ApprovalStatus, Code, KeyId, Millis, ProfileName},
    front::operator,
    gateway::roster::{Act, Acted, Action, GetSeat, ListProfiles, Roster, Seat},
};
use actix::Addr;
use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};
use tokio::{io::BufReader, net::UnixStream};
use tokio_util::sync::CancellationToken;

/// A connection, behind its request.
pub(super) type Stream = BufReader<UnixStream>;

/// Approvals in one list.
const APPROVALS: usize = 200;

/// What the commands act upon.
pub struct Answers {
    pub roster: Addr<Roster>,
    pub only: Option<ProfileName>,
    pub started_at: Millis,
    /// Set once the gateway has begun to end.
    pub draining: Rc<Cell<bool>>,
    /// Cancelled to ask whoever owns the gateway to stop it.
    pub stop: CancellationToken,
}

impl Answers {
    /// `stream`: what comes behind the command.
    pub(super) async fn to(&self, command: Command, stream: &mut Stream) -> Result<Reply, String> {
        match command {
            Command::Status => self.status().await,
            Command::StopGateway => {
                self.stop.cancel();
                Ok(Reply::Stopping)
            }
            Command::StartProfile { profile } => self.act(profile, Action::Start).await,
            Command::StopProfile { profile } => self.act(profile, Action::Stop).await,
            Command::RestartProfile { profile } => self.act(profile, Action::Restart).await,
            Command::ReloadProfile { profile } => self.act(profile, Action::Reload).await,
            Command::CreateKey { profile, wish } => {
                let spec = wish.spec()?;
                let create =
                    |tenant: Arc<Tenant>| async move { tenant.create_key(spec, &Editor::Operator).await };
                Ok(shown_once(self.with(profile, create).await?))
            }
            Command::ListKeys { profile } => {
                let keys = self.with(profile, |tenant| async move { tenant.keys().await }).await?;
                Ok(Reply::Keys(keys.into_iter().map(KeyInfo::from).collect()))
            }
            Command::ShowKey { profile, key } => {
                let key = self.with(profile, |tenant| async move { tenant.key(&key).await }).await?;
                Ok(Reply::Key(key.into()))
            }
            Command::RotateKey { profile, key, overlap_ms } => {
                let overlap = Duration::from_millis(u64::try_from(overlap_ms).unwrap_or(0));
                let rotate = move |tenant: Arc<Tenant>| async move {
                    tenant.rotate_key(&key, overlap, Editor::Operator).await
                };
                Ok(shown_once(self.with(profile, rotate).await?))
            }
            Command::RevokeKey { profile, key } => {
                let revoke =
                    |tenant: Arc<Tenant>| async move { tenant.revoke_key(&key, &Editor::Operator).await };
                let key = self.with(profile, revoke).await?;
                Ok(Reply::Key(key.into()))
            }
            Command::ListApprovals { profile, pending } => {
                let status = pending.then_some(ApprovalStatus::Pending);
                let list = ListApprovals { status, after: None, limit: APPROVALS };
                let found = self.with(profile, |tenant| async move { ask(&tenant, list).await }).await?;
                Ok(Reply::Approvals(found))
            }
            Command::AnswerQuestion { profile, run, id, response } => {
                let key_id = KeyId::cli();
                let asker = Asker::Run(run);
                let answer = AnswerQuestion { asker, clarify: Some(id), response, key_id, rights: None };
                let settled = self.with(profile, |tenant| async move { ask(&tenant, answer).await }).await?;
                Ok(Reply::Approvals(vec![settled]))
            }
            Command::DecideApproval { profile, id, choice, reason } => {
                let key_id = KeyId::cli();
                let decide = DecideApproval { target: ApprovalTarget::One(id), choice, reason, key_id };
                let decided = self.with(profile, |tenant| async move { ask(&tenant, decide).await }).await?;
                Ok(Reply::Approvals(decided))
            }
            Command::Ask { profile, question } => {
                let sought = question.sought().map_err(|error| error.message)?;
                let ask = |tenant: Arc<Tenant>| async move {
                    let found = sought.ask(&tenant).await?;
                    Ok(sought.told(found))
                };
                Ok(Reply::Document(self.with(profile, ask).await?))
            }
            Command::CompressSession { profile, session, focus } => {
                let compress = |tenant: Arc<Tenant>| async move {
                    operator::compress_session(&tenant, &session, &focus).await
                };
                Ok(Reply::Document(self.with(profile, compress).await?))
            }
            Command::ImportSessions { profile, dry_run } => self.import(profile, dry_run, stream).await,
        }
    }

    async fn import(
        &self,
        profile: ProfileName,
        dry_run: bool,
        stream: &mut Stream,
    ) -> Result<Reply, String> {
        let (to, pieces) = import::pipe();
        let take = move |tenant: Arc<Tenant>| async move {
            tenant.import_sessions(import::Records::of(pieces), dry_run).await
        };
        let report = tokio::select! {
            report = self.with(profile, take) => report?,
            never = import::pump(stream, to) => match never {},
        };
        Ok(Reply::Imported(Box::new(report)))
    }

    async fn status(&self) -> Result<Reply, String> {
        let profiles = self.roster.send(ListProfiles).await.map_err(|error| error.to_string())?;
        Ok(Reply::Gateway(GatewayStatus {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            only: self.only.clone(),
            draining: self.draining.get(),
            profiles,
        }))
    }

    async fn act(&self, name: ProfileName, action: Action) -> Result<Reply, String> {
        let acted = self.roster.send(Act { name, action }).await.map_err(|error| error.to_string())??;
        let Acted { status, first_key, warnings } = acted;
        let first_key = first_key.map(|key| key.reveal().to_owned());
        Ok(Reply::Profile(ProfileAnswer { status, first_key, warnings }))
    }

    /// Asks a profile's tenant on its own thread.
    async fn with<F, R>(
        &self,
        profile: ProfileName,
        what: impl FnOnce(Arc<Tenant>) -> F + Send + 'static,
    ) -> Result<R, String>
    where
        F: Future<Output = Result<R, ProfileError>> + 'static,
        R: Send + 'static,
    {
        let name = profile.clone();
        let seat = self.roster.send(GetSeat(profile)).await.map_err(|error| error.to_string())??;
        let Seat { tenant, place } = seat;
        let answer = place.run(move || what(tenant)).await.map_err(|gone| gone.to_string())?;
        match answer {
            Err(error) if error.code == Code::ProfileUnavailable => {
                Err(self.why_down(&name).await.unwrap_or(error.message))
            }
            answer => answer.map_err(|error| error.message),
        }
    }

    /// Why a profile cannot be used, with all that its clients are not told: who asks here may read the files.
    async fn why_down(&self, name: &ProfileName) -> Option<String> {
        let profiles = self.roster.send(ListProfiles).await.ok()?;
        let status = profiles.into_iter().find(|status| status.name == *name)?;
        Some(format!("the profile `{name}` is {}: {}", status.state.name(), status.reason?))
    }
}

/// A key with the token that nobody will be told again.
fn shown_once(NewKey { token, record }: NewKey) -> Reply {
    Reply::KeyCreated { token: token.reveal().to_owned(), key: record.into() }
}

/// Sends a message to the profile's actor, its store opened first if need be.
async fn ask<M, R>(tenant: &Arc<Tenant>, message: M) -> Result<R, ProfileError>
where
    M: actix::Message<Result = Result<R, ProfileError>> + Send + 'static,
    R: Send + 'static,
    crate::actors::ProfileActor: actix::Handler<M>,
{
    let profile = tenant.profile().await?;
    let gone = |_closed| {
        ProfileError::from(Unavailable {
            message: "the profile is being restarted".to_owned(),
            retry_after: 1,
        })
    };
    profile.send(message).await.map_err(gone)?
}
