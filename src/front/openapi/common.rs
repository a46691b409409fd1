//! Schemas that several resources share.

use super::schema::{Schema, always, boolean, integer, object, one_of, text};
use crate::domain::Code;

pub fn components() -> Vec<(&'static str, Schema)> {
    vec![
        ("Error", object().has("error", error()).may("hermes", super::schema::named("TurnFailure"))),
        (
            "TurnFailure",
            object()
                .has("completed", boolean())
                .has("partial", boolean().note("There was text before the failure."))
                .has("failed", boolean())
                .has("error", text())
                .has("error_code", code()),
        ),
        (
            "Usage",
            object()
                .has("input_tokens", integer())
                .has("output_tokens", integer())
                .has("total_tokens", integer())
                .may("cached_tokens", integer().note("Of the input: what the upstream had cached."))
                .may("reasoning_tokens", integer().note("Of the output: what went into thinking."))
                .note("Tokens, summed over all upstream calls of the turn."),
        ),
    ]
}

/// The members of an error, always all four.
pub fn error() -> Schema {
    object()
        .has("message", text().note("What happened and what to do."))
        .has("type", one_of(["invalid_request_error", "rate_limit_error", "server_error"]))
        .has("param", text().or_null().note("The place in the request that is wrong."))
        .has("code", code())
}

pub fn code() -> Schema {
    one_of(Code::ALL.iter().map(|code| code.wire()))
}

/// The answer to a deletion.
pub fn deleted(object_name: &'static str) -> Schema {
    object().has("id", text()).has("object", always(object_name)).has("deleted", always(true))
}
