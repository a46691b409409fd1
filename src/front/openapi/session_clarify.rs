//! What the agents of sessions wait for, described.

use super::{
    Access, Operation,
    runs::{answer_to_question, clarification},
    schema::{Schema, always, list, object, text, time},
};
use crate::{actors::Scope, domain::Code};

const TAG: &str = "sessions";
const SCOPE: Access = Access::Scope(Scope::Sessions);

pub fn waiting() -> Operation {
    let approval =
        of_a_run(object().has("approval_id", text().note("`/v1/approvals/{approval_id}` tells what it is.")));
    let session = object()
        .has("session_id", text())
        .has("since", time())
        .has("clarify", list(question()))
        .has("approvals", list(approval));
    Operation::new(TAG, "sessions_waiting", SCOPE, "List the sessions in which something waits for a person")
        .text("Longest waiting first.")
        .answers(200, whole(session), "All of them.")
}

pub fn list_all() -> Operation {
    Operation::new(TAG, "session_questions", SCOPE, "Look at what the agent of a session asks")
        .answers(200, whole(question()), "All that waits for an answer, oldest first.")
        .fails([Code::SessionNotFound])
}

pub fn answer() -> Operation {
    let answer = object()
        .has("object", always("hermes.session.clarify_response"))
        .has("session_id", text())
        .has("run_id", text())
        .has("clarify_id", text())
        .has("response", text().or_null());
    Operation::new(
        TAG,
        "session_clarify",
        Access::Scope(Scope::Chat),
        "Answer what the agent of a session asks",
    )
    .text("The same answer again is no mistake; another one comes too late.")
    .body(answer_to_question())
    .answers(200, answer, "The answer is on record, and the turn goes on.")
    .keeps_its_answer()
    .fails([Code::SessionNotFound, Code::ClarifyNotPending, Code::ClarifyAmbiguous])
    .fails([Code::ApprovalAlreadyDecided, Code::ApprovalNotActive, Code::GatewayDraining])
}

fn whole(of: Schema) -> Schema {
    object().has("object", always("list")).has("data", list(of))
}

fn question() -> Schema {
    of_a_run(clarification())
}

fn of_a_run(schema: Schema) -> Schema {
    schema.has("run_id", text()).has("created_at", time()).has("expires_at", time().or_null())
}
