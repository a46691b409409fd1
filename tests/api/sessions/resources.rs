//! Made, named, read by pages, forked, deleted.

use super::{create, patch, said, say, transcript};
use crate::support::{House, ask};
use awc::http::Method;
use serde_json::{Value, json};

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
