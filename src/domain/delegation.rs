//! Pieces of a turn's work that are done by other turns, its children.

use super::{RunId, SessionId, ToolSummary, Usage};
use serde::{Deserialize, Serialize};

/// The turn that a child works for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    pub run: RunId,
    /// Where people are asked, and what they allow there counts.
    pub session: SessionId,
}

/// A piece of work for a child. It is told nothing else of the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub goal: String,
    pub context: Option<String>,
    /// Of the tasks that are given together, from 0.
    pub index: usize,
    pub count: usize,
}

/// What came of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub run: RunId,
    pub ended: Ended,
    /// The child's own words; as far as it came when it did not complete.
    pub summary: String,
    /// Why it did not complete.
    pub error: Option<String>,
    pub model: String,
    pub api_calls: usize,
    pub tools: Vec<ToolSummary>,
    pub usage: Usage,
    /// As in [`super::RunRecord`].
    pub cost: Option<u64>,
    pub seconds: f64,
}

/// How a child's turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    Completed,
    /// It used all its model calls, or the model broke off.
    Cut,
    Failed,
    Cancelled,
}

impl Ended {
    pub const ALL: [Self; 4] = [Self::Completed, Self::Cut, Self::Failed, Self::Cancelled];

    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Cut => "cut",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A child, as the readers of its parent's log see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subagent {
    /// The child's own run: it has events, a status and a stop of its own.
    pub subagent_id: RunId,
    pub parent_id: RunId,
    /// The call that gave the work.
    pub delegation_id: String,
    pub child_session_id: SessionId,
    pub goal: String,
    pub task_index: usize,
    pub task_count: usize,
    pub depth: u32,
    pub model: String,
}

/// The same when it has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubagentEnd {
    #[serde(flatten)]
    pub subagent: Subagent,
    pub status: Ended,
    /// The beginning of it.
    pub summary: String,
    pub duration_seconds: f64,
    pub api_calls: usize,
    pub tool_count: usize,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub reasoning_tokens: u64,
}
