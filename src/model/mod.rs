//! The model behind the agent. The only user of awc toward a model.
//!
//! CONTRACT STUB. The helper on the model replaces bodies and splits this into files; signatures are what others use.

use crate::{
    config::ModelConfig,
    domain::{Code, Failure, Message, Sampling, ToolCall, Usage},
};
use std::{fmt, rc::Rc};
use tokio_util::sync::CancellationToken;

/// One question to the model. Everything is borrowed: no history is cloned for a call.
pub struct ModelRequest<'a> {
    pub model: &'a str,
    /// The agent's own system prompt, then the caller's text, as one or two system messages.
    pub system: &'a [&'a str],
    /// Slices that are sent one after the other: history, input, the turn so far.
    pub messages: &'a [&'a [Message]],
    /// The `tools` array as JSON text, made once per profile; `None` sends no tools.
    pub tools: Option<&'a str>,
    pub sampling: &'a Sampling,
}

/// A piece of the answer, as soon as it is there. Everything that came in one read is one piece.
pub enum Delta<'a> {
    Text(&'a str),
    Reasoning(&'a str),
}

/// The whole answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelAnswer {
    pub text: String,
    pub reasoning: String,
    pub tool_calls: Vec<ToolCall>,
    /// `stop`, `length`, `tool_calls`, `content_filter` …, as the upstream wrote it.
    pub finish_reason: Option<String>,
    pub usage: Option<Usage>,
}

/// How a call failed. `partial`: some of the answer had already been handed out.
#[derive(Debug, Clone)]
pub enum ModelError {
    /// No connection, or cut before or within the answer.
    Connection {
        message: String,
        partial: bool,
    },
    Timeout {
        message: String,
        partial: bool,
    },
    /// An HTTP error of the upstream.
    Status {
        status: u16,
        message: String,
        code: Option<String>,
        retry_after: Option<u64>,
    },
    /// An `error` object within the stream.
    Upstream {
        message: String,
        code: Option<String>,
        partial: bool,
    },
    /// An answer that is no chat completion.
    Garbage {
        message: String,
        partial: bool,
    },
    Cancelled,
}

impl ModelError {
    /// The failure as the client is told of it.
    #[must_use]
    pub fn failure(&self) -> Failure {
        Failure::new(Code::UpstreamError, self.to_string())
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for ModelError {}

/// A profile's way to its model; belongs to the thread that made it. Cheap to clone.
#[derive(Clone)]
pub struct ModelClient(Rc<()>);

impl ModelClient {
    #[must_use]
    pub fn new(config: &ModelConfig) -> Self {
        let _ = config;
        unimplemented!()
    }

    /// Asks, with the retry rule, and hands out deltas as they come. Dropping the future, or the token, closes the
    /// upstream connection at once.
    ///
    /// # Errors
    /// [`ModelError`]; [`ModelError::Cancelled`] when the token was cancelled.
    pub async fn ask(
        &self,
        request: &ModelRequest<'_>,
        stop: &CancellationToken,
        on_delta: &mut dyn FnMut(Delta<'_>),
    ) -> Result<ModelAnswer, ModelError> {
        let _ = (request, stop, on_delta);
        unimplemented!()
    }
}
