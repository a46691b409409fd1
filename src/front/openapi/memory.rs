//! What the agent remembers, described.

use super::{
    Access, Operation,
    schema::{Schema, always, boolean, integer, list, named, object, one_of, text, time},
};
use crate::{
    actors::Scope,
    domain::{Code, MemoryAct, MemoryTarget},
};

const TAG: &str = "memory";
const SCOPE: Access = Access::Scope(Scope::Memory);

fn operation(name: &'static str, summary: &'static str) -> Operation {
    let whose = "Whose memory, where `memory.scope` is `key`.";
    Operation::new(TAG, name, SCOPE, summary)
        .header("X-Hermes-Session-Key", text(), whose)
        .fails([Code::InvalidSessionKey])
}

fn edits(name: &'static str, summary: &'static str) -> Operation {
    operation(name, summary)
        .header("If-Match", text(), "Refuse unless the file has this etag.")
        .answers(200, named("MemoryEdit"), "The file as it is now, and what was changed.")
        .keeps_its_answer()
        .fails([
            Code::MemoryChanged,
            Code::MemoryFull,
            Code::MemoryEntryNotFound,
            Code::MemoryEntryAmbiguous,
            Code::MemoryBlocked,
            Code::MemoryOff,
        ])
}

fn target() -> Schema {
    one_of(MemoryTarget::ALL.map(MemoryTarget::wire)).or_else("memory")
}

pub fn show() -> Operation {
    let answer = object()
        .has("object", always("hermes.memory"))
        .has("enabled", boolean())
        .has("user_enabled", boolean())
        .has("memory", named("MemoryFile"))
        .has("user", named("MemoryFile"));
    operation("memory", "What the agent remembers")
        .text("`memory` is what the agent noted, `user` what it noted about the person that it works for.")
        .answers(200, answer, "Both files, entry by entry.")
}

pub fn add() -> Operation {
    let step = object()
        .has("action", one_of(["add", "replace", "remove"]))
        .may("content", text())
        .may("old_text", text());
    let body = object()
        .may("target", target())
        .may("content", text().note("The entry to add."))
        .may("operations", list(step).at_least(1).note("Instead of `content`: all or none."));
    edits("memory_add", "Add an entry, or carry several operations out").body(body)
}

pub fn replace() -> Operation {
    let body = object()
        .may("target", target())
        .has("old_text", text().note("Part of the one entry that is meant."))
        .has("content", text());
    edits("memory_replace", "Put a text in the place of an entry").body(body)
}

pub fn remove() -> Operation {
    edits("memory_remove", "Remove an entry").query("target", target(), "Which file.").query(
        "old_text",
        text(),
        "Part of the one entry that is meant.",
    )
}

pub fn history() -> Operation {
    let answer = object()
        .has("object", always("list"))
        .has("data", list(named("MemoryChange")))
        .has("has_more", boolean());
    operation("memory_history", "What was changed, newest first")
        .query("target", target(), "Which file.")
        .query("limit", integer().from(1).to(200).or_else(50), "Rows at most.")
        .query("before", integer(), "Only changes before the one of this number.")
        .answers(200, answer, "Changes.")
}

pub fn undo() -> Operation {
    operation("memory_undo", "Take a change back")
        .text("That is a change as well, and can be taken back like any other.")
        .query("target", target(), "Which file.")
        .answers(200, named("MemoryEdit"), "The file as it is now, and what was changed.")
        .keeps_its_answer()
        .fails([Code::MemoryChangeNotFound, Code::MemorySuperseded, Code::MemoryFull, Code::MemoryOff])
}

fn with_origin(schema: Schema) -> Schema {
    let trusted = "False: the agent had read what strangers wrote before it wrote this.";
    schema
        .has("author", one_of(["agent", "person", "file"]).note("`file`: it was found in the file."))
        .has("key_id", text().or_null())
        .has("session_id", text().or_null())
        .has("run_id", text().or_null())
        .has("trusted", boolean().note(trusted))
        .has("at", time())
}

pub fn components() -> Vec<(&'static str, Schema)> {
    let blocked = text().or_null().note("The pattern for which it is not shown to the model.");
    let detail = with_origin(object()).has("blocked", blocked);
    let file = object()
        .has("entries", list(text()))
        .has("entry_count", integer())
        .has("characters", integer())
        .has("limit", integer())
        .has("etag", text())
        .has("details", list(detail).note("Of each entry, in the same order."));
    let change = with_origin(object())
        .has("object", always("hermes.memory.change"))
        .has("number", integer())
        .has(
            "act",
            one_of(MemoryAct::ALL.map(MemoryAct::wire)).note("`found`: the file had changed by itself."),
        )
        .has("added", list(text()))
        .has("removed", list(text()))
        .has("undoes", integer().or_null());
    let edit = object()
        .has("object", always("hermes.memory.edit"))
        .has("changed", boolean())
        .has("target", target())
        .has("file", named("MemoryFile"))
        .has("change", named("MemoryChange").or_null());
    vec![("MemoryFile", file), ("MemoryChange", change), ("MemoryEdit", edit)]
}
