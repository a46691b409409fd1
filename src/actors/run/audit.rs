//! What the audit log is told of a run.

use super::drive::Driver;
use crate::{
    actors::Tenant,
    agent::{Ask, Opinion, digest},
    audit::{Act, Actor, AuditError, Recorded},
    domain::{Approval, Choice, Rule, RunSpec, ToolCall, ToolOutput},
};
use serde::Deserialize;
use std::time::Duration;

/// The member of a command's result that says how it ended.
#[derive(Deserialize)]
struct Exit {
    exit_code: Option<i64>,
}

/// A name that a model has chosen, fit for a line.
fn short(name: &str) -> String {
    name.chars().take(128).collect()
}

impl Driver {
    pub(super) fn audit_review(&self, call: &ToolCall, ask: &Ask, opinion: Opinion) {
        let reviewed = Act::ApprovalReviewed {
            run: self.spec.run_id,
            tool: short(&call.name),
            digest: digest(&call.name, &call.arguments),
            rules: ask.findings.iter().map(|finding| finding.rule.clone()).collect(),
            opinion: opinion.name().to_owned(),
        };
        self.tenant.audit().note(Actor::from(&self.spec.key_id), reviewed);
    }

    pub(super) fn audit_question(&self, approval: &Approval) {
        let asked = Act::ApprovalAsked {
            approval: approval.id,
            run: approval.run_id,
            session: approval.session_id.clone(),
            tool: short(&approval.tool),
            digest: approval.arguments_digest.clone(),
            rules: approval.findings.iter().map(|finding| finding.rule.clone()).collect(),
        };
        self.tenant.audit().note(Actor::from(&self.spec.key_id), asked);
    }

    /// Writes down who answered what. An answer that allows something counts only when that is on disk; one that denies
    /// counts whatever the disk says.
    pub(super) async fn audit_answer(
        &self,
        approval: &Approval,
        choice: Choice,
        expired: bool,
        rules: &[Rule],
    ) -> Result<(), AuditError> {
        let (audit, actor) =
            (self.tenant.audit(), approval.decided_by.as_ref().map_or(Actor::Gateway, Actor::from));
        let answered = Act::ApprovalAnswered { approval: approval.id, run: approval.run_id, choice, expired };
        if !choice.allows() {
            audit.note(actor, answered);
            return Ok(());
        }
        let mut recorded: Vec<Recorded> = vec![audit.record(actor.clone(), answered)];
        for rule in rules {
            let made = Act::RuleMade { rule: rule.id.clone(), approval: approval.id };
            recorded.push(audit.record(actor.clone(), made));
        }
        for recorded in recorded {
            recorded.await?;
        }
        Ok(())
    }

    /// Notes a call that may have changed something.
    pub(super) fn audit_effect(&self, call: &ToolCall, output: &ToolOutput, took: Duration) {
        if self.kit.toolbox.toolset().only_reads(&call.name) {
            return;
        }
        effect(&self.tenant, &self.spec, call, output, took);
    }
}

/// Notes what a call that may have changed something has come to.
pub(super) fn effect(tenant: &Tenant, spec: &RunSpec, call: &ToolCall, output: &ToolOutput, took: Duration) {
    let exit = serde_json::from_str::<Exit>(&output.text).ok();
    let finished = Act::ToolFinished {
        run: spec.run_id,
        tool: short(&call.name),
        call: short(&call.id),
        digest: digest(&call.name, &call.arguments),
        failed: output.failed,
        exit_code: exit.and_then(|exit| exit.exit_code),
        millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    };
    tenant.audit().note(Actor::from(&spec.key_id), finished);
}
