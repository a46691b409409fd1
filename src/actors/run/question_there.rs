//! Questions of another gateway's agent: for approval, and its own. Each becomes one of ours under the same id, and is
//! answered on either side.

use super::{Decide, approvals::unanswered, drive::Break, drive::Driver, relay::Agent};
use crate::{
    domain::{
        Approval, ApprovalId, ApprovalRequest, ApprovalScope, ApprovalStatus, Choice, Clarification,
        ClarifyRequest, Event, Finding, Millis, Unattended, now,
    },
    model::ModelError,
    store::Change,
};
use std::time::Duration;

/// What the other side's agent is told where nobody can be asked.
const NOBODY: &str =
    "Nobody can answer here. Go on with what is most likely meant, and say what you assumed.";

/// What is told where it wants to run something.
const UNATTENDED: &str = "the connection of this turn cannot ask anybody";

/// What the other side asks.
pub(super) enum There {
    Approval(Box<ApprovalRequest>),
    Question(Box<ClarifyRequest>),
}

impl There {
    const fn id(&self) -> ApprovalId {
        match self {
            Self::Approval(request) => request.approval_id,
            Self::Question(request) => request.clarify_id,
        }
    }
}

impl Driver {
    /// The other side asks: for approval, or something of its agent's own. Where nobody can be asked, it is told so.
    pub(super) async fn asked_there(&mut self, agent: &Agent, run: &str, asked: There) -> Result<(), Break> {
        let id = asked.id();
        if !self.is_new(id)? {
            return Ok(());
        }
        if self.spec.unattended == Some(Unattended::Deny) {
            let told = match asked {
                There::Approval(_) => agent.client.decide(run, id, Choice::Deny, Some(UNATTENDED)).await,
                There::Question(_) => agent.client.clarify(run, id, NOBODY).await,
            };
            return told.map_err(|error| self.model_failed(&error));
        }
        match asked {
            There::Approval(request) => {
                self.ask_here(self.approval(&request), Event::ApprovalRequest(request))
            }
            There::Question(request) => {
                self.ask_here(self.question(&request), Event::ClarifyRequest(request))
            }
        }
    }

    /// Whether a question is to be asked here: it was not yet, and no stop ends it over there.
    fn is_new(&mut self, id: ApprovalId) -> Result<bool, Break> {
        if self.control.stop.is_cancelled() {
            return Ok(false);
        }
        match self.store.approval(id)?.map(|known| known.run_id) {
            None => Ok(true),
            Some(run) if run == self.spec.run_id => Ok(false),
            Some(_) => {
                let text = "The upstream asks under an id that belongs to another question of this profile."
                    .to_owned();
                Err(self.model_failed(&ModelError::Garbage { message: text, partial: false }))
            }
        }
    }

    fn ask_here(&mut self, mut approval: Approval, event: Event) -> Result<(), Break> {
        self.tenant.redactor().clean_approval(&mut approval);
        self.pose(&approval);
        self.changes.push(Change::Approval(approval.clone()));
        self.approvals.push(approval);
        drop(self.log.append(event, std::mem::take(&mut self.changes))?);
        Ok(())
    }

    /// Passes a person's answer on.
    pub(super) async fn tell_there(
        &self,
        agent: &Agent,
        run: &str,
        answer: &Decide,
    ) -> Result<(), ModelError> {
        let (id, reason) = (answer.approval, answer.reason.as_deref());
        let asks = self.pending().any(|approval| approval.id == id && approval.question.is_some());
        if asks {
            agent.client.clarify(run, id, reason.unwrap_or_default()).await
        } else {
            agent.client.decide(run, id, answer.choice, reason).await
        }
    }

    /// The other side has its answer: ours on its way back, one given over there, or none in time (no `decision`).
    pub(super) async fn answered_there(
        &mut self,
        id: ApprovalId,
        choice: Choice,
        decision: Option<Choice>,
        response: Option<String>,
    ) {
        if self.pending().any(|approval| approval.id == id) {
            let mut reason = response;
            reason.iter_mut().for_each(|reason| self.tenant.redactor().clean_text(reason));
            let how = move |approval: &mut Approval| {
                approval.status =
                    if decision.is_none() { ApprovalStatus::Expired } else { ApprovalStatus::Decided };
                approval.decision = decision.or_else(|| unanswered(approval));
                approval.reason = reason;
            };
            self.settle(id, choice, decision.is_none(), how).await;
        }
    }

    fn approval(&self, request: &ApprovalRequest) -> Approval {
        let finding = |rule: &String| Finding {
            rule: rule.clone(),
            category: String::new(),
            description: request.description.clone(),
        };
        Approval {
            id: request.approval_id,
            run_id: self.spec.run_id,
            session_id: self.spec.session.id.clone(),
            call_id: request.call_id.clone(),
            tool: request.tool.clone(),
            command: request.command.clone(),
            arguments_digest: request.arguments_digest.clone(),
            findings: request.pattern_keys.iter().map(finding).collect(),
            // A standing permission is the other side's to keep: it is its command that runs.
            scopes: Vec::<ApprovalScope>::new(),
            description: request.description.clone(),
            choices: request.choices.clone(),
            status: ApprovalStatus::Pending,
            created_at: now(),
            expires_at: request.expires_at.map(millis),
            decision: None,
            decided_at: None,
            decided_by: None,
            reason: None,
            question: None,
        }
    }

    fn question(&self, request: &ClarifyRequest) -> Approval {
        let ClarifyRequest { clarify_id, call_id, question, choices, multi_select: _, expires_at } = request;
        let asked = self.approval(&ApprovalRequest {
            approval_id: *clarify_id,
            call_id: call_id.clone(),
            tool: super::clarify::NAME.to_owned(),
            command: question.clone(),
            arguments_digest: String::new(),
            pattern_key: String::new(),
            pattern_keys: Vec::new(),
            description: "The agent asks.".to_owned(),
            allow_permanent: false,
            choices: Vec::new(),
            expires_at: *expires_at,
        });
        let question = Clarification { question: question.clone(), choices: choices.clone() };
        Approval { question: Some(question), ..asked }
    }
}

/// Seconds of the wire as the time that is stored.
fn millis(seconds: f64) -> Millis {
    let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}
