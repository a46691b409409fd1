//! Tools that the client runs itself, beside the agent's own.

use crate::support::{Client, Frame, House, Plan, ask};
use awc::http::Method;
use hermes_gateway::actors::{Rights, Scope};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {"type": "object"}}})
}

/// A client as every SDK's example loop writes it: it keeps the messages and answers the calls.
struct Loop {
    client: Client,
    messages: Vec<Value>,
    more: Value,
}

impl Loop {
    fn new(client: Client, said: &str) -> Self {
        Self { client, messages: vec![user(said)], more: json!({"tools": [tool("weather")]}) }
    }

    fn body(&self) -> Value {
        let mut body = self.more.clone();
        body["messages"] = json!(self.messages);
        body
    }

    /// Sends what was said so far and keeps the answer's message.
    async fn ask(&mut self) -> Value {
        let reply = self.client.post(CHAT, self.body()).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let choice = reply.body["choices"][0].clone();
        self.messages.push(choice["message"].clone());
        choice
    }

    fn answer(&mut self, call: &Value, result: &str) {
        self.messages.push(json!({"role": "tool", "tool_call_id": call["id"], "content": result}));
    }
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn calls(choice: &Value) -> Vec<Value> {
    assert_eq!(choice["finish_reason"], "tool_calls", "{choice}");
    choice["message"]["tool_calls"].as_array().unwrap().clone()
}

/// The last request that the upstream got, as `role:content` or `role(calls)`, without the system's.
fn heard(house: &House) -> Vec<String> {
    let request = house.upstream.requests().pop().unwrap();
    let show = |message: &Value| {
        let names: Vec<&str> = message["tool_calls"].as_array().map_or_else(Vec::new, |calls| {
            calls.iter().filter_map(|call| call["function"]["name"].as_str()).collect()
        });
        let text = message["content"].as_str().unwrap_or_default();
        let text = text.split('"').find(|part| part.starts_with("out-")).unwrap_or(text);
        let names = if names.is_empty() { String::new() } else { format!("({})", names.join(",")) };
        format!("{}:{text}{names}", message["role"].as_str().unwrap())
    };
    let messages = request["messages"].as_array().unwrap().clone();
    messages.iter().filter(|message| message["role"] != "system").map(show).collect()
}

/// Names of the tools that the last request offered.
fn offered(house: &House) -> Vec<String> {
    let request = house.upstream.requests().pop().unwrap();
    let tools = request["tools"].as_array().cloned().unwrap_or_default();
    tools.iter().map(|tool| tool["function"]["name"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn a_loop_of_two_calls_comes_to_its_answer() {
    let house = House::open().await;
    let mut talk = Loop::new(house.alice().await, r#"@@loop 2 weather {"city":"Bern"}"#);
    for result in ["out-1", "out-2"] {
        let choice = talk.ask().await;
        assert_eq!(choice["message"]["content"], Value::Null);
        let calls = calls(&choice);
        assert_eq!(calls[0]["type"], "function");
        assert_eq!(calls[0]["function"], json!({"name": "weather", "arguments": r#"{"city":"Bern"}"#}));
        talk.answer(&calls[0], result);
    }
    let choice = talk.ask().await;
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("stop"), &json!("Tool said: out-2"))
    );
    let ids: Vec<&Value> =
        talk.messages.iter().filter_map(|message| message["tool_calls"][0].get("id")).collect();
    assert_ne!(ids[0], ids[1]);
    assert!(
        offered(&house).contains(&"terminal".to_owned()) && offered(&house).contains(&"weather".to_owned())
    );
    house.close().await;
}

#[actix_web::test]
async fn calls_are_streamed_as_openai_streams_them() {
    let house = House::open().await;
    let mut body = ask(r#"@@tools weather {"city":"Bern"} ;; weather {"city":"Rome"}"#, true);
    body["tools"] = json!([tool("weather")]);
    let frames = house.alice().await.stream(Method::POST, CHAT, &[], Some(body)).await.rest().await;
    let (done, chunks) = frames.split_last().unwrap();
    assert_eq!(done.data.as_deref(), Some("[DONE]"));
    let chunks: Vec<Value> = chunks.iter().map(Frame::json).collect();
    assert!(chunks.iter().all(|chunk| chunk["choices"].as_array().unwrap().len() == 1));
    let deltas: Vec<Value> = chunks
        .iter()
        .flat_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array().cloned().unwrap_or_default())
        .collect();
    let id = |index: usize| deltas[index]["id"].as_str().unwrap();
    let begin = |index: usize, id: &str| json!({"index": index, "id": id, "type": "function", "function": {"name": "weather", "arguments": ""}});
    let arguments = |index: usize, city: &str| json!({"index": index, "function": {"arguments": format!(r#"{{"city":"{city}"}}"#)}});
    let expected = [begin(0, id(0)), arguments(0, "Bern"), begin(1, id(2)), arguments(1, "Rome")];
    assert_eq!(deltas, expected);
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"][0], json!({"index": 0, "delta": {}, "finish_reason": "tool_calls"}));
    assert!(last["usage"]["total_tokens"].as_u64().unwrap() > 0);
    house.close().await;
}

#[actix_web::test]
async fn in_a_mixed_batch_the_agent_works_first_and_the_record_goes_on_whole() {
    let house = House::open().await;
    let said = r#"@@tools weather {} ;; terminal {"command":"echo out-agent"}"#;
    let mut talk = Loop::new(house.alice().await, said);
    let calls = calls(&talk.ask().await);
    assert_eq!(calls.len(), 1, "the agent's call is no business of the client: {calls:?}");
    talk.answer(&calls[0], "out-client");
    let choice = talk.ask().await;
    assert_eq!(choice["finish_reason"], "stop");
    let user = format!("user:{said}");
    let expected = [user.as_str(), "assistant:(weather,terminal)", "tool:out-agent", "tool:out-client"];
    assert_eq!(heard(&house), expected);

    // The next question repeats all of it: the record still stands where the client saw one call.
    talk.messages.push(json!({"role": "user", "content": "and now?"}));
    talk.ask().await;
    assert_eq!(heard(&house)[..4], expected);
    assert_eq!(heard(&house)[5], "user:and now?");
    house.close().await;
}

#[actix_web::test]
async fn on_a_clash_of_names_the_clients_tool_wins_for_that_request() {
    let house = House::open().await;
    let alice = house.alice().await;
    let mut talk = Loop::new(alice.clone(), r#"@@tool terminal {"command":"touch made-here"}"#);
    talk.more = json!({"tools": [tool("terminal")]});
    assert_eq!(calls(&talk.ask().await)[0]["function"]["name"], "terminal");
    let request = house.upstream.requests().pop().unwrap();
    let terminals: Vec<&Value> = request["tools"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|tool| tool["function"]["name"] == "terminal")
        .collect();
    assert_eq!(terminals, [&tool("terminal")]);
    assert!(!house.profile_dir("alice").join("workspace/made-here").exists());
    alice.chat(r#"@@tool terminal {"command":"touch made-here"}"#).await;
    assert!(
        house.profile_dir("alice").join("workspace/made-here").exists(),
        "the next request has the agent's again"
    );
    house.close().await;
}

#[actix_web::test]
async fn results_that_never_come_leave_a_history_that_upstreams_accept() {
    let house = House::open().await;
    let mut talk = Loop::new(house.alice().await, "@@tools weather {} ;; weather {}");
    let two = calls(&talk.ask().await);
    talk.answer(&two[1], "out-second");
    talk.ask().await;
    let history = heard(&house);
    assert!(history[2].contains("no_result"), "{history:?}");
    assert_eq!(history[3], "tool:out-second");

    // In a session nobody repeats the call, and the next message may well be another one.
    let alice = house.alice().await;
    let session = [("X-Hermes-Session-Id", "talk")];
    let mut body = ask("@@tool weather {}", false);
    body["tools"] = json!([tool("weather")]);
    let reply = alice.post_with(CHAT, &session, body).await;
    assert_eq!(reply.body["choices"][0]["finish_reason"], "tool_calls", "{}", reply.text);
    alice.post_with(CHAT, &session, ask("never mind", false)).await;
    let history = heard(&house);
    assert!(history[2].contains("no_result") && history[3] == "user:never mind", "{history:?}");
    house.close().await;
}

#[actix_web::test]
async fn a_session_goes_on_with_nothing_but_the_results() {
    let house = House::open().await;
    let alice = house.alice().await;
    for (headers, result) in [(vec![("X-Hermes-Session-Id", "talk")], "out-named"), (vec![], "out-alone")] {
        let mut body = ask(r#"@@tools weather {} ;; terminal {"command":"echo out-agent"}"#, false);
        body["tools"] = json!([tool("weather")]);
        let reply = alice.post_with(CHAT, &headers, body).await;
        let id = calls(&reply.body["choices"][0])[0]["id"].clone();
        let body = json!({"messages": [{"role": "tool", "tool_call_id": id, "content": result}]});
        let reply = alice.post_with(CHAT, &headers, body).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let history = heard(&house);
        assert!(history[0].starts_with("user:@@tools"), "{history:?}");
        assert_eq!(history[1], "assistant:(weather,terminal)");
        assert!(history[2..].contains(&format!("tool:{result}")), "{history:?}");
    }
    house.close().await;
}

#[actix_web::test]
async fn ids_that_are_not_on_record_are_history_and_results_without_a_call_are_refused() {
    let house = House::open().await;
    let alice = house.alice().await;
    let call =
        json!({"id": "theirs", "type": "function", "function": {"name": "weather", "arguments": "{}"}});
    let called = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let result = json!({"role": "tool", "tool_call_id": "theirs", "content": "out-theirs"});
    let body = json!({"messages": [user("hi"), called, result]});
    assert_eq!(alice.post(CHAT, body).await.status, 200);
    assert_eq!(heard(&house), ["user:hi", "assistant:(weather)", "tool:out-theirs"]);

    let asked = house.upstream.requests().len();
    for messages in
        [json!([user("hi"), result]), json!([result]), json!([user("hi"), called, result, result])]
    {
        let reply = alice.post(CHAT, json!({"messages": messages})).await;
        assert_eq!((reply.status, reply.code()), (400, "invalid_request"), "{}", reply.text);
        assert_eq!(reply.body["error"]["param"], "messages");
        assert!(reply.body["error"]["message"].as_str().unwrap().contains("theirs"));
    }
    // A session is read when its turn has come.
    let session = [("X-Hermes-Session-Id", "talk")];
    let reply = alice.post_with(CHAT, &session, json!({"messages": [result]})).await;
    assert_eq!((reply.status, &reply.body["error"]["param"]), (400, &json!("messages")), "{}", reply.text);
    assert_eq!(house.upstream.requests().len(), asked, "nothing was sent");
    house.close().await;
}

#[actix_web::test]
async fn the_record_of_a_call_is_for_the_key_that_it_was_told_to() {
    let house = House::open().await;
    let alice = house.alice().await;
    let mut talk =
        Loop::new(alice.clone(), r#"@@tools weather {} ;; terminal {"command":"echo out-secret"}"#);
    let calls = calls(&talk.ask().await);
    talk.answer(&calls[0], "out-client");
    let other = house.holder("alice", Rights::of(&[Scope::Chat])).await;
    let strangers = [house.bob().await, other];
    for stranger in strangers {
        let reply = stranger.post(CHAT, talk.body()).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(heard(&house)[1..], ["assistant:(weather)", "tool:out-client"], "plain history");
        let alone = json!({"messages": [talk.messages.last()]});
        assert_eq!(stranger.post(CHAT, alone).await.status, 400);
    }
    house.close().await;
}

#[actix_web::test]
async fn a_call_outlives_a_restart() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let mut talk = Loop::new(alice, r#"@@tools weather {} ;; terminal {"command":"echo out-agent"}"#);
    let calls = calls(&talk.ask().await);
    house.stop(std::time::Duration::ZERO).await;
    house.start().await;
    talk.client = house.alice().await;
    talk.answer(&calls[0], "out-client");
    assert_eq!(talk.ask().await["finish_reason"], "stop");
    assert_eq!(heard(&house)[1..], ["assistant:(weather,terminal)", "tool:out-agent", "tool:out-client"]);
    house.close().await;
}

#[actix_web::test]
async fn the_choice_of_tools_reaches_the_upstream() {
    let house = House::open().await;
    let alice = house.alice().await;
    let named = json!({"type": "function", "function": {"name": "weather"}});
    let names = house.tenant("alice").await.toolset().names();
    let own: Vec<&str> = names.split(", ").chain(["weather"]).collect();
    let cases = [
        (json!("auto"), &own[..], Value::Null),
        (json!("none"), &[][..], Value::Null),
        (json!("required"), &["weather"][..], json!("required")),
        (named.clone(), &["weather"][..], named),
    ];
    for (choice, tools, sent) in cases {
        let mut body = ask("hello", false);
        body["tools"] = json!([tool("weather")]);
        body["tool_choice"] = choice.clone();
        body["parallel_tool_calls"] = json!(false);
        assert_eq!(alice.post(CHAT, body).await.status, 200);
        assert_eq!(offered(&house), tools, "{choice}");
        let request = house.upstream.requests().pop().unwrap();
        assert_eq!(request["tool_choice"], sent, "{choice}");
        let parallel = if tools.is_empty() { Value::Null } else { json!(false) };
        assert_eq!(request["parallel_tool_calls"], parallel, "{choice}");
    }
    // An upstream that calls two at once all the same.
    let mut talk = Loop::new(alice, "@@tools weather {} ;; weather {}");
    talk.more["parallel_tool_calls"] = json!(false);
    assert_eq!(calls(&talk.ask().await).len(), 1);
    house.close().await;
}

#[actix_web::test]
async fn a_retry_of_a_turn_that_ended_with_calls_gets_the_same_calls() {
    let house = House::with(Plan::default()).await;
    let alice = house.alice().await;
    let mut body = ask("@@tool weather {}", false);
    body["tools"] = json!([tool("weather")]);
    let key = [("Idempotency-Key", "k")];
    let first = alice.post_with(CHAT, &key, body.clone()).await;
    let second = alice.post_with(CHAT, &key, body).await;
    assert_eq!(second.header("Idempotency-Replayed"), Some("true"));
    assert_eq!(calls(&first.body["choices"][0]), calls(&second.body["choices"][0]));
    house.close().await;
}

#[actix_web::test]
async fn a_surface_that_hands_over_no_calls_refuses_a_clients_tools() {
    let house = House::with(Plan::default()).await;
    let alice = house.alice().await;
    alice.post("/api/sessions", json!({"id": "s"})).await;
    for (route, said) in [("/v1/runs", "input"), ("/api/sessions/s/chat", "message")] {
        let refused = alice.post(route, json!({said: "hello", "tools": [tool("weather")]})).await;
        assert_eq!((refused.status, refused.code()), (400, "unsupported_parameter"), "{route}");
        assert_eq!(refused.body["error"]["param"], "tools", "{route}");
        assert_eq!(alice.post(route, json!({said: "hello", "tools": []})).await.status / 100, 2, "{route}");
    }
    house.close().await;
}
