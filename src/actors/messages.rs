//! What the front, the CLI's control socket and the gateway may say to a profile.

use super::{Caller, Rights};
use crate::{
    audit::AuditError,
    domain::{
        Approval, ApprovalId, ApprovalStatus, Choice, ClientTools, Code, Content, Failure, KeptAnswer, KeyId,
        Message as ChatMessage, ModelChoice, OnBusy, OnDisconnect, ResponseId, ResponseRecord,
        ResponseRequest, Rule, RunId, RunRecord, RunStatus, Runtime, Sampling, Seq, SessionId, SessionRef,
        StandsFor, Surface, ToolResult, ToolSelection, Unattended, now,
    },
    store::{EventCursor, IdempotencyEntry, RunFilter, SessionHeader, StoreError, UsageFilter, UsageReport},
};
use actix::Message;
use std::fmt;

/// Why a profile did not do as asked. Knows its code; its text is fit for a client.
#[derive(Debug, Clone)]
pub struct ProfileError {
    pub code: Code,
    pub message: String,
    /// Seconds, for `Retry-After`.
    pub retry_after: Option<u64>,
    /// The member of the request that is to blame.
    pub param: Option<String>,
}

impl ProfileError {
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None, param: None }
    }

    /// Blames a member of the request.
    #[must_use]
    pub fn at(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ProfileError {}

impl From<StoreError> for ProfileError {
    fn from(error: StoreError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<AuditError> for ProfileError {
    fn from(error: AuditError) -> Self {
        let code = match error {
            AuditError::Full => Code::StorageLow,
            AuditError::Io(_) => Code::StorageFailed,
            AuditError::Closed => Code::ProfileUnavailable,
        };
        Self::new(code, format!("Nothing was changed: {error}."))
    }
}

impl From<Failure> for ProfileError {
    fn from(failure: Failure) -> Self {
        Self { retry_after: failure.retry_after, ..Self::new(failure.code, failure.message) }
    }
}

/// A turn as a surface parsed it, before the profile has given it a run id.
#[derive(Debug)]
pub struct NewRun {
    pub surface: Surface,
    /// Whose turn it is: with what its key may do, and until when.
    pub caller: Caller,
    /// `X-Hermes-Session-Key`.
    pub session_key: Option<String>,
    /// Echoed; the profile's advertised name when the client gave none.
    pub model: String,
    pub system: Option<String>,
    pub history: Vec<ChatMessage>,
    /// What the client's tools gave back; the turn begins with these. Then `input` may be empty.
    pub results: Vec<ToolResult>,
    pub input: Content,
    pub client_tools: ClientTools,
    /// Which of the agent's tools the turn may use.
    pub tools: ToolSelection,
    /// `None`: the profile's own model.
    pub upstream: Option<ModelChoice>,
    /// Kept for clients that are told who answers.
    pub runtime: Option<Runtime>,
    pub sampling: Sampling,
    /// `None`: the run is its own session (runs).
    pub session: Option<SessionRef>,
    /// What to do when the named session has a turn at work.
    pub on_busy: OnBusy,
    /// Load the named session's transcript as history.
    pub load_history: bool,
    /// Go on from this response: its conversation comes before `history`, and its session is this turn's.
    pub previous: Option<ResponseId>,
    /// How many of the newest messages before `input` the model is shown; `None`: all.
    pub history_limit: Option<usize>,
    /// What a turn of the Responses API asks beside the words.
    pub response: Option<ResponseRequest>,
    pub on_disconnect: OnDisconnect,
    /// `None`: the surface can ask for approvals.
    pub unattended: Option<Unattended>,
    /// The caller is answered at once and the run queues for its slot; else the answer waits until it has one.
    pub background: bool,
    /// Runs are durable from the start; chats with a named session or an idempotency key too.
    pub durable: bool,
    pub idempotency: Option<Idempotency>,
}

/// A client's `Idempotency-Key` with what it covers.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// blake3 of profile, key id, route and the client's key.
    pub scope: [u8; 32],
    /// blake3 of the canonical request without `stream` and `stream_options`, with the session headers.
    pub fingerprint: [u8; 32],
}

impl Idempotency {
    /// As it is stored from now on.
    #[must_use]
    pub fn entry(&self, stands_for: StandsFor) -> IdempotencyEntry {
        let Self { scope, fingerprint } = *self;
        IdempotencyEntry { scope, fingerprint, stands_for, created_at: now() }
    }
}

/// Query: what came of the first request with this key. `idempotency_key_conflict` when that was another request.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<Carried>, ProfileError>")]
pub struct FindAnswer(pub Idempotency);

/// A request that was carried out.
#[derive(Debug)]
pub enum Carried {
    Answered(KeptAnswer),
    /// It made this session; the process died before the answer was kept.
    Made(Box<SessionHeader>),
}

/// Command: keep the answer to a request with this key. Answers when it is on disk.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), ProfileError>")]
pub struct KeepAnswer {
    pub key: Idempotency,
    pub answer: KeptAnswer,
}

/// Command: take this turn on. Answers when a slot or a place in the queue is certain and, for a durable run, when
/// it is on disk.
#[derive(Debug, Message)]
#[rtype(result = "Result<StartedRun, ProfileError>")]
pub struct StartRun(pub Box<NewRun>);

/// A run that was taken on, or the earlier one of the same idempotency key.
pub struct StartedRun {
    pub run_id: RunId,
    pub session_id: SessionId,
    pub created_at: crate::domain::Millis,
    pub replayed: bool,
    /// It was at work already: the request's words were said to it.
    pub steered: bool,
    /// Of a turn of the Responses API, stored or not.
    pub response: Option<ResponseRecord>,
    /// From the beginning of the log.
    pub events: EventCursor,
}

/// Query: the record of one run.
#[derive(Debug, Message)]
#[rtype(result = "Result<RunView, ProfileError>")]
pub struct GetRun(pub RunId);

/// A run with the questions that wait in it.
#[derive(Debug)]
pub struct RunView {
    pub record: RunRecord,
    pub approvals: Vec<Approval>,
}

/// Query: runs, newest first.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<RunRecord>, ProfileError>")]
pub struct ListRuns(pub RunFilter);

/// Query: a reader of a run's log, after `after`.
#[derive(Debug, Message)]
#[rtype(result = "Result<EventCursor, ProfileError>")]
pub struct TailRun {
    pub run_id: RunId,
    pub after: Seq,
}

/// Command: end the run. Answers with its status: `stopping`, or the terminal one of a finished run.
#[derive(Debug, Message)]
#[rtype(result = "Result<RunStatus, ProfileError>")]
pub struct StopRun(pub RunId);

/// Command: say this to the running turn; its next model call hears it. Answers when the words are on disk.
/// `run_not_accepting_steer` when the run does not run.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), ProfileError>")]
pub struct SteerRun {
    pub run_id: RunId,
    pub input: String,
    /// Of whoever speaks.
    pub rights: Rights,
}

/// The refusal of a run that is in another state.
#[must_use]
pub fn not_accepting_steer(run: RunId, status: RunStatus) -> ProfileError {
    let text = format!("Run {run} is `{}`; only a running one can be spoken to.", status.wire());
    ProfileError::new(Code::RunNotAcceptingSteer, text)
}

/// Which question an answer means.
#[derive(Debug, Clone)]
pub enum ApprovalTarget {
    One(ApprovalId),
    /// The only pending one of this run; `approval_ambiguous` when there are several.
    Only(RunId),
    /// All pending ones of this run.
    All(RunId),
    /// One of this run.
    OfRun(RunId, ApprovalId),
}

/// Command: answer a question. Answers when the decision is on disk.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Approval>, ProfileError>")]
pub struct DecideApproval {
    pub target: ApprovalTarget,
    pub choice: Choice,
    pub reason: Option<String>,
    pub key_id: KeyId,
}

/// Whose agent asks.
#[derive(Debug, Clone)]
pub enum Asker {
    Run(RunId),
    /// Any run of it.
    Session(SessionId),
}

/// Command: answer what an agent asks. Answers when that is on disk.
#[derive(Debug, Message)]
#[rtype(result = "Result<Approval, ProfileError>")]
pub struct AnswerQuestion {
    pub asker: Asker,
    /// `None`: the only question.
    pub clarify: Option<ApprovalId>,
    pub response: String,
    pub key_id: KeyId,
    /// Of whoever answers; `None`: the operator's.
    pub rights: Option<Rights>,
}

/// Query: what waits for a person, for approval or for an answer, oldest first; of one session, which must be known.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Approval>, ProfileError>")]
pub struct ListWaiting(pub Option<SessionId>);

#[derive(Debug, Message)]
#[rtype(result = "Result<Approval, ProfileError>")]
pub struct GetApproval(pub ApprovalId);

#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Approval>, ProfileError>")]
pub struct ListApprovals {
    pub status: Option<ApprovalStatus>,
    pub after: Option<ApprovalId>,
    pub limit: usize,
}

#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Rule>, ProfileError>")]
pub struct ListRules;

#[derive(Debug, Message)]
#[rtype(result = "Result<(), ProfileError>")]
pub struct RemoveRule {
    pub id: String,
    /// Who takes it back.
    pub key_id: KeyId,
}

/// Query: what the profile is busy with.
#[derive(Debug, Message)]
#[rtype(result = "ProfileLoad")]
pub struct GetLoad;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProfileLoad {
    /// Queued, running, stopping or waiting for an approval.
    pub active_runs: usize,
    /// At work, or stopping.
    pub running: usize,
    pub waiting_for_approval: usize,
    /// Chats too, which have no run yet.
    pub queued: usize,
}

/// Query: what model calls cost.
#[derive(Debug, Message)]
#[rtype(result = "Result<UsageReport, ProfileError>")]
pub struct ReadUsage(pub UsageFilter);
