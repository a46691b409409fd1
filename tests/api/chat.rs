//! Chat completions: the shapes that OpenAI's clients rely on.

use crate::support::{Frame, House, Plan};
use serde_json::{Value, json};

#[actix_web::test]
async fn a_chat_answers_in_openais_shape() {
    let house = House::open().await;
    let alice = house.alice().await;
    let reply = alice.chat("hello").await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.body["object"], "chat.completion");
    assert!(reply.body["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(
        reply.body["choices"],
        json!([{"index": 0, "message": {"role": "assistant", "content": "You said: hello"}, "finish_reason": "stop"}])
    );
    assert_eq!(reply.body["usage"], json!({"prompt_tokens": 50, "completion_tokens": 2, "total_tokens": 52}));
    for header in ["X-Hermes-Session-Id", "X-Hermes-Run-Id", "X-Request-Id", "X-Content-Type-Options"] {
        assert!(reply.header(header).is_some(), "{header}");
    }
    let run = reply.header("X-Hermes-Run-Id").unwrap();
    assert_eq!(
        alice.get(&format!("/v1/runs/{run}")).await.body["status"],
        "completed",
        "a chat is a run too"
    );
    house.close().await;
}

#[actix_web::test]
async fn a_chat_stream_is_role_text_finish_with_usage_and_done() {
    let house = House::open().await;
    let frames = house.alice().await.chat_stream("@@stream 3 1").await.rest().await;
    let (done, chunks) = frames.split_last().unwrap();
    assert_eq!(done.data.as_deref(), Some("[DONE]"));
    let chunks: Vec<Value> = chunks.iter().map(Frame::json).collect();
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({"role": "assistant"}));
    let text: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "tok0 tok1 tok2 ");
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!(last["usage"]["total_tokens"], 56);
    assert!(chunks.iter().all(|chunk| chunk["choices"].as_array().unwrap().len() == 1));
    house.close().await;
}

#[actix_web::test]
async fn a_stream_that_broke_goes_on_without_a_second_turn() {
    let house = House::open().await;
    let alice = house.alice().await;
    let mut stream = alice.chat_stream("@@stream 40 10").await;
    let run = stream.headers.get("X-Hermes-Run-Id").unwrap().to_str().unwrap().to_owned();
    let mut seen = Vec::new();
    while seen.len() < 6 {
        seen.push(stream.data().await.unwrap());
    }
    let id = seen.iter().rev().find_map(|frame| frame.id.clone()).unwrap();
    drop(stream);
    let headers = [("X-Hermes-Run-Id", run.as_str()), ("Last-Event-ID", id.as_str())];
    let body = crate::support::ask("@@stream 40 10", true);
    let rest = alice
        .stream(awc::http::Method::POST, "/v1/chat/completions", &headers, Some(body))
        .await
        .rest()
        .await;
    let text: String = seen
        .iter()
        .chain(&rest)
        .filter(|frame| frame.data.as_deref() != Some("[DONE]"))
        .filter_map(|frame| frame.json()["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    let want: String = (0..40).map(|n| format!("tok{n} ")).collect();
    assert_eq!(text, want);
    assert_eq!(house.upstream.requests().len(), 1);
    house.close().await;
}

#[actix_web::test]
async fn a_client_that_leaves_stops_its_turn_unless_it_asked_otherwise() {
    let house = House::open().await;
    let alice = house.alice().await;
    let mut stream = alice.chat_stream("@@stream 2000 10").await;
    let run = stream.headers.get("X-Hermes-Run-Id").unwrap().to_str().unwrap().to_owned();
    for _ in 0..4 {
        stream.data().await.unwrap();
    }
    // Another reader would keep the run alive, so the upstream is what tells.
    drop(stream);
    house.upstream.hung_up(1).await;
    assert_eq!(alice.finished(&run).await["status"], "cancelled");

    let body = crate::support::ask("@@stream 50 5", true);
    let headers = [("X-Hermes-On-Disconnect", "continue")];
    let mut stream =
        alice.stream(awc::http::Method::POST, "/v1/chat/completions", &headers, Some(body)).await;
    let run = stream.headers.get("X-Hermes-Run-Id").unwrap().to_str().unwrap().to_owned();
    stream.data().await.unwrap();
    drop(stream);
    assert_eq!(alice.finished(&run).await["status"], "completed");
    house.close().await;
}

#[actix_web::test]
async fn twenty_equal_chats_at_once_overlap() {
    let house = House::with(Plan::config("gateway:\n  api_server:\n    max_concurrent_runs: 20\n")).await;
    let alice = house.alice().await;
    let chats = (0..20).map(|_| {
        let alice = alice.clone();
        async move { alice.chat("@@gate all").await }
    });
    let all = actix_web::rt::spawn(futures_util::future::join_all(chats));
    house.upstream.asked(20).await;
    house.upstream.open("all");
    assert!(all.await.unwrap().iter().all(|reply| reply.status == 200));
    house.close().await;
}

#[actix_web::test]
async fn a_session_header_continues_a_stored_session() {
    let house = House::open().await;
    let alice = house.alice().await;
    let first = alice.chat("one").await;
    let session = first.header("X-Hermes-Session-Id").unwrap().to_owned();
    let second = alice
        .post_with(
            "/v1/chat/completions",
            &[("X-Hermes-Session-Id", &session)],
            crate::support::ask("two", false),
        )
        .await;
    assert_eq!(second.header("X-Hermes-Session-Id"), Some(session.as_str()));
    let said = house.upstream.requests().pop().unwrap();
    let texts: Vec<&str> = said["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|message| message["role"] != "system")
        .filter_map(|message| message["content"].as_str())
        .collect();
    assert_eq!(texts, ["one", "You said: one", "two"]);
    house.close().await;
}

#[actix_web::test]
async fn the_callers_system_text_and_sampling_reach_the_upstream() {
    let house = House::open().await;
    let body = json!({
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "developer", "content": "In French."},
            {"role": "user", "content": "hi"}],
        "temperature": 0.25, "max_tokens": 7, "stop": ["x"], "seed": 3
    });
    let reply = house.alice().await.post("/v1/chat/completions", body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let said = house.upstream.requests().pop().unwrap();
    let systems: String = said["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|message| message["role"] == "system")
        .filter_map(|message| message["content"].as_str())
        .collect();
    assert!(systems.contains("Be brief.") && systems.contains("In French."), "{systems}");
    assert_eq!(
        (&said["temperature"], &said["max_tokens"], &said["seed"]),
        (&json!(0.25), &json!(7), &json!(3))
    );
    house.close().await;
}

#[actix_web::test]
async fn an_idempotent_chat_is_answered_twice_with_one_turn_streamed_or_not() {
    let house = House::open().await;
    let alice = house.alice().await;
    let key = [("Idempotency-Key", "chat-1")];
    let ask = |stream| crate::support::ask(r#"@@tool terminal {"command":"date +%s%N"}"#, stream);
    let one = alice.post_with("/v1/chat/completions", &key, ask(false)).await;
    let two = alice.post_with("/v1/chat/completions", &key, ask(false)).await;
    assert_eq!(one.body, two.body);
    assert_eq!(two.header("Idempotency-Replayed"), Some("true"));
    let streamed = alice
        .stream(awc::http::Method::POST, "/v1/chat/completions", &key, Some(ask(true)))
        .await
        .rest()
        .await;
    let text: String = streamed
        .iter()
        .filter(|frame| frame.data.as_deref() != Some("[DONE]"))
        .filter_map(|frame| frame.json()["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(one.body["choices"][0]["message"]["content"], json!(text));
    assert_eq!(house.upstream.requests().len(), 2, "two model calls of one turn");
    house.close().await;
}
