//! A run shown as one chat completion, when it is over.

use super::{
    chat_stream::completion_id,
    turn_end::{Failed, Outcome, Tokens, TurnEnd},
};
use crate::{
    domain::{Event, Finish, Logged, Millis, RunId, ToolCall, Usage},
    front::{
        error::{self, ApiError, Members},
        reader::{self, Source},
    },
};
use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Longest `X-Hermes-Error`, in characters.
const MAX_HEADER_TEXT: usize = 200;

/// A run's end, with what the answer needs of the way there.
#[derive(Debug)]
pub struct Ended {
    last: Arc<Logged>,
    tools_ran: bool,
    reasoning: String,
}

impl Ended {
    /// The whole answer, why it ended, and what it cost; `None` for a turn that failed.
    pub fn answered(&self) -> Option<(&str, Finish, Usage)> {
        if let Event::RunCompleted { output, usage, finish_reason, .. } = &self.last.event {
            return Some((output, *finish_reason, *usage));
        }
        None
    }

    /// Why the turn failed.
    pub fn error(&self) -> ApiError {
        match TurnEnd::of(&self.last.event) {
            Some(TurnEnd::Failed(failed)) => ApiError::new(failed.code, failed.message),
            Some(TurnEnd::Answered { .. }) | None => {
                ApiError::internal("the last event does not fail a turn")
            }
        }
    }

    /// The answer for a turn that failed.
    pub fn failure(&self, head: HttpResponseBuilder) -> HttpResponse {
        match TurnEnd::of(&self.last.event) {
            Some(TurnEnd::Failed(failed)) => failure(&failed, self.tools_ran, head),
            Some(TurnEnd::Answered { .. }) | None => self.error().error_response(),
        }
    }
}

/// Waits for the run's end.
///
/// # Errors
///
/// The key was revoked, or the log cannot be read.
pub async fn wait(reader: &mut impl Source, revoked: &CancellationToken) -> Result<Ended, ApiError> {
    let mut tools_ran = false;
    let mut reasoning = String::new();
    loop {
        for logged in &reader::next(reader, revoked).await? {
            if let Event::ReasoningDelta { delta } = &logged.event {
                reasoning.push_str(delta);
            }
            tools_ran |= matches!(logged.event, Event::ToolStarted { .. });
            if logged.event.is_terminal() {
                return Ok(Ended { last: Arc::clone(logged), tools_ran, reasoning });
            }
        }
    }
}

/// Who answers what.
pub struct Answer<'a> {
    pub run_id: RunId,
    pub created_at: Millis,
    pub model: &'a str,
    /// Failures in the reference's form: status 200, the error as text.
    pub failed_turn_ok: bool,
}

#[derive(Serialize)]
struct Completion<'a> {
    id: String,
    object: &'static str,
    created: Millis,
    model: &'a str,
    choices: [Choice<'a>; 1],
    usage: Tokens,
    #[serde(skip_serializing_if = "Option::is_none")]
    hermes: Option<Outcome<'a>>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u8,
    message: Message<'a>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reasoning_content: &'a str,
    #[serde(skip_serializing_if = "<[ToolCall]>::is_empty")]
    tool_calls: &'a [ToolCall],
}

#[derive(Serialize)]
struct Failure<'a> {
    error: Members<'a>,
    hermes: Outcome<'a>,
}

impl Answer<'_> {
    /// Adds status and body to a response that has the turn's headers.
    pub fn render(&self, ended: &Ended, mut head: HttpResponseBuilder) -> HttpResponse {
        match TurnEnd::of(&ended.last.event) {
            Some(TurnEnd::Answered { text, calls, finish, usage }) => {
                let message = Message {
                    role: "assistant",
                    content: (calls.is_empty() || !text.is_empty()).then_some(text),
                    reasoning_content: &ended.reasoning,
                    tool_calls: calls,
                };
                head.json(self.completion(message, finish, usage, None))
            }
            Some(TurnEnd::Failed(failed)) if self.failed_turn_ok => self.reference_failure(&failed, head),
            Some(TurnEnd::Failed(failed)) => failure(&failed, ended.tools_ran, head),
            None => ApiError::internal("the last event does not end a turn").error_response(),
        }
    }

    fn completion<'a>(
        &'a self,
        message: Message<'a>,
        finish_reason: &'static str,
        usage: Tokens,
        hermes: Option<Outcome<'a>>,
    ) -> Completion<'a> {
        Completion {
            id: completion_id(self.run_id),
            object: "chat.completion",
            created: self.created_at / 1000,
            model: self.model,
            choices: [Choice { index: 0, message, finish_reason }],
            usage,
            hermes,
        }
    }

    fn reference_failure(&self, failed: &Failed<'_>, mut head: HttpResponseBuilder) -> HttpResponse {
        let text = if failed.partial_text.is_empty() { failed.message } else { failed.partial_text };
        tell_failure(failed, &mut head);
        let message =
            Message { role: "assistant", content: Some(text), reasoning_content: "", tool_calls: &[] };
        head.json(self.completion(message, "error", failed.usage, Some(failed.outcome())))
    }
}

/// The headers of a failed turn, whatever form its body has.
fn tell_failure(failed: &Failed<'_>, head: &mut HttpResponseBuilder) {
    let plain: String =
        failed.message.chars().filter(|letter| !letter.is_control()).take(MAX_HEADER_TEXT).collect();
    if let Ok(value) = header::HeaderValue::from_bytes(plain.as_bytes()) {
        head.insert_header(("X-Hermes-Error", value));
    }
    let partial = if failed.partial_text.is_empty() { "false" } else { "true" };
    head.insert_header(("X-Hermes-Completed", "false")).insert_header(("X-Hermes-Partial", partial));
}

fn failure(failed: &Failed<'_>, tools_ran: bool, mut head: HttpResponseBuilder) -> HttpResponse {
    let status: StatusCode = error::status(failed.code);
    let retry = if failed.should_retry(tools_ran) { "true" } else { "false" };
    head.status(status).insert_header(("x-should-retry", retry));
    tell_failure(failed, &mut head);
    // A turn of another gateway may have ended without a wait.
    let unnamed = (status == StatusCode::TOO_MANY_REQUESTS).then_some(1);
    if let Some(seconds) = failed.retry_after.or(unnamed) {
        head.insert_header((header::RETRY_AFTER, seconds.to_string()));
    }
    head.json(Failure { error: failed.members(), hermes: failed.outcome() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Code, Seq};
    use actix_web::body::to_bytes;
    use serde_json::{Value, json};

    async fn render(event: Event, failed_turn_ok: bool) -> (u16, Value, Value) {
        let answer = Answer {
            run_id: RunId::from_bytes([7; 16]),
            created_at: 1_795_299_162_345,
            model: "m",
            failed_turn_ok,
        };
        let logged = Logged { seq: Seq(3), at: 0, lost_after: None, event };
        let ended = Ended { last: Arc::new(logged), tools_ran: false, reasoning: String::new() };
        let response = answer.render(&ended, HttpResponse::Ok());
        let header =
            |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let names =
            ["x-should-retry", "retry-after", "x-hermes-completed", "x-hermes-partial", "x-hermes-error"];
        let headers = json!(names.map(header));
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body()).await.unwrap();
        (status, headers, serde_json::from_slice(&bytes).unwrap())
    }

    fn completion(text: &str, finish: &str, usage: [u64; 3]) -> Value {
        let message = json!({"role": "assistant", "content": text});
        json!({
            "id": format!("chatcmpl-{}", "07".repeat(16)),
            "object": "chat.completion", "created": 1_795_299_162, "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": usage[2]},
        })
    }

    #[actix_web::test]
    async fn an_answer_is_openais() {
        let event = Event::RunCompleted {
            output: "You said: hello".to_owned(),
            usage: Usage { input_tokens: 50, output_tokens: 2, total_tokens: 52, ..Usage::default() },
            finish_reason: Finish::Stop,
            tool_calls: Vec::new(),
            pending_steer: None,
        };
        let expected = completion("You said: hello", "stop", [50, 2, 52]);
        assert_eq!(render(event, false).await, (200, json!([null, null, null, null, null]), expected));
    }

    #[actix_web::test]
    async fn a_failure_is_an_error_status_or_the_references_form() {
        let event = Event::RunFailed {
            error: "Slow down.".to_owned(),
            error_code: Code::UpstreamRateLimited,
            retryable: true,
            retry_after: Some(7),
            partial_output: String::new(),
            usage: Usage::default(),
            pending_steer: None,
        };
        let hermes = json!({"completed": false, "partial": false, "failed": true, "error": "Slow down.",
                            "error_code": "upstream_rate_limited"});
        let error = json!({"message": "Slow down.", "type": "rate_limit_error", "param": null,
                           "code": "upstream_rate_limited"});
        let expected = json!({"error": error, "hermes": hermes});
        let got = render(event.clone(), false).await;
        assert_eq!(got, (429, json!(["false", "7", "false", "false", "Slow down."]), expected));

        let mut expected = completion("Slow down.", "error", [0, 0, 0]);
        expected["hermes"] = hermes;
        assert_eq!(
            render(event, true).await,
            (200, json!([null, null, "false", "false", "Slow down."]), expected)
        );
    }
}
