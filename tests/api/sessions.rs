//! Sessions: made, named, read by pages, forked, deleted, and gone on with in turns.

use crate::support::{Client, Frame, House, Plan, Reply, ask};
use awc::http::Method;
use serde_json::{Value, json};

async fn create(client: &Client, body: Value) -> String {
    let made = client.post("/api/sessions", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.body["session"]["id"].as_str().unwrap().to_owned()
}

async fn say(client: &Client, session: &str, text: &str) -> Reply {
    client.post(&format!("/api/sessions/{session}/chat"), json!({"message": text})).await
}

async fn patch(client: &Client, session: &str, body: Value) -> Reply {
    let body = body.to_string().into_bytes();
    client.send(Method::PATCH, &format!("/api/sessions/{session}"), &[], Some(body)).await
}

async fn transcript(client: &Client, session: &str) -> Vec<(String, String)> {
    let page = client.get(&format!("/api/sessions/{session}/messages")).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    page.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (text(&row["role"]), text(&row["content"])))
        .collect()
}

fn said(role: &str, text: &str) -> (String, String) {
    (role.to_owned(), text.to_owned())
}

/// The texts of the system messages that the upstream was sent last.
fn systems(house: &House) -> Vec<String> {
    let request = house.upstream.requests().pop().unwrap();
    let system = |message: &&Value| message["role"] == "system";
    let messages = request["messages"].as_array().unwrap();
    messages.iter().filter(system).map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn a_session_lives_from_its_making_to_its_deletion() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = create(&alice, json!({})).await;
    assert!(id.starts_with("api_"), "{id}");
    let shown = alice.get(&format!("/api/sessions/{id}")).await.body;
    assert_eq!(shown["object"], "hermes.session");
    assert_eq!(shown["session"]["message_count"], 0);
    assert_eq!(shown["session"]["has_system_prompt"], false);

    let changed = patch(&alice, &id, json!({"title": "  My \n plans ", "end_reason": "done"})).await;
    assert_eq!((changed.status, &changed.body["session"]["title"]), (200, &json!("My plans")));
    let again = patch(&alice, &id, json!({"end_reason": "later"})).await.body;
    assert_eq!(again["session"]["end_reason"], "done", "the first reason stays");
    let cleared = patch(&alice, &id, json!({"title": null})).await.body;
    assert_eq!(cleared["session"]["title"], json!(null));
    let refused = patch(&alice, &id, json!({"model": "x"})).await;
    assert_eq!((refused.status, refused.code()), (400, "unsupported_session_field"));

    let gone = alice.delete(&format!("/api/sessions/{id}")).await;
    assert_eq!(gone.body, json!({"object": "hermes.session.deleted", "id": id, "deleted": true}));
    assert_eq!(alice.get(&format!("/api/sessions/{id}")).await.status, 404);
    assert_eq!(alice.delete(&format!("/api/sessions/{id}")).await.code(), "session_not_found");
    house.close().await;
}

/// API.md 14: 39.
#[actix_web::test]
async fn fault_39_a_title_conflicts_before_anything_is_made() {
    let house = House::open().await;
    let alice = house.alice().await;
    let one = create(&alice, json!({"title": "T"})).await;
    let two = alice.post("/api/sessions", json!({"id": "two", "title": "T"})).await;
    assert_eq!((two.status, two.code()), (400, "invalid_title"), "{}", two.text);
    let expected = format!("Title 'T' is already in use by session {one}");
    assert_eq!(two.body["error"]["message"], json!(expected));
    assert_eq!(alice.get("/api/sessions/two").await.status, 404);
    let fork = alice.post(&format!("/api/sessions/{one}/fork"), json!({"id": "two", "title": "T"})).await;
    assert_eq!((fork.status, fork.code()), (400, "invalid_title"));
    assert_eq!(alice.get("/api/sessions/two").await.status, 404, "no copy without its title");
    let source = alice.get(&format!("/api/sessions/{one}")).await.body;
    assert_eq!(source["session"]["end_reason"], json!(null), "and the source was not ended");
    let twice = alice.post("/api/sessions", json!({"id": one})).await;
    assert_eq!((twice.status, twice.code()), (409, "session_exists"));
    house.close().await;
}

/// API.md 14: 33, on sessions.
#[actix_web::test]
async fn fault_33_wrong_input_is_a_400_that_names_the_place() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = create(&alice, json!({})).await;
    let chat = format!("/api/sessions/{id}/chat");
    let cases = [
        ("/api/sessions", json!({"title": "x".repeat(101)}), "invalid_title", Some("title")),
        ("/api/sessions", json!({"title": 5}), "invalid_title", Some("title")),
        ("/api/sessions", json!({"id": "../x"}), "invalid_session_id", Some("id")),
        ("/api/sessions", json!({"session_id": "x".repeat(257)}), "invalid_session_id", Some("session_id")),
        ("/api/sessions", json!({"system_prompt": 5}), "invalid_system_prompt", Some("system_prompt")),
        ("/api/sessions", json!([]), "invalid_request", None),
        (&chat, json!({}), "missing_message", Some("message")),
        (&chat, json!({"message": 5}), "missing_message", Some("message")),
        (
            &chat,
            json!({"message": "x", "system_message": 5}),
            "invalid_system_message",
            Some("system_message"),
        ),
        (&chat, json!({"message": "x", "on_busy": "shout"}), "invalid_request", Some("on_busy")),
        (&chat, json!({"message": [{"type": "input_file"}]}), "unsupported_content_type", Some("message")),
    ];
    for (path, body, code, param) in cases {
        let reply = alice.post(path, body.clone()).await;
        assert_eq!((reply.status, reply.code()), (400, code), "{path} {body}: {}", reply.text);
        assert_eq!(reply.body["error"]["param"].as_str(), param, "{path} {body}");
    }
    let empty = alice.send(Method::POST, "/api/sessions", &[], None).await;
    assert_eq!((empty.status, empty.code()), (400, "invalid_json"));
    assert_eq!(transcript(&alice, &id).await, []);
    house.close().await;
}

#[actix_web::test]
async fn ids_of_any_kind_that_are_none_are_404_with_the_body_of_an_unknown_one() {
    let house = House::open().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let foreign = create(&bob, json!({})).await;
    let long = "x".repeat(5000);
    let unknown = alice.get("/api/sessions/nope").await.body;
    for id in [&foreign, "a%2Fb", "..%2F..", "%00", "C%3Ax", "run_0198c2f0000070008000000000000000", &long] {
        for suffix in ["", "/messages"] {
            let reply = alice.get(&format!("/api/sessions/{id}{suffix}")).await;
            assert_eq!((reply.status, reply.code()), (404, "session_not_found"), "{id}: {}", reply.text);
            let mut body = reply.body.clone();
            body["error"]["message"] = unknown["error"]["message"].clone();
            assert_eq!(body, unknown, "{id}");
        }
        for (method, suffix) in [
            (Method::PATCH, ""),
            (Method::DELETE, ""),
            (Method::POST, "/fork"),
            (Method::POST, "/chat"),
            (Method::POST, "/chat/stream"),
        ] {
            let path = format!("/api/sessions/{id}{suffix}");
            let reply = alice.send(method.clone(), &path, &[], Some(b"{\"message\":\"x\"}".to_vec())).await;
            assert_eq!((reply.status, reply.code()), (404, "session_not_found"), "{method} {path}");
        }
    }
    assert_eq!(bob.get(&format!("/api/sessions/{foreign}")).await.status, 200);
    assert_eq!(alice.get("/api/sessions").await.body["data"], json!([]));
    house.close().await;
}

/// API.md 14: 9 and 11.
#[actix_web::test]
async fn fault_9_the_sessions_system_prompt_is_used_in_every_turn_of_every_surface() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = create(&alice, json!({"system_prompt": "Speak like a pirate."})).await;
    let has = |house: &House| systems(house).iter().any(|text| text.contains("like a pirate"));

    let body = json!({"message": "one", "instructions": "Only now."});
    alice.post(&format!("/api/sessions/{id}/chat"), body).await;
    assert!(has(&house) && systems(&house).iter().any(|text| text.contains("Only now.")));
    say(&alice, &id, "two").await;
    assert!(has(&house) && !systems(&house).iter().any(|text| text.contains("Only now.")));
    let run = alice.run_with(json!({"input": "three", "session_id": id})).await;
    alice.finished(&run).await;
    assert!(has(&house));
    let header = [("X-Hermes-Session-Id", id.as_str())];
    alice.post_with("/v1/chat/completions", &header, ask("four", false)).await;
    assert!(has(&house));
    let users: Vec<String> = transcript(&alice, &id)
        .await
        .into_iter()
        .filter(|(role, _)| role == "user")
        .map(|(_, text)| text)
        .collect();
    assert_eq!(users, ["one", "two", "three", "four"], "one transcript for all");

    patch(&alice, &id, json!({"system_prompt": null})).await;
    say(&alice, &id, "five").await;
    assert!(!has(&house));
    house.close().await;
}

#[actix_web::test]
async fn a_turn_is_answered_remembered_and_counted() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = create(&alice, json!({})).await;
    let reply = say(&alice, &id, "hello").await;
    assert_eq!((reply.status, reply.header("X-Hermes-Session-Id")), (200, Some(id.as_str())));
    let run = reply.body["run_id"].as_str().unwrap();
    let expected = json!({
        "object": "hermes.session.chat.completion", "session_id": id, "run_id": run, "finish_reason": "stop",
        "message": {"role": "assistant", "content": "You said: hello"},
        "usage": {"input_tokens": 50, "output_tokens": 2, "total_tokens": 52},
    });
    assert_eq!(reply.body, expected);
    say(&alice, &id, r#"@@tool terminal {"command":"echo st-1"}"#).await;
    let sent = house.upstream.requests().pop().unwrap();
    let heard =
        sent["messages"].as_array().unwrap().iter().any(|message| message["content"] == "You said: hello");
    assert!(heard, "the second turn knows the first: {sent}");

    let page = alice.get(&format!("/api/sessions/{id}/messages")).await.body;
    let rows = page["data"].as_array().unwrap();
    let roles: Vec<&str> = rows.iter().map(|row| row["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant", "tool", "assistant"]);
    let ids: Vec<u64> = rows.iter().map(|row| row["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
    assert_eq!(rows[3]["tool_calls"][0]["function"]["name"], "terminal");
    assert_eq!(rows[3]["tool_calls"][0]["call_id"], rows[4]["tool_call_id"]);
    let ends: Vec<Option<&str>> = rows.iter().map(|row| row["finish_reason"].as_str()).collect();
    assert_eq!(ends, [None, Some("stop"), None, Some("tool_calls"), None, Some("stop")]);
    assert!(rows.iter().all(|row| row["timestamp"].as_f64().unwrap() > 1.0e9));
    let session = &alice.get(&format!("/api/sessions/{id}")).await.body["session"];
    assert_eq!((&session["message_count"], &session["tool_call_count"]), (&json!(6), &json!(1)));
    assert_eq!((&session["preview"], &session["model"]), (&json!("hello"), &json!("scripted")));
    assert_eq!((&session["input_tokens"], &session["api_call_count"]), (&json!(150), &json!(3)));
    house.close().await;
}

/// API.md 14: 38 and 50.
#[actix_web::test]
async fn fault_38_and_50_pages_are_told_by_limit_offset_and_cursor_and_more_means_more() {
    let house = House::open().await;
    let alice = house.alice().await;
    for name in ["a", "b", "c", "d"] {
        create(&alice, json!({"id": name})).await;
        assert_eq!(say(&alice, name, "x").await.status, 200);
    }
    let ids = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    let whole = alice.get("/api/sessions").await.body;
    assert_eq!(
        (ids(&whole), &whole["has_more"]),
        (vec!["d".into(), "c".into(), "b".into(), "a".into()], &json!(false))
    );
    let full = alice.get("/api/sessions?limit=4").await.body;
    assert_eq!(full["has_more"], false, "the last page is exactly full");
    let none = alice.get("/api/sessions?limit=0").await.body;
    assert_eq!((&none["data"], &none["limit"], &none["has_more"]), (&json!([]), &json!(0), &json!(false)));
    let odd = alice.get("/api/sessions?limit=abc&offset=-5").await.body;
    assert_eq!((&odd["limit"], &odd["offset"]), (&json!(50), &json!(0)));
    assert_eq!(alice.get("/api/sessions?limit=9999").await.body["limit"], 200);
    let second = alice.get("/api/sessions?limit=2&offset=2").await.body;
    assert_eq!((ids(&second), &second["has_more"]), (vec!["b".into(), "a".into()], &json!(false)));

    let first = alice.get("/api/sessions?limit=3").await.body;
    assert_eq!(first["has_more"], true);
    let cursor = first["next_after"].as_str().unwrap();
    let last = alice.get(&format!("/api/sessions?limit=3&after={cursor}")).await.body;
    assert_eq!((ids(&last), &last["has_more"]), (vec!["a".to_owned()], &json!(false)));
    assert_eq!(alice.get("/api/sessions?after=nope").await.status, 400);
    let elsewhere = alice.get("/api/sessions?source=cli").await.body;
    assert_eq!(elsewhere["data"], json!([]));

    say(&alice, "a", "y").await;
    let messages = async |query: &str| alice.get(&format!("/api/sessions/a/messages{query}")).await.body;
    let numbers = |page: &Value| -> Vec<u64> {
        page["data"].as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect()
    };
    let page = messages("?limit=3").await;
    assert_eq!(
        (numbers(&page), &page["has_more"], &page["next_after"]),
        (vec![1, 2, 3], &json!(true), &json!(3))
    );
    for query in ["?limit=3&after=3", "?offset=3"] {
        let rest = messages(query).await;
        assert_eq!((numbers(&rest), &rest["has_more"]), (vec![4], &json!(false)), "{query}");
    }
    assert_eq!(numbers(&messages("?offset=99").await), [0; 0]);
    assert_eq!(alice.get("/api/sessions/a/messages?limit=501").await.status, 400);
    house.close().await;
}

#[actix_web::test]
async fn a_fork_goes_its_own_way() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = create(&alice, json!({"title": "Base", "system_prompt": "Be brief."})).await;
    say(&alice, &id, "before").await;
    let fork = alice.post(&format!("/api/sessions/{id}/fork"), json!({})).await;
    assert_eq!(fork.status, 201, "{}", fork.text);
    let session = &fork.body["session"];
    let copy = session["id"].as_str().unwrap().to_owned();
    assert_eq!((&session["title"], &session["parent_session_id"]), (&json!("Base #2"), &json!(id)));
    assert_eq!((&session["message_count"], &session["has_system_prompt"]), (&json!(2), &json!(true)));
    assert_eq!(alice.get(&format!("/api/sessions/{id}")).await.body["session"]["end_reason"], "branched");

    say(&alice, &copy, "in the copy").await;
    say(&alice, &id, "in the source").await;
    let before = [said("user", "before"), said("assistant", "You said: before")];
    for (session, text) in [(&copy, "in the copy"), (&id, "in the source")] {
        let got = transcript(&alice, session).await;
        assert_eq!((&got[..2], &got[2]), (&before[..], &said("user", text)));
    }
    alice.delete(&format!("/api/sessions/{id}")).await;
    assert_eq!(transcript(&alice, &copy).await.len(), 4, "a copy needs nobody");
    let nobody = alice.send(Method::POST, &format!("/api/sessions/{copy}/fork"), &[], None).await;
    assert_eq!((nobody.status, nobody.code()), (400, "invalid_json"));
    house.close().await;
}

async fn stream(
    client: &Client,
    session: &str,
    headers: &[(&str, &str)],
    text: &str,
) -> crate::support::Frames {
    let path = format!("/api/sessions/{session}/chat/stream");
    client.stream(Method::POST, &path, headers, Some(json!({"message": text}))).await
}

fn names(frames: &[Frame]) -> Vec<&str> {
    frames.iter().map(|frame| frame.event.as_deref().unwrap()).collect()
}

/// API.md 14: 4 and 7, and the run that nobody could find.
#[actix_web::test]
async fn a_stream_tells_the_turn_and_its_run_is_a_run_like_any_other() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = create(&alice, json!({})).await;
    let frames = stream(&alice, &id, &[], r#"@@tool terminal {"command":"echo ss-11"}"#).await.rest().await;
    let kinds = names(&frames);
    assert_eq!(kinds[..4], ["run.started", "message.started", "tool.started", "tool.completed"]);
    assert_eq!(kinds[kinds.len() - 3..], ["assistant.completed", "run.completed", "done"]);
    let seqs: Vec<u64> = frames.iter().map(|frame| frame.json()["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    let of = |name: &str| frames.iter().find(|frame| frame.event.as_deref() == Some(name)).unwrap().json();
    let text: String = frames
        .iter()
        .filter(|frame| frame.event.as_deref() == Some("assistant.delta"))
        .map(|frame| frame.json()["delta"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(of("assistant.completed")["content"], json!(text));
    assert_eq!(of("tool.started")["args"], json!({"command": "echo ss-11"}));
    let told = of("run.completed")["messages"].clone();
    let roles: Vec<&str> = told.as_array().unwrap().iter().map(|row| row["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["assistant", "tool", "assistant"], "{told}");

    let run = of("done")["run_id"].as_str().unwrap().to_owned();
    let record = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!((&record["status"], &record["surface"]), (&json!("completed"), &json!("session_chat")));
    let resumed = |after: String| {
        let (alice, id, run) = (alice.clone(), id.clone(), run.clone());
        async move {
            let headers = [("X-Hermes-Run-Id", run.as_str()), ("Last-Event-ID", after.as_str())];
            stream(&alice, &id, &headers, "ignored").await.rest().await
        }
    };
    for (at, frame) in frames.iter().enumerate() {
        if let Some(seen) = &frame.id {
            assert_eq!(resumed(seen.clone()).await, frames[at + 1..], "after {seen}");
        }
    }
    assert_eq!(resumed("0".to_owned()).await, frames, "from the beginning, the user's words included");
    let other = create(&alice, json!({})).await;
    let foreign = alice
        .post_with(&format!("/api/sessions/{other}/chat"), &[("X-Hermes-Run-Id", &run)], json!({}))
        .await;
    assert_eq!((foreign.status, foreign.code()), (404, "run_not_found"), "a run of another session");
    house.close().await;
}

#[actix_web::test]
async fn a_tool_that_fails_is_told_as_failed() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = create(&alice, json!({})).await;
    let frames = stream(&alice, &id, &[], r#"@@tool read_file {"path":"none.txt"}"#).await.rest().await;
    assert!(names(&frames).contains(&"tool.failed"), "{:?}", names(&frames));
    house.close().await;
}

/// API.md 14: 4.
#[actix_web::test]
async fn fault_4_a_failed_turn_is_an_error_and_no_answer() {
    let house = House::with(Plan::config("agent:\n  api_max_retries: 1\n")).await;
    let alice = house.alice().await;
    let id = create(&alice, json!({})).await;
    let reply = say(&alice, &id, "@@status 400").await;
    assert_eq!((reply.status, reply.code()), (502, "upstream_error"), "{}", reply.text);
    assert_eq!(reply.body["hermes"]["failed"], true);
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    let frames = stream(&alice, &id, &[], "@@status 400").await.rest().await;
    let kinds = names(&frames);
    assert_eq!(kinds[kinds.len() - 2..], ["error", "done"], "{kinds:?}");
    assert!(!kinds.contains(&"assistant.completed") && !kinds.contains(&"run.completed"));
    assert_eq!(transcript(&alice, &id).await, [], "nothing of it is remembered");
    house.close().await;
}

/// API.md 14: 29.
#[actix_web::test]
async fn fault_29_a_client_that_goes_away_does_not_end_the_turn_and_comes_back_to_it() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = create(&alice, json!({})).await;
    let mut first = stream(&alice, &id, &[], "@@gate back").await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|frame: &Frame| frame.event.as_deref() != Some("assistant.delta")) {
        seen.push(first.data().await.unwrap());
    }
    drop(first);
    let run = seen[0].json()["run_id"].as_str().unwrap().to_owned();
    let last = seen.last().unwrap().id.clone().unwrap();
    let headers = [("X-Hermes-Run-Id", run.as_str()), ("Last-Event-ID", last.as_str())];
    let rest = stream(&alice, &id, &headers, "").await;
    house.upstream.open("back");
    seen.extend(rest.rest().await);
    let kinds = names(&seen);
    assert_eq!(kinds[kinds.len() - 3..], ["assistant.completed", "run.completed", "done"]);
    assert_eq!(transcript(&alice, &id).await.len(), 2);
    house.close().await;
}

#[actix_web::test]
async fn an_idempotency_key_makes_one_turn_of_two_requests_whichever_form_they_ask_for() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = create(&alice, json!({})).await;
    let key = [("Idempotency-Key", "k-1")];
    let path = format!("/api/sessions/{id}/chat");
    let body = json!({"message": "once"});
    let one = alice.post_with(&path, &key, body.clone()).await;
    let two = alice.post_with(&path, &key, body.clone()).await;
    assert_eq!(one.body, two.body);
    assert_eq!(
        (one.header("Idempotency-Replayed"), two.header("Idempotency-Replayed")),
        (None, Some("true"))
    );
    let frames = stream(&alice, &id, &key, "once").await.rest().await;
    assert_eq!(frames[0].json()["run_id"], one.body["run_id"]);
    let other = alice.post_with(&path, &key, json!({"message": "twice"})).await;
    assert_eq!((other.status, other.code()), (409, "idempotency_key_conflict"));
    assert_eq!(transcript(&alice, &id).await.len(), 2);
    let made = alice.post_with("/api/sessions", &key, json!({"title": "K"})).await;
    let again = alice.post_with("/api/sessions", &key, json!({"title": "K"})).await;
    assert_eq!((again.status, &again.body), (201, &made.body), "a session is made once, too");
    house.close().await;
}

/// API.md 14: 47.
#[actix_web::test]
async fn fault_47_turns_of_one_session_never_interleave() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = create(&alice, json!({})).await;
    let texts: Vec<String> = (0..6).map(|number| format!("n{number}")).collect();
    let turns = texts.iter().map(|text| say(&alice, &id, text));
    for reply in futures_util::future::join_all(turns).await {
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    let got = transcript(&alice, &id).await;
    assert_eq!(got.len(), 12);
    for pair in got.chunks(2) {
        assert_eq!(pair[1], said("assistant", &format!("You said: {}", pair[0].1)));
    }
    house.close().await;
}

#[actix_web::test]
async fn deleting_a_session_stops_its_turns_and_nothing_of_them_comes_back() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = create(&alice, json!({})).await;
    let running = alice.run_with(json!({"input": "@@gate never", "session_id": id})).await;
    let mut events = alice.events(&running, None).await;
    events.until("message.delta").await;
    let queued = alice.run_with(json!({"input": "next", "session_id": id})).await;

    let gone = alice.delete(&format!("/api/sessions/{id}")).await;
    assert_eq!((gone.status, &gone.body["deleted"]), (200, &json!(true)), "{}", gone.text);
    assert_eq!(events.rest().await.pop().unwrap().kind(), "run.cancelled");
    assert_eq!(alice.finished(&queued).await["status"], "cancelled");
    assert_eq!(alice.get(&format!("/api/sessions/{id}")).await.status, 404);
    assert_eq!(alice.get("/api/sessions").await.body["data"], json!([]));
    create(&alice, json!({"id": id})).await;
    assert_eq!(transcript(&alice, &id).await, [], "a new life begins empty");
    house.close().await;
}

#[actix_web::test]
async fn a_key_needs_the_scope_and_a_chat_that_named_its_session_is_in_the_list() {
    let house = House::open().await;
    let alice = house.alice().await;
    let first = alice.chat("hello there").await;
    let label = first.header("X-Hermes-Session-Id").unwrap().to_owned();
    let header = [("X-Hermes-Session-Id", label.as_str())];
    alice.post_with("/v1/chat/completions", &header, ask("two", false)).await;
    let users: Vec<(String, String)> =
        transcript(&alice, &label).await.into_iter().filter(|(role, _)| role == "user").collect();
    assert_eq!(users, [said("user", "hello there"), said("user", "two")]);
    let nobody = alice.with_key(Some("hk_nobody"));
    for path in ["/api/sessions", "/api/sessions/x", "/api/sessions/x/messages"] {
        assert_eq!(nobody.get(path).await.status, 401, "{path}");
    }
    house.close().await;
}

/// API.md 14: 49.
#[actix_web::test]
async fn fault_49_people_behind_one_key_do_not_share_a_label() {
    let house = House::open().await;
    let alice = house.alice().await;
    let label = async |headers: &[(&str, &str)], user: Option<&str>| {
        let mut body = ask("same words", false);
        if let Some(user) = user {
            body["user"] = json!(user);
        }
        let reply = alice.post_with("/v1/chat/completions", headers, body).await;
        reply.header("X-Hermes-Session-Id").unwrap().to_owned()
    };
    let plain = label(&[], None).await;
    assert_eq!(label(&[], None).await, plain);
    let ada = label(&[("X-OpenWebUI-User-Id", "ada")], None).await;
    assert_ne!(ada, plain);
    assert_ne!(label(&[("X-OpenWebUI-User-Id", "bea")], None).await, ada);
    assert_ne!(label(&[], Some("cleo")).await, plain);
    house.close().await;
}
