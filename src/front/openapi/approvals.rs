//! Approvals and standing permissions, described.

use super::{
    Access, Operation,
    common::deleted,
    schema::{Schema, always, boolean, flag, integer, list, named, object, one_of, page, text, time},
};
use crate::{
    actors::Scope,
    domain::{Choice, Code},
};

const TAG: &str = "approvals";
const SCOPE: Access = Access::Scope(Scope::Approve);
const STATUSES: [&str; 4] = ["pending", "decided", "expired", "withdrawn"];
const CONFLICTS: [Code; 6] = [
    Code::InvalidApprovalChoice,
    Code::ApprovalNotFound,
    Code::ApprovalNotActive,
    Code::ApprovalAlreadyDecided,
    Code::RunNotFound,
    Code::GatewayDraining,
];

pub fn list_all() -> Operation {
    Operation::new(TAG, "approvals", SCOPE, "List questions, newest first")
        .query("status", one_of(STATUSES), "Only questions in this state.")
        .query("limit", integer().from(1).to(200).or_else(50), "Rows of the page.")
        .query("after", text(), "An approval id: only older ones.")
        .answers(200, page(named("Approval")), "A page of questions.")
}

pub fn show() -> Operation {
    Operation::new(TAG, "approval", SCOPE, "One question")
        .answers(200, named("Approval"), "The question.")
        .fails([Code::ApprovalNotFound])
}

pub fn answer() -> Operation {
    Operation::new(TAG, "approval_answer", SCOPE, "Answer a question")
        .text("The same answer again is no mistake; another one comes too late.")
        .body(object().has("choice", choice()).may("reason", reason()).open())
        .answers(200, named("Approval"), "The question with its decision, which is on disk.")
        .keeps_its_answer()
        .fails(CONFLICTS)
}

pub fn answer_run() -> Operation {
    let body = object()
        .has("choice", choice())
        .may("approval_id", text().note("Which question; may be left out when one waits."))
        .may("request_id", text().note("The same."))
        .may("all", flag().note("Answer all that wait."))
        .may("resolve_all", flag().note("The same."))
        .may("reason", reason())
        .open();
    Operation::new(TAG, "run_approval", SCOPE, "Answer what a run waits for")
        .body(body)
        .answers(200, named("RunApproval"), "What was answered.")
        .keeps_its_answer()
        .fails(CONFLICTS)
        .fails([Code::ApprovalNotPending, Code::ApprovalAmbiguous])
}

pub fn rules() -> Operation {
    Operation::new(TAG, "approval_rules", SCOPE, "What an `always` has allowed").answers(
        200,
        page(named("ApprovalRule")),
        "All standing permissions of the profile.",
    )
}

pub fn remove_rule() -> Operation {
    Operation::new(TAG, "approval_rule_delete", SCOPE, "Take a standing permission back")
        .answers(200, deleted("hermes.approval_rule"), "It is out of force.")
        .keeps_its_answer()
        .fails([Code::RuleNotFound])
}

fn choice() -> Schema {
    one_of(Choice::ALL.map(Choice::wire)).note(
        "`once`: this call. `session`: all like it in this session. `always`: all like it in this profile. \
         `approve`, `approved` and `allow` mean `once`.",
    )
}

fn reason() -> Schema {
    text().note("Told to the agent.")
}

fn approval() -> Schema {
    object()
        .has("object", always("hermes.approval"))
        .has("id", text())
        .has("approval_id", text().note("The same as `id`."))
        .has("run_id", text())
        .has("session_id", text())
        .has("call_id", text())
        .has("tool", text())
        .has("command", text())
        .has("arguments_digest", text())
        .has("rule_ids", list(text()))
        .has("pattern_keys", list(text()).note("The same as `rule_ids`."))
        .has("description", text())
        .has("allow_permanent", boolean())
        .has("choices", list(one_of(Choice::ALL.map(Choice::wire))).note("What may be answered."))
        .has("status", one_of(STATUSES))
        .has("created_at", time())
        .has("expires_at", time().or_null().note("`null`: it waits for ever."))
        .has(
            "decision",
            one_of(Choice::ALL.map(Choice::wire)).or_null().note("`deny` also of one that expired."),
        )
        .has("decided_at", time().or_null())
        .has("decided_by", text().or_null().note("Id of the key."))
        .has("reason", text().or_null())
}

pub fn components() -> Vec<(&'static str, Schema)> {
    vec![
        ("Approval", approval()),
        (
            "RunApproval",
            object()
                .has("object", always("hermes.run.approval_response"))
                .has("run_id", text())
                .has("choice", one_of(Choice::ALL.map(Choice::wire)))
                .has("resolved", integer())
                .may("approval_id", text())
                .may("request_id", text())
                .has("approvals", list(named("Approval"))),
        ),
        (
            "ApprovalRule",
            object()
                .has("object", always("hermes.approval_rule"))
                .has("id", text())
                .has("rule_id", text())
                .has("shape", text().note("The form of the commands that it covers."))
                .has("description", text())
                .has("created_at", time())
                .has("approval_id", text()),
        ),
    ]
}
