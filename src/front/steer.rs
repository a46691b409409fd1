//! `POST /v1/runs/{id}/steer`: words to a running turn.

use super::{ask::ask, auth::Authorised, body, error::ApiError, json::Object, openai::content, runs::run_id};
use crate::{
    actors::{GetRun, Scope, SteerRun, not_accepting_steer},
    domain::{Code, RunId, RunStatus},
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
struct Steered {
    object: &'static str,
    run_id: RunId,
    accepted: bool,
}

/// The state of the run is looked at before the body, as clients of the reference expect it.
pub async fn steer(
    auth: Authorised,
    request: HttpRequest,
    payload: web::Payload,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Runs)?;
    let run_id = run_id(&id)?;
    let view = ask(&auth.tenant, GetRun(run_id)).await?;
    if view.record.status != RunStatus::Running {
        return Err(not_accepting_steer(run_id, view.record.status).into());
    }
    let input = parse(body::json(&request, payload, &auth.tenant).await?)?;
    ask(&auth.tenant, SteerRun { run_id, input, rights: auth.caller.rights }).await?;
    Ok(HttpResponse::Ok().json(Steered { object: "hermes.run.steer", run_id, accepted: true }))
}

/// `input`, `message` or `text`: a text, or parts of text.
fn parse(body: Value) -> Result<String, ApiError> {
    let refused = |message: &str| ApiError::new(Code::InvalidSteerInput, message).at("input");
    let mut body = Object::body(body)?;
    let (name, said) = ["input", "message", "text"]
        .into_iter()
        .find_map(|name| body.take(name).map(|said| (name, said)))
        .ok_or_else(|| refused("`input` is missing: what is to be said to the run."))?;
    let text = content::parse_text(said, name).map_err(|error| refused(&error.message))?;
    if text.trim().is_empty() {
        return Err(refused("`input` is empty: there is nothing to be said to the run."));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_come_under_any_of_three_names() {
        let cases = [
            (json!({"input": "stop"}), Some("stop")),
            (json!({"message": "stop"}), Some("stop")),
            (json!({"text": [{"type": "text", "text": "a"}, "b"]}), Some("a\nb")),
            (json!({"input": null, "text": "stop"}), Some("stop")),
            (json!({}), None),
            (json!({"input": " "}), None),
            (json!({"input": 5}), None),
            (json!({"input": [{"type": "image_url", "image_url": "https://x/y.png"}]}), None),
        ];
        for (body, text) in cases {
            let got = parse(body.clone());
            let code = got.as_ref().err().map(|error| error.code);
            assert_eq!(code, text.is_none().then_some(Code::InvalidSteerInput), "{body}");
            assert_eq!(got.ok().as_deref(), text, "{body}");
        }
    }
}
