//! The Responses API, described.

use super::{
    Access, Operation,
    common::{code, deleted},
    models::selection,
    runs::sampling,
    schema::{
        Schema, always, any, boolean, either, flag, integer, list, map, named, number, object, one_of, page,
        text,
    },
};
use crate::{
    actors::Scope,
    domain::{Code, ToolItems},
};

const TAG: &str = "responses";
const SCOPE: Access = Access::Scope(Scope::Chat);

pub fn create() -> Operation {
    Operation::new(TAG, "responses", SCOPE, "One turn of the agent, as a response that is kept")
        .text(
            "OpenAI's Responses API. A turn that began and then failed is a response with the status `failed`. With \
             `stream` the answer is a stream of events, each with its `sequence_number`, which leaves out some after a \
             crash of the gateway; `id:` is the number of the run's event.",
        )
        .body(named("ResponseRequest"))
        .header(
            "X-Hermes-Tool-Items",
            one_of(ToolItems::NAMED.map(|(name, _)| name)),
            "How the agent's own tool calls are shown.",
        )
        .answers(200, named("Response"), "The response: when it is over, or at once in the background.")
        .streams(named("ResponseEvent"), "")
        .starts_a_run()
        .fails([
            Code::UnsupportedParameter,
            Code::PreviousResponseNotFound,
            Code::KeyRevoked,
            Code::Interrupted,
        ])
}

pub fn show() -> Operation {
    Operation::new(TAG, "response", SCOPE, "A response as it stands, or its events")
        .query("stream", boolean(), "Its events from the beginning; a response that goes on is followed.")
        .query("starting_after", integer().from(0), "With `stream`: only events behind this number.")
        .header("Last-Event-ID", integer().from(0), "With `stream`: only what comes behind this `id:`.")
        .answers(200, named("Response"), "The response.")
        .streams(named("ResponseEvent"), "")
        .fails([Code::ResponseNotFound, Code::KeyRevoked])
}

pub fn delete() -> Operation {
    Operation::new(TAG, "response_delete", SCOPE, "Forget a response")
        .text(
            "It can no longer be asked for, nor gone on from. A turn that goes on is stopped. The run, the session and \
             later links of a chain stay.",
        )
        .answers(200, deleted("response"), "It is forgotten.")
        .keeps_its_answer()
        .fails([Code::ResponseNotFound])
}

pub fn cancel() -> Operation {
    Operation::new(TAG, "response_cancel", SCOPE, "End a response's turn")
        .text("The answer has what there is of it. A response that is over stays as it is.")
        .answers(200, named("Response"), "The response, when its turn has ended.")
        .keeps_its_answer()
        .fails([Code::ResponseNotFound, Code::KeyRevoked])
}

pub fn input_items() -> Operation {
    let items =
        page(named("ResponseItem")).has("first_id", text().or_null()).has("last_id", text().or_null());
    Operation::new(TAG, "response_input_items", SCOPE, "What a response was asked, item by item")
        .query("limit", integer().from(1).to(200).or_else(20), "Items of the page.")
        .query("order", one_of(["asc", "desc"]).or_else("desc"), "`desc`: the newest first.")
        .query("after", text(), "An item id: only those behind it.")
        .answers(200, items, "A page of items.")
        .fails([Code::ResponseNotFound])
}

fn item() -> Schema {
    let status = || one_of(["in_progress", "completed", "incomplete", "failed"]);
    let of = |kind: &str| object().has("type", always(kind)).has("id", text()).has("status", status());
    let part = either([
        object()
            .has("type", always("output_text"))
            .has("text", text())
            .has("annotations", list(any()))
            .has("logprobs", list(any())),
        object().has("type", always("reasoning_text")).has("text", text()),
        object().has("type", always("input_text")).has("text", text()),
        object()
            .has("type", always("input_image"))
            .has("image_url", text())
            .has("detail", text())
            .has("file_id", text().or_null()),
    ]);
    either([
        of("message")
            .has("role", one_of(["user", "assistant", "system", "developer"]))
            .has("content", list(part.clone())),
        of("reasoning").has("summary", list(any())).has("content", list(part)),
        of("function_call").has("call_id", text()).has("name", text()).has("arguments", text()),
        of("function_call_output").has("call_id", text()).has("output", text()),
        of("mcp_call")
            .has("server_label", text())
            .has("name", text())
            .has("arguments", text())
            .has("output", text().or_null())
            .has("error", text().or_null())
            .has("approval_request_id", text().or_null()),
    ])
}

fn request() -> Schema {
    let input = either([text(), list(either([text(), object().open()])).at_least(1)]);
    let conversation = either([text(), object().has("id", text()).open()]);
    let request = object()
        .has("input", input.note("A text, or items of which the last begins the turn."))
        .may("instructions", text().or_null().note("Added to the agent's own; a chain inherits them."))
        .may("previous_response_id", text().or_null())
        .may(
            "conversation",
            conversation.or_null().note("A name, or `{\"id\": name}`; a new name begins one."),
        )
        .may("conversation_history", list(named("InputMessage")).note("A whole history instead of a link."))
        .may("stream", flag().or_else(false))
        .may("store", flag().or_else(true))
        .may("background", flag().or_else(false))
        .may("tools", list(object().has("type", always("function")).has("name", text()).open()))
        .may("tool_choice", either([one_of(["auto", "none", "required"]), object().open()]))
        .may("parallel_tool_calls", flag())
        .may("max_output_tokens", integer().from(1).or_null())
        .may("truncation", one_of(["auto", "disabled"]))
        .may("metadata", map(text()))
        .may("include", list(text()))
        .may("text", object().may("format", object().has("type", text()).open()).open())
        .may("reasoning", object().may("effort", text().or_null()).open());
    selection(sampling(request)).open()
}

fn response() -> Schema {
    let statuses = ["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"];
    let tokens = object()
        .has("input_tokens", integer())
        .has("input_tokens_details", object().has("cached_tokens", integer()))
        .has("output_tokens", integer())
        .has("output_tokens_details", object().has("reasoning_tokens", integer()))
        .has("total_tokens", integer());
    object()
        .has("id", text())
        .has("object", always("response"))
        .has("created_at", integer())
        .has("status", one_of(statuses))
        .has("completed_at", integer().or_null())
        .has("error", object().has("code", code()).has("message", text()).or_null())
        .has("incomplete_details", object().has("reason", text()).or_null())
        .has("instructions", text().or_null())
        .has("model", text())
        .has("output", list(named("ResponseItem")))
        .has("previous_response_id", text().or_null())
        .has("conversation", object().has("id", text()).or_null())
        .has("background", boolean())
        .has("store", boolean())
        .has("usage", tokens.or_null())
        .has("metadata", map(text()))
        .has("max_output_tokens", integer().or_null())
        .has("truncation", text())
        .has("text", object().open())
        .has("reasoning", object().open())
        .has("temperature", number().or_null())
        .has("top_p", number().or_null())
        .has("user", text().or_null())
        .has("tools", list(object().open()))
        .has("tool_choice", any())
        .has("parallel_tool_calls", boolean())
}

fn event() -> Schema {
    let numbered = |names: Vec<&str>| object().has("type", one_of(names)).has("sequence_number", integer());
    let within = |names: Vec<&str>| numbered(names).has("item_id", text()).has("output_index", integer());
    either([
        numbered(vec![
            "response.created",
            "response.queued",
            "response.in_progress",
            "response.completed",
            "response.incomplete",
            "response.failed",
        ])
        .has("response", named("Response")),
        numbered(vec!["response.output_item.added", "response.output_item.done"])
            .has("output_index", integer())
            .has("item", named("ResponseItem")),
        within(vec!["response.content_part.added", "response.content_part.done"])
            .has("content_index", integer())
            .has("part", object().has("type", text()).open()),
        within(vec!["response.output_text.delta", "response.reasoning_text.delta"])
            .has("content_index", integer())
            .has("delta", text())
            .may("logprobs", list(any())),
        within(vec!["response.output_text.done", "response.reasoning_text.done"])
            .has("content_index", integer())
            .has("text", text())
            .may("logprobs", list(any())),
        within(vec!["response.function_call_arguments.delta", "response.mcp_call_arguments.delta"])
            .has("delta", text()),
        within(vec!["response.function_call_arguments.done", "response.mcp_call_arguments.done"])
            .has("name", text())
            .has("arguments", text()),
        within(vec![
            "response.mcp_call.in_progress",
            "response.mcp_call.completed",
            "response.mcp_call.failed",
        ]),
        numbered(vec!["error"]).has("code", code()).has("message", text()).has("param", text().or_null()),
    ])
}

pub fn components() -> Vec<(&'static str, Schema)> {
    vec![
        ("ResponseRequest", request()),
        ("Response", response()),
        ("ResponseItem", item()),
        ("ResponseEvent", event()),
    ]
}
