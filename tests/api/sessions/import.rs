//! Sessions of a `state.db` of the reference, as clients of the profile find them.

use super::{create, said, say, transcript};
use crate::support::{
    Client, House, Plan, ask,
    state_db::{conversation, insert, make},
};
use hermes_gateway::{
    domain::{ImportRecord, ImportReport},
    state_db::StateDb,
};
use rusqlite::Connection;
use serde_json::{Value, json};

/// What a database in the house tells.
fn records(house: &House, fill: impl FnOnce(&Connection)) -> Vec<ImportRecord> {
    let (file, scratch) = (house.home.join("state.db"), house.home.join("run"));
    let db = make(&file);
    fill(&db);
    let mut records = Vec::new();
    let mut keep = |record| {
        records.push(record);
        Ok(())
    };
    StateDb::open(&file, &scratch).unwrap().tell(&mut keep).unwrap();
    drop(db);
    std::fs::remove_file(file).unwrap();
    records
}

async fn import(house: &House, profile: &str, records: Vec<ImportRecord>) -> ImportReport {
    let tenant = house.tenant(profile).await;
    tenant.import_sessions(records.into_iter().map(Ok), false).await.unwrap()
}

/// The conversation that the upstream was sent last, without the system messages.
fn heard(house: &House) -> Vec<Value> {
    let request = house.upstream.requests().pop().unwrap();
    let messages = request["messages"].as_array().unwrap().clone();
    messages.into_iter().filter(|message| message["role"] != "system").collect()
}

async fn go_on(client: &Client, session: &str, text: &str) {
    let header = [("X-Hermes-Session-Id", session)];
    let reply = client.post_with("/v1/chat/completions", &header, ask(text, false)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
}

async fn finds(client: &Client, word: &str) -> Vec<String> {
    let reply = client.get(&format!("/api/sessions/search?q={word}")).await;
    assert_eq!(reply.body["complete"], true, "{}", reply.text);
    let hits = reply.body["data"].as_array().unwrap();
    hits.iter().map(|hit| hit["session_id"].as_str().unwrap().to_owned()).collect()
}

fn garden(db: &Connection) {
    insert(
        db,
        "sessions",
        json!({
            "id": "20250615_1200_abc", "source": "telegram", "model": "some/model", "title": "Garden", "started_at": 1_750_000_000.25,
            "ended_at": 1_750_000_100, "end_reason": "user_exit", "system_prompt": "You are Hermes.", "api_call_count": 2,
            "input_tokens": 100, "cache_read_tokens": 30, "cache_write_tokens": 5, "output_tokens": 20,
            "reasoning_tokens": 7, "estimated_cost_usd": 0.25,
        }),
    );
    let calls = json!([{"id": "c1", "call_id": "c1", "response_item_id": null, "type": "function",
        "function": {"name": "terminal", "arguments": "{\"command\":\"ls\"}"}}]);
    for row in [
        json!({"role": "user", "content": "Which pears are ripe?", "timestamp": 1_750_000_001.5}),
        json!({"role": "assistant", "content": null, "tool_calls": calls, "reasoning": "look first", "timestamp": 1_750_000_002}),
        json!({"role": "tool", "content": "conference", "tool_call_id": "c1", "tool_name": "terminal", "timestamp": 1_750_000_003}),
        json!({"role": "assistant", "content": "The conference pears.", "finish_reason": "stop", "timestamp": 1_750_000_004}),
    ] {
        let mut row = row;
        row["session_id"] = json!("20250615_1200_abc");
        insert(db, "messages", row);
    }
}

#[actix_web::test]
async fn an_imported_session_is_listed_found_read_and_gone_on_with() {
    let house = House::open().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    // The index is far behind the imported session's day by then.
    let own = create(&alice, json!({})).await;
    say(&alice, &own, "pears of my own").await;
    assert_eq!(finds(&alice, "pears").await.len(), 2);

    let report = import(&house, "alice", records(&house, garden)).await;
    assert_eq!((report.sessions, report.messages, report.stopped), (1, 4, None));

    let id = "20250615_1200_abc";
    let shown = alice.get(&format!("/api/sessions/{id}")).await.body["session"].clone();
    let expected = json!({
        "id": id, "source": "telegram", "model": "some/model", "title": "Garden", "started_at": 1_750_000_000.25,
        "ended_at": 1_750_000_100.0, "end_reason": "user_exit", "message_count": 4, "tool_call_count": 1,
        "input_tokens": 135, "cache_read_tokens": 30, "output_tokens": 20, "reasoning_tokens": 7,
        "estimated_cost_usd": 0.25, "has_system_prompt": false, "last_active": 1_750_000_004.0, "preview": "Which pears are ripe?",
    });
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(shown[member], *value, "{member}: {shown}");
    }
    let listed = alice.get("/api/sessions").await;
    let ids: Vec<&str> =
        listed.body["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [own.as_str(), id], "in the order of their last messages");
    assert_eq!(finds(&alice, "conference").await, [id, id]);
    assert!(finds(&alice, "ripe").await == [id] && finds(&bob, "ripe").await.is_empty());
    assert_eq!(bob.get(&format!("/api/sessions/{id}")).await.status, 404);

    go_on(&alice, id, "And the apples?").await;
    let heard = heard(&house);
    let told: Vec<(&str, &Value)> =
        heard.iter().map(|message| (message["role"].as_str().unwrap(), &message["content"])).collect();
    assert_eq!(told[0], ("user", &json!("Which pears are ripe?")));
    assert_eq!(heard[1]["tool_calls"][0]["function"]["arguments"], json!("{\"command\":\"ls\"}"));
    assert_eq!((told[2].0, &heard[2]["tool_call_id"]), ("tool", &json!("c1")));
    assert_eq!(
        told[3..],
        [("assistant", &json!("The conference pears.")), ("user", &json!("And the apples?"))]
    );
    assert_eq!(transcript(&alice, id).await.len(), 6);
    let again = import(&house, "alice", records(&house, garden)).await;
    assert_eq!((again.sessions, again.already_imported), (0, 1));
    assert_eq!(transcript(&alice, id).await.len(), 6, "what came since stays");
    house.close().await;
}

#[actix_web::test]
async fn what_the_reference_had_made_shorter_is_kept_and_found_but_models_are_not_shown_it() {
    let house = House::open().await;
    let alice = house.alice().await;
    let report = import(
        &house,
        "alice",
        records(&house, |db| {
            insert(db, "sessions", json!({"id": "s", "started_at": 1_750_000_000}));
            for (role, content, active, compacted) in [
                ("user", "an old quince", 0, 1),
                ("assistant", "an old answer", 0, 1),
                ("user", "taken back", 0, 0),
                ("user", "in short: quinces", 1, 0),
                ("assistant", "the last answer", 1, 0),
            ] {
                let row = json!({"session_id": "s", "role": role, "content": content, "active": active, "compacted": compacted});
                insert(db, "messages", row);
            }
        }),
    )
    .await;
    assert_eq!((report.sessions, report.messages), (1, 4));
    assert_eq!(report.left_out.into_iter().collect::<Vec<_>>(), [("taken back by a rewind".to_owned(), 1)]);
    assert_eq!(transcript(&alice, "s").await[0], said("user", "an old quince"));
    assert_eq!(finds(&alice, "quince").await, ["s"]);
    go_on(&alice, "s", "go on").await;
    let all = json!(heard(&house)).to_string();
    assert!(all.contains("in short: quinces") && all.contains("the last answer"), "{all}");
    assert!(!all.contains("an old"), "{all}");
    house.close().await;
}

#[actix_web::test]
async fn imported_texts_are_freed_of_secrets() {
    let secret = "cAn4ry-import-0123456789";
    let alice_env = format!("CANARY_TOKEN={secret}\n");
    let house = House::with(Plan { alice_env, ..Plan::default() }).await;
    let alice = house.alice().await;
    let fill = |db: &Connection| {
        conversation(db, "s", 0, &[&format!("it is {secret}"), "I see"]);
        insert(
            db,
            "sessions",
            json!({"id": secret, "title": format!("of {secret}"), "started_at": 5, "end_reason": secret,
            "ended_at": 6, "system_prompt": format!("say {secret}")}),
        );
        let calls = json!([{"id": "c", "function": {"name": "terminal", "arguments": {"command": secret}}}]);
        insert(db, "messages", json!({"session_id": secret, "role": "assistant", "tool_calls": calls}));
        insert(
            db,
            "messages",
            json!({"session_id": secret, "role": "tool", "tool_call_id": "c", "content": secret}),
        );
    };
    let report = import(&house, "alice", records(&house, fill)).await;
    assert_eq!((report.sessions, report.renamed_count), (2, 1));
    assert!(!format!("{report:?}").contains(secret), "{report:?}");
    let other = report.renamed[0].to.clone();
    for path in [
        "/api/sessions".to_owned(),
        format!("/api/sessions/{other}/messages"),
        "/api/sessions/s/messages".to_owned(),
    ] {
        let reply = alice.get(&path).await;
        assert!(reply.status == 200 && reply.text.contains("[redacted:CANARY_TOKEN]"), "{}", reply.text);
        assert!(!reply.text.contains(secret), "{}", reply.text);
    }
    go_on(&alice, &other, "go on").await;
    assert!(!json!(heard(&house)).to_string().contains(secret));
    house.close().await;
}

/// Wherever the records break off, there are whole sessions; to import again brings the rest.
#[actix_web::test]
async fn an_import_that_breaks_off_leaves_whole_sessions_and_is_gone_on_with() {
    let house = House::open().await;
    let alice = house.alice().await;
    let many: Vec<String> = (0..1_200).map(|number| format!("message {number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let records = records(&house, |db| {
        conversation(db, "first", 0, &["one", "two"]);
        conversation(db, "long", 10, &many);
        conversation(db, "last", 20, &["three", "four"]);
    });
    assert_eq!(records.len(), 4 + 1_202 + 4 + 1);
    // Before the first message, between two commits of the long session, and before its end.
    for (told, sessions) in [(1, 0), (4 + 700, 1), (4 + 1_201, 0)] {
        let report = import(&house, "alice", records[..told].to_vec()).await;
        assert_eq!((report.sessions, report.stopped.as_deref()), (sessions, Some("the records broke off")));
        assert_eq!(alice.get("/api/sessions/long").await.status, 404);
    }
    let rest = import(&house, "alice", records.clone()).await;
    assert_eq!((rest.sessions, rest.already_imported, rest.messages, rest.stopped), (2, 1, 1_202, None));
    let page = alice.get("/api/sessions/long/messages?after=1199").await;
    assert_eq!(
        (&page.body["data"][0]["content"], &page.body["has_more"]),
        (&json!("message 1199"), &json!(false))
    );
    let shown = alice.get("/api/sessions/long").await.body["session"]["message_count"].clone();
    assert_eq!(shown, 1_200);
    house.close().await;
}

#[actix_web::test]
async fn calls_and_results_that_do_not_fit_together_do_not_end_every_turn() {
    let house = House::open().await;
    let alice = house.alice().await;
    let report = import(
        &house,
        "alice",
        records(&house, |db| {
            conversation(db, "s", 0, &["hello"]);
            let call =
                json!([{"id": "c1", "function": {"name": "terminal", "arguments": {"command": "ls"}}}]);
            for row in [
                json!({"role": "tool", "tool_call_id": "nobody", "content": "stray"}),
                json!({"role": "tool", "content": "without an id"}),
                json!({"role": "assistant", "tool_calls": call}),
                json!({"role": "assistant", "tool_calls": "{broken"}),
                json!({"role": "wizard", "content": "abracadabra"}),
                json!({"role": "assistant", "content": ""}),
            ] {
                let mut row = row;
                row["session_id"] = json!("s");
                insert(db, "messages", row);
            }
        }),
    )
    .await;
    assert_eq!((report.messages, report.left_out.values().sum::<u64>()), (2, 5), "{report:?}");
    go_on(&alice, "s", "go on").await;
    let roles: Vec<Value> = heard(&house).iter().map(|message| message["role"].clone()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "user"], "the call that was left open is answered for");
    house.close().await;
}
