//! What model calls cost, described.

use super::{
    Access, Operation,
    schema::{Schema, always, boolean, integer, list, number, object, one_of, text},
};
use crate::{actors::Scope, domain::UsageBy, front::usage::PAGE};

pub fn show() -> Operation {
    let names = || one_of(UsageBy::NAMED.map(|(name, _)| name));
    let row = sums()
        .may("day", text().note("`by=day`: in UTC."))
        .may("session_id", text().or_null().note("`by=session`; null: of turns that are no longer kept."))
        .may("key_id", text().note("`by=key`: whose requests."))
        .may("provider", text().note("`by=model`."))
        .may("model", text())
        .may(
            "kind",
            one_of(["main", "child", "compression", "vision", "review"])
                .note("`by=kind`: a step of a turn, a step of a child, a summary, a look at a picture, a judgement."),
        );
    let answer = object()
        .has("object", always("list"))
        .has("by", names())
        .has("from", number())
        .has("to", number())
        .has("data", list(row))
        .has("total", sums().note("Of all rows, those of other pages included."))
        .has("has_more", boolean());
    let point = || text().note("Seconds since 1970, or a day such as `2026-11-22`, in UTC.");
    Operation::new("usage", "usage", Access::Scope(Scope::Read), "What model calls cost")
        .text(
            "Every attempt to ask an upstream is a call, failed ones included. Of turns that are no longer kept there are \
             sums by day, key, model and kind.",
        )
        .query("by", names().or_else("day"), "What the sums are for.")
        .query("from", point(), "From then on; 30 days by default.")
        .query("to", point(), "Until then, a day to its end; now by default.")
        .query("limit", integer().from(1).to(200).or_else(PAGE), "Rows of the page.")
        .query("offset", integer().from(0).or_else(0), "Rows before it.")
        .answers(200, answer, "Days the newest first, all else the dearest first.")
}

fn sums() -> Schema {
    object()
        .has("calls", integer())
        .has("failed_calls", integer())
        .has("input_tokens", integer())
        .has("output_tokens", integer())
        .has("total_tokens", integer())
        .has("cached_tokens", integer().note("Of the input."))
        .has("reasoning_tokens", integer().note("Of the output."))
        .has("duration_ms", integer())
        .has("cost_usd", number().or_null().note("Of the calls whose provider has `prices`; null: of none."))
}
