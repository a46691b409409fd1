//! `kill -9` in the middle of a response: it has failed, everybody can see how far it came, and its stream has an end.

use crate::support::{Client, Frame, Site};
use awc::http::Method;
use serde_json::{Value, json};

async fn stream(client: &Client, path: &str) -> Vec<Frame> {
    client.stream(Method::GET, path, &[], None).await.rest().await
}

fn numbers(frames: &[Frame]) -> Vec<u64> {
    frames.iter().map(|frame| frame.json()["sequence_number"].as_u64().unwrap()).collect()
}

/// After the kill: the response as it is asked for, its whole stream, and what follows each of the frames `seen`.
async fn is_over(client: &Client, id: &str, seen: &[Frame]) {
    let path = format!("/v1/responses/{id}");
    let response = client.get(&path).await.body;
    assert_eq!((&response["id"], &response["status"]), (&json!(id), &json!("failed")), "{response}");
    assert_eq!(response["error"]["code"], "interrupted");
    assert!(response["usage"].is_object(), "it is over: {response}");
    let all = stream(client, &format!("{path}?stream=true")).await;
    assert!(numbers(&all).is_sorted_by(|one, next| one < next), "{:?}", numbers(&all));
    let end = all.last().unwrap();
    assert_eq!((&end.json()["type"], &end.json()["response"]), (&json!("response.failed"), &response));

    for frame in seen {
        let number = &frame.json()["sequence_number"];
        match all.iter().find(|kept| kept.json()["sequence_number"] == *number) {
            Some(kept) => assert_eq!(kept, frame, "number {number} is another frame now"),
            None => {
                let text = [
                    "response.output_item.added",
                    "response.content_part.added",
                    "response.output_text.delta",
                ];
                assert!(
                    frame.event.as_deref().is_some_and(|event| text.contains(&event)),
                    "{number} is gone"
                );
            }
        }
    }
    for number in [numbers(seen).first(), numbers(seen).last()].into_iter().flatten() {
        let behind = stream(client, &format!("{path}?stream=true&starting_after={number}")).await;
        let wanted: Vec<Frame> = all
            .iter()
            .filter(|frame| frame.json()["sequence_number"].as_u64() > Some(*number))
            .cloned()
            .collect();
        assert_eq!(behind, wanted, "behind {number}");
        let whole = response["output"][0]["content"][0]["text"].clone();
        let done = behind.iter().find(|frame| frame.event.as_deref() == Some("response.output_text.done"));
        // Whoever saw text that was lost is told which text is kept.
        assert_eq!(done.map(|done| done.json()["text"].clone()), whole.as_str().map(|_| whole.clone()));
    }
}

#[actix_web::test]
async fn a_response_that_was_killed_has_failed_and_its_stream_ends() {
    let site = Site::new().await;
    let mut killed: Vec<(String, Vec<Frame>)> = Vec::new();
    for (background, count) in [(false, 5), (true, 6), (false, 60), (true, 60)] {
        let process = site.start().await;
        let body = json!({"input": "@@stream 3000 2", "background": background, "stream": true});
        let mut frames = process.alice().stream(Method::POST, "/v1/responses", &[], Some(body)).await;
        let mut seen: Vec<Frame> = Vec::new();
        while seen.len() < count {
            seen.push(frames.data().await.unwrap());
        }
        assert!(numbers(&seen).into_iter().eq(0..count as u64));
        process.kill().await;
        let created = seen[0].json();
        killed.push((created["response"]["id"].as_str().unwrap().to_owned(), seen));

        let process = site.start().await;
        // The ends of earlier ones are written once.
        for (id, seen) in &killed {
            is_over(&process.alice(), id, seen).await;
        }
        process.kill().await;
    }
    assert_eq!(site.upstream.requests().len(), killed.len(), "the model was not asked again");
}

#[actix_web::test]
async fn a_background_response_that_nobody_followed_has_failed_after_a_kill() {
    let site = Site::new().await;
    let process = site.start().await;
    let body = json!({"input": "@@gate never", "background": true});
    let response: Value = process.alice().post("/v1/responses", body).await.body;
    site.upstream.reached("never").await;
    // Until its start is on disk the turn is one that was accepted and never begun, and begins after the restart.
    let path = format!("/v1/responses/{}?stream=true", response["id"].as_str().unwrap());
    let mut frames = process.alice().stream(Method::GET, &path, &[], None).await;
    let mut seen = vec![frames.data().await.unwrap()];
    while seen.last().unwrap().event.as_deref() != Some("response.in_progress") {
        seen.push(frames.data().await.unwrap());
    }
    process.kill().await;

    let process = site.start().await;
    is_over(&process.alice(), response["id"].as_str().unwrap(), &seen).await;
    assert_eq!(site.upstream.requests().len(), 1, "the model was not asked again");
}
