//! Answering questions: at their run, or at `/v1/approvals` from anywhere.

use super::{
    approvals_view::{ApprovalView, Page, RuleView},
    ask::ask,
    auth::Authorised,
    body,
    error::ApiError,
    json::Object,
    query::Params,
    runs::run_id,
};
use crate::{
    actors::{
        ApprovalTarget, DecideApproval, GetApproval, GetRun, ListApprovals, ListRules, RemoveRule, Scope,
    },
    domain::{ApprovalId, ApprovalStatus, Choice, Code, RunId},
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;

/// Rows of a page when the client names no limit.
const PAGE: usize = 50;

/// The answer to one or more questions, as clients send it.
#[derive(Debug, PartialEq)]
struct Answer {
    choice: Choice,
    approval: Option<ApprovalId>,
    all: bool,
    reason: Option<String>,
}

impl Answer {
    fn parse(body: Value) -> Result<Self, ApiError> {
        let mut body = Object::body(body)?;
        let choice = match body.take("choice") {
            Some(Value::String(text)) => Choice::parse(&text),
            _ => None,
        };
        let choice = choice.ok_or_else(|| {
            let message = "Invalid approval choice; expected one of: once, session, always, deny";
            ApiError::new(Code::InvalidApprovalChoice, message).at("choice")
        })?;
        let id = match body.string("approval_id")? {
            Some(id) => Some(id),
            None => body.string("request_id")?,
        };
        let approval = id.as_deref().map(approval_id).transpose()?;
        let all = [body.flag("all")?, body.flag("resolve_all")?].contains(&Some(true));
        let reason = body.string("reason")?;
        Ok(Self { choice, approval, all, reason })
    }

    /// Which questions of the run are meant.
    const fn target(&self, run: RunId) -> ApprovalTarget {
        match self.approval {
            Some(approval) => ApprovalTarget::OfRun(run, approval),
            None if self.all => ApprovalTarget::All(run),
            None => ApprovalTarget::Only(run),
        }
    }
}

#[derive(Serialize)]
struct RunAnswer<'a> {
    object: &'static str,
    run_id: RunId,
    choice: Choice,
    resolved: usize,
    /// The question, when one was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    approval_id: Option<ApprovalId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<ApprovalId>,
    approvals: Vec<ApprovalView<'a>>,
}

/// The answer in a body. What it is about is looked up only when the body is bad: that it is unknown comes first.
async fn read<T>(
    auth: &Authorised,
    request: &HttpRequest,
    payload: web::Payload,
    known: impl Future<Output = Result<T, ApiError>>,
) -> Result<Answer, ApiError> {
    let body = body::json(request, payload, &auth.tenant).await;
    match body.and_then(Answer::parse) {
        Ok(answer) => Ok(answer),
        Err(error) => {
            known.await?;
            Err(error)
        }
    }
}

/// `POST /v1/runs/{id}/approval`.
pub async fn answer_run(
    auth: Authorised,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Approve)?;
    let run = run_id(&id)?;
    let answer = read(&auth, &request, payload, ask(&auth.tenant, GetRun(run))).await?;
    let decide = DecideApproval {
        target: answer.target(run),
        choice: answer.choice,
        reason: answer.reason,
        key_id: auth.caller.key_id.clone(),
    };
    let decided = ask(&auth.tenant, decide).await?;
    let only = match decided.as_slice() {
        [one] => Some(one.id),
        _ => None,
    };
    Ok(HttpResponse::Ok().json(RunAnswer {
        object: "hermes.run.approval_response",
        run_id: run,
        choice: answer.choice,
        resolved: decided.len(),
        approval_id: only,
        request_id: only,
        approvals: decided.iter().map(ApprovalView::new).collect(),
    }))
}

/// `POST /v1/approvals/{id}`.
pub async fn answer(
    auth: Authorised,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Approve)?;
    let id = approval_id(&id)?;
    let answer = read(&auth, &request, payload, ask(&auth.tenant, GetApproval(id))).await?;
    let decide = DecideApproval {
        target: ApprovalTarget::One(id),
        choice: answer.choice,
        reason: answer.reason,
        key_id: auth.caller.key_id.clone(),
    };
    let decided = ask(&auth.tenant, decide).await?;
    let decided = decided.first().ok_or_else(|| ApiError::approval_not_found(id))?;
    Ok(HttpResponse::Ok().json(ApprovalView::new(decided)))
}

pub async fn show(auth: Authorised, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Approve)?;
    let approval = ask(&auth.tenant, GetApproval(approval_id(&id)?)).await?;
    Ok(HttpResponse::Ok().json(ApprovalView::new(&approval)))
}

/// Newest first.
pub async fn list(auth: Authorised, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Approve)?;
    let params = Params::of(&request)?;
    let limit = params.limit(PAGE)?;
    let query = ListApprovals {
        status: params.read("status", "one of: pending, decided, expired, withdrawn", status)?,
        after: params.read("after", "an approval id", ApprovalId::parse)?,
        limit: limit + 1,
    };
    let approvals = ask(&auth.tenant, query).await?;
    let rows = approvals.iter().map(ApprovalView::new).collect();
    Ok(HttpResponse::Ok().json(Page::cut(rows, limit)))
}

fn status(text: &str) -> Option<ApprovalStatus> {
    match text {
        "pending" => Some(ApprovalStatus::Pending),
        "decided" => Some(ApprovalStatus::Decided),
        "expired" => Some(ApprovalStatus::Expired),
        "withdrawn" => Some(ApprovalStatus::Withdrawn),
        _ => None,
    }
}

/// Standing permissions of this profile.
pub async fn rules(auth: Authorised) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Approve)?;
    let rules = ask(&auth.tenant, ListRules).await?;
    let rows: Vec<RuleView<'_>> = rules.iter().map(RuleView::new).collect();
    Ok(HttpResponse::Ok().json(Page::whole(rows)))
}

#[derive(Serialize)]
struct Removed {
    id: String,
    object: &'static str,
    deleted: bool,
}

pub async fn remove_rule(auth: Authorised, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Approve)?;
    let id = id.into_inner();
    ask(&auth.tenant, RemoveRule { id: id.clone(), key_id: auth.caller.key_id.clone() }).await?;
    Ok(HttpResponse::Ok().json(Removed { id, object: "hermes.approval_rule", deleted: true }))
}

/// A malformed id is as unknown as any other.
fn approval_id(text: &str) -> Result<ApprovalId, ApiError> {
    ApprovalId::parse(text).ok_or_else(|| ApiError::approval_not_found(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_are_read_as_the_reference_reads_them() {
        let id = ApprovalId::from_bytes([1; 16]);
        let plain = |choice| Answer { choice, approval: None, all: false, reason: None };
        let cases = [
            (json!({"choice": "once"}), plain(Choice::Once)),
            (json!({"choice": " Approve "}), plain(Choice::Once)),
            (json!({"choice": "deny", "all": "yes"}), Answer { all: true, ..plain(Choice::Deny) }),
            (
                json!({"choice": "deny", "all": false, "resolve_all": 1}),
                Answer { all: true, ..plain(Choice::Deny) },
            ),
            (
                json!({"choice": "always", "approval_id": id}),
                Answer { approval: Some(id), ..plain(Choice::Always) },
            ),
            (
                json!({"choice": "once", "request_id": id}),
                Answer { approval: Some(id), ..plain(Choice::Once) },
            ),
            (
                json!({"choice": "deny", "reason": "no"}),
                Answer { reason: Some("no".to_owned()), ..plain(Choice::Deny) },
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(Answer::parse(body.clone()).unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn bad_answers_have_a_code() {
        let cases = [
            (json!({}), "invalid_approval_choice"),
            (json!({"choice": "maybe"}), "invalid_approval_choice"),
            (json!({"choice": 1}), "invalid_approval_choice"),
            (json!({"choice": "once", "approval_id": "x"}), "approval_not_found"),
            (json!({"choice": "once", "all": "perhaps"}), "invalid_request"),
            (json!([]), "invalid_request"),
        ];
        for (body, code) in cases {
            assert_eq!(Answer::parse(body.clone()).unwrap_err().code.wire(), code, "{body}");
        }
    }
}
