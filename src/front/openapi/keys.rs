//! Keys, described.

use super::{
    Access, Operation,
    schema::{Schema, always, integer, list, named, number, object, one_of, page, text, time},
};
use crate::{
    actors::{Scope, keys::MAX_OVERLAP},
    domain::Code,
};

const TAG: &str = "keys";
const SCOPE: Access = Access::Scope(Scope::Admin);

pub fn list_all() -> Operation {
    Operation::new(TAG, "keys", SCOPE, "List keys, oldest first")
        .text("Revoked ones included. The key of `API_SERVER_KEY` is not among them: it lives in the profile's `.env`.")
        .answers(200, page(named("Key")), "All keys that the profile's store has.")
}

pub fn create() -> Operation {
    let body = object()
        .may("name", name().or_else("api"))
        .may("scopes", scopes().note("All but `admin` and `impersonate`, unless said."))
        .may("tools", tools())
        .may("expires_at", time().or_null())
        .may("expires_in", number().or_null().note("Seconds; instead of `expires_at`."));
    Operation::new(TAG, "key_create", SCOPE, "Make a key")
        .text("A key cannot make one that may do more, use more tools or last longer than itself. Members that are not known are refused.")
        .body(body)
        .answers(201, named("ShownKey"), "The key with its token, which is shown this once.")
        .keeps_its_answer()
        .fails([Code::UnsupportedParameter])
}

pub fn show() -> Operation {
    Operation::new(TAG, "key", SCOPE, "One key")
        .answers(200, named("Key"), "The key.")
        .fails([Code::KeyNotFound])
}

pub fn change() -> Operation {
    let body = object()
        .may("name", name())
        .may("scopes", scopes().at_least(1))
        .may("tools", tools())
        .may("expires_at", time().or_null())
        .may("expires_in", number().or_null().note("Seconds; instead of `expires_at`."));
    Operation::new(TAG, "key_change", SCOPE, "Give a key another name or other rights")
        .text("A key that loses a right loses its open streams. Neither before nor after may it have more rights than the caller's.")
        .body(body)
        .answers(200, named("Key"), "The key as it is now.")
        .keeps_its_answer()
        .fails([Code::KeyNotFound, Code::KeyNotActive, Code::UnsupportedParameter])
}

pub fn rotate() -> Operation {
    let overlap = integer().from(0).to(MAX_OVERLAP.as_secs()).or_else(0);
    let body = object().may("overlap", overlap.note("Seconds for which the old secret works on."));
    Operation::new(TAG, "key_rotate", SCOPE, "Give a key another secret")
        .text("Its id, rights, runs and sessions stay. A secret that an earlier rotation left in force ends.")
        .body(body)
        .answers(200, named("ShownKey"), "The key with its token, which is shown this once.")
        .keeps_its_answer()
        .fails([Code::KeyNotFound, Code::KeyNotActive, Code::UnsupportedParameter])
}

pub fn revoke() -> Operation {
    Operation::new(TAG, "key_revoke", SCOPE, "Revoke a key")
        .text("At once and for ever: its open streams end, and the runs that it began are stopped. It stays in the list.")
        .answers(200, named("Key"), "The key, which is useless now.")
        .keeps_its_answer()
        .fails([Code::KeyNotFound])
}

fn name() -> Schema {
    text().note("1 to 64 characters.")
}

fn scopes() -> Schema {
    list(one_of(Scope::ALL.map(Scope::wire)))
}

fn tools() -> Schema {
    list(text()).or_null().note("The agent's tools that its runs may use; `null`: all.")
}

fn key() -> Schema {
    object()
        .has("object", always("hermes.key"))
        .has("id", text())
        .has("name", text())
        .has("status", one_of(["active", "expired", "revoked"]))
        .has("scopes", scopes())
        .has("tools", tools())
        .has("created_at", time())
        .has("expires_at", time().or_null().note("`null`: never."))
        .has("last_used_at", time().or_null().note("Written down every few minutes."))
        .has("rotated_at", time().or_null())
        .has("overlap_until", time().or_null().note("The secret before the last rotation works until then."))
        .has("revoked_at", time().or_null())
}

pub fn components() -> Vec<(&'static str, Schema)> {
    let token = text().or_null().note("`null` in the answer to a retry: it was shown once.");
    vec![("Key", key()), ("ShownKey", key().has("token", token))]
}
