//! Questions of agents, and the answers to them.

use super::{
    ProfileActor,
    approvals::{settle_by, too_late},
    queries::not_found,
};
use crate::{
    actors::{AnswerQuestion, Asker, ListWaiting, ProfileError, run::Decide},
    domain::{Approval, ApprovalId, ApprovalStatus, Choice, Code, SessionId},
    store::{SessionError, Store, StoreError},
};
use actix::{Handler, ResponseFuture};

/// What waits for a person, oldest first. Blocking: a list is many records.
fn waiting(store: &Store, session: Option<&SessionId>) -> Result<Vec<Approval>, ProfileError> {
    let mut found = store.approvals(Some(ApprovalStatus::Pending), None, usize::MAX)?;
    found.retain(|one| session.is_none_or(|session| one.session_id == *session));
    // A session whose first turn waits may not have been written down yet.
    if let Some(session) = session
        && found.is_empty()
        && store.session(session)?.is_none()
    {
        return Err(SessionError::NotFound(session.clone()).into());
    }
    found.reverse();
    Ok(found)
}

/// The question that is meant: the one named, else the only one that waits there. Blocking.
fn meant(store: &Store, asker: &Asker, named: Option<ApprovalId>) -> Result<Approval, ProfileError> {
    let (who, open) = match asker {
        Asker::Run(run) => {
            let record = store.run(*run)?.ok_or_else(|| not_found(*run))?;
            (format!("Run {run} (`{}`)", record.status.wire()), record.asking)
        }
        Asker::Session(session) => {
            let waiting = waiting(store, Some(session))?;
            let questions = waiting.iter().filter(|one| one.question.is_some());
            (format!("The agent of session {session}"), questions.map(|one| one.id).collect())
        }
    };
    let id = match (named, open.as_slice()) {
        (Some(id), _) => id,
        (None, [only]) => *only,
        (None, []) => {
            return Err(ProfileError::new(Code::ClarifyNotPending, format!("{who} asks nothing.")));
        }
        (None, several) => {
            let text = format!("{who} asks {} questions: name one with `clarify_id`.", several.len());
            return Err(ProfileError::new(Code::ClarifyAmbiguous, text));
        }
    };
    let asks = |found: &Approval| match asker {
        Asker::Run(run) => found.run_id == *run,
        Asker::Session(session) => found.session_id == *session,
    };
    let found = store.approval(id)?.filter(|found| found.question.is_some() && asks(found));
    found.ok_or_else(|| ProfileError::new(Code::ClarifyNotPending, format!("{who} asks no question {id}.")))
}

/// Runs `work` on the blocking pool.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ProfileError> + Send + 'static,
) -> Result<T, ProfileError> {
    tokio::task::spawn_blocking(work).await.map_err(|panic| StoreError::Io(panic.to_string()))?
}

impl Handler<ListWaiting> for ProfileActor {
    type Result = ResponseFuture<Result<Vec<Approval>, ProfileError>>;

    fn handle(&mut self, ListWaiting(session): ListWaiting, _ctx: &mut Self::Context) -> Self::Result {
        let store = self.store.clone();
        Box::pin(beside(move || waiting(&store, session.as_ref())))
    }
}

impl Handler<AnswerQuestion> for ProfileActor {
    type Result = ResponseFuture<Result<Approval, ProfileError>>;

    fn handle(&mut self, answer: AnswerQuestion, _ctx: &mut Self::Context) -> Self::Result {
        let AnswerQuestion { asker, clarify, mut response, key_id, rights } = answer;
        let (store, tenant) = (self.store.clone(), self.tenant.clone());
        // As it is kept, so that the same answer again is known.
        tenant.redactor().clean_text(&mut response);
        Box::pin(async move {
            let at = store.clone();
            let question = beside(move || meant(&at, &asker, clarify)).await?;
            // Words are as good as the tools that the turn may use.
            if let (Some(of), Some(rights)) = (store.run(question.run_id)?, rights)
                && !tenant.may_speak_to(&rights, &of.key_id)
            {
                let text = "This key may use fewer tools than the run that it answers.";
                return Err(ProfileError::new(Code::InsufficientScope, text));
            }
            let settled = if question.status == ApprovalStatus::Pending {
                let live = tenant.board().live(question.run_id);
                let (approval, reason) = (question.id, Some(response.clone()));
                settle_by(&tenant, live, Decide { approval, choice: Choice::Once, reason, key_id }).await?
            } else {
                question
            };
            // The same answer again is no mistake; another one comes too late.
            let same = settled.status == ApprovalStatus::Decided && settled.reason == Some(response);
            if same { Ok(settled) } else { Err(too_late(&settled)) }
        })
    }
}
