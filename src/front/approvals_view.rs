//! Approvals and rules as clients see them.

use crate::domain::{
    Approval, ApprovalId, ApprovalStatus, Choice, KeyId, Millis, Rule, RunId, SessionId, seconds,
};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct ApprovalView<'a> {
    object: &'static str,
    id: ApprovalId,
    approval_id: ApprovalId,
    run_id: RunId,
    session_id: &'a SessionId,
    call_id: &'a str,
    tool: &'a str,
    command: &'a str,
    arguments_digest: &'a str,
    rule_ids: Vec<&'a str>,
    /// The same under the reference's name, as in the event.
    pattern_keys: Vec<&'a str>,
    description: &'a str,
    allow_permanent: bool,
    choices: &'a [Choice],
    status: ApprovalStatus,
    created_at: f64,
    expires_at: Option<f64>,
    decision: Option<Choice>,
    decided_at: Option<f64>,
    decided_by: Option<&'a KeyId>,
    reason: Option<&'a str>,
}

impl<'a> ApprovalView<'a> {
    pub fn new(approval: &'a Approval) -> Self {
        let time = |at: Option<Millis>| at.map(seconds);
        let rule_ids: Vec<&str> = approval.findings.iter().map(|finding| finding.rule.as_str()).collect();
        Self {
            object: "hermes.approval",
            id: approval.id,
            approval_id: approval.id,
            run_id: approval.run_id,
            session_id: &approval.session_id,
            call_id: &approval.call_id,
            tool: &approval.tool,
            command: &approval.command,
            arguments_digest: &approval.arguments_digest,
            pattern_keys: rule_ids.clone(),
            rule_ids,
            description: &approval.description,
            allow_permanent: approval.choices.contains(&Choice::Always),
            choices: &approval.choices,
            status: approval.status,
            created_at: seconds(approval.created_at),
            expires_at: time(approval.expires_at),
            decision: approval.decision,
            decided_at: time(approval.decided_at),
            decided_by: approval.decided_by.as_ref(),
            reason: approval.reason.as_deref(),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct RuleView<'a> {
    object: &'static str,
    id: &'a str,
    rule_id: &'a str,
    shape: &'a str,
    description: &'a str,
    created_at: f64,
    approval_id: ApprovalId,
}

impl<'a> RuleView<'a> {
    pub fn new(rule: &'a Rule) -> Self {
        Self {
            object: "hermes.approval_rule",
            id: &rule.id,
            rule_id: &rule.scope.rule,
            shape: &rule.scope.shape,
            description: &rule.description,
            created_at: seconds(rule.created_at),
            approval_id: rule.approval_id,
        }
    }
}

/// A page of anything.
#[derive(Debug, Serialize)]
pub struct Page<T> {
    object: &'static str,
    data: Vec<T>,
    has_more: bool,
}

impl<T> Page<T> {
    /// Made from one row more than the page takes: it tells whether there are more.
    pub fn cut(mut rows: Vec<T>, limit: usize) -> Self {
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        Self { object: "list", data: rows, has_more }
    }

    pub const fn whole(rows: Vec<T>) -> Self {
        Self { object: "list", data: rows, has_more: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_knows_whether_there_is_more() {
        let page = |rows: Vec<u8>| serde_json::to_value(Page::cut(rows, 2)).unwrap();
        assert_eq!(page(vec![1, 2]), json!({"object": "list", "data": [1, 2], "has_more": false}));
        assert_eq!(page(vec![1, 2, 3]), json!({"object": "list", "data": [1, 2], "has_more": true}));
    }
}
