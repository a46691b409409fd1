//! Answers to questions of agents: `POST /v1/runs/{id}/clarify`, and what sessions share of it.

use super::{ask::ask, auth::Authorised, body, error::ApiError, json::Object, runs::run_id};
use crate::{
    actors::{AnswerQuestion, Asker, GetRun, Scope},
    domain::{Approval, ApprovalId, Clarification, Code, RunId},
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;

/// Characters of an answer.
const LONGEST: usize = 20_000;

/// A question that waits, as a run's status shows it.
#[derive(Debug, Serialize)]
pub struct ClarifyView<'a> {
    clarify_id: ApprovalId,
    question: &'a str,
    choices: &'a [String],
    multi_select: bool,
}

impl<'a> ClarifyView<'a> {
    pub fn new(id: ApprovalId, asked: &'a Clarification) -> Self {
        Self { clarify_id: id, question: &asked.question, choices: &asked.choices, multi_select: false }
    }
}

#[derive(Serialize)]
struct Answered {
    object: &'static str,
    run_id: RunId,
    clarify_id: ApprovalId,
    response: Option<String>,
}

/// A run that is unknown comes before a body that is bad.
pub async fn answer(
    auth: Authorised,
    request: HttpRequest,
    payload: web::Payload,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Runs)?;
    let run = run_id(&id)?;
    ask(&auth.tenant, GetRun(run)).await?;
    let settled = settle(auth, &request, payload, Asker::Run(run)).await?;
    Ok(HttpResponse::Ok().json(Answered {
        object: "hermes.run.clarify_response",
        run_id: run,
        clarify_id: settled.id,
        response: settled.reason,
    }))
}

/// Hands the answer that a body has to whoever asks.
///
/// # Errors
///
/// 400 for what is no answer; 403 for a key that may use fewer tools; 409 for a question that does not wait.
pub async fn settle(
    auth: Authorised,
    request: &HttpRequest,
    payload: web::Payload,
    asker: Asker,
) -> Result<Approval, ApiError> {
    let (clarify, response) = parse(body::json(request, payload, &auth.tenant).await?)?;
    let (key_id, rights) = (auth.caller.key_id.clone(), Some(auth.caller.rights));
    ask(&auth.tenant, AnswerQuestion { asker, clarify, response, key_id, rights }).await
}

/// Which question, if it is named, and the answer.
///
/// # Errors
///
/// 400 for what is no answer; 409 for a name that no question has.
fn parse(body: Value) -> Result<(Option<ApprovalId>, String), ApiError> {
    let mut body = Object::body(body)?;
    let id = body.string("clarify_id")?;
    let unknown = |id: &String| {
        ApprovalId::parse(id)
            .ok_or_else(|| ApiError::new(Code::ClarifyNotPending, format!("There is no question {id}.")))
    };
    let id = id.as_ref().map(unknown).transpose()?;
    let wrong = || ApiError::invalid("response", "`response` must be a text, or a list of texts");
    let response = match body.take("response") {
        Some(Value::String(text)) => text,
        Some(Value::Array(items)) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            texts.ok_or_else(wrong)?.join(", ")
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
            return Err(wrong());
        }
    };
    let response = response.trim().to_owned();
    if response.is_empty() || response.chars().count() > LONGEST {
        let text = format!("`response` must have 1 to {LONGEST} characters");
        return Err(ApiError::invalid("response", text));
    }
    Ok((id, response))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_is_a_text_or_several() {
        let cases = [
            (json!({"response": " tea "}), Some("tea")),
            (json!({"response": ["tea", "milk"]}), Some("tea, milk")),
            (json!({}), None),
            (json!({"response": "  "}), None),
            (json!({"response": []}), None),
            (json!({"response": [1]}), None),
            (json!({"response": {"text": "tea"}}), None),
            (json!({"response": "x".repeat(20_001)}), None),
            (json!({"response": "tea", "clarify_id": "nope"}), None),
        ];
        for (body, response) in cases {
            assert_eq!(parse(body.clone()).ok().map(|(_, text)| text).as_deref(), response, "{body}");
        }
    }
}
