//! `approvals.mode: smart`: a model's opinion on a command before a person is asked.

use super::{
    drive::{Break, Driver},
    helper::Aside,
    tools::Plan,
};
use crate::{
    agent::{Ask, Opinion, REVIEWER, question},
    config::ApprovalMode,
    domain::{CallKind, ToolCall},
};
use serde_json::Value;

impl Driver {
    /// What becomes of a call that the rules want a person to look at.
    pub(super) async fn reviewed(
        &mut self,
        call: &ToolCall,
        arguments: Value,
        mut ask: Ask,
    ) -> Result<Plan, Break> {
        // Boxed: few calls need it, and thousands of runs are held.
        match Box::pin(self.opinion(call, &ask)).await? {
            Some(Opinion::Approve) => return Ok(Plan::Run(arguments)),
            Some(Opinion::Deny) => {
                // A person knows more than the model, but such a permission does not stand.
                ask.description.push_str("; the reviewing model would not allow it");
                ask.once_only = true;
            }
            Some(Opinion::Escalate) | None => {}
        }
        self.ask_somebody(call, arguments, ask)
    }

    /// `None`: nobody was asked, or there was no answer.
    async fn opinion(&mut self, call: &ToolCall, ask: &Ask) -> Result<Option<Opinion>, Break> {
        let config = self.tenant.config();
        // What is remembered, or run as a script, is a person's to judge.
        if config.approvals.mode != ApprovalMode::Smart || call.name != "terminal" {
            return Ok(None);
        }
        let (Some(question), Some(mind)) = (question(ask), self.thinker.clone()) else { return Ok(None) };
        let aside = Aside {
            kind: CallKind::Review,
            helper: config.approvals.reviewer.as_ref(),
            timeout: config.approvals.review_timeout,
            system: REVIEWER,
            question: &question,
        };
        match self.aside(&mind, aside).await? {
            Ok(answer) => {
                let opinion = Opinion::of(&answer);
                self.audit_review(call, ask, opinion);
                Ok(Some(opinion))
            }
            Err(why) => {
                tracing::warn!(run = %self.spec.run_id, why, "a command was not reviewed; a person is asked");
                Ok(None)
            }
        }
    }
}
