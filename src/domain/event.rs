//! Facts about a run, in the order in which they became true. Streams, status and recovery read nothing else.

use super::{ApprovalId, Choice, ClarifyRequest, Code, Millis, Seq, SessionId, Subagent, SubagentEnd, Usage};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One fact. The names and members are those of the reference's run stream, with more members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Event {
    /// The run left the queue.
    #[serde(rename = "run.started")]
    RunStarted { session_id: SessionId, model: String },
    /// Text of the answer. Concatenated, the deltas are the run's output, byte for byte: where text goes on
    /// after tool calls, the delta itself begins with a blank line.
    #[serde(rename = "message.delta")]
    MessageDelta { delta: String },
    /// Thoughts of the model; only in logs of profiles that show reasoning.
    #[serde(rename = "reasoning.delta")]
    ReasoningDelta { delta: String },
    #[serde(rename = "tool.started")]
    ToolStarted {
        tool: String,
        /// The main argument, short.
        preview: Option<String>,
        call_id: String,
        arguments: Value,
    },
    #[serde(rename = "tool.completed")]
    ToolCompleted {
        tool: String,
        call_id: String,
        /// Seconds, waiting for an approval included.
        duration: f64,
        error: bool,
        /// The beginning of the result.
        result: String,
    },
    #[serde(rename = "approval.request")]
    ApprovalRequest(Box<ApprovalRequest>),
    #[serde(rename = "approval.responded")]
    ApprovalResponded {
        approval_id: ApprovalId,
        choice: Choice,
        /// How many requests this answer settled: always one.
        resolved: u32,
        /// True when nobody answered in time.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        expired: bool,
    },
    /// The older part of the conversation gave way to a summary: the turn goes on with that.
    #[serde(rename = "context.compressed")]
    ContextCompressed(super::Compressed),
    /// The agent asks the person something.
    #[serde(rename = "clarify.request")]
    ClarifyRequest(Box<ClarifyRequest>),
    #[serde(rename = "clarify.responded")]
    ClarifyResponded {
        clarify_id: ApprovalId,
        /// `None`: nobody answered in time.
        response: Option<String>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        expired: bool,
    },
    /// A child took on a piece of the turn's work.
    #[serde(rename = "subagent.start")]
    SubagentStart(Box<Subagent>),
    #[serde(rename = "subagent.complete")]
    SubagentComplete(Box<SubagentEnd>),
    /// A model call failed, and something else is tried. Nothing of it was shown.
    #[serde(rename = "run.retrying")]
    RunRetrying(Box<Retrying>),
    /// Somebody said something to the running turn: the next model call hears it.
    #[serde(rename = "run.steered")]
    RunSteered { accepted: bool, input: String },
    /// Somebody asked for the end; the run is clearing up.
    #[serde(rename = "run.stopping")]
    RunStopping {},
    #[serde(rename = "run.completed")]
    RunCompleted {
        output: String,
        usage: Usage,
        finish_reason: super::Finish,
        /// Calls that the client has to run; only with [`super::Finish::ToolCalls`].
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<super::ToolCall>,
        /// What somebody said to the running turn after its last model call had begun.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pending_steer: Option<String>,
    },
    #[serde(rename = "run.failed")]
    RunFailed {
        error: String,
        error_code: Code,
        retryable: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        partial_output: String,
        usage: Usage,
        /// As in [`Event::RunCompleted`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pending_steer: Option<String>,
    },
    #[serde(rename = "run.cancelled")]
    RunCancelled {
        partial_output: String,
        usage: Usage,
        /// As in [`Event::RunCompleted`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pending_steer: Option<String>,
    },
    /// Made by a cursor, never stored: what the reader asked for is no longer there.
    #[serde(rename = "gap")]
    Gap {
        /// First number that is missing.
        from: Seq,
        /// The run as it stands, so that the reader can go on from here.
        snapshot: Value,
    },
}

/// What is done about a model call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAction {
    /// The same, after a wait.
    Retry,
    /// Another key of the same provider.
    RotateKey,
    /// The same without a member that the upstream does not take.
    Repair,
    /// The same with smaller images.
    ShrinkImages,
    /// Another provider, for the rest of the turn.
    FallBack,
}

impl RetryAction {
    pub const NAMES: [&'static str; 5] = ["retry", "rotate_key", "repair", "shrink_images", "fall_back"];
}

/// A model call that failed, and what follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retrying {
    pub action: RetryAction,
    /// Which attempt of the call failed, from 1.
    pub attempt: u32,
    /// Seconds until the next one.
    pub wait: f64,
    pub error: String,
    pub error_code: Code,
    /// Who is asked next.
    pub provider: String,
    pub model: String,
}

/// A question, as the run's readers see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRequest {
    pub approval_id: ApprovalId,
    pub call_id: String,
    pub tool: String,
    pub command: String,
    pub arguments_digest: String,
    pub pattern_key: String,
    pub pattern_keys: Vec<String>,
    pub description: String,
    pub allow_permanent: bool,
    pub choices: Vec<Choice>,
    /// Seconds since the epoch; absent when it waits for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<f64>,
}

impl Event {
    /// The name on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RunStarted { .. } => "run.started",
            Self::MessageDelta { .. } => "message.delta",
            Self::ReasoningDelta { .. } => "reasoning.delta",
            Self::ToolStarted { .. } => "tool.started",
            Self::ToolCompleted { .. } => "tool.completed",
            Self::ApprovalRequest(_) => "approval.request",
            Self::ApprovalResponded { .. } => "approval.responded",
            Self::ContextCompressed(_) => "context.compressed",
            Self::ClarifyRequest(_) => "clarify.request",
            Self::ClarifyResponded { .. } => "clarify.responded",
            Self::SubagentStart(_) => "subagent.start",
            Self::SubagentComplete(_) => "subagent.complete",
            Self::RunRetrying(_) => "run.retrying",
            Self::RunSteered { .. } => "run.steered",
            Self::RunStopping {} => "run.stopping",
            Self::RunCompleted { .. } => "run.completed",
            Self::RunFailed { .. } => "run.failed",
            Self::RunCancelled { .. } => "run.cancelled",
            Self::Gap { .. } => "gap",
        }
    }

    /// Nothing follows it.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::RunCompleted { .. } | Self::RunFailed { .. } | Self::RunCancelled { .. })
    }

    /// Whether the text of an answer goes on behind it. Every other event stands behind the text before it.
    #[must_use]
    pub const fn may_come_amid_text(&self) -> bool {
        self.is_delta() || matches!(self, Self::RunSteered { .. } | Self::RunStopping {})
    }

    /// Deltas may reach readers before the disk; every other fact is on disk first, once the run is durable.
    #[must_use]
    pub const fn is_delta(&self) -> bool {
        matches!(self, Self::MessageDelta { .. } | Self::ReasoningDelta { .. })
    }
}

/// An event in its place in the log. Serialises to the JSON of the run stream, less `run_id`.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    pub seq: Seq,
    pub at: Millis,
    /// Set on the first event after a crash: numbers between that one and this one were never given out, or
    /// were deltas that the disk did not see.
    pub lost_after: Option<Seq>,
    pub event: Event,
}

impl Logged {
    /// How many deltas a crash may have taken just before this event, at most.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost_after.map_or(0, |kept| self.seq.0.saturating_sub(kept.0).saturating_sub(1))
    }
}
