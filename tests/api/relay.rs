//! Two gateways in a row: the near one's upstream is a profile of the far one, whose agent does the work.

use crate::support::{Cable, Client, Frame, House, Plan, Reply, ask, house::key};
use serde_json::{Value, json};
use std::time::Duration;

/// alice's upstream in the near house is alice in the far one.
struct Chain {
    near: House,
    far: House,
    cable: Cable,
}

impl Chain {
    async fn new() -> Self {
        Self::with("", &key("alice")).await
    }

    /// `extra`: YAML for the near profiles; `with_key`: what they show the far gateway.
    async fn with(extra: &str, with_key: &str) -> Self {
        Self::to(House::open().await, extra, with_key).await
    }

    async fn to(far: House, extra: &str, with_key: &str) -> Self {
        let cable = Cable::to(&far.base("alice").await);
        let model =
            format!("model:\n  provider: hermes\n  base_url: {}\n  api_key: {with_key}\n", cable.base());
        let near = House::with(Plan { model: Some(model), ..Plan::config(extra) }).await;
        Self { near, far, cable }
    }

    async fn alice(&self) -> Client {
        self.near.alice().await
    }

    /// The far runs, newest first.
    async fn far_runs(&self) -> Vec<Value> {
        let list = self.far.alice().await.get("/v1/runs").await.body;
        list["data"].as_array().unwrap().clone()
    }

    /// The last event of the newest far run.
    async fn far_end(&self) -> Value {
        let run = self.far_runs().await[0]["run_id"].as_str().unwrap().to_owned();
        self.far.alice().await.finished(&run).await
    }

    async fn close(self) {
        assert_eq!(self.near.upstream.requests().len(), 0, "nobody but the far agent asks a model");
        self.near.close().await;
        self.far.close().await;
    }
}

fn text(frames: &[Frame]) -> String {
    frames.iter().filter_map(|frame| frame.json()["delta"].as_str().map(str::to_owned)).collect()
}

fn of_kind<'a>(frames: &'a [Frame], kind: &'a str) -> impl Iterator<Item = Value> + 'a {
    frames.iter().filter(move |frame| frame.kind() == kind).map(Frame::json)
}

const DANGEROUS: &str = r#"@@tool terminal {"command":"rm -rf ./none; echo went > went"}"#;

#[actix_web::test]
async fn text_and_usage_come_through_and_the_far_agent_hears_all_that_was_said() {
    let chain = Chain::new().await;
    let alice = chain.alice().await;
    let run = alice
        .run_with(json!({
            "input": "third", "instructions": "Be brief.", "temperature": 0.5,
            "conversation_history": [{"role": "user", "content": "first"}, {"role": "assistant", "content": "second"}],
        }))
        .await;
    let frames = alice.events(&run, None).await.rest().await;
    assert_eq!(text(&frames), "You said: third");
    let record = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!((&record["status"], &record["output"]), (&json!("completed"), &json!("You said: third")));
    assert_eq!(record["usage"], json!({"input_tokens": 50, "output_tokens": 2, "total_tokens": 52}));

    let heard = chain.far.upstream.requests().pop().unwrap();
    let said: Vec<(&str, &str)> = heard["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| (message["role"].as_str().unwrap(), message["content"].as_str().unwrap()))
        .collect();
    assert_eq!(
        said[1..],
        [("system", "Be brief."), ("user", "first"), ("assistant", "second"), ("user", "third")]
    );
    assert_eq!((&heard["model"], &heard["temperature"]), (&json!("scripted"), &json!(0.5)));
    chain.close().await;
}

#[actix_web::test]
async fn the_far_agents_tools_show_here_and_act_there() {
    let chain = Chain::new().await;
    let alice = chain.alice().await;
    let run = alice.run(r#"@@tool terminal {"command":"echo made > made; cat made"}"#).await;
    let frames = alice.events(&run, None).await.rest().await;
    let far = chain.far.alice().await;
    let far_run = chain.far_runs().await[0]["run_id"].as_str().unwrap().to_owned();
    let there = far.events(&far_run, None).await.rest().await;
    for kind in ["tool.started", "tool.completed"] {
        let bare = |mut event: Value| {
            for own in ["run_id", "timestamp", "seq"] {
                event.as_object_mut().unwrap().remove(own);
            }
            event
        };
        let here: Vec<Value> = of_kind(&frames, kind).map(bare).collect();
        assert_eq!(here, of_kind(&there, kind).map(bare).collect::<Vec<_>>(), "{kind}");
        assert_eq!(here.len(), 1, "{kind}");
    }
    assert!(chain.far.profile_dir("alice").join("workspace/made").exists());
    assert!(!chain.near.profile_dir("alice").join("workspace/made").exists());
    let record = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!(record["usage"]["total_tokens"], chain.far_runs().await[0]["usage"]["total_tokens"]);
    assert_eq!(record["tools"][0]["status"], "completed");
    chain.close().await;
}

#[actix_web::test]
async fn a_chat_streams_the_far_agents_work() {
    let chain = Chain::new().await;
    let alice = chain.alice().await;
    let frames = alice.chat_stream(r#"@@tool terminal {"command":"echo made-5"}"#).await.rest().await;
    let progress = frames.iter().filter(|frame| frame.event.as_deref() == Some("hermes.tool.progress"));
    assert_eq!(progress.count(), 2, "{frames:?}");
    let end = &frames[frames.len() - 2].json();
    assert_eq!(end["choices"][0]["finish_reason"], "stop");
    assert_eq!(frames.last().unwrap().data.as_deref(), Some("[DONE]"));
    let whole = alice.chat("hello").await;
    assert_eq!(whole.body["choices"][0]["message"]["content"], "You said: hello");
    chain.close().await;
}

/// A near run that waits for an answer.
async fn asked(alice: &Client) -> (String, crate::support::Frames, Value) {
    let run = alice.run(DANGEROUS).await;
    let mut events = alice.events(&run, None).await;
    let request = events.until("approval.request").await.json();
    (run, events, request)
}

async fn answer(client: &Client, request: &Value, body: Value) -> Reply {
    client.post(&format!("/v1/approvals/{}", request["approval_id"].as_str().unwrap()), body).await
}

#[actix_web::test]
async fn a_question_of_the_far_agent_is_answered_here() {
    for (choice, ran) in [("once", true), ("deny", false)] {
        let chain = Chain::new().await;
        let alice = chain.alice().await;
        let (run, events, request) = asked(&alice).await;
        let waiting = alice.get(&format!("/v1/runs/{run}")).await.body;
        assert_eq!(waiting["status"], "waiting_for_approval", "{waiting}");
        assert_eq!(waiting["approval"]["command"], request["command"]);
        assert_eq!(chain.far_runs().await[0]["status"], "waiting_for_approval");

        let reply = answer(&alice, &request, json!({"choice": choice, "reason": "as I say"})).await;
        assert_eq!((reply.status, &reply.body["decision"]), (200, &json!(choice)), "{}", reply.text);
        let rest = events.rest().await;
        assert_eq!(of_kind(&rest, "approval.responded").count(), 1);
        assert_eq!(rest.last().unwrap().kind(), "run.completed", "{choice}");
        assert_eq!(of_kind(&rest, "tool.completed").next().unwrap()["error"], json!(!ran));
        assert_eq!(chain.far.profile_dir("alice").join("workspace/went").exists(), ran, "{choice}");
        let there = answer(&chain.far.alice().await, &request, json!({"choice": choice})).await;
        assert_eq!((there.status, &there.body["reason"]), (200, &json!("as I say")), "{}", there.text);
        chain.close().await;
    }
}

#[actix_web::test]
async fn an_answer_that_was_given_there_shows_here() {
    let chain = Chain::new().await;
    let alice = chain.alice().await;
    let (_run, events, request) = asked(&alice).await;
    let there = answer(&chain.far.alice().await, &request, json!({"choice": "deny"})).await;
    assert_eq!(there.status, 200, "{}", there.text);
    let rest = events.rest().await;
    assert_eq!(of_kind(&rest, "approval.responded").next().unwrap()["choice"], "deny");
    assert_eq!(rest.last().unwrap().kind(), "run.completed");
    let late = answer(&alice, &request, json!({"choice": "once"})).await;
    assert_eq!((late.status, late.code()), (409, "approval_already_decided"), "{}", late.text);
    chain.close().await;
}

#[actix_web::test]
async fn a_chat_that_cannot_ask_has_the_question_denied() {
    let chain = Chain::new().await;
    let reply = chain.alice().await.chat(DANGEROUS).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert!(!chain.far.profile_dir("alice").join("workspace/went").exists());
    assert_eq!(chain.far_end().await["status"], "completed");
    let pending = chain.alice().await.get("/v1/approvals?status=pending").await.body;
    assert_eq!(pending["data"], json!([]), "nobody here is asked");
    chain.close().await;
}

#[actix_web::test]
async fn a_stop_reaches_the_far_model() {
    let chain = Chain::new().await;
    let alice = chain.alice().await;
    let run = alice.run("@@gate hold").await;
    let mut events = alice.events(&run, None).await;
    events.until("message.delta").await;
    let stopped = alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    assert_eq!(stopped.status, 200, "{}", stopped.text);
    let last = events.rest().await.pop().unwrap().json();
    assert_eq!((&last["event"], &last["partial_output"]), (&json!("run.cancelled"), &json!("tok0 ")));
    chain.far.upstream.hung_up(1).await;
    assert_eq!(chain.far_end().await["status"], "cancelled");
    chain.close().await;
}

#[actix_web::test]
async fn a_stop_while_a_question_waits_withdraws_it_on_both_sides() {
    let chain = Chain::new().await;
    let alice = chain.alice().await;
    let (run, events, request) = asked(&alice).await;
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    assert_eq!(events.rest().await.last().unwrap().kind(), "run.cancelled");
    assert_eq!(chain.far_end().await["status"], "cancelled");
    for client in [alice, chain.far.alice().await] {
        let path = format!("/v1/approvals/{}", request["approval_id"].as_str().unwrap());
        assert_eq!(client.get(&path).await.body["status"], "withdrawn");
    }
    chain.close().await;
}

#[actix_web::test]
async fn a_cut_line_loses_and_doubles_nothing() {
    let chain = Chain::new().await;
    let alice = chain.alice().await;
    let run = alice.run("@@gate hold").await;
    let mut events = alice.events(&run, None).await;
    events.until("message.delta").await;
    chain.cable.cut();
    chain.far.upstream.open("hold");
    assert_eq!(events.rest().await.last().unwrap().json()["output"], "tok0 tok1 ");
    assert_eq!(text(&alice.events(&run, None).await.rest().await), "tok0 tok1 ");
    assert_eq!(chain.far_runs().await.len(), 1, "nothing was started twice");
    chain.close().await;
}

#[actix_web::test]
async fn a_far_gateway_that_is_gone_is_a_failed_turn_with_what_was_said() {
    let chain = Chain::with("agent:\n  api_max_retries: 1\n", &key("alice")).await;
    let alice = chain.alice().await;
    let run = alice.run("@@gate hold").await;
    alice.events(&run, None).await.until("message.delta").await;
    chain.cable.unplug();
    let record = alice.finished(&run).await;
    assert_eq!(
        (&record["status"], &record["error_code"]),
        (&json!("failed"), &json!("upstream_error")),
        "{record}"
    );
    assert_eq!(record["partial_output"], "tok0 ");
    let refused = alice.chat("hello").await;
    assert_eq!((refused.status, refused.code()), (502, "upstream_error"), "{}", refused.text);
    chain.close().await;
}

#[actix_web::test]
async fn how_the_far_turn_failed_is_how_this_one_did() {
    let mut chain = Chain::new().await;
    let alice = chain.alice().await;
    for (said, code, retry_after) in [
        ("@@status 400", "upstream_error", json!(null)),
        ("@@status 429 61", "upstream_rate_limited", json!(61)),
    ] {
        let run = alice.run(said).await;
        let record = alice.finished(&run).await;
        assert_eq!((&record["error_code"], &record["retry_after"]), (&json!(code), &retry_after), "{record}");
    }
    let run = alice.run("@@gate hold").await;
    let events = alice.events(&run, None).await;
    chain.far.upstream.reached("hold").await;
    chain.far.stop(Duration::ZERO).await;
    let last = events.rest().await.pop().unwrap().json();
    assert_eq!(
        (&last["event"], &last["error_code"]),
        (&json!("run.failed"), &json!("interrupted")),
        "{last}"
    );
    chain.close().await;
}

#[actix_web::test]
async fn a_wrong_key_is_said_plainly_and_tried_once() {
    let chain = Chain::with("", "hk_wrong").await;
    let alice = chain.alice().await;
    let run = alice.run("hello").await;
    let record = alice.finished(&run).await;
    assert_eq!(record["error_code"], "upstream_error", "{record}");
    let error = record["error"].as_str().unwrap();
    assert!(error.contains("401") && error.contains("model.api_key"), "{error}");
    assert!(!record.to_string().contains("hk_wrong"));
    assert_eq!(chain.far_runs().await.len(), 0);
    chain.close().await;
}

#[actix_web::test]
async fn a_question_that_nobody_answers_expires_on_both_sides() {
    let far = House::with(Plan::config("approvals:\n  timeout: 1\n")).await;
    let chain = Chain::to(far, "", &key("alice")).await;
    let alice = chain.alice().await;
    let (_run, events, request) = asked(&alice).await;
    let rest = events.rest().await;
    let responded = of_kind(&rest, "approval.responded").next().unwrap();
    assert_eq!((&responded["choice"], &responded["expired"]), (&json!("deny"), &json!(true)));
    assert_eq!(rest.last().unwrap().kind(), "run.completed", "the turn goes on");
    for client in [alice, chain.far.alice().await] {
        let path = format!("/v1/approvals/{}", request["approval_id"].as_str().unwrap());
        assert_eq!(client.get(&path).await.body["status"], "expired");
    }
    chain.close().await;
}

#[actix_web::test]
async fn a_chat_whose_reader_goes_away_ends_there_too() {
    let chain = Chain::new().await;
    let mut frames = chain.alice().await.chat_stream("@@gate hold").await;
    frames.data().await.unwrap();
    chain.far.upstream.reached("hold").await;
    drop(frames);
    chain.far.upstream.hung_up(1).await;
    assert_eq!(chain.far_end().await["status"], "cancelled");
    chain.close().await;
}

#[actix_web::test]
async fn the_clients_own_tools_are_refused_rather_than_forgotten() {
    let chain = Chain::new().await;
    let mut body = ask("hello", false);
    body["tools"] =
        json!([{"type": "function", "function": {"name": "own", "parameters": {"type": "object"}}}]);
    let reply = chain.alice().await.post("/v1/chat/completions", body).await;
    assert_eq!((reply.status, reply.code()), (400, "unsupported_parameter"), "{}", reply.text);
    assert_eq!(chain.far_runs().await.len(), 0);
    chain.close().await;
}

#[actix_web::test]
async fn a_session_is_remembered_here_and_named_there() {
    let chain = Chain::new().await;
    let alice = chain.alice().await;
    for said in ["one", "two"] {
        let run = alice.run_with(json!({"input": said, "session_id": "mine"})).await;
        assert_eq!(alice.finished(&run).await["status"], "completed");
    }
    let heard = chain.far.upstream.requests().pop().unwrap();
    let roles: Vec<&str> = heard["messages"]
        .as_array()
        .unwrap()
        .iter()
        .skip(1)
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["user", "assistant", "user"], "each message once");
    let names: Vec<Value> = chain.far_runs().await.iter().map(|run| run["session_id"].clone()).collect();
    assert_eq!(names[0], names[1]);
    assert!(names[0].as_str().unwrap().starts_with("relay-") && !names[0].to_string().contains("mine"));

    // The same name of another profile is another session, and a key opens no more than before.
    let bob = chain.near.bob().await;
    let run = bob.run_with(json!({"input": "three", "session_id": "mine"})).await;
    assert_eq!(bob.finished(&run).await["status"], "completed");
    let heard = chain.far.upstream.requests().pop().unwrap();
    assert_eq!(heard["messages"].as_array().unwrap().len(), 2, "nothing of alice: {heard}");
    chain.close().await;
}

#[actix_web::test]
async fn a_question_outlives_a_restart_of_the_near_gateway() {
    let mut chain = Chain::new().await;
    let (run, _events, request) = asked(&chain.alice().await).await;
    chain.near.stop(Duration::ZERO).await;
    assert_eq!(chain.far_runs().await[0]["status"], "waiting_for_approval");
    chain.near.start().await;

    let alice = chain.alice().await;
    let reply = answer(&alice, &request, json!({"choice": "once"})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let frames = alice.events(&run, None).await.rest().await;
    assert_eq!(frames.last().unwrap().kind(), "run.completed", "{frames:?}");
    for (kind, count) in
        [("approval.request", 1), ("approval.responded", 1), ("tool.started", 1), ("tool.completed", 1)]
    {
        assert_eq!(of_kind(&frames, kind).count(), count, "{kind}");
    }
    assert_eq!(chain.far_runs().await.len(), 1, "nothing was started again");
    chain.close().await;
}

#[actix_web::test]
async fn one_request_may_choose_the_far_agent() {
    let far = House::open().await;
    let base = far.base("bob").await;
    let config = format!(
        "providers:\n  far:\n    api_mode: hermes\n    base_url: {base}\n    api_key: {}\n",
        key("bob")
    );
    let near = House::with(Plan::config(&config)).await;
    let alice = near.alice().await;
    let mut body = ask("hello", false);
    body["provider"] = json!("far");
    let reply = alice.post("/v1/chat/completions", body).await;
    assert_eq!(reply.body["choices"][0]["message"]["content"], "You said: hello", "{}", reply.text);
    assert_eq!((near.upstream.requests().len(), far.upstream.requests().len()), (0, 1));
    assert_eq!(alice.chat("hello").await.status, 200);
    assert_eq!((near.upstream.requests().len(), far.upstream.requests().len()), (1, 1));
    near.close().await;
    far.close().await;
}
