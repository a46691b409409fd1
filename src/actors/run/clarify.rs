//! Questions of the agent's own. They are asked and kept like those for approval, and settled with them before any call of
//! the same answer runs; so a run that waits for one outlives a restart, too.

use super::{
    drive::{Break, Driver},
    tools::Plan,
};
use crate::{
    agent::Ask,
    domain::{ApprovalStatus, Clarification, ToolCall, ToolOutput, Unattended},
    tools,
};
use serde_json::Value;

/// The tool.
pub(super) const NAME: &str = "clarify";

impl Driver {
    pub(super) fn plan_question(&mut self, call: &ToolCall, arguments: Value) -> Result<Plan, Break> {
        let mut asked = match tools::clarification(&arguments) {
            Ok(asked) => asked,
            Err(refused) => return Ok(Plan::Refused(refused)),
        };
        if let Some(known) = self.known_approval(call).cloned() {
            if known.status == ApprovalStatus::Pending {
                self.keep_posed(&known);
            }
            return Ok(Plan::Asked(arguments));
        }
        if self.spec.unattended == Some(Unattended::Deny) {
            return Ok(Plan::Refused(tools::nobody_to_ask()));
        }
        let Clarification { question, choices } = &mut asked;
        let texts = [question].into_iter().chain(choices);
        texts.for_each(|text| self.tenant.redactor().clean_text(text));
        let ask = Ask { description: "The agent asks.".to_owned(), ..Ask::about(&asked.question) };
        self.request(call, ask, Some(asked))?;
        Ok(Plan::Asked(arguments))
    }

    /// What came of a question, as the result of its call.
    pub(super) fn clarified(&self, call: &ToolCall) -> Option<ToolOutput> {
        let known = self.known_approval(call)?;
        let answered = known.reason.as_deref().filter(|_| known.status == ApprovalStatus::Decided);
        Some(tools::clarified(known.question.as_ref()?, answered))
    }
}
