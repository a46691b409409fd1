//! How a turn ended, as chat completions tell it; the same for the JSON form and the stream.

use crate::{
    domain::{Code, Event, ToolCall, Usage},
    front::error::Members,
};
use serde::Serialize;

/// A terminal event in the words of this surface.
#[derive(Debug, PartialEq)]
pub enum TurnEnd<'a> {
    Answered { text: &'a str, calls: &'a [ToolCall], finish: &'static str, usage: Tokens },
    Failed(Failed<'a>),
}

#[derive(Debug, PartialEq)]
pub struct Failed<'a> {
    pub code: Code,
    pub message: &'a str,
    pub retryable: bool,
    pub retry_after: Option<u64>,
    pub partial_text: &'a str,
    pub usage: Tokens,
}

/// Tokens under OpenAI's names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tokens {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    /// Only when the upstream told of some; so is the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens_details: Option<OfPrompt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_tokens_details: Option<OfCompletion>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct OfPrompt {
    cached_tokens: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct OfCompletion {
    reasoning_tokens: u64,
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        let Usage { input_tokens, output_tokens, total_tokens, cached_tokens, reasoning_tokens } = usage;
        Self {
            prompt_tokens: input_tokens,
            completion_tokens: output_tokens,
            total_tokens,
            prompt_tokens_details: (cached_tokens > 0).then_some(OfPrompt { cached_tokens }),
            completion_tokens_details: (reasoning_tokens > 0).then_some(OfCompletion { reasoning_tokens }),
        }
    }
}

impl<'a> TurnEnd<'a> {
    /// `None`: the event does not end a turn.
    pub fn of(event: &'a Event) -> Option<Self> {
        match event {
            Event::RunCompleted { output, usage, finish_reason, tool_calls, pending_steer: _ } => {
                Some(Self::Answered {
                    text: output,
                    calls: tool_calls,
                    finish: finish_reason.wire(),
                    usage: (*usage).into(),
                })
            }
            Event::RunFailed {
                error,
                error_code,
                retryable,
                retry_after,
                partial_output,
                usage,
                pending_steer: _,
            } => Some(Self::Failed(Failed {
                code: *error_code,
                message: error,
                retryable: *retryable,
                retry_after: *retry_after,
                partial_text: partial_output,
                usage: (*usage).into(),
            })),
            Event::RunCancelled { partial_output, usage, pending_steer: _ } => Some(Self::Failed(Failed {
                code: Code::RunCancelled,
                message: "The run was stopped before it was done.",
                retryable: false,
                retry_after: None,
                partial_text: partial_output,
                usage: (*usage).into(),
            })),
            Event::RunStarted { .. }
            | Event::MessageDelta { .. }
            | Event::ReasoningDelta { .. }
            | Event::ToolStarted { .. }
            | Event::ToolCompleted { .. }
            | Event::ApprovalRequest(_)
            | Event::ApprovalResponded { .. }
            | Event::ContextCompressed(_)
            | Event::ClarifyRequest(_)
            | Event::ClarifyResponded { .. }
            | Event::SubagentStart(_)
            | Event::SubagentComplete(_)
            | Event::RunRetrying(_)
            | Event::RunSteered { .. }
            | Event::RunStopping {}
            | Event::Gap { .. } => None,
        }
    }
}

/// The `hermes` member of a failed turn.
#[derive(Debug, Serialize)]
pub struct Outcome<'a> {
    completed: bool,
    partial: bool,
    failed: bool,
    error: &'a str,
    error_code: &'static str,
}

impl<'a> Failed<'a> {
    /// A failure outside the log, with nothing counted.
    pub fn outside(code: Code, message: &'a str) -> Self {
        Self {
            code,
            message,
            retryable: false,
            retry_after: None,
            partial_text: "",
            usage: Tokens::default(),
        }
    }

    pub const fn members(&self) -> Members<'a> {
        // Found when the session was read: a result among the messages that answers no call.
        let param = if matches!(self.code, Code::InvalidRequest) { Some("messages") } else { None };
        Members { message: self.message, kind: self.code.family(), param, code: self.code.wire() }
    }

    pub const fn outcome(&self) -> Outcome<'a> {
        Outcome {
            completed: false,
            partial: !self.partial_text.is_empty(),
            failed: true,
            error: self.message,
            error_code: self.code.wire(),
        }
    }

    /// Whether a client may send the whole request again by itself.
    ///
    /// Not after a tool ran, which may have acted; and not when our own attempts were used up. That is so for every failure
    /// of the upstream before its first token: what may pass was tried again here, a silence once. One that asked for a longer
    /// wait than ours was not, but a client that tries again by itself waits for less than that, too.
    pub const fn should_retry(&self, tools_ran: bool) -> bool {
        let upstream =
            matches!(self.code, Code::UpstreamError | Code::UpstreamTimeout | Code::UpstreamRateLimited);
        let used_up = upstream && self.partial_text.is_empty();
        self.retryable && !tools_ran && !used_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_is_offered_only_when_it_harms_nobody() {
        let failed =
            |code, retryable, partial_text| Failed { retryable, partial_text, ..Failed::outside(code, "x") };
        let cases = [
            ("cut in the middle", failed(Code::UpstreamError, true, "tok"), false, true),
            ("cut after a tool", failed(Code::UpstreamError, true, "tok"), true, false),
            ("our attempts were used up", failed(Code::UpstreamError, true, ""), false, false),
            ("silent twice", failed(Code::UpstreamTimeout, true, ""), false, false),
            ("silent after a token", failed(Code::UpstreamTimeout, true, "tok"), false, true),
            ("asked to wait", failed(Code::UpstreamRateLimited, true, ""), false, false),
            ("not retryable", failed(Code::UpstreamError, false, "tok"), false, false),
            ("restart", failed(Code::Interrupted, true, ""), false, true),
        ];
        for (case, failed, tools_ran, expected) in cases {
            assert_eq!(failed.should_retry(tools_ran), expected, "{case}");
        }
    }
}
