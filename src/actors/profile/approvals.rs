//! Answers to questions, from whatever surface they come.

use super::{ProfileActor, queries, start::draining};
use crate::{
    actors::{
        ApprovalTarget, DecideApproval, GetApproval, ListApprovals, ListRules, ProfileError, RemoveRule,
        Tenant,
        run::{Decide, RunActor},
    },
    audit::{Act, Actor},
    domain::{Approval, ApprovalId, ApprovalStatus, Choice, Code, Rule, RunId},
    store::Change,
};
use actix::{Addr, Handler, ResponseFuture};

/// A question, and the run that asks it if that run lives.
type Meant = (Approval, Option<Addr<RunActor>>);

impl ProfileActor {
    fn approval(&self, id: ApprovalId) -> Result<Approval, ProfileError> {
        let found = self.store.approval(id)?;
        found.ok_or_else(|| ProfileError::new(Code::ApprovalNotFound, format!("Approval not found: {id}")))
    }

    /// The questions that `target` means, each with the run that asks it if that run lives.
    fn meant(&self, target: &ApprovalTarget) -> Result<Vec<Meant>, ProfileError> {
        let ids = match *target {
            ApprovalTarget::One(id) => vec![id],
            ApprovalTarget::OfRun(run, id) => {
                self.record(run)?;
                let approval = self.approval(id)?;
                if !self.asks(run, &approval)? {
                    return Err(ProfileError::new(
                        Code::ApprovalNotFound,
                        format!("Approval not found: {id}"),
                    ));
                }
                vec![id]
            }
            ApprovalTarget::Only(run) => {
                let waiting = self.waiting(run)?;
                if waiting.len() > 1 {
                    let text = format!(
                        "Run {run} has {} pending approvals: name one with `approval_id`, or send `\"all\": true`.",
                        waiting.len()
                    );
                    return Err(ProfileError::new(Code::ApprovalAmbiguous, text));
                }
                waiting
            }
            ApprovalTarget::All(run) => self.waiting(run)?,
        };
        ids.into_iter()
            .map(|id| {
                self.approval(id).map(|approval| {
                    let live = self.tenant.board().live(approval.run_id);
                    (approval, live)
                })
            })
            .collect()
    }

    /// Whether a run asks this, itself or by a child.
    fn asks(&self, run: RunId, approval: &Approval) -> Result<bool, ProfileError> {
        if approval.run_id == run {
            return Ok(true);
        }
        let asking = self.store.run(approval.run_id)?;
        Ok(asking.is_some_and(|asking| asking.parent == Some(run)))
    }

    fn waiting(&self, run: RunId) -> Result<Vec<ApprovalId>, ProfileError> {
        let record = self.store.run(run)?.ok_or_else(|| queries::not_found(run))?;
        if record.status.is_terminal() {
            let text = format!("Run has no active approval session: {run}");
            return Err(ProfileError::new(Code::ApprovalNotActive, text));
        }
        if record.waiting.is_empty() {
            let text = format!("Run has no pending approval: {run}");
            return Err(ProfileError::new(Code::ApprovalNotPending, text));
        }
        Ok(record.waiting)
    }
}

impl Handler<DecideApproval> for ProfileActor {
    type Result = ResponseFuture<Result<Vec<Approval>, ProfileError>>;

    fn handle(&mut self, answer: DecideApproval, _ctx: &mut Self::Context) -> Self::Result {
        let meant = match self.meant(&answer.target) {
            Ok(meant) => meant,
            Err(error) => return Box::pin(async { Err(error) }),
        };
        let tenant = self.tenant.clone();
        Box::pin(async move {
            let mut settled = Vec::with_capacity(meant.len());
            for (approval, live) in meant {
                settled.push(settle(&tenant, approval, live, &answer).await?);
            }
            Ok(settled)
        })
    }
}

async fn settle(
    tenant: &Tenant,
    approval: Approval,
    live: Option<Addr<RunActor>>,
    answer: &DecideApproval,
) -> Result<Approval, ProfileError> {
    if approval.question.is_some() {
        let text = format!(
            "{} is a question of the agent: answer it at POST /v1/runs/{}/clarify.",
            approval.id, approval.run_id
        );
        return Err(ProfileError::new(Code::InvalidApprovalChoice, text));
    }
    if !approval.choices.contains(&answer.choice) {
        let offered: Vec<&str> = approval.choices.iter().map(|choice| choice.wire()).collect();
        let text =
            format!("`{}` was not offered; expected one of: {}", answer.choice.wire(), offered.join(", "));
        return Err(ProfileError::new(Code::InvalidApprovalChoice, text));
    }
    if approval.status != ApprovalStatus::Pending {
        return same(approval, answer.choice);
    }
    let decide = Decide {
        approval: approval.id,
        choice: answer.choice,
        reason: answer.reason.clone(),
        key_id: answer.key_id.clone(),
    };
    same(settle_by(tenant, live, decide).await?, answer.choice)
}

/// The question as it was settled.
pub(super) async fn settle_by(
    tenant: &Tenant,
    live: Option<Addr<RunActor>>,
    decide: Decide,
) -> Result<Approval, ProfileError> {
    let id = decide.approval;
    let settled = match live {
        Some(run) => run.send(decide).await.ok().flatten(),
        None => None,
    };
    // The run was put aside or stopped, or could not write the answer down, between the question and now.
    settled.ok_or_else(|| {
        if tenant.is_draining() {
            return draining();
        }
        ProfileError::new(
            Code::ApprovalNotActive,
            format!("The run no longer waits for {id}; ask for its status and try again if it still does."),
        )
    })
}

/// The same answer again is no mistake; another one comes too late.
fn same(approval: Approval, choice: Choice) -> Result<Approval, ProfileError> {
    if approval.decision == Some(choice) {
        return Ok(approval);
    }
    Err(too_late(&approval))
}

pub(super) fn too_late(approval: &Approval) -> ProfileError {
    let how = match (approval.status, approval.decision) {
        (ApprovalStatus::Expired, _) => "expired, which counts as `deny`".to_owned(),
        (ApprovalStatus::Withdrawn, _) => "withdrawn, as its run was stopped".to_owned(),
        (_, Some(_)) if approval.question.is_some() => "answered".to_owned(),
        (_, Some(decision)) => format!("answered with `{}`", decision.wire()),
        (_, None) => "settled".to_owned(),
    };
    ProfileError::new(Code::ApprovalAlreadyDecided, format!("{} was already {how}.", approval.id))
}

impl Handler<GetApproval> for ProfileActor {
    type Result = Result<Approval, ProfileError>;

    fn handle(&mut self, GetApproval(id): GetApproval, _ctx: &mut Self::Context) -> Self::Result {
        self.approval(id)
    }
}

impl Handler<ListApprovals> for ProfileActor {
    type Result = Result<Vec<Approval>, ProfileError>;

    fn handle(&mut self, list: ListApprovals, _ctx: &mut Self::Context) -> Self::Result {
        Ok(self.store.approvals(list.status, list.after, list.limit)?)
    }
}

impl Handler<ListRules> for ProfileActor {
    type Result = Result<Vec<Rule>, ProfileError>;

    fn handle(&mut self, _: ListRules, _ctx: &mut Self::Context) -> Self::Result {
        Ok(self.tenant.permissions().rules())
    }
}

impl Handler<RemoveRule> for ProfileActor {
    type Result = ResponseFuture<Result<(), ProfileError>>;

    fn handle(&mut self, RemoveRule { id, key_id }: RemoveRule, _ctx: &mut Self::Context) -> Self::Result {
        // Out of force at once; the disk follows before the answer is given.
        if !self.tenant.permissions().remove(&id) {
            let text = format!("There is no rule `{id}`.");
            return Box::pin(async { Err(ProfileError::new(Code::RuleNotFound, text)) });
        }
        self.tenant.audit().note(Actor::from(&key_id), Act::RuleRemoved { rule: id.clone() });
        let removed = self.store.commit(vec![Change::RuleRemoved(id)]);
        Box::pin(async move { Ok(removed.await?) })
    }
}
