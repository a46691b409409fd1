//! The words of the product as plain types: no I/O, no clock, no framework.

mod approval;
mod calendar;
mod clarify;
mod client_tools;
mod code;
mod delegation;
mod event;
mod idempotency;
mod ids;
mod import;
mod ledger;
mod memory;
mod message;
mod on_busy;
mod outcome;
mod port;
mod process;
mod prompt;
mod response;
mod run;
mod run_status;
mod shell_word;
mod summary;
mod todo;
mod tool;
mod tool_selection;
mod toolset;
mod upstream;

pub use approval::{Approval, ApprovalScope, ApprovalStatus, Choice, Finding, Rule, Unattended};
pub use calendar::{DAY, date, timestamp};
pub use clarify::{Clarification, ClarifyRequest};
pub use client_tools::{ClientTools, ToolChoice, ToolResult};
pub use code::Code;
pub use delegation::{Ended, Parent, Report, Subagent, SubagentEnd, Task};
pub use event::{ApprovalRequest, Event, Logged, RetryAction, Retrying};
pub use idempotency::{KeptAnswer, StandsFor};
pub use ids::{ApprovalId, IdError, KeyId, ProfileName, ResponseId, RunId, Seq, SessionId, TranscriptId};
pub use import::{ImportMessage, ImportRecord, ImportRename, ImportReport, ImportSession, ImportSkip};
pub use ledger::{CallKind, UpstreamCall, UsageBy, UsageGroup, UsageSums, both, dollars};
pub use memory::{
    MemoryAct, MemoryAuthor, MemoryChange, MemoryEntry, MemoryOperation, MemoryOrigin, MemoryPlace,
    MemoryRecord, MemoryScope, MemoryTarget,
};
pub use message::{Content, ImageUrl, Message, Part, ToolCall};
pub use on_busy::OnBusy;
pub use outcome::{Failure, Finish, Outcome, Usage};
pub use port::{Asked, Declined, Look, Port};
pub use process::{ProcessEnd, ProcessRecord};
pub use prompt::{PromptId, SystemPrompt};
pub use response::{Aside, ResponseRecord, ResponseRequest, ToolItems};
pub use run::{OnDisconnect, RunRecord, RunSpec, Sampling, SessionRef, Surface, ToolSummary};
pub use run_status::{IllegalTransition, RunStatus};
pub use shell_word::shell_word;
pub use summary::{Author, Cause, Compressed, Summary};
pub use todo::{Todo, TodoStatus};
pub use tool::{ToolOutput, ToolSpec, brings_foreign_text};
pub use tool_selection::{KnownSet, SETS, ToolSelection, is_tool_or_set};
pub use toolset::Toolset;
pub use upstream::{ModelChoice, ModelLock, RouteSource, Runtime, UpstreamRun};

/// Milliseconds since the Unix epoch; the only form of time that is stored.
pub type Millis = i64;

/// The form of time on the wire of the Hermes API: seconds since the epoch, with milliseconds as fraction.
#[must_use]
pub fn seconds(at: Millis) -> f64 {
    // Exact for every date this product will see: 2^53 ms is the year 287396.
    #[expect(clippy::cast_precision_loss)]
    let ms = at as f64;
    ms / 1000.0
}

/// Now, by the wall clock. The one place where `domain` types meet a clock; callers pass the value on.
#[must_use]
pub fn now() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
