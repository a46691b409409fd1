//! What can be done with a response once it is there.

use super::{ECHO, create, created, get, id, kinds, roles, stream, told, until};
use crate::support::House;
use awc::http::Method;
use serde_json::{Value, json};

#[actix_web::test]
async fn a_background_response_is_answered_at_once_and_can_be_followed_and_cancelled() {
    let house = House::open().await;
    let alice = house.alice().await;
    let response = created(&alice, json!({"input": "@@gate slow", "background": true})).await;
    assert!(["queued", "in_progress"].contains(&response["status"].as_str().unwrap()), "{response}");
    house.upstream.reached("slow").await;
    let running = until(&alice, &response, "in_progress").await;
    assert_eq!(running["usage"], Value::Null);
    let path = format!("/v1/responses/{}", id(&response));
    let follower = alice.stream(Method::GET, &format!("{path}?stream=true"), &[], None).await;
    house.upstream.open("slow");
    let frames = follower.rest().await;
    assert_eq!(kinds(&frames)[..3], ["response.created", "response.queued", "response.in_progress"]);
    let done = frames.last().unwrap().json()["response"].clone();
    assert_eq!((&done["status"], &get(&alice, &response).await), (&json!("completed"), &done));
    // What is over stays as it is.
    assert_eq!(alice.post(&format!("{path}/cancel"), json!({})).await.body, done);

    let response = created(&alice, json!({"input": "@@gate never", "background": true})).await;
    house.upstream.reached("never").await;
    let path = format!("/v1/responses/{}/cancel", id(&response));
    let cancelled = alice.post(&path, json!({})).await.body;
    assert_eq!(cancelled["status"], "cancelled", "{cancelled}");
    assert_eq!(cancelled["output"][0]["status"], "incomplete");
    assert_eq!(cancelled["output"][0]["content"][0]["text"], "tok0 ");
    assert_eq!(alice.post(&path, json!({})).await.body, cancelled);
    assert_eq!(get(&alice, &response).await, cancelled);

    let refused = create(&alice, json!({"input": "x", "background": true, "store": false})).await;
    assert_eq!((refused.status, refused.body["error"]["param"].as_str()), (400, Some("background")));
    house.close().await;
}

#[actix_web::test]
async fn a_stream_is_resumed_behind_any_frame_and_any_event() {
    let house = House::open().await;
    let alice = house.alice().await;
    let all = stream(&alice, json!({"input": format!("@@say Looking. {ECHO}")})).await.rest().await;
    let response = all.last().unwrap().json()["response"].clone();
    let path = format!("/v1/responses/{}?stream=true", id(&response));
    for (at, frame) in all.iter().enumerate() {
        let behind = alice.stream(Method::GET, &format!("{path}&starting_after={at}"), &[], None).await;
        assert_eq!(behind.rest().await, all[at + 1..], "behind frame {at}");
        if let Some(event) = &frame.id {
            let headers = [("Last-Event-ID", event.as_str())];
            let behind = alice.stream(Method::GET, &path, &headers, None).await;
            assert_eq!(behind.rest().await, all[at + 1..], "behind event {event}");
        }
    }
    assert_eq!(alice.stream(Method::GET, &path, &[], None).await.rest().await, all);
    let wrong = alice.get(&format!("{path}&starting_after=x")).await;
    assert_eq!((wrong.status, wrong.body["error"]["param"].as_str()), (400, Some("starting_after")));
    house.close().await;
}

#[actix_web::test]
async fn input_items_are_listed_page_by_page() {
    let house = House::open().await;
    let alice = house.alice().await;
    let input = json!([
        {"role": "developer", "content": "In French."},
        {"role": "user", "content": [{"type": "input_text", "text": "look"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "done"},
        "and now?",
    ]);
    let response = created(&alice, json!({ "input": input, "instructions": "Be brief." })).await;
    let path = format!("/v1/responses/{}/input_items", id(&response));
    let list = alice.get(&format!("{path}?order=asc")).await.body;
    let mut items = list["data"].as_array().unwrap().clone();
    assert_eq!((&list["first_id"], &list["last_id"]), (&items[0]["id"], &items[4]["id"]));
    for item in &mut items {
        item["id"].take();
        item["status"].take();
    }
    let image = json!({"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto",
        "file_id": null});
    let message = |role: &str, content: Value| json!({"type": "message", "id": null, "status": null, "role": role, "content": content});
    let text = |text: &str| json!({"type": "input_text", "text": text});
    assert_eq!(
        json!(items),
        json!([
            message("developer", json!([text("In French.")])),
            message("user", json!([text("look"), image])),
            {"type": "function_call", "id": null, "status": null, "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "id": null, "status": null, "call_id": "c1", "output": "done"},
            message("user", json!([text("and now?")])),
        ])
    );
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = alice.get(&format!("{path}?limit=2{after}")).await.body;
        seen.extend(page["data"].as_array().unwrap().clone());
        after = format!("&after={}", page["last_id"].as_str().unwrap());
        if page["has_more"] == false {
            break;
        }
    }
    seen.reverse();
    assert_eq!(json!(seen), list["data"], "newest first by default");
    assert_eq!(alice.get(&format!("{path}?after=nope")).await.status, 400);
    house.close().await;
}

#[actix_web::test]
async fn fault_41_an_idempotent_response_is_the_same_one_streamed_or_not() {
    let house = House::open().await;
    let alice = house.alice().await;
    let ask = r#"@@tool terminal {"command":"date +%s%N"}"#;
    for (key, store) in [("r-1", true), ("r-2", false)] {
        let headers = [("Idempotency-Key", key)];
        let body = json!({"input": ask, "store": store});
        let one = alice.post_with("/v1/responses", &headers, body.clone()).await;
        let two = alice.post_with("/v1/responses", &headers, body.clone()).await;
        assert_eq!(one.body, two.body);
        assert_eq!(two.header("Idempotency-Replayed"), Some("true"));
        let streamed = json!({"input": ask, "store": store, "stream": true});
        let frames = alice.stream(Method::POST, "/v1/responses", &headers, Some(streamed)).await;
        assert_eq!(frames.rest().await.last().unwrap().json()["response"], one.body);
        let other = alice.post_with("/v1/responses", &headers, json!({"input": "x", "store": store})).await;
        assert_eq!((other.status, other.code()), (409, "idempotency_key_conflict"));
    }
    assert_eq!(house.upstream.requests().len(), 4, "two model calls of each of two turns");
    house.close().await;
}

#[actix_web::test]
async fn fault_28_a_client_that_leaves_ends_its_turn_unless_it_is_in_the_background() {
    let house = House::open().await;
    let alice = house.alice().await;
    for (background, end) in [(false, "cancelled"), (true, "completed")] {
        let gate = format!("left-{background}");
        let body = json!({"input": format!("@@gate {gate}"), "background": background});
        let mut frames = stream(&alice, body).await;
        let response = frames.data().await.unwrap().json()["response"].clone();
        house.upstream.reached(&gate).await;
        drop(frames);
        if background {
            house.upstream.open(&gate);
        }
        until(&alice, &response, end).await;
    }
    house.close().await;
}

#[actix_web::test]
async fn a_stored_response_is_the_same_after_a_restart() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let all = stream(&alice, json!({"input": ECHO})).await.rest().await;
    let response = all.last().unwrap().json()["response"].clone();
    house.stop(std::time::Duration::ZERO).await;
    house.start().await;
    let alice = house.alice().await;
    assert_eq!(get(&alice, &response).await, response);
    let path = format!("/v1/responses/{}?stream=true&starting_after=4", id(&response));
    assert_eq!(alice.stream(Method::GET, &path, &[], None).await.rest().await, all[5..]);
    let two = created(&alice, json!({"input": "two", "previous_response_id": id(&response)})).await;
    assert_eq!(two["previous_response_id"], response["id"]);
    assert_eq!(roles(&told(&house)), ["user", "assistant", "tool", "assistant", "user"]);
    house.close().await;
}
