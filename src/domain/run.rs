//! A run: what was asked, and how far it got.

use super::{
    ApprovalId, ClientTools, Code, Content, Event, IllegalTransition, KeyId, Logged, Message, Millis,
    ModelChoice, Outcome, Parent, PromptId, RunId, RunStatus, Runtime, Seq, SessionId, ToolResult,
    ToolSelection, Unattended, UpstreamRun, Usage,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The road by which a turn came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Surface {
    Chat,
    Responses,
    Runs,
    SessionChat,
}

/// What happens to the run when its last reader goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDisconnect {
    Cancel,
    Continue,
}

/// The session that a turn belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRef {
    pub id: SessionId,
    /// A named session loads its history and takes one turn at a time; a derived id is a label only.
    pub named: bool,
}

/// What the client asked of the model beside the words. Members keep the client's own values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sampling(pub Map<String, Value>);

impl Sampling {
    /// Members that go upstream with every call of the turn.
    pub const EVERY_CALL: [&'static str; 7] =
        ["temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "reasoning_effort", "user"];
    /// Members that bound the final answer.
    pub const ANSWER: [&'static str; 4] = ["max_tokens", "max_completion_tokens", "stop", "response_format"];

    /// The same without what bounds the final answer.
    #[must_use]
    pub fn without_limits(&self) -> Self {
        let kept = self.0.iter().filter(|(name, _)| !Self::ANSWER.contains(&name.as_str()));
        Self(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// The same with so many tokens for the answer, where there is a limit.
    #[must_use]
    pub fn limited_to(&self, tokens: u64) -> Self {
        let mut limited = self.clone();
        for name in ["max_tokens", "max_completion_tokens"] {
            if let Some(limit) = limited.0.get_mut(name) {
                *limit = tokens.into();
            }
        }
        limited
    }

    /// Tokens that the answer may have, where the client says so.
    #[must_use]
    pub fn answer_limit(&self) -> Option<u64> {
        let said = |name| self.0.get(name).and_then(Value::as_u64);
        said("max_completion_tokens").or_else(|| said("max_tokens"))
    }

    #[must_use]
    pub fn limits_answer(&self) -> bool {
        self.0.contains_key("max_tokens") || self.0.contains_key("max_completion_tokens")
    }
}

/// A turn as accepted: all that is needed to run it, and to go on with it after a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    pub run_id: RunId,
    pub surface: Surface,
    pub created_at: Millis,
    pub session: SessionRef,
    pub key_id: KeyId,
    /// `X-Hermes-Session-Key`: whom of the key's people the turn is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_key: Option<String>,
    /// As the client wrote it; echoed.
    pub model: String,
    /// The caller's own system text.
    pub system: Option<String>,
    /// The conversation before `input`: from the request, or loaded from a named session when the turn begins.
    pub history: Vec<Message>,
    /// The named session's transcript comes before `history`.
    #[serde(default)]
    pub load_history: bool,
    /// The run that this one goes on from: its whole conversation comes before `history`.
    #[serde(default)]
    pub after: Option<RunId>,
    /// How many of the newest messages before `input` the model is shown; `None`: all.
    #[serde(default)]
    pub history_limit: Option<usize>,
    /// What the client's tools gave back: the turn begins with these, before `input`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<ToolResult>,
    /// Empty when the turn only brings results.
    pub input: Content,
    #[serde(default)]
    pub client_tools: ClientTools,
    /// Which of the agent's tools the turn may use, within what its key may.
    #[serde(default, skip_serializing_if = "ToolSelection::is_all")]
    pub tools: ToolSelection,
    /// The turn that this one does a piece of work for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// `None`: the profile's own model, whatever it is when the turn runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<ModelChoice>,
    /// Only in turns of a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
    pub sampling: Sampling,
    /// Durable from the first event; a stateless chat becomes so with its first tool call.
    pub durable: bool,
    pub on_disconnect: OnDisconnect,
    /// `None`: the surface can ask.
    pub unattended: Option<Unattended>,
}

impl RunSpec {
    /// Whether the turns of its session come one after the other. Those of a chain of responses do, too: each needs
    /// the one before it.
    #[must_use]
    pub fn takes_turns(&self) -> bool {
        self.session.named || self.after.is_some() || self.surface == Surface::Responses
    }

    /// The session in which people are asked, and for which they allow: a child asks where its parent would.
    #[must_use]
    pub fn asks_in(&self) -> &SessionId {
        self.parent.as_ref().map_or(&self.session.id, |parent| &parent.session)
    }

    /// The turn is no question but a command to compress its session: what to look to, which may be nothing.
    #[must_use]
    pub fn asks_to_compress(&self) -> Option<&str> {
        let Content::Text(text) = &self.input else { return None };
        let focus = text.trim().strip_prefix("/compress")?;
        let whole = focus.is_empty() || focus.starts_with(char::is_whitespace);
        (whole && self.session.named && self.load_history && self.results.is_empty()).then(|| focus.trim())
    }

    /// The messages that the turn begins with: the results of the client's tools, then what the user says.
    #[must_use]
    pub fn opening(&self) -> Vec<Message> {
        let results = self.results.iter().map(|result| Message::Tool {
            tool_call_id: result.call_id.clone(),
            name: None,
            content: result.content.clone(),
        });
        let says = (self.results.is_empty() || self.input.is_visible())
            .then(|| Message::User { content: self.input.clone() });
        results.chain(says).collect()
    }
}

/// One tool call in a run's status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolSummary {
    pub call_id: String,
    pub tool: String,
    pub preview: Option<String>,
    /// `running`, `completed`, `failed`, or `uncertain`: started before a crash, never finished.
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
}

/// The state of a run: the fold of its log, and what `GET /v1/runs/{id}` shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    pub run_id: RunId,
    pub status: RunStatus,
    pub surface: Surface,
    pub created_at: Millis,
    pub updated_at: Millis,
    #[serde(default)]
    pub started_at: Option<Millis>,
    #[serde(default)]
    pub ended_at: Option<Millis>,
    pub session_id: SessionId,
    pub key_id: KeyId,
    pub model: String,
    pub last_event: Option<String>,
    /// The run that it does a piece of work for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RunId>,
    /// All text so far; the whole output once completed.
    pub text: String,
    pub usage: Usage,
    /// In billionths of a dollar, of those calls that have a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u64>,
    pub tools: Vec<ToolSummary>,
    /// Questions that wait for an answer, oldest first.
    pub waiting: Vec<ApprovalId>,
    /// The agent's own questions that wait, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asking: Vec<ApprovalId>,
    pub outcome: Option<Outcome>,
    /// How many messages of its session's transcript stood before it, once they were loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded: Option<usize>,
    /// The prompt that it goes on with after a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<PromptId>,
    /// The run of another gateway that does this one's work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<UpstreamRun>,
    /// What was said to the running turn too late for any model call to hear it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_steer: Option<String>,
    /// What was said to the turn while it runs, heard or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steered: Vec<String>,
    /// Number of the last event.
    pub last_seq: Seq,
    /// Highest number that may have been given out: after a crash the log goes on behind it.
    pub reserved: Seq,
}

impl RunRecord {
    #[must_use]
    pub fn new(spec: &RunSpec) -> Self {
        Self {
            run_id: spec.run_id,
            status: RunStatus::Queued,
            surface: spec.surface,
            created_at: spec.created_at,
            updated_at: spec.created_at,
            started_at: None,
            ended_at: None,
            session_id: spec.session.id.clone(),
            key_id: spec.key_id.clone(),
            model: spec.model.clone(),
            last_event: None,
            parent: spec.parent.as_ref().map(|parent| parent.run),
            text: String::new(),
            usage: Usage::default(),
            cost: None,
            tools: Vec::new(),
            waiting: Vec::new(),
            asking: Vec::new(),
            outcome: None,
            loaded: None,
            prompt: None,
            upstream: None,
            pending_steer: None,
            steered: Vec::new(),
            last_seq: Seq::default(),
            reserved: Seq::default(),
        }
    }

    /// Folds one event in.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`], with the record unchanged: such an event must not be written.
    pub fn apply(&mut self, logged: &Logged) -> Result<(), IllegalTransition> {
        let next = self.status_after(&logged.event);
        if next != self.status && !self.status.may_become(next) || self.status.is_terminal() {
            return Err(IllegalTransition { from: self.status, to: next });
        }
        self.status = next;
        self.last_seq = logged.seq;
        self.updated_at = logged.at;
        if !logged.event.is_delta() {
            self.last_event = Some(logged.event.name().to_owned());
        }
        self.absorb(logged);
        Ok(())
    }

    fn status_after(&self, event: &Event) -> RunStatus {
        match event {
            Event::RunStarted { .. } => RunStatus::Running,
            Event::ApprovalRequest(_) => RunStatus::WaitingForApproval,
            Event::ClarifyRequest(_) if self.waiting.is_empty() => RunStatus::WaitingForClarify,
            Event::ClarifyRequest(_) => RunStatus::WaitingForApproval,
            Event::ApprovalResponded { approval_id: id, .. }
            | Event::ClarifyResponded { clarify_id: id, .. } => self.status_without(*id),
            Event::RunStopping {} => RunStatus::Stopping,
            Event::RunCompleted { .. } => RunStatus::Completed,
            Event::RunFailed { .. } => RunStatus::Failed,
            Event::RunCancelled { .. } => RunStatus::Cancelled,
            Event::MessageDelta { .. }
            | Event::ReasoningDelta { .. }
            | Event::ToolStarted { .. }
            | Event::ToolCompleted { .. }
            | Event::ContextCompressed(_)
            | Event::SubagentStart(_)
            | Event::SubagentComplete(_)
            | Event::RunRetrying(_)
            | Event::RunSteered { .. }
            | Event::Gap { .. } => self.status,
        }
    }

    /// Once a question is settled, which may not be the only one.
    fn status_without(&self, settled: ApprovalId) -> RunStatus {
        let open = |ids: &[ApprovalId]| ids.iter().any(|id| *id != settled);
        match self.status.waits_for_a_person() {
            true if open(&self.waiting) => RunStatus::WaitingForApproval,
            true if open(&self.asking) => RunStatus::WaitingForClarify,
            true => RunStatus::Running,
            false => self.status,
        }
    }

    fn absorb(&mut self, logged: &Logged) {
        match &logged.event {
            Event::RunStarted { .. } => self.started_at = Some(logged.at),
            Event::MessageDelta { delta } => self.text.push_str(delta),
            Event::ToolStarted { tool, preview, call_id, .. } => self.tools.push(ToolSummary {
                call_id: call_id.clone(),
                tool: tool.clone(),
                preview: preview.clone(),
                status: "running".to_owned(),
                duration: None,
            }),
            Event::ToolCompleted { call_id, duration, error, .. } => {
                if let Some(tool) = self.tools.iter_mut().rfind(|tool| tool.call_id == *call_id) {
                    tool.status = if *error { "failed" } else { "completed" }.to_owned();
                    tool.duration = Some(*duration);
                }
            }
            Event::ApprovalRequest(request) => self.waiting.push(request.approval_id),
            Event::ClarifyRequest(request) => self.asking.push(request.clarify_id),
            Event::ClarifyResponded { clarify_id, .. } => self.asking.retain(|id| id != clarify_id),
            Event::ApprovalResponded { approval_id, .. } => self.waiting.retain(|id| id != approval_id),
            Event::RunCompleted { usage, finish_reason, pending_steer, .. } => {
                self.pending_steer.clone_from(pending_steer);
                self.end(logged.at, *usage, Outcome::Completed { finish: *finish_reason });
            }
            Event::RunFailed { error, error_code, retryable, retry_after, usage, pending_steer, .. } => {
                self.pending_steer.clone_from(pending_steer);
                let failure = super::Failure {
                    code: *error_code,
                    message: error.clone(),
                    retryable: *retryable,
                    retry_after: *retry_after,
                };
                if failure.code == Code::Interrupted {
                    for tool in self.tools.iter_mut().filter(|tool| tool.status == "running") {
                        tool.status = "uncertain".to_owned();
                    }
                }
                self.end(logged.at, *usage, Outcome::Failed(failure));
            }
            Event::RunCancelled { usage, pending_steer, .. } => {
                self.pending_steer.clone_from(pending_steer);
                self.end(logged.at, *usage, Outcome::Cancelled);
            }
            Event::RunSteered { input, .. } => self.steered.push(input.clone()),
            Event::ReasoningDelta { .. }
            | Event::ContextCompressed(_)
            | Event::SubagentStart(_)
            | Event::SubagentComplete(_)
            | Event::RunRetrying(_)
            | Event::RunStopping {}
            | Event::Gap { .. } => {}
        }
    }

    fn end(&mut self, at: Millis, usage: Usage, outcome: Outcome) {
        self.ended_at = Some(at);
        self.usage = usage;
        self.waiting.clear();
        self.asking.clear();
        self.steered.clear();
        self.outcome = Some(outcome);
    }

    /// Why the answer ended, as chat completions call it.
    #[must_use]
    pub const fn finish_reason(&self) -> Option<&'static str> {
        match &self.outcome {
            Some(Outcome::Completed { finish }) => Some(finish.wire()),
            Some(Outcome::Failed(_) | Outcome::Cancelled) => Some("error"),
            None => None,
        }
    }
}
