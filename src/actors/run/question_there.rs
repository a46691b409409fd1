//! A question of another gateway's agent, as one of ours.

use super::drive::Driver;
use crate::domain::{Approval, ApprovalRequest, ApprovalScope, ApprovalStatus, Finding, Millis, now};
use std::time::Duration;

impl Driver {
    pub(super) fn question_there(&self, request: &ApprovalRequest) -> Approval {
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
}

/// Seconds of the wire as the time that is stored.
fn millis(seconds: f64) -> Millis {
    let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}
