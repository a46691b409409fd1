//! Faults of the reference that a rule of ours mends, each under its number in the list of them (section 14 of the
//! description of the reference). Those that a whole file is about (readers of a run, restarts, tenants, overload) have
//! their tests there.

use crate::support::{Client, Frame, House, Opened, Plan, Sent, ask};
use awc::http::Method;
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

async fn alice() -> (House, Client) {
    let house = House::open().await;
    let alice = house.alice().await;
    (house, alice)
}

#[actix_web::test]
async fn fault_05_a_failed_chat_is_an_error_and_not_an_answer() {
    let (house, alice) = alice().await;
    let reply = alice.chat("@@status 400").await;
    assert_eq!((reply.status, reply.code()), (502, "upstream_error"));
    let last = alice.chat_stream("@@status 400").await.rest().await;
    let finish = last[last.len() - 2].json();
    assert_eq!(finish["choices"][0]["finish_reason"], "error");
    assert_eq!(finish["error"]["code"], "upstream_error");
    house.close().await;
}

#[actix_web::test]
async fn fault_06_an_empty_answer_fails_streamed_and_whole_alike() {
    let (house, alice) = alice().await;
    assert_eq!(alice.chat("@@empty").await.status, 502);
    let frames = alice.chat_stream("@@empty").await.rest().await;
    assert_eq!(frames[frames.len() - 2].json()["choices"][0]["finish_reason"], "error");
    house.close().await;
}

#[actix_web::test]
async fn fault_07_the_answers_text_is_told_once() {
    let (house, alice) = alice().await;
    let session = alice.post("/api/sessions", json!({})).await.body["session"]["id"].clone();
    let path = format!("/api/sessions/{}/chat/stream", session.as_str().unwrap());
    let said = alice.stream(Method::POST, &path, &[], Some(json!({ "message": "hello" }))).await.rest().await;
    let run = alice.run("hello").await;
    let ran = alice.events(&run, None).await.rest().await;
    for frames in [said, ran] {
        let text: String =
            frames.iter().filter_map(|frame| frame.json()["delta"].as_str().map(str::to_owned)).collect();
        assert_eq!(text, "You said: hello");
        assert!(!frames.iter().any(|frame| frame.kind() == "reasoning.available"), "{frames:?}");
        assert!(!frames.iter().any(|frame| frame.event.as_deref() == Some("tool.progress")), "{frames:?}");
    }
    house.close().await;
}

#[actix_web::test]
async fn fault_11_a_run_sees_the_earlier_messages_of_its_session() {
    let (house, alice) = alice().await;
    for input in ["first", "second"] {
        let run = alice.run_with(json!({ "input": input, "session_id": "ours" })).await;
        alice.finished(&run).await;
    }
    let messages = house.upstream.requests()[1]["messages"].as_array().unwrap().clone();
    let said: Vec<&Value> = messages
        .iter()
        .filter(|message| message["role"] != "system")
        .map(|message| &message["content"])
        .collect();
    assert_eq!(said, ["first", "You said: first", "second"]);
    house.close().await;
}

#[actix_web::test]
async fn fault_12_an_unknown_previous_response_is_not_ignored() {
    let (house, alice) = alice().await;
    let reply =
        alice.post("/v1/runs", json!({ "input": "go on", "previous_response_id": "resp_nope" })).await;
    assert_eq!((reply.status, reply.code()), (404, "previous_response_not_found"));
    assert!(house.upstream.requests().is_empty());
    house.close().await;
}

#[actix_web::test]
async fn fault_13_sampling_members_reach_the_upstream_and_long_text_is_whole() {
    let (house, alice) = alice().await;
    let text = "y".repeat(70_000);
    let mut body = ask(&text, false);
    let sampling = json!({ "temperature": 0.25, "top_p": 0.5, "seed": 7, "stop": ["END"] });
    body.as_object_mut().unwrap().extend(sampling.as_object().unwrap().clone());
    assert_eq!(alice.post(CHAT, body).await.status, 200);
    let sent = &house.upstream.requests()[0];
    for (name, value) in sampling.as_object().unwrap() {
        assert_eq!(&sent[name], value, "{name}");
    }
    assert_eq!(sent["messages"].as_array().unwrap().last().unwrap()["content"], text.as_str());
    house.close().await;
}

#[actix_web::test]
async fn fault_14_usage_is_the_sum_of_all_model_calls() {
    let (house, alice) = alice().await;
    let reply = alice.chat(r#"@@loop 2 terminal {"command":"true"}"#).await;
    assert_eq!(house.upstream.requests().len(), 3);
    assert_eq!(reply.body["usage"]["prompt_tokens"], 150);
    house.close().await;
}

#[actix_web::test]
async fn fault_19_who_polls_sees_what_a_run_waits_for() {
    let (house, alice) = alice().await;
    let run = alice.run(r#"@@tool terminal {"command":"rm -rf ./none"}"#).await;
    alice.events(&run, None).await.until("approval.request").await;
    let status = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!(status["status"], "waiting_for_approval");
    assert_eq!(status["approval"]["command"], "rm -rf ./none");
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    house.close().await;
}

#[actix_web::test]
async fn fault_33_what_a_client_gets_wrong_is_400() {
    let (house, alice) = alice().await;
    let wrong = [
        (CHAT, json!([])),
        (CHAT, json!({ "messages": ["hi"] })),
        ("/v1/runs", json!([])),
        ("/v1/runs", json!({ "input": ["a"] })),
        ("/v1/runs", json!({ "input": "a", "instructions": 5 })),
    ];
    for (path, body) in wrong {
        let reply = alice.post(path, body.clone()).await;
        assert_eq!(reply.status, 400, "{path} {body}: {}", reply.text);
    }
    house.close().await;
}

#[actix_web::test]
async fn fault_34_instructions_of_another_type_are_400_with_their_place() {
    let (house, alice) = alice().await;
    let reply = alice.post("/v1/responses", json!({ "input": "a", "instructions": 5 })).await;
    assert_eq!(
        (reply.status, &reply.body["error"]["param"]),
        (400, &json!("instructions")),
        "{}",
        reply.text
    );
    house.close().await;
}

#[actix_web::test]
async fn fault_35_a_chunked_body_over_the_limit_is_413() {
    let house = House::with(Plan::config("gateway:\n  api_server:\n    max_body_bytes: 100000\n")).await;
    let alice = house.alice().await;
    let body = ask(&"x".repeat(200_000), false).to_string().into_bytes();
    let Opened::Whole(reply) = alice.open(alice.request(Method::POST, CHAT), Some(Sent::Chunked(body))).await
    else {
        panic!("a stream");
    };
    assert_eq!((reply.status, reply.code()), (413, "body_too_large"));
    house.close().await;
}

#[actix_web::test]
async fn fault_36_every_error_has_one_shape() {
    let (house, alice) = alice().await;
    let replies = [
        alice.get("/v1/nope").await,
        alice.delete("/v1/models").await,
        alice.with_key(Some("wrong")).get("/v1/models").await,
        alice.post(CHAT, json!({})).await,
        alice.chat("@@status 500 0").await,
    ];
    for reply in replies {
        let error = reply.body["error"].as_object().unwrap_or_else(|| panic!("{}", reply.text));
        for name in ["message", "type", "code"] {
            assert!(error[name].is_string(), "{name}: {}", reply.text);
        }
        assert!(error.contains_key("param"), "{}", reply.text);
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }
    house.close().await;
}

#[actix_web::test]
async fn fault_37_a_stop_of_a_finished_run_says_how_it_ended() {
    let (house, alice) = alice().await;
    let run = alice.run("hello").await;
    alice.finished(&run).await;
    let reply = alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    assert_eq!((reply.status, &reply.body["status"]), (200, &json!("completed")));
    house.close().await;
}

#[actix_web::test]
async fn fault_42_a_page_may_patch_and_send_the_headers_of_the_product() {
    let house =
        House::with(Plan::config("gateway:\n  api_server:\n    cors_origins: http://page.test\n")).await;
    let alice = house.alice().await.with_key(None);
    let headers = [
        ("Origin", "http://page.test"),
        ("Access-Control-Request-Method", "PATCH"),
        ("Access-Control-Request-Headers", "x-hermes-session-id, authorization"),
    ];
    let reply = alice.send(Method::OPTIONS, CHAT, &headers, None).await;
    assert!(reply.header("access-control-allow-methods").unwrap().contains("PATCH"));
    let allowed = reply.header("access-control-allow-headers").unwrap().to_lowercase();
    assert!(allowed.contains("x-hermes-session-id"), "{allowed}");

    let run = house.alice().await.run("hello").await;
    let events = format!("/v1/runs/{run}/events");
    let stream = house.alice().await.stream(Method::GET, &events, &headers[..1], None).await;
    assert_eq!(stream.headers.get("access-control-allow-origin").unwrap(), "http://page.test");
    house.close().await;
}

#[actix_web::test]
async fn fault_43_streams_and_errors_carry_the_security_headers_too() {
    let (house, alice) = alice().await;
    let stream = alice.chat_stream("hello").await;
    let replies =
        [stream.headers.clone(), alice.get("/v1/nope").await.headers, alice.get("/v1/models").await.headers];
    for headers in replies {
        for name in
            ["x-content-type-options", "content-security-policy", "referrer-policy", "x-frame-options"]
        {
            assert!(headers.contains_key(name), "{name} is missing");
        }
    }
    assert_eq!(stream.rest().await.last().and_then(|frame: &Frame| frame.data.clone()).unwrap(), "[DONE]");
    house.close().await;
}
