//! The response object: the same in the stream, in the JSON answer and when it is asked for later.

use super::items::Item;
use crate::domain::{Code, Millis, ResponseId, ResponseRecord, Usage};
use serde::Serialize;
use serde_json::{Map, Value};

/// How a response stands.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    Queued,
    InProgress,
    Completed,
    /// A limit on its length was reached.
    Incomplete,
    Failed {
        code: Code,
        message: String,
    },
    Cancelled,
}

#[derive(Debug, Serialize)]
pub struct Object<'a> {
    id: ResponseId,
    object: &'static str,
    created_at: Millis,
    status: &'static str,
    completed_at: Option<Millis>,
    error: Option<Failure<'a>>,
    incomplete_details: Option<Details>,
    instructions: Option<&'a str>,
    model: &'a str,
    output: &'a [Item],
    previous_response_id: Option<ResponseId>,
    conversation: Option<Conversation<'a>>,
    background: bool,
    store: bool,
    usage: Option<Tokens>,
    /// What the request said, or OpenAI's defaults.
    #[serde(flatten)]
    echo: &'a Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct Failure<'a> {
    code: &'static str,
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct Details {
    reason: &'static str,
}

#[derive(Debug, Serialize)]
struct Conversation<'a> {
    id: &'a str,
}

/// Tokens under the names that responses use. What an upstream does not tell apart counts as none.
#[derive(Debug, Serialize)]
struct Tokens {
    input_tokens: u64,
    input_tokens_details: Input,
    output_tokens: u64,
    output_tokens_details: Output,
    total_tokens: u64,
}

#[derive(Debug, Serialize)]
struct Input {
    cached_tokens: u64,
}

#[derive(Debug, Serialize)]
struct Output {
    reasoning_tokens: u64,
}

impl State {
    const fn wire(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
            Self::Failed { .. } => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl<'a> Object<'a> {
    /// `usage` and `ended_at` are there once the turn is over.
    pub fn new(
        response: &'a ResponseRecord,
        state: &'a State,
        output: &'a [Item],
        end: Option<(Usage, Millis)>,
    ) -> Self {
        let request = &response.request;
        let failure = match state {
            State::Failed { code, message } => Some(Failure { code: code.wire(), message }),
            State::Queued | State::InProgress | State::Completed | State::Incomplete | State::Cancelled => {
                None
            }
        };
        Self {
            id: response.id(),
            object: "response",
            created_at: response.created_at / 1000,
            status: state.wire(),
            completed_at: end.filter(|_| *state == State::Completed).map(|(_, at)| at / 1000),
            error: failure,
            incomplete_details: (*state == State::Incomplete)
                .then_some(Details { reason: "max_output_tokens" }),
            instructions: request.instructions.as_deref(),
            model: &response.model,
            output,
            previous_response_id: response.previous.map(ResponseId::from),
            conversation: request.conversation.as_deref().map(|id| Conversation { id }),
            background: request.background,
            store: request.store,
            usage: end.map(|(usage, _)| usage.into()),
            echo: &request.echo,
        }
    }
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        let Usage { input_tokens, output_tokens, total_tokens, cached_tokens, reasoning_tokens } = usage;
        Self {
            input_tokens,
            input_tokens_details: Input { cached_tokens },
            output_tokens,
            output_tokens_details: Output { reasoning_tokens },
            total_tokens,
        }
    }
}
