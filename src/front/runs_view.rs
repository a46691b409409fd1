//! A run as `GET /v1/runs/{id}` shows it.

use super::{approvals_view::ApprovalView, clarify::ClarifyView};
use crate::domain::{
    Approval, ApprovalId, ApprovalStatus, Code, Millis, Outcome, RunId, RunRecord, RunStatus, Seq, SessionId,
    Surface, ToolSummary, Usage, seconds,
};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct RunView<'a> {
    object: &'static str,
    run_id: RunId,
    status: RunStatus,
    surface: Surface,
    created_at: f64,
    updated_at: f64,
    started_at: Option<f64>,
    ended_at: Option<f64>,
    session_id: &'a SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_run_id: Option<RunId>,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event: Option<&'a str>,
    last_seq: Seq,
    /// Only when completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
    /// What there is of an answer that is not, or will never be, whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    partial_output: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'static str>,
    usage: Usage,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_steer: Option<&'a str>,
    tools: &'a [ToolSummary],
    /// The oldest question that waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<ApprovalView<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    approvals: Vec<ApprovalView<'a>>,
    /// The oldest question of the agent's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    clarify: Option<ClarifyView<'a>>,
    #[serde(skip_serializing_if = "<[ApprovalId]>::is_empty")]
    waiting: &'a [ApprovalId],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl<'a> RunView<'a> {
    /// `approvals` may hold answered ones; only those that wait are shown.
    pub fn new(record: &'a RunRecord, approvals: &'a [Approval]) -> Self {
        let time = |at: Option<Millis>| at.map(seconds);
        let completed = record.status == RunStatus::Completed;
        let open = || approvals.iter().filter(|approval| approval.status == ApprovalStatus::Pending);
        let pending = || open().filter(|approval| approval.question.is_none());
        let asked = |approval: &'a Approval| Some(ClarifyView::new(approval.id, approval.question.as_ref()?));
        let failure = match &record.outcome {
            Some(Outcome::Failed(failure)) => Some(failure),
            Some(Outcome::Completed { .. } | Outcome::Cancelled) | None => None,
        };
        Self {
            object: "hermes.run",
            run_id: record.run_id,
            status: record.status,
            surface: record.surface,
            created_at: seconds(record.created_at),
            updated_at: seconds(record.updated_at),
            started_at: time(record.started_at),
            ended_at: time(record.ended_at),
            session_id: &record.session_id,
            parent_run_id: record.parent,
            model: &record.model,
            last_event: record.last_event.as_deref(),
            last_seq: record.last_seq,
            output: completed.then_some(&*record.text),
            partial_output: (!completed && !record.text.is_empty()).then_some(&*record.text),
            finish_reason: record.finish_reason(),
            usage: record.usage,
            pending_steer: record.pending_steer.as_deref(),
            tools: &record.tools,
            approval: pending().next().map(ApprovalView::new),
            approvals: pending().map(ApprovalView::new).collect(),
            clarify: open().find_map(asked),
            waiting: &record.waiting,
            error: failure.map(|failure| failure.message.as_str()),
            error_code: failure.map(|failure| failure.code),
            retry_after: failure.and_then(|failure| failure.retry_after),
        }
    }
}
