//! The search in sessions, described.

use super::{
    Access, Operation,
    schema::{boolean, integer, list, number, object, one_of, page, text, time},
};
use crate::{
    actors::Scope,
    front::sessions::{
        resources::MOST,
        search::{FURTHEST, HITS},
    },
};

pub fn search() -> Operation {
    let hit = object()
        .has("session_id", text())
        .has("session_title", text().or_null())
        .has("source", text())
        .has("message_id", integer().from(1))
        .has("role", one_of(["user", "assistant", "tool", "system"]))
        .has("timestamp", time().or_null())
        .has("snippet", text())
        .has(
            "marks",
            list(list(integer()))
                .note("Words of the query: first character of the snippet, and the one behind."),
        )
        .has("score", number());
    Operation::new("sessions", "session_search", Access::Scope(Scope::Sessions), "Find messages by their words")
        .text(
            "All words must be there. `\"some words\"` keeps them together, `pre*` is the beginning of a word, `OR` offers \
             another, `-word` shuts one out; case and accents do not count. Scripts without spaces are found by any part of \
             two letters or more. Tool calls and results are looked at too, up to 256 KiB of a message.",
        )
        .query("q", text(), "What to look for; required.")
        .query("role", text(), "Whose messages: of user, assistant, tool, system, with commas between.")
        .query("since", number(), "Not said before this time, in seconds since 1970.")
        .query("until", number(), "Said before this time.")
        .query("session_id", text(), "Only in this session.")
        .query("source", text(), "Only in sessions that this surface made.")
        .query("sort", one_of(["relevance", "newest"]).or_else("relevance"), "The order.")
        .query("one_each", boolean().or_else(false), "Of a session and its forks only the best message.")
        .query("limit", integer().from(1).to(MOST as u64).or_else(HITS as u64), "Hits of the page.")
        .query("offset", integer().from(0).to(FURTHEST as u64).or_else(0), "Hits to pass over first.")
        .answers(
            200,
            page(hit)
                .has("limit", integer())
                .has("offset", integer())
                .has("complete", boolean().note("False: not all messages were looked at; narrow the search, or ask again while the index is made.")),
            "A page of hits, best first.",
        )
}
