//! Compressing a session, described.

use super::{
    Access, Operation,
    schema::{always, boolean, integer, named, object, one_of, text, time},
};
use crate::{actors::Scope, domain::Code, front::sessions::compress::FOCUS};

pub fn compress() -> Operation {
    let note = format!("What to give most room to; at most {FOCUS} characters.");
    let summary = object()
        .has("number", integer().from(1))
        .has("first_messages", integer().note("So many messages at the beginning stay."))
        .has("last_covered", integer().note("The last message that it covers."))
        .has("author", one_of(["model", "extract"]).note("`extract`: no model could write it."))
        .has("text", text())
        .has("created_at", time());
    Operation::new("sessions", "session_compress", Access::Scope(Scope::Chat), "Put a summary in the place of a session's older messages")
        .text(
            "A turn of the session, as one that says `/compress` would be: it waits for the one at work, and its usage is \
             counted. The messages stay, and can be read and found; models are told the summary instead.",
        )
        .body(object().may("focus", text().or_null().note(&note)))
        .answers(
            200,
            object()
                .has("object", always("hermes.session.compression"))
                .has("session_id", text())
                .has("run_id", text())
                .has("compressed", boolean().note("False: there is nothing that could give way."))
                .has("message", text())
                .has("summary", summary.or_null().note("The one that the session goes on from."))
                .has("usage", named("Usage")),
            "It is on disk.",
        )
        .starts_a_run()
        .fails([
            Code::SessionNotFound,
            Code::KeyRevoked,
            Code::UpstreamError,
            Code::UpstreamRateLimited,
            Code::UpstreamTimeout,
            Code::Interrupted,
            Code::RunCancelled,
            Code::ModelNotFound,
            Code::ContextLengthExceeded,
        ])
}
