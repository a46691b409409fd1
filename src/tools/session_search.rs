//! `session_search`: what was said before, in this session and in others.
//!
//! Four shapes: words to look for, a place in a session, a session, or nothing for what was spoken of lately.

use super::{
    arguments::Arguments,
    failure::Failure,
    toolbox::{Behalf, CallContext},
};
use crate::{
    domain::{KeyId, Message, SessionId, date},
    store::{
        Query, SearchFilter, SearchHit, SearchRole, SessionFilter, SessionHeader, SessionMessage, Store,
        StoreError,
    },
};
use serde_json::{Value, json};

/// Hits, or sessions, of one answer.
const MOST: u64 = 10;
/// Messages on each side of a place.
const WINDOW: u64 = 5;
const WIDEST: u64 = 20;
/// Messages from the beginning of a session, and from its end, that come with a hit.
const ENDS: u64 = 3;
/// Messages of a session that is asked for alone: from its beginning, and from its end.
const BEGINNING: u64 = 4;
const END: usize = 16;
/// Characters of a message that is read …
const LONG: usize = 1_500;
/// … and of one that only stands beside what was found.
const SHORT: usize = 300;

/// What a call asks for.
enum Asked {
    Words(Box<SearchFilter>),
    Place { session: SessionId, message: u64, window: u64 },
    Session(SessionId),
    Lately(usize),
}

pub async fn call(mut context: CallContext<'_>, arguments: &Arguments<'_>) -> Result<Value, Failure> {
    let asked = parse(arguments)?;
    context.clearance().await?;
    let Some(Behalf { store, key, .. }) = context.behalf else {
        return Err(Failure::new("not_available", "no turn makes this call, so there is nothing to look in"));
    };
    let (store, key) = (store.clone(), key.clone());
    let work = tokio::task::spawn_blocking(move || {
        if !may_read(&store, &key).map_err(|error| trouble(&error))? {
            let why = "the key of this request may not read sessions (scope `sessions`)";
            return Err(Failure::new("insufficient_scope", why));
        }
        asked.answer(&store)
    });
    work.await.unwrap_or_else(|_panic| Err(Failure::internal("the search failed unexpectedly")))
}

fn parse(arguments: &Arguments<'_>) -> Result<Asked, Failure> {
    let id = |text: &str| {
        SessionId::parse(text).map_err(|error| Failure::invalid(format!("`session_id`: {}", error.0)))
    };
    let session =
        arguments.opt_text("session_id")?.filter(|text| !text.trim().is_empty()).map(id).transpose()?;
    let limit = usize::try_from(arguments.number("limit", 3, 1)?.min(MOST)).unwrap_or(1);
    let message = arguments.number("around_message_id", 0, 1)?;
    let window = arguments.number("window", WINDOW, 1)?.min(WIDEST);
    let role = arguments.choice("role", &["any", "user", "assistant", "tool"])?;
    let query = arguments.opt_text("query")?.filter(|text| !text.trim().is_empty());
    Ok(match (query, session) {
        (Some(query), session) => {
            let query = Query::parse(query).map_err(|error| Failure::invalid(format!("`query`: {error}")))?;
            let roles = SearchRole::NAMED.iter().filter(|(name, _)| *name == role).map(|(_, role)| *role);
            // In one session each place counts; among many each conversation once.
            let one_each = session.is_none();
            let filter =
                SearchFilter { roles: roles.collect(), session, one_each, ..SearchFilter::new(query, limit) };
            Asked::Words(Box::new(filter))
        }
        (None, Some(session)) if message > 0 => Asked::Place { session, message, window },
        (None, Some(session)) => Asked::Session(session),
        (None, None) if message > 0 => {
            return Err(Failure::invalid("`around_message_id` needs the `session_id` that it is in"));
        }
        (None, None) => Asked::Lately(limit),
    })
}

impl Asked {
    fn answer(self, store: &Store) -> Result<Value, Failure> {
        let answered = match self {
            Self::Words(filter) => found(store, &filter),
            Self::Place { session, message, window } => match store.session(&session) {
                Ok(Some(header)) => place(store, &header, message, window),
                Ok(None) => return Err(unknown(&session)),
                Err(error) => Err(error),
            },
            Self::Session(session) => match store.session(&session) {
                Ok(Some(header)) => whole(store, &header),
                Ok(None) => return Err(unknown(&session)),
                Err(error) => Err(error),
            },
            Self::Lately(limit) => lately(store, limit),
        };
        answered.map_err(|error| trouble(&error))
    }
}

/// Whoever may read sessions over HTTP may have the agent read them.
fn may_read(store: &Store, key: &KeyId) -> Result<bool, StoreError> {
    if key.is_env() || *key == KeyId::cli() {
        return Ok(true);
    }
    let keys = store.keys()?;
    let scopes = keys.iter().filter(|record| record.id == *key).flat_map(|record| &record.scopes);
    Ok(scopes.into_iter().any(|scope| scope == "sessions" || scope == "admin"))
}

fn found(store: &Store, filter: &SearchFilter) -> Result<Value, StoreError> {
    let page = store.search(filter)?;
    let hits: Result<Vec<Value>, StoreError> = page.hits.iter().map(|hit| shown(store, hit)).collect();
    let mut answer = json!({ "hits": hits?, "has_more": page.has_more });
    if !page.complete {
        answer["note"] =
            "not every message could be looked at; more may be found later, or with narrower words".into();
    }
    if page.hits.is_empty() {
        answer["hint"] = "nothing has all of these words; use fewer, or the beginning of one: `pre*`".into();
    }
    Ok(answer)
}

fn shown(store: &Store, hit: &SearchHit) -> Result<Value, StoreError> {
    let SearchHit { session, message, snippet, .. } = hit;
    let mut shown = facts(session);
    shown["message_id"] = message.number.into();
    shown["role"] = hit.role.name().into();
    shown["snippet"] = snippet.text.as_str().into();
    let from = message.number.saturating_sub(WINDOW + 1);
    shown["around"] = rows(store, &session.id, from, 2 * WINDOW + 1, SHORT)?;
    shown["first"] = rows(store, &session.id, 0, ENDS, SHORT)?;
    shown["last"] = rows(store, &session.id, session.messages.saturating_sub(ENDS), ENDS, SHORT)?;
    Ok(shown)
}

fn place(store: &Store, session: &SessionHeader, message: u64, window: u64) -> Result<Value, StoreError> {
    let mut answer = facts(session);
    let from = message.saturating_sub(window + 1);
    answer["messages"] = rows(store, &session.id, from, 2 * window + 1, LONG)?;
    Ok(answer)
}

fn whole(store: &Store, session: &SessionHeader) -> Result<Value, StoreError> {
    let mut answer = facts(session);
    let end = END as u64;
    if session.messages <= BEGINNING + end {
        answer["messages"] = rows(store, &session.id, 0, BEGINNING + end, LONG)?;
        return Ok(answer);
    }
    answer["first"] = rows(store, &session.id, 0, BEGINNING, LONG)?;
    answer["last"] = rows(store, &session.id, session.messages - end, end, LONG)?;
    answer["hint"] =
        "give `around_message_id` for what is between, or a `query` with this `session_id`".into();
    Ok(answer)
}

fn lately(store: &Store, limit: usize) -> Result<Value, StoreError> {
    let sessions = store.sessions(&SessionFilter { limit, ..SessionFilter::default() })?;
    let sessions: Vec<Value> = sessions.iter().map(facts).collect();
    Ok(
        json!({ "sessions": sessions, "hint": "give a `query` to look for words, or a `session_id` to read one" }),
    )
}

fn facts(session: &SessionHeader) -> Value {
    json!({
        "session_id": session.id,
        "title": session.title,
        "preview": session.preview,
        "last_active": date(session.last_active),
        "message_count": session.messages,
        "forked_from": session.parent,
    })
}

/// Messages behind the first `after`.
fn rows(
    store: &Store,
    session: &SessionId,
    after: u64,
    count: u64,
    length: usize,
) -> Result<Value, StoreError> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let page = store.session_messages(session, after, count)?;
    let rows = page.map_or_else(Vec::new, |page| page.messages);
    Ok(rows.iter().map(|row| row_of(row, length)).collect())
}

fn row_of(row: &SessionMessage, length: usize) -> Value {
    let cut = |text: &str| match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    };
    let mut shown = json!({ "id": row.number, "at": row.at.map(date) });
    match &row.message {
        Message::System { content } => {
            shown["role"] = "system".into();
            shown["text"] = cut(content).into();
        }
        Message::User { content } => {
            shown["role"] = "user".into();
            shown["text"] = cut(&content.text()).into();
        }
        Message::Assistant { content, tool_calls, .. } => {
            shown["role"] = "assistant".into();
            shown["text"] = cut(content).into();
            if !tool_calls.is_empty() {
                let calls = tool_calls.iter().map(|call| cut(&format!("{} {}", call.name, call.arguments)));
                shown["calls"] = calls.collect();
            }
        }
        Message::Tool { name, content, .. } => {
            shown["role"] = "tool".into();
            shown["tool"] = json!(name);
            shown["text"] = cut(content).into();
        }
    }
    shown
}

fn unknown(session: &SessionId) -> Failure {
    Failure::new("not_found", format!("there is no session `{session}`"))
        .hint("call without arguments for the sessions that were used last")
}

fn trouble(error: &StoreError) -> Failure {
    Failure::new("store_failed", format!("the sessions cannot be read: {error}"))
}
