//! `GET /api/sessions/search`, and the agent's `session_search`.

use super::{create, say};
use crate::support::{Client, House};
use serde_json::{Value, json};

async fn found(client: &Client, query: &str) -> Vec<(String, u64)> {
    let reply = client.get(&format!("/api/sessions/search?{query}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let hits = reply.body["data"].as_array().unwrap();
    hits.iter()
        .map(|hit| (hit["session_id"].as_str().unwrap().to_owned(), hit["message_id"].as_u64().unwrap()))
        .collect()
}

/// What the tool gave back, as the model read it.
async fn called(house: &House, client: &Client, arguments: Value) -> Value {
    let run = client.run(&format!("@@tool session_search {arguments}")).await;
    client.finished(&run).await;
    let asked = house.upstream.requests().pop().unwrap();
    let result =
        asked["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned();
    serde_json::from_str(&result).unwrap()
}

#[actix_web::test]
async fn what_was_said_is_found_as_soon_as_it_was_answered() {
    let house = House::open().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let (garden, trip) = (create(&alice, json!({"title": "Garden"})).await, create(&alice, json!({})).await);
    say(&alice, &garden, "Which apple trees grow in Bern?").await;
    say(&alice, &trip, "A trip to Bern and Zürich").await;
    say(&bob, &create(&bob, json!({})).await, "Bern is mine").await;

    assert_eq!(found(&alice, "q=apple&role=user").await, [(garden.clone(), 1)]);
    assert_eq!(found(&alice, "q=zurich+bern&role=user").await, [(trip.clone(), 1)]);
    assert_eq!(
        found(&alice, "q=Bern&role=assistant&sort=newest").await,
        [(trip.clone(), 2), (garden.clone(), 2)]
    );
    let page = alice.get(&format!("/api/sessions/search?q=appl*&session_id={garden}&limit=1")).await.body;
    let hit = &page["data"][0];
    assert_eq!((&hit["session_title"], &hit["source"]), (&json!("Garden"), &json!("api_server")));
    assert_eq!((&page["has_more"], &page["complete"]), (&json!(true), &json!(true)), "{page}");
    let (snippet, mark) = (hit["snippet"].as_str().unwrap(), &hit["marks"][0]);
    let (from, until) = (mark[0].as_u64().unwrap() as usize, mark[1].as_u64().unwrap() as usize);
    assert_eq!(snippet.chars().skip(from).take(until - from).collect::<String>(), "apple");
    assert_eq!(found(&alice, "q=mine").await, [], "the neighbour's words are the neighbour's");

    alice.delete(&format!("/api/sessions/{garden}")).await;
    assert_eq!(found(&alice, "q=apple").await, []);
    let capabilities = alice.get("/v1/capabilities").await.body;
    assert_eq!(capabilities["features"]["session_search"], true);
    house.close().await;
}

#[actix_web::test]
async fn a_search_that_cannot_be_is_told_why() {
    let house = House::open().await;
    let alice = house.alice().await;
    let long = format!("q={}", "x".repeat(1_001));
    let cases = [
        ("", "q"),
        ("q=", "q"),
        ("q=-only", "q"),
        ("q=a*", "q"),
        (&long, "q"),
        ("q=x&limit=0", "limit"),
        ("q=x&offset=1001", "offset"),
        ("q=x&role=me", "role"),
        ("q=x&sort=up", "sort"),
        ("q=x&since=soon", "since"),
        ("q=x&one_each=2", "one_each"),
    ];
    for (query, param) in cases {
        let reply = alice.get(&format!("/api/sessions/search?{query}")).await;
        assert_eq!((reply.status, &reply.body["error"]["param"]), (400, &json!(param)), "{query}");
    }
    let made = alice.post("/api/keys", json!({"name": "chat only", "scopes": ["chat", "runs"]})).await;
    let narrow = alice.with_key(made.body["token"].as_str());
    assert_eq!(narrow.get("/api/sessions/search?q=x").await.code(), "insufficient_scope");
    let refused = called(&house, &narrow, json!({"query": "x"})).await;
    assert_eq!(refused["code"], "insufficient_scope", "nor by way of the agent");
    house.close().await;
}

#[actix_web::test]
async fn the_agent_finds_what_was_said_in_four_ways() {
    let house = House::open().await;
    let alice = house.alice().await;
    let session = create(&alice, json!({"title": "Plans"})).await;
    for number in 1..=14 {
        say(&alice, &session, &format!("plan number{number}")).await;
    }
    let fork = alice.post(&format!("/api/sessions/{session}/fork"), json!({})).await;
    assert_eq!(fork.status, 201);

    let hits = called(&house, &alice, json!({"query": "number7", "role": "user"})).await["hits"].take();
    let [hit] = &hits.as_array().unwrap()[..] else { panic!("one hit of a session and its fork: {hits}") };
    assert_eq!((&hit["message_id"], hit["around"].as_array().unwrap().len()), (&json!(13), 11));
    assert_eq!((&hit["first"][0]["text"], &hit["last"][2]["id"]), (&json!("plan number1"), &json!(28)));

    let place =
        called(&house, &alice, json!({"session_id": session, "around_message_id": 13, "window": 1})).await;
    let ids: Vec<_> =
        place["messages"].as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [12, 13, 14]);
    let whole = called(&house, &alice, json!({"session_id": session})).await;
    assert_eq!(
        (whole["first"][0]["id"].as_u64(), whole["last"][15]["id"].as_u64()),
        (Some(1), Some(28)),
        "{whole}"
    );
    let lately = called(&house, &alice, json!({"limit": 10})).await;
    assert!(lately["sessions"].as_array().unwrap().iter().any(|one| one["title"] == "Plans"), "{lately}");

    for (arguments, code) in [
        (json!({"session_id": "none"}), "not_found"),
        (json!({"query": "!!"}), "invalid_arguments"),
        (json!({"around_message_id": 3}), "invalid_arguments"),
        (json!({"query": 5}), "invalid_arguments"),
    ] {
        assert_eq!(called(&house, &alice, arguments.clone()).await["code"], code, "{arguments}");
    }
    house.close().await;
}
