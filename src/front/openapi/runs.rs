//! Runs, described.

use super::{
    Access, Operation,
    chat::content,
    common::code,
    models::selection,
    schema::{
        Schema, always, any, boolean, either, flag, integer, list, named, number, object, one_of, page, text,
        time,
    },
};
use crate::{
    actors::Scope,
    domain::{Choice, Code, Ended, Finish, OnBusy, RetryAction, RunStatus},
};

const TAG: &str = "runs";
const SCOPE: Access = Access::Scope(Scope::Runs);

pub fn start() -> Operation {
    Operation::new(TAG, "runs", SCOPE, "Start a turn in the background")
        .text("The run is on disk before the answer is given, and goes on by itself.")
        .body(named("RunRequest"))
        .answers(202, named("RunAccepted"), "The run was taken on.")
        .starts_a_run()
        .fails([Code::UnsupportedParameter, Code::VisionUnsupported, Code::PreviousResponseNotFound])
}

pub fn list_all() -> Operation {
    Operation::new(TAG, "runs_list", SCOPE, "List runs of every surface, newest first")
        .query("status", one_of(RunStatus::ALL.map(RunStatus::wire)), "Only runs in this state.")
        .query("session_id", text(), "Only runs of this session.")
        .query(
            "limit",
            integer().from(1).to(200).or_else(50),
            "Rows of the page; fewer where their texts are long, with `has_more`.",
        )
        .query("after", text(), "A run id: only older ones.")
        .answers(200, page(named("Run")), "A page of runs.")
}

pub fn show() -> Operation {
    Operation::new(TAG, "run_status", SCOPE, "State, output, tools and usage of a run")
        .answers(200, named("Run"), "The run as it stands.")
        .fails([Code::RunNotFound])
}

pub fn events() -> Operation {
    Operation::new(TAG, "run_events", SCOPE, "Follow a run's events, or read them again")
        .text(
            "Every event is numbered. A reader may come late, come back with `Last-Event-ID` or `after`, and be one of \
             many. The stream ends with the terminal event and the comment `stream closed`.",
        )
        .query("after", integer().from(0), "The number of the last event that was seen.")
        .header("Last-Event-ID", integer().from(0), "The same, as browsers send it; it counts before `after`.")
        .streams(named("RunEvent"), "`data:` lines without an event name; `id:` is the event's number.")
        .fails([Code::RunNotFound])
}

pub fn stop() -> Operation {
    Operation::new(TAG, "run_stop", SCOPE, "End a run, its tool and the tool's processes")
        .text("Of a finished run it tells how it ended.")
        .answers(
            200,
            object().has("run_id", text()).has("status", status()),
            "`stopping`, or the state in which it ended.",
        )
        .keeps_its_answer()
        .fails([Code::RunNotFound])
}

pub fn on_busy() -> Schema {
    one_of(OnBusy::NAMES.map(|(name, _)| name)).note("What to do when the session has a turn at work.")
}

pub fn steer() -> Operation {
    let body = object()
        .may("input", content())
        .may("message", content().note("The same."))
        .may("text", content().note("The same."))
        .open();
    let answer = object()
        .has("object", always("hermes.run.steer"))
        .has("run_id", text())
        .has("accepted", always(true));
    Operation::new(TAG, "run_steer", SCOPE, "Say something to a running turn")
        .text(
            "The next model call hears it. What comes too late for any is `pending_steer` of the run and of its last \
             event.",
        )
        .body(body)
        .answers(200, answer, "The words are on record.")
        .keeps_its_answer()
        .fails([Code::RunNotFound, Code::RunNotAcceptingSteer, Code::InvalidSteerInput])
}

pub fn clarify() -> Operation {
    let answer = object()
        .has("object", always("hermes.run.clarify_response"))
        .has("run_id", text())
        .has("clarify_id", text())
        .has("response", text().or_null());
    Operation::new(TAG, "run_clarify", SCOPE, "Answer what the agent asks")
        .text("The same answer again is no mistake; another one comes too late.")
        .body(answer_to_question())
        .answers(200, answer, "The answer is on record, and the run goes on.")
        .keeps_its_answer()
        .fails([Code::RunNotFound, Code::ClarifyNotPending, Code::ClarifyAmbiguous])
        .fails([Code::ApprovalAlreadyDecided, Code::ApprovalNotActive, Code::GatewayDraining])
}

pub fn status() -> Schema {
    one_of(RunStatus::ALL.map(RunStatus::wire))
}

/// Members that go to the model as they are.
pub fn sampling(request: Schema) -> Schema {
    request
        .may("temperature", number().from(0).to(2))
        .may("top_p", number().from(0).to(1))
        .may("seed", integer())
        .may("presence_penalty", number())
        .may("frequency_penalty", number())
        .may("reasoning_effort", text())
        .may("user", text())
        .may("max_tokens", integer().from(1).note("Of the turn's final answer."))
        .may("max_completion_tokens", integer().from(1).note("As `max_tokens`."))
        .may("stop", either([text(), list(text())]))
        .may("response_format", object().has("type", text()).open())
}

/// Members by which a client may ask for what we do not do; each has a value that asks for nothing.
pub fn unserved(request: Schema) -> Schema {
    request
        .may("n", integer().from(1).to(1).note("An agent gives one answer."))
        .may("modalities", list(text()).note("Without `audio`."))
        .may("logprobs", flag().or_else(false).note("Not supported: only false."))
        .may("top_logprobs", integer().from(0).to(0).note("Not supported: only 0."))
        .may("logit_bias", object().open().note("Not supported: only an empty one."))
}

fn request() -> Schema {
    let items = list(named("InputMessage")).at_least(1);
    let request = object()
        .has("input", either([text(), items]).note("A text, or messages of which the last is the input."))
        .may("instructions", text().note("Added to the agent's own system prompt."))
        .may("session_id", text().note("The session whose history is loaded and to which the turn is added."))
        .may("on_busy", on_busy())
        .may("previous_response_id", text())
        .may("conversation_history", list(named("InputMessage")).note("Instead of the session's history."));
    selection(unserved(sampling(request))).open()
}

fn run() -> Schema {
    object()
        .has("object", always("hermes.run"))
        .has("run_id", text())
        .has("status", status())
        .has("surface", text().note("The road by which the turn came in."))
        .has("created_at", time())
        .has("updated_at", time())
        .has("started_at", time().or_null())
        .has("ended_at", time().or_null())
        .has("session_id", text())
        .may("parent_run_id", text().note("The run that it does a piece of work for."))
        .has("model", text())
        .may("last_event", text())
        .has("last_seq", integer())
        .may("output", text().note("Only when completed."))
        .may(
            "partial_output",
            text().note("What there is of an answer that is not, or will never be, whole."),
        )
        .may("finish_reason", text())
        .has("usage", named("Usage"))
        .may("pending_steer", text().note("What was said to the run too late for the model to hear it."))
        .has("tools", list(tool()))
        .may("approval", named("Approval").note("The oldest question that waits."))
        .may("approvals", list(named("Approval")))
        .may("clarify", clarification().note("The oldest question of the agent's own."))
        .may("waiting", list(text()))
        .may("error", text())
        .may("error_code", code())
        .may("retry_after", integer())
}

/// What answers a question of the agent.
pub fn answer_to_question() -> Schema {
    object()
        .may("clarify_id", text().note("Which question; may be left out when one waits."))
        .has("response", either([text(), list(text())]))
        .open()
}

/// A question of the agent.
pub fn clarification() -> Schema {
    object()
        .has("clarify_id", text())
        .has("question", text())
        .has("choices", list(text()).note("Answers that are offered; others may be given as well."))
        .has("multi_select", boolean())
}

fn tool() -> Schema {
    object()
        .has("call_id", text())
        .has("tool", text())
        .has("preview", text().or_null())
        .has("status", one_of(["running", "completed", "failed", "uncertain"]))
        .may("duration", number().note("Seconds."))
}

fn event(name: &'static str) -> Schema {
    object()
        .has("event", always(name))
        .has("run_id", text())
        .has("timestamp", time())
        .has("seq", integer())
        .may("lost_after", integer().note("The first event after a crash: numbers in between were lost."))
}

fn run_event() -> Schema {
    let finish = Finish::ALL.map(Finish::wire);
    let unheard = || text().note("What was said to the run too late for the model to hear it.");
    let ended = |name| {
        let ended = event(name).has("partial_output", text()).has("usage", named("Usage"));
        ended.may("pending_steer", unheard())
    };
    either([
        event("run.started").has("session_id", text()).has("model", text()),
        event("message.delta").has("delta", text()),
        event("reasoning.delta").has("delta", text()),
        event("tool.started")
            .has("tool", text())
            .has("preview", text().or_null())
            .has("call_id", text())
            .has("arguments", any().note("An object; the text itself where the model wrote no JSON.")),
        event("tool.completed")
            .has("tool", text())
            .has("call_id", text())
            .has("duration", number())
            .has("error", boolean())
            .has("result", text().note("The beginning of it.")),
        asked(),
        event("approval.responded")
            .has("approval_id", text())
            .has("choice", one_of(Choice::ALL.map(Choice::wire)))
            .has("resolved", integer())
            .may("expired", boolean()),
        event("clarify.request")
            .has("clarify_id", text())
            .has("call_id", text())
            .has("question", text())
            .has("choices", list(text()))
            .has("multi_select", boolean())
            .may("expires_at", time()),
        event("clarify.responded")
            .has("clarify_id", text())
            .has("response", text().or_null().note("`null`: nobody answered in time."))
            .may("expired", boolean()),
        subagent("subagent.start"),
        subagent("subagent.complete")
            .has("status", one_of(Ended::ALL.map(Ended::wire)))
            .has("summary", text().note("The beginning of it."))
            .has("duration_seconds", number())
            .has("api_calls", integer())
            .has("tool_count", integer())
            .has("input_tokens", integer())
            .has("output_tokens", integer())
            .has("reasoning_tokens", integer()),
        event("run.stopping"),
        event("run.completed")
            .has("output", text())
            .has("usage", named("Usage"))
            .has("finish_reason", one_of(finish))
            .may("tool_calls", list(any()).note("Calls of the client's own tools: they end the turn."))
            .may("pending_steer", unheard()),
        event("run.steered").has("accepted", boolean()).has("input", text()),
        compressed(event("context.compressed")),
        event("run.retrying")
            .has("action", one_of(RetryAction::NAMES))
            .has("attempt", integer())
            .has("wait", number().note("Seconds until the next attempt."))
            .has("error", text())
            .has("error_code", code())
            .has("provider", text().note("Who is asked next."))
            .has("model", text()),
        ended("run.failed")
            .has("error", text())
            .has("error_code", code())
            .has("retryable", boolean())
            .may("retry_after", integer()),
        ended("run.cancelled"),
        event("gap").has("from", integer()).has("snapshot", any()),
    ])
}

fn subagent(name: &'static str) -> Schema {
    event(name)
        .has("subagent_id", text().note("A run of its own."))
        .has("parent_id", text())
        .has("delegation_id", text().note("The call that gave the work."))
        .has("child_session_id", text())
        .has("goal", text())
        .has("task_index", integer())
        .has("task_count", integer())
        .has("depth", integer())
        .has("model", text())
}

fn asked() -> Schema {
    event("approval.request")
        .has("approval_id", text())
        .has("call_id", text())
        .has("tool", text())
        .has("command", text())
        .has("arguments_digest", text())
        .has("pattern_key", text())
        .has("pattern_keys", list(text()))
        .has("description", text())
        .has("allow_permanent", boolean())
        .has("choices", list(one_of(Choice::ALL.map(Choice::wire))))
        .may("expires_at", time())
}

pub fn components() -> Vec<(&'static str, Schema)> {
    vec![
        ("RunRequest", request()),
        (
            "RunAccepted",
            object()
                .has("run_id", text())
                .has("status", always("started"))
                .has("session_id", text())
                .has("replayed", boolean().note("An earlier request with this `Idempotency-Key` started it."))
                .has(
                    "steered",
                    boolean().note("`on_busy: steer`: it was at work already and hears the input."),
                ),
        ),
        ("Run", run()),
        ("RunEvent", run_event()),
    ]
}

/// What is told of a conversation whose older part gave way to a summary.
pub fn compressed(event: Schema) -> Schema {
    event
        .has("cause", one_of(["threshold", "overflow", "asked"]))
        .has("author", one_of(["model", "extract"]).note("`extract`: no model could write it."))
        .has("messages_before", integer())
        .has("messages_after", integer())
        .has("tokens_before", integer().note("As estimated."))
        .has("tokens_after", integer())
        .may(
            "summary",
            integer().note("Which summary of the session; absent when it holds for this turn alone."),
        )
}
