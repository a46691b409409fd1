//! Asking people, and taking their answers in.
//!
//! All questions of one batch of calls are asked together and all are settled before the first call runs. So a run that
//! waits has no tool in the air, which is what lets it be put aside and gone on with after a restart.

use super::{
    Decide, Question, StopReason,
    drive::Break,
    drive::Driver,
    steer::{Amid, take_in},
};
use crate::{
    actors::permissions::rules_of,
    agent::{Ask, digest},
    domain::{
        Approval, ApprovalId, ApprovalRequest, ApprovalStatus, Choice, Clarification, ClarifyRequest, Event,
        Millis, ToolCall, now, seconds,
    },
    redact,
    store::Change,
};
use std::time::Duration;

/// A run that waits this long gives its slot to others.
pub(super) const SLOT_GRACE: Duration = Duration::from_secs(60);

impl Driver {
    /// What a former process knew of this very call: same id, same bytes.
    pub(super) fn known_approval(&self, call: &ToolCall) -> Option<&Approval> {
        let digest = digest(&call.name, &call.arguments);
        self.approvals.iter().rfind(|known| known.call_id == call.id && known.arguments_digest == digest)
    }

    /// Makes `ask` a stored question and tells the readers.
    pub(super) fn request(
        &mut self,
        call: &ToolCall,
        ask: Ask,
        question: Option<Clarification>,
    ) -> Result<(), Break> {
        let at = now();
        let timeout = self.tenant.config().approvals.timeout;
        let expires_at =
            timeout.map(|wait| at.saturating_add(Millis::try_from(wait.as_millis()).unwrap_or(Millis::MAX)));
        let approval = Approval {
            id: ApprovalId::new(),
            run_id: self.spec.run_id,
            session_id: self.spec.asks_in().clone(),
            call_id: call.id.clone(),
            tool: call.name.clone(),
            command: ask.command,
            arguments_digest: digest(&call.name, &call.arguments),
            findings: ask.findings,
            scopes: ask.scopes,
            description: ask.description,
            choices: match (&question, ask.once_only) {
                (Some(_), _) => Vec::new(),
                (None, true) => vec![Choice::Once, Choice::Deny],
                (None, false) => Choice::ALL.to_vec(),
            },
            status: ApprovalStatus::Pending,
            created_at: at,
            expires_at,
            decision: None,
            decided_at: None,
            decided_by: None,
            reason: None,
            question,
        };
        self.keep_prompt();
        self.audit_question(&approval);
        self.pose(&approval);
        let event = request_event(&approval);
        self.changes.push(Change::Approval(approval.clone()));
        self.approvals.push(approval);
        self.log.make_durable();
        drop(self.log.append(event, std::mem::take(&mut self.changes))?);
        Ok(())
    }

    /// Makes the question known to the actor, so that answers find their way. Whoever has answered it before is told that
    /// this did not count.
    pub(super) fn pose(&self, approval: &Approval) {
        self.control.questions.borrow_mut().insert(approval.id, Question::open());
    }

    /// The same, but an answer that is on its way counts.
    pub(super) fn keep_posed(&self, approval: &Approval) {
        self.control.questions.borrow_mut().entry(approval.id).or_insert_with(Question::open);
    }

    /// The questions of a former process can be answered at once, though the turn has yet to read what was said before it.
    pub(super) fn pose_restored(&self) {
        self.pending().for_each(|approval| self.keep_posed(approval));
    }

    pub(super) fn pending(&self) -> impl Iterator<Item = &Approval> {
        self.approvals.iter().filter(|approval| approval.status == ApprovalStatus::Pending)
    }

    /// Waits until no question is open: answered, expired, or withdrawn by a stop.
    pub(super) async fn settle_all(&mut self) -> Result<(), Break> {
        let give_back = tokio::time::Instant::now() + SLOT_GRACE;
        let mut parked = None;
        while self.pending().next().is_some() {
            let expires = self.pending().filter_map(|approval| approval.expires_at).min();
            let left =
                expires.map(|at| Duration::from_millis(u64::try_from(at.saturating_sub(now())).unwrap_or(0)));
            let stop = self.control.stop.clone();
            let parking = self.tenant.parking().clone();
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.withdraw_all(),
                () = parking.cancelled() => return Err(Break::Parked),
                Some(answer) = self.inbox.answered.recv() => self.answer(answer).await,
                Some(said) = self.inbox.said.recv() => {
                    self.unheard.extend(take_in(&mut self.log, &mut self.changes, Amid::Other, said));
                }
                () = tokio::time::sleep(left.unwrap_or_default()), if left.is_some() => self.expire().await,
                () = tokio::time::sleep_until(give_back), if self.slot.is_some() && parked.is_none() => {
                    parked = Some(ParkedRun::enter(self));
                }
            }
        }
        drop(parked);
        self.regain_slot().await
    }

    /// Waits for a slot, if the run gave its own away or came back without one.
    pub(super) async fn regain_slot(&mut self) -> Result<(), Break> {
        if self.slot.is_none()
            && self.spec.parent.is_none()
            && let Ok(slot) = self.tenant.board().slot(true)
        {
            self.slot = self.unless_stopped(slot.wait()).await?;
        }
        Ok(())
    }

    pub(super) async fn answer(&mut self, answer: Decide) {
        let Decide { approval, choice, mut reason, key_id } = answer;
        if !self.pending().any(|pending| pending.id == approval) {
            // Taken back before the answer was read; whoever gave it has been told so.
            return;
        }
        reason.iter_mut().for_each(|reason| self.tenant.redactor().clean_text(reason));
        let settle = |approval: &mut Approval| {
            approval.status = ApprovalStatus::Decided;
            approval.decision = Some(choice);
            approval.decided_by = Some(key_id);
            approval.reason = reason;
        };
        self.settle(approval, choice, false, settle).await;
    }

    async fn expire(&mut self) {
        let at = now();
        let due: Vec<ApprovalId> = self
            .pending()
            .filter(|approval| approval.expires_at.is_some_and(|expires| expires <= at))
            .map(|approval| approval.id)
            .collect();
        for id in due {
            let settle = |approval: &mut Approval| {
                approval.status = ApprovalStatus::Expired;
                approval.decision = unanswered(approval);
            };
            self.settle(id, Choice::Deny, true, settle).await;
        }
    }

    /// Writes how a question ended and, once that is on disk, tells whoever answered.
    pub(super) async fn settle(
        &mut self,
        id: ApprovalId,
        choice: Choice,
        expired: bool,
        how: impl FnOnce(&mut Approval),
    ) {
        let Some(approval) = self.approvals.iter_mut().find(|approval| approval.id == id) else {
            return;
        };
        let at = now();
        approval.decided_at = Some(at);
        how(approval);
        let approval = approval.clone();
        let rules =
            if approval.decision == Some(Choice::Always) { rules_of(&approval, at) } else { Vec::new() };
        if let Err(error) = self.audit_answer(&approval, choice, expired, &rules).await {
            tracing::error!(run = %self.spec.run_id, %error, "an answer does not count");
            self.ask_anew(id);
            return;
        }
        let mut changes = vec![Change::Approval(approval.clone())];
        changes.extend(rules.iter().cloned().map(Change::Rule));
        let event = match approval.question {
            Some(_) => Event::ClarifyResponded { clarify_id: id, response: approval.reason.clone(), expired },
            None => Event::ApprovalResponded { approval_id: id, choice, resolved: 1, expired },
        };
        let written = match self.log.append(event, changes) {
            Ok(committed) => committed.await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            // The person is told nothing was taken in; the run fails at its next append with the same error.
            tracing::error!(run = %self.spec.run_id, %error, "a decision could not be stored");
            self.control.questions.borrow_mut().remove(&id);
            return;
        }
        self.tenant.permissions().decided(&approval, rules);
        if let Some(question) = self.control.questions.borrow().get(&id) {
            question.settled.send_replace(Some(approval));
        }
    }

    /// Whether a call of a former process can no longer be made as it was meant.
    pub(super) fn is_unkept(&self, call: &ToolCall) -> bool {
        self.restored.contains(&call.id) && redact::is_marked(&call.arguments)
    }

    /// Takes back what is asked about such calls: an answer would be about something else.
    pub(super) async fn withdraw_unkept(&mut self, calls: &[ToolCall]) {
        let unkept: Vec<&str> =
            calls.iter().filter(|call| self.is_unkept(call)).map(|call| call.id.as_str()).collect();
        let asked = self.pending().filter(|approval| unkept.contains(&approval.call_id.as_str()));
        for id in asked.map(|approval| approval.id).collect::<Vec<_>>() {
            let settle = |approval: &mut Approval| approval.status = ApprovalStatus::Withdrawn;
            self.settle(id, Choice::Deny, false, settle).await;
        }
    }

    /// An answer was not taken in: whoever gave it is told that the question is still open, and the next one can be.
    fn ask_anew(&mut self, id: ApprovalId) {
        if let Some(approval) = self.approvals.iter_mut().find(|approval| approval.id == id) {
            approval.status = ApprovalStatus::Pending;
            (approval.decision, approval.decided_at, approval.decided_by) = (None, None, None);
            approval.reason = None;
        }
        if let Some(approval) = self.pending().find(|approval| approval.id == id) {
            self.pose(approval);
        }
    }

    /// A stop counts as a denial of all that is open.
    fn withdraw_all(&mut self) -> Result<(), Break> {
        let reason = self.control.reason.get();
        if reason == Some(StopReason::Shutdown) {
            return Err(Break::Parked);
        }
        self.withdraw_pending();
        Err(self.stopped())
    }

    /// Takes back what is open; it goes to disk with the run's last event.
    pub(super) fn withdraw_pending(&mut self) {
        let at = now();
        for approval in
            self.approvals.iter_mut().filter(|approval| approval.status == ApprovalStatus::Pending)
        {
            approval.status = ApprovalStatus::Withdrawn;
            approval.decided_at = Some(at);
            self.changes.push(Change::Approval(approval.clone()));
        }
        self.control.questions.borrow_mut().clear();
    }
}

/// A run that waits without a slot, counted until it is dropped.
pub(super) struct ParkedRun(Option<std::sync::Arc<crate::actors::Board>>);

impl ParkedRun {
    pub(super) fn enter(driver: &mut Driver) -> Self {
        let board = driver.tenant.board().clone();
        if !board.park() {
            tracing::warn!(run = %driver.spec.run_id, "too many runs wait; this one keeps its slot");
            return Self(None);
        }
        driver.slot = None;
        Self(Some(board))
    }
}

impl Drop for ParkedRun {
    fn drop(&mut self) {
        if let Some(board) = self.0.take() {
            board.unpark();
        }
    }
}

/// What a question comes to that nobody answered in time: no leave. A question of the agent's own has no answer then.
pub(super) fn unanswered(approval: &Approval) -> Option<Choice> {
    approval.question.is_none().then_some(Choice::Deny)
}

/// The question as the run's readers see it.
fn request_event(approval: &Approval) -> Event {
    if let Some(Clarification { question, choices }) = approval.question.clone() {
        return Event::ClarifyRequest(Box::new(ClarifyRequest {
            clarify_id: approval.id,
            call_id: approval.call_id.clone(),
            question,
            choices,
            multi_select: false,
            expires_at: approval.expires_at.map(seconds),
        }));
    }
    let keys: Vec<String> = approval.findings.iter().map(|finding| finding.rule.clone()).collect();
    Event::ApprovalRequest(Box::new(ApprovalRequest {
        approval_id: approval.id,
        call_id: approval.call_id.clone(),
        tool: approval.tool.clone(),
        command: approval.command.clone(),
        arguments_digest: approval.arguments_digest.clone(),
        pattern_key: keys.first().cloned().unwrap_or_default(),
        pattern_keys: keys,
        description: approval.description.clone(),
        allow_permanent: approval.choices.contains(&Choice::Always),
        choices: approval.choices.clone(),
        expires_at: approval.expires_at.map(seconds),
    }))
}
