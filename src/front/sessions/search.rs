//! Finding messages by their words, in all sessions of the profile.

use super::resources::MOST;
use crate::{
    actors::{Scope, SearchSessions},
    domain::{SessionId, seconds},
    front::{ask::ask, auth::Authorised, error::ApiError, query::Params},
    store::{Query, SearchFilter, SearchHit, SearchPage, SearchRole},
};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Value, json};

/// Hits of a page when the client names no number.
pub const HITS: usize = 20;
/// How far a page may begin.
pub const FURTHEST: usize = 1_000;

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<HitView<'a>>,
    limit: usize,
    offset: usize,
    has_more: bool,
    complete: bool,
}

#[derive(Serialize)]
struct HitView<'a> {
    session_id: &'a str,
    session_title: Option<&'a str>,
    source: &'a str,
    message_id: u64,
    role: &'static str,
    timestamp: Option<f64>,
    snippet: &'a str,
    /// Characters of the snippet, from and until.
    marks: &'a [(usize, usize)],
    score: f64,
}

impl<'a> HitView<'a> {
    fn new(hit: &'a SearchHit) -> Self {
        Self {
            session_id: hit.session.id.as_str(),
            session_title: hit.session.title.as_deref(),
            source: &hit.session.source,
            message_id: hit.message.number,
            role: hit.role.name(),
            timestamp: hit.message.at.map(seconds),
            snippet: &hit.snippet.text,
            marks: &hit.snippet.marks,
            score: (hit.score * 1_000.0).round() / 1_000.0,
        }
    }
}

pub async fn search(auth: Authorised, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Sessions)?;
    let filter = filter(&Params::of(&request)?)?;
    let (limit, offset) = (filter.limit, filter.offset);
    let page = ask(&auth.tenant, SearchSessions(filter)).await?;
    Ok(HttpResponse::Ok().json(told(&page, limit, offset)))
}

/// A page as it is told.
pub fn told(page: &SearchPage, limit: usize, offset: usize) -> Value {
    json!(List {
        object: "list",
        data: page.hits.iter().map(HitView::new).collect(),
        limit,
        offset,
        has_more: page.has_more,
        complete: page.complete,
    })
}

fn filter(params: &Params) -> Result<SearchFilter, ApiError> {
    let asked = params.get("q").ok_or_else(|| ApiError::invalid("q", "`q` is missing: what to look for"))?;
    let query = Query::parse(asked).map_err(|error| ApiError::invalid("q", format!("`q`: {error}.")))?;
    let in_range =
        |most: usize| move |text: &str| text.parse().ok().filter(|number| (1..=most).contains(number));
    let limit = params.read("limit", &format!("a number from 1 to {MOST}"), in_range(MOST))?;
    let offset = |text: &str| text.parse().ok().filter(|number| *number <= FURTHEST);
    let time = "seconds since 1970";
    Ok(SearchFilter {
        roles: params
            .read("role", "one or more of user, assistant, tool, system", roles)?
            .unwrap_or_default(),
        since: params.read("since", time, millis)?,
        until: params.read("until", time, millis)?,
        session: params.read("session_id", "the id of a session", |text| SessionId::parse(text).ok())?,
        source: params.get("source").map(str::to_owned),
        newest: params.read("sort", "`relevance` or `newest`", sort)?.unwrap_or(false),
        one_each: params.read("one_each", "`true` or `false`", |text| text.parse().ok())?.unwrap_or(false),
        offset: params.read("offset", &format!("a number from 0 to {FURTHEST}"), offset)?.unwrap_or(0),
        ..SearchFilter::new(query, limit.unwrap_or(HITS))
    })
}

fn sort(text: &str) -> Option<bool> {
    match text {
        "relevance" => Some(false),
        "newest" => Some(true),
        _ => None,
    }
}

fn roles(text: &str) -> Option<Vec<SearchRole>> {
    let role = |name: &str| SearchRole::NAMED.iter().find(|(known, _)| *known == name.trim());
    text.split(',').map(|name| role(name).map(|(_, role)| *role)).collect()
}

fn millis(text: &str) -> Option<i64> {
    let seconds: f64 = text.parse().ok()?;
    let millis = std::time::Duration::try_from_secs_f64(seconds).ok()?.as_millis();
    i64::try_from(millis).ok()
}
