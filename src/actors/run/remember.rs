//! What a turn wants to keep for later sessions, and when a person has to agree.
//!
//! Whoever writes a page that the agent reads can try to have it remembered, and memory is read by every later session.
//! So a write behind such reading is a question, like a dangerous command; it says what would be written.

use super::drive::Driver;
use crate::{
    agent::{Ask, Verdict},
    domain::{ApprovalScope, Finding, Message, ToolCall, brings_foreign_text},
};
use serde_json::Value;

/// The rules' ids, which standing permissions name.
const AFTER_STRANGERS: &str = "remember-after-untrusted";
const EVERY_WRITE: &str = "remember";

impl Driver {
    /// Whether the conversation has a result of a tool that brings texts of strangers.
    pub(super) fn has_read_strangers(&self) -> bool {
        if self.room.summary.as_ref().is_some_and(|summary| summary.strangers) {
            return true;
        }
        let parts = [&self.loaded[..], &self.spec.history, self.turn.messages()];
        let messages = self.mended.iter().flatten().chain(parts.into_iter().flatten());
        messages.into_iter().any(|message| match message {
            Message::Tool { name, .. } => name.as_deref().is_some_and(brings_foreign_text),
            Message::Assistant { .. } | Message::System { .. } | Message::User { .. } => false,
        })
    }

    /// The verdict on a call that the policy has nothing against.
    pub(super) fn unless_to_be_remembered(
        &self,
        verdict: Verdict,
        call: &ToolCall,
        arguments: &Value,
    ) -> Verdict {
        if verdict != Verdict::Run || self.kit.policy.off {
            return verdict;
        }
        let what = match call.name.as_str() {
            "memory" => "memory",
            "skill_manage" => "skills",
            _ => return verdict,
        };
        let config = self.tenant.config();
        let strangers = config.memory.approve_after_untrusted && self.has_read_strangers();
        let (rule, why) = if strangers {
            (AFTER_STRANGERS, "after this conversation has read what strangers wrote")
        } else if config.memory.write_approval && what == "memory" {
            (EVERY_WRITE, "which the profile's settings have a person look at")
        } else {
            return verdict;
        };
        let description = format!("writes to its {what} {why}");
        let finding = Finding {
            rule: rule.to_owned(),
            category: "memory".to_owned(),
            description: description.clone(),
        };
        let scope = ApprovalScope { rule: rule.to_owned(), shape: what.to_owned() };
        let about = Ask::about(&format!("{} {arguments}", call.name));
        Verdict::Ask(Ask { findings: vec![finding], scopes: vec![scope], description, ..about })
    }
}
