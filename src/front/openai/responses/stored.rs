//! `/v1/responses/{id}`: look, follow, cancel, delete, and what was asked.

use super::{
    fold::Fold,
    items::{Item, Piece, Status},
    stream::{ResponseStream, Seen},
    whole,
};
use crate::{
    actors::{DeleteResponse, FoundResponse, GetResponse, GetResponseInput, ResponseInput, Scope, StopRun},
    domain::{Code, ResponseId, Seq},
    front::{ask::ask, auth::Authorised, error::ApiError, options, query::Params, reader::Reader, sse},
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::Method, web};
use serde::Serialize;

/// Items of a page when the client names no limit.
const PAGE: usize = 20;

/// The response as it stands, or with `?stream=true` its events: from the start, or behind `starting_after`.
pub async fn show(
    auth: Authorised,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Chat)?;
    let params = Params::of(&request)?;
    let flag = |text: &str| match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    };
    let stream = params.read("stream", "true or false", flag)?.unwrap_or_default();
    let starting_after = params.read("starting_after", "a sequence number", |text| text.parse().ok())?;
    // The header is sent by a client that comes back by itself, so it is newer than the query.
    let seen = match sse::last_event_id(&request)? {
        Some(event) => Seen { event, frame: None },
        None => Seen { event: Seq::default(), frame: starting_after },
    };
    let found = ask(&auth.tenant, GetResponse(response_id(&id)?)).await?;
    if !stream {
        return shown(&auth, found).await;
    }
    let mut head = head(&found);
    if request.method() == Method::HEAD {
        return Ok(sse::headers(&mut head).finish());
    }
    let FoundResponse { response, run, events } = found;
    let reader = Reader::new(events, &run, auth.tenant.clone());
    let presenter = ResponseStream::new(response, reader.results(), seen);
    Ok(sse::response(head, reader, presenter, auth.caller.revoked.clone()))
}

async fn shown(auth: &Authorised, found: FoundResponse) -> Result<HttpResponse, ApiError> {
    let head = head(&found);
    let FoundResponse { response, run, events } = found;
    let reader = Reader::passing(events, run.run_id, auth.tenant.clone());
    let fold = Fold::new(response, reader.results());
    whole::as_it_stands(reader, fold, head, &auth.caller.revoked).await
}

fn head(found: &FoundResponse) -> HttpResponseBuilder {
    let mut head = HttpResponse::Ok();
    head.insert_header((options::RUN_ID, found.run.run_id.to_string()));
    head
}

/// Ends the turn and answers with what there is of it. A response that is over stays as it is.
pub async fn cancel(auth: Authorised, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Chat)?;
    let found = ask(&auth.tenant, GetResponse(response_id(&id)?)).await?;
    let status = ask(&auth.tenant, StopRun(found.run.run_id)).await?;
    if status.is_terminal() {
        return shown(&auth, found).await;
    }
    let head = head(&found);
    let FoundResponse { response, run, events } = found;
    let reader = Reader::passing(events, run.run_id, auth.tenant.clone());
    let fold = Fold::new(response, reader.results());
    whole::when_stopped(reader, fold, head, &auth.caller.revoked).await
}

#[derive(Serialize)]
struct Deleted {
    id: ResponseId,
    object: &'static str,
    deleted: bool,
}

/// Forgets it. The run, the session and later links of a chain stay.
pub async fn delete(auth: Authorised, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Chat)?;
    let id = response_id(&id)?;
    ask(&auth.tenant, DeleteResponse(id)).await?;
    Ok(HttpResponse::Ok().json(Deleted { id, object: "response", deleted: true }))
}

#[derive(Serialize)]
struct Items<'a> {
    object: &'static str,
    data: &'a [Item],
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
    has_more: bool,
}

/// What was asked, item by item, the newest first unless `order=asc`.
pub async fn input_items(
    auth: Authorised,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Chat)?;
    let params = Params::of(&request)?;
    let limit = params.limit(PAGE)?;
    let order = |text: &str| match text {
        "asc" => Some(true),
        "desc" => Some(false),
        _ => None,
    };
    let ascending = params.read("order", "`asc` or `desc`", order)?.unwrap_or_default();
    let after = params.get("after").map(str::to_owned);
    let input = ask(&auth.tenant, GetResponseInput(response_id(&id)?)).await?;
    let mut items = items_of(input);
    if !ascending {
        items.reverse();
    }
    let begin = match &after {
        None => 0,
        Some(after) => {
            let at = items.iter().position(|item| item.id() == after);
            at.ok_or_else(|| ApiError::invalid("after", format!("`after` names no item here: {after}")))? + 1
        }
    };
    let rest = items.get(begin..).unwrap_or_default();
    let data = rest.get(..limit).unwrap_or(rest);
    let list = Items {
        object: "list",
        data,
        first_id: data.first().map(Item::id),
        last_id: data.last().map(Item::id),
        has_more: data.len() < rest.len(),
    };
    Ok(HttpResponse::Ok().json(list))
}

/// The input as items, in the order in which it was sent.
fn items_of(ResponseInput { response, spec }: ResponseInput) -> Vec<Item> {
    let hex = response.run_id.hex();
    let mut number = 0_usize;
    let mut id = |prefix: &str| {
        number += 1;
        format!("{prefix}_{hex}i{number:04x}")
    };
    let opening = spec.opening();
    let messages = spec.history.into_iter().skip(response.request.given).chain(opening);
    let mut asides = response.request.asides.into_iter().peekable();
    let mut items = Vec::new();
    let mut aside = |at: Option<usize>, items: &mut Vec<Item>, id: &mut dyn FnMut(&str) -> String| {
        while let Some(aside) = asides.next_if(|aside| at.is_none_or(|at| aside.at <= at)) {
            let role = if aside.role == "system" { "system" } else { "developer" };
            let content = vec![Piece::input(aside.text)];
            items.push(Item::Message { id: id("msg"), status: Status::Completed, role, content });
        }
    };
    for (at, message) in messages.enumerate() {
        aside(Some(at), &mut items, &mut id);
        items.extend(Item::of_message(message, &mut id));
    }
    aside(None, &mut items, &mut id);
    items
}

/// # Errors
///
/// `response_not_found`: a malformed id is as unknown as any other.
fn response_id(text: &str) -> Result<ResponseId, ApiError> {
    let unknown = || ApiError::new(Code::ResponseNotFound, format!("Response not found: {text}"));
    ResponseId::parse(text).ok_or_else(unknown)
}
