//! Sessions, described.

use super::{
    Access, Operation,
    common::{deleted, error},
    models::selection,
    runs::on_busy,
    schema::{
        Schema, always, any, boolean, either, flag, integer, list, named, number, object, one_of, page, text,
        time,
    },
};
use crate::{
    actors::Scope,
    domain::{Code, Finish, RouteSource},
    front::sessions::{
        request::MAX_TITLE,
        resources::{MESSAGES, MOST, PAGE},
    },
};

const TAG: &str = "sessions";
const SCOPE: Access = Access::Scope(Scope::Sessions);

pub fn list_all() -> Operation {
    Operation::new(TAG, "sessions", SCOPE, "List sessions of every surface, last used first")
        .text("Numbers that are none count as their default, larger ones as the largest.")
        .query("limit", integer().from(0).to(MOST as u64).or_else(PAGE as u64), "Rows of the page.")
        .query("offset", integer().from(0).or_else(0), "Rows to pass over first.")
        .query(
            "after",
            text(),
            "The `next_after` of the page before: quicker than `offset`, and nothing shifts.",
        )
        .query("source", text(), "Only those that this surface made.")
        .query("include_children", boolean(), "Accepted; no session is hidden.")
        .answers(
            200,
            page(named("Session"))
                .has("limit", integer())
                .has("offset", integer())
                .may("next_after", text().note("Only when there is more.")),
            "A page of sessions.",
        )
}

pub fn create() -> Operation {
    Operation::new(TAG, "session_create", SCOPE, "Make a session")
        .body(
            object()
                .may("id", text().note("Also as `session_id`; made when missing."))
                .may("title", title())
                .may(
                    "model",
                    text().note(
                        "Alone a label, until a turn puts the real one in its place; else of the lock.",
                    ),
                )
                .may("provider", text().or_null().note("Locks the session to a model of this provider."))
                .may("model_options", named("ModelRequestOptions"))
                .may("require_model_lock", flag().note("Locks the session to `model`, or makes none."))
                .may("system_prompt", prompt())
                .open(),
        )
        .answers(201, one(), "It is on disk.")
        .keeps_its_answer()
        .fails([
            Code::InvalidSessionId,
            Code::InvalidTitle,
            Code::InvalidSystemPrompt,
            Code::SessionExists,
            Code::MissingModel,
            Code::ModelLockUnavailable,
            Code::StorageLow,
        ])
}

pub fn lock_model() -> Operation {
    Operation::new(TAG, "session_model", SCOPE, "Lock a session to a model")
        .text(
            "It answers every turn that is taken on after this, on all surfaces, whatever a request asks for. A turn \
             whose locked model is not available any more is refused. `{\"model\": null}` takes the lock off.",
        )
        .body(
            object()
                .has("model", text().or_null().note("A route, or a model of `provider`, else of the profile's own."))
                .may("provider", text().or_null().note("One of `/api/model/options`."))
                .may("model_options", named("ModelRequestOptions"))
                .open(),
        )
        .answers(
            200,
            object()
                .has("object", always("hermes.session.model_lock"))
                .has("session_id", text())
                .has("runtime", named("Runtime")),
            "It is on disk.",
        )
        .keeps_its_answer()
        .unknown()
        .fails([Code::MissingModel, Code::ModelLockUnavailable])
}

pub fn show() -> Operation {
    Operation::new(TAG, "session", SCOPE, "Look at a session").answers(200, one(), "The session.").unknown()
}

pub fn change() -> Operation {
    Operation::new(TAG, "session_update", SCOPE, "Change title or system prompt, or end it")
        .text("The first reason to end it stays; turns are taken on all the same.")
        .body(
            object().may("title", title()).may("system_prompt", prompt()).may("end_reason", text().or_null()),
        )
        .answers(200, one(), "The session as it is now.")
        .keeps_its_answer()
        .unknown()
        .fails([Code::InvalidTitle, Code::InvalidSystemPrompt, Code::UnsupportedSessionField])
}

pub fn delete() -> Operation {
    Operation::new(TAG, "session_delete", SCOPE, "Delete a session with its messages")
        .text("Its turns are stopped first, running and queued ones. Copies of it stay.")
        .answers(200, deleted("hermes.session.deleted"), "It is gone.")
        .keeps_its_answer()
        .unknown()
        .fails([Code::SessionBusy])
}

pub fn messages() -> Operation {
    Operation::new(TAG, "session_messages", SCOPE, "Read a session's messages, oldest first")
        .text("Message ids count from 1 within the session. A page also ends at 8 MiB.")
        .query(
            "limit",
            integer().from(1).to(MESSAGES as u64).or_else(MESSAGES as u64),
            "Messages of the page.",
        )
        .query("offset", integer().from(0).or_else(0), "Messages to pass over first.")
        .query("after", integer().from(0), "The id of the last message that was seen.")
        .query("order", one_of(["oldest"]), "Accepted.")
        .answers(
            200,
            page(named("SessionMessage"))
                .has("session_id", text())
                .may("next_after", integer().note("Only when there is more."))
                .has(
                    "pagination",
                    object()
                        .has("limit", integer())
                        .has("offset", integer())
                        .has("order", always("oldest"))
                        .has("returned", integer()),
                ),
            "A page of messages.",
        )
        .unknown()
}

pub fn fork() -> Operation {
    Operation::new(TAG, "session_fork", SCOPE, "Copy a session, to go on from here in two ways")
        .text("The copy has messages and system prompt; without a title it is called as the source, with a number.")
        .body(object().may("id", text()).may("title", title()).open())
        .answers(201, one(), "The copy; it is on disk.")
        .keeps_its_answer()
        .unknown()
        .fails([Code::InvalidSessionId, Code::InvalidTitle, Code::SessionExists, Code::StorageLow])
}

pub fn chat() -> Operation {
    turn("session_chat", "One turn of a session").answers(
        200,
        object()
            .has("object", always("hermes.session.chat.completion"))
            .has("session_id", text())
            .has("run_id", text())
            .has("message", object().has("role", always("assistant")).has("content", text()))
            .has("finish_reason", one_of([Finish::Stop, Finish::Length].map(Finish::wire)))
            .has("usage", named("Usage"))
            .may("runtime", named("Runtime")),
        "The answer.",
    )
}

pub fn stream() -> Operation {
    turn("session_chat_stream", "One turn of a session, as a stream")
        .text(
            "Named events, the last of them `done`. A client that lost its connection goes on with `X-Hermes-Run-Id` and \
             `Last-Event-ID`; the turn does not mind.",
        )
        .streams(
            named("SessionEvent"),
            "`run.started`, `message.started`, then `assistant.delta`, `reasoning.delta`, `tool.started`, `tool.completed`, \
             `tool.failed`, `approval.request`, `approval.responded`, `clarify.request`, `clarify.responded`, `run.steered`, \
             `run.retrying`, `context.compressed`, \
             `subagent.start`, `subagent.complete`; at the end `assistant.completed` and \
             `run.completed`, or `error`; then `done`.",
        )
}

fn turn(name: &'static str, summary: &'static str) -> Operation {
    Operation::new(TAG, name, Access::Scope(Scope::Chat), summary)
        .body(named("SessionTurn"))
        .header("X-Hermes-Run-Id", text(), "Go on reading this run instead of starting one; needs no body.")
        .header("Last-Event-ID", integer().from(0), "With `X-Hermes-Run-Id`: the last event that was seen.")
        .starts_a_run()
        .unknown()
        .fails([
            Code::MissingMessage,
            Code::UnsupportedParameter,
            Code::InvalidSystemMessage,
            Code::UnsupportedContentType,
            Code::InvalidImageUrl,
            Code::InvalidContentPart,
            Code::ModelNotFound,
            Code::ContextLengthExceeded,
            Code::ImageTooLarge,
            Code::KeyRevoked,
            Code::RunNotFound,
            Code::UpstreamError,
            Code::UpstreamRateLimited,
            Code::UpstreamTimeout,
            Code::Interrupted,
            Code::RunCancelled,
        ])
}

impl Operation {
    fn unknown(self) -> Self {
        self.fails([Code::SessionNotFound])
    }
}

fn title() -> Schema {
    let note =
        format!("At most {MAX_TITLE} characters, and no other session's; `null` or a blank one for none.");
    text().or_null().note(&note)
}

fn prompt() -> Schema {
    text().or_null().note("Added to the agent's own in every turn of the session.")
}

fn one() -> Schema {
    object().has("object", always("hermes.session")).has("session", named("Session"))
}

fn session() -> Schema {
    object()
        .has("id", text())
        .has("source", text())
        .has("user_id", text().or_null())
        .has("model", text())
        .has("title", text().or_null())
        .has("started_at", time())
        .has("ended_at", time().or_null())
        .has("end_reason", text().or_null())
        .has("message_count", integer())
        .has("tool_call_count", integer())
        .has("input_tokens", integer())
        .has("output_tokens", integer())
        .has("cache_read_tokens", integer())
        .has("cache_write_tokens", integer())
        .has("reasoning_tokens", integer())
        .has("estimated_cost_usd", number().or_null())
        .has("actual_cost_usd", number().or_null())
        .has("api_call_count", integer())
        .has("parent_session_id", text().or_null().note("The session that it is a copy of."))
        .has("has_system_prompt", boolean())
        .has(
            "prompt_hash",
            text().or_null().note(
                "Of the agent's own prompt, which the session keeps; `null` before its first turn has ended.",
            ),
        )
        .has("has_model_config", boolean())
        .has("summary_count", integer().note("How often its older messages gave way to a summary."))
        .has(
            "model_lock",
            object().has("provider", text().or_null()).has("model", text().or_null()).or_null(),
        )
        .has("last_active", time())
        .has("preview", text().or_null().note("The beginning of what the user said first."))
}

fn message() -> Schema {
    object()
        .has("id", integer())
        .has("session_id", text())
        .has("role", one_of(["system", "user", "assistant", "tool"]))
        .has("content", either([text(), list(any())]))
        .has("tool_call_id", text().or_null())
        .has("tool_calls", list(any()).or_null())
        .has("tool_name", text().or_null())
        .has("timestamp", time().or_null())
        .has("compacted", boolean().note("Turns are told a summary instead of it."))
        .has("token_count", integer().or_null())
        .has("finish_reason", text().or_null())
        .has("reasoning", text().or_null())
        .has("reasoning_content", text().or_null())
}

fn request() -> Schema {
    let said = || either([text(), list(any())]);
    let request = object()
        .may("message", said().note("What the user says: a text, or parts with images among them."))
        .may("input", said().note("The same under another name."))
        .may("system_message", text().or_null().note("For this turn alone, beside the session's own."))
        .may("instructions", text().or_null().note("The same under another name."))
        .may("on_busy", on_busy());
    selection(request).open()
}

fn event() -> Schema {
    object()
        .has("session_id", text())
        .has("run_id", text())
        .has("seq", integer().from(1).note("Counts the frames."))
        .has("ts", time())
        .may("runtime", named("Runtime"))
        .may("error", error())
        .open()
}

fn runtime() -> Schema {
    object()
        .has("provider", text())
        .has("model", text().note("As the provider calls it."))
        .has("route_source", one_of(RouteSource::ALL.map(RouteSource::wire)))
        .has("requested", object().has("provider", text().or_null()).has("model", text().or_null()))
        .has("model_lock", one_of(["accepted", ""]))
}

pub fn components() -> Vec<(&'static str, Schema)> {
    vec![
        ("Session", session()),
        ("SessionMessage", message()),
        ("SessionTurn", request()),
        ("SessionEvent", event()),
        ("Runtime", runtime()),
    ]
}
