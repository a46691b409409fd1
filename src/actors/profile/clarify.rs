//! Answers to questions of agents.

use super::{
    ProfileActor,
    approvals::{settle_by, too_late},
};
use crate::{
    actors::{AnswerQuestion, ProfileError, run::Decide},
    domain::{Approval, ApprovalId, ApprovalStatus, Choice, Code, RunId},
};
use actix::{Handler, ResponseFuture};

impl ProfileActor {
    /// The question that is meant: the one named, else the only one of the run that waits.
    fn question(&self, run: RunId, named: Option<ApprovalId>) -> Result<Approval, ProfileError> {
        let record = self.record(run)?;
        let id = match (named, record.asking.as_slice()) {
            (Some(id), _) => id,
            (None, [only]) => *only,
            (None, []) => {
                let text = format!("Run {run} asks nothing; its status is `{}`.", record.status.wire());
                return Err(ProfileError::new(Code::ClarifyNotPending, text));
            }
            (None, several) => {
                let text = format!("Run {run} asks {} questions: name one with `clarify_id`.", several.len());
                return Err(ProfileError::new(Code::ClarifyAmbiguous, text));
            }
        };
        let found = self.store.approval(id)?;
        found.filter(|found| found.run_id == run && found.question.is_some()).ok_or_else(|| {
            ProfileError::new(Code::ClarifyNotPending, format!("Run {run} asks no question {id}."))
        })
    }
}

impl Handler<AnswerQuestion> for ProfileActor {
    type Result = ResponseFuture<Result<Approval, ProfileError>>;

    fn handle(&mut self, answer: AnswerQuestion, _ctx: &mut Self::Context) -> Self::Result {
        let AnswerQuestion { run, clarify, mut response, key_id, rights } = answer;
        // As it is kept, so that the same answer again is known.
        self.tenant.redactor().clean_text(&mut response);
        let question = self.question(run, clarify);
        // Words are as good as the tools that the turn may use.
        let of = self.record(run).map(|record| record.key_id);
        if let (Ok(of), Some(rights)) = (of, rights)
            && !self.tenant.may_speak_to(&rights, &of)
        {
            let text = "This key may use fewer tools than the run that it answers.";
            return Box::pin(async move { Err(ProfileError::new(Code::InsufficientScope, text)) });
        }
        let live = self.tenant.board().live(run);
        Box::pin(async move {
            let question = question?;
            let settled = if question.status == ApprovalStatus::Pending {
                let (approval, reason) = (question.id, Some(response.clone()));
                settle_by(live, Decide { approval, choice: Choice::Once, reason, key_id }).await?
            } else {
                question
            };
            // The same answer again is no mistake; another one comes too late.
            let same = settled.status == ApprovalStatus::Decided && settled.reason == Some(response);
            if same { Ok(settled) } else { Err(too_late(&settled)) }
        })
    }
}
