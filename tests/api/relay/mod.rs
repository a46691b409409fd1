//! Two gateways in a row: the near one's upstream is a profile of the far one, whose agent does the work.

mod questions;
mod trouble;

use crate::support::{Cable, Client, Frame, House, Plan, ask, house::key};
use serde_json::{Value, json};

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

    let split = alice.run("@@usage 40 3").await;
    alice.finished(&split).await;
    let record = alice.get(&format!("/v1/runs/{split}")).await.body;
    let usage = json!({"input_tokens": 50, "output_tokens": 2, "total_tokens": 52, "cached_tokens": 40,
        "reasoning_tokens": 3});
    assert_eq!(record["usage"], usage);

    let heard = chain.far.upstream.requests().remove(0);
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
    for (client, enabled) in [(&alice, false), (&chain.far.alice().await, true)] {
        let sets = client.get("/v1/toolsets").await.body;
        let sets = sets["data"].as_array().unwrap();
        assert!(!sets.is_empty() && sets.iter().all(|set| set["enabled"] == enabled), "{sets:?}");
    }
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
async fn words_to_the_turn_reach_the_agent_that_does_it() {
    let chain = Chain::new().await;
    let alice = chain.alice().await;
    let run = alice.run(r#"@@tool terminal {"command":"until [ -e go ]; do sleep 0.01; done"}"#).await;
    let mut events = alice.events(&run, None).await;
    events.until("tool.started").await;
    let reply = alice.post(&format!("/v1/runs/{run}/steer"), json!({"input": "and be quick"})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(events.until("run.steered").await.json()["input"], "and be quick");
    std::fs::write(chain.far.profile_dir("alice").join("workspace/go"), "").unwrap();
    assert_eq!(events.until("run.completed").await.json()["pending_steer"], Value::Null);
    let heard = chain.far.upstream.requests().pop().unwrap();
    assert_eq!(heard["messages"].as_array().unwrap().last().unwrap()["content"], "and be quick");

    // Too late for any model call, it is given back.
    let run = alice.run("@@gate answer").await;
    let mut events = alice.events(&run, None).await;
    events.until("message.delta").await;
    alice.post(&format!("/v1/runs/{run}/steer"), json!({"input": "too late"})).await;
    chain.far.upstream.open("answer");
    assert_eq!(events.until("run.completed").await.json()["pending_steer"], "too late");
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
