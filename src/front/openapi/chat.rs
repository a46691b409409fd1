//! Chat completions, described.

use super::{
    Access, Operation,
    common::error,
    models::selection,
    runs::{sampling, unserved},
    schema::{Schema, always, any, boolean, either, flag, integer, list, named, object, one_of, text},
};
use crate::{
    actors::Scope,
    domain::{Code, Finish},
};

pub fn complete() -> Operation {
    Operation::new("chat", "chat_completions", Access::Scope(Scope::Chat), "One turn of the agent")
        .text(
            "OpenAI's chat completions. With `stream` the answer is a stream of chunks that ends with `data: [DONE]`; \
             `event: hermes.tool.progress` frames, which are chunks too, tell of the agent's tools. A client that lost \
             its connection goes on with `X-Hermes-Run-Id` and `Last-Event-ID`.",
        )
        .body(named("ChatRequest"))
        .header("X-Hermes-Run-Id", text(), "Go on reading this run instead of starting one.")
        .header("Last-Event-ID", integer().from(0), "With `X-Hermes-Run-Id`: the last event that was seen.")
        .answers(200, named("ChatCompletion"), "The answer, in one piece or as a stream.")
        .streams(named("ChatChunk"), "")
        .starts_a_run()
        .fails([
            Code::UnsupportedParameter,
            Code::ContextLengthExceeded,
            Code::VisionUnsupported,
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

/// Text, or parts.
pub fn content() -> Schema {
    let part = object()
        .has("type", text().example("text"))
        .may("text", text().or_null())
        .may("image_url", either([text(), object().has("url", text()).may("detail", text())]))
        .open();
    either([text(), list(either([text(), part]))]).or_null()
}

fn message() -> Schema {
    object()
        .has("role", one_of(["system", "developer", "user", "assistant", "tool"]))
        .may("content", content())
        .may("tool_calls", list(any()))
        .may("tool_call_id", text())
        .open()
}

fn request() -> Schema {
    let request = object()
        .has("messages", list(named("ChatMessage")).at_least(1).note("The last one is the turn's input."))
        .may("stream", flag().or_else(false))
        .may(
            "tools",
            list(tool()).note("Run by the client, beside the agent's own: a call of one ends the turn."),
        )
        .may("tool_choice", either([one_of(["none", "auto", "required"]), chosen_tool()]))
        .may("parallel_tool_calls", boolean())
        .may("stream_options", usage_told().note("Changes nothing: the last chunk has usage."))
        .may("metadata", object().open().note("Changes nothing."));
    selection(unserved(sampling(request))).open()
}

fn usage_told() -> Schema {
    object().may("include_usage", flag()).may("include_obfuscation", flag()).open()
}

fn tool() -> Schema {
    let function = object()
        .has("name", text())
        .may("description", text().or_null())
        .may("parameters", object().open().or_null())
        .may("strict", boolean().or_null());
    object().may("type", always("function")).has("function", function.open()).open()
}

fn chosen_tool() -> Schema {
    let function = object().has("name", text()).open();
    object().may("type", always("function")).has("function", function).open()
}

/// A call of a client's tool, whole; its stream brings it in parts.
fn call() -> Schema {
    let function = object().has("name", text()).has("arguments", text());
    object().has("id", text()).has("type", always("function")).has("function", function)
}

fn call_part() -> Schema {
    let function = object().may("name", text()).has("arguments", text());
    object()
        .has("index", integer().from(0))
        .may("id", text())
        .may("type", always("function"))
        .has("function", function)
}

fn finish() -> Schema {
    one_of(Finish::ALL.map(Finish::wire).into_iter().chain(["error"]))
}

fn tokens() -> Schema {
    object()
        .has("prompt_tokens", integer())
        .has("completion_tokens", integer())
        .has("total_tokens", integer())
        .may("prompt_tokens_details", object().has("cached_tokens", integer()))
        .may("completion_tokens_details", object().has("reasoning_tokens", integer()))
}

fn completion() -> Schema {
    let message = object()
        .has("role", always("assistant"))
        .has("content", text().or_null())
        .may("reasoning_content", text())
        .may("tool_calls", list(call()).note("For the client to run; with `finish_reason: tool_calls`."));
    let choice = object().has("index", always(0)).has("message", message).has("finish_reason", finish());
    object()
        .has("id", text())
        .has("object", always("chat.completion"))
        .has("created", integer())
        .has("model", text())
        .has("choices", list(choice))
        .has("usage", tokens())
        .may("hermes", named("TurnFailure"))
}

fn chunk() -> Schema {
    let delta = object()
        .may("role", always("assistant"))
        .may("content", text().or_null())
        .may("reasoning_content", text())
        .may("tool_calls", list(call_part()));
    let choice =
        object().has("index", always(0)).has("delta", delta).has("finish_reason", finish().or_null());
    object()
        .has("id", text())
        .has("object", always("chat.completion.chunk"))
        .has("created", integer())
        .has("model", text())
        .has("choices", list(choice).note("Always one."))
        .may("usage", tokens().note("On the last chunk."))
        .may("error", error().note("On the last chunk of a failed turn."))
        .may("hermes", named("TurnFailure"))
        .may("tool", text().note("This and the following: on `hermes.tool.progress`."))
        .may("toolCallId", text())
        .may("status", one_of(["running", "completed"]))
        .may("emoji", text())
        .may("label", text())
        .may("approval", object().has("id", text()).has("description", text()))
}

pub fn components() -> Vec<(&'static str, Schema)> {
    let input = object()
        .may("role", one_of(["system", "developer", "user", "assistant", "tool"]).or_else("user"))
        .may("content", content())
        .open();
    vec![
        ("ChatRequest", request()),
        ("ChatMessage", message()),
        ("InputMessage", input),
        ("ChatCompletion", completion()),
        ("ChatChunk", chunk()),
    ]
}
