//! Within one turn: many calls, an upstream that says it is too long, a helper that fails.

use super::{calls, compressed, is_summary, long, model, say, session, told};
use crate::support::House;
use serde_json::{Value, json};

fn roles(body: &Value) -> Vec<String> {
    told(body).into_iter().map(|(role, _)| role).collect()
}

#[actix_web::test]
async fn a_turn_of_many_calls_makes_room_and_parts_no_call_from_its_result() {
    let house = House::with(model("")).await;
    let alice = house.alice().await;
    let id = session(&alice).await;
    say(&alice, &id, "hello").await;
    say(&alice, &id, "hello again").await;
    for part in 1..5 {
        say(&alice, &id, &long(&format!("part{part}"), 9)).await;
    }
    // Something else each time, so that no call is a repetition.
    let command = json!({"command": "date +%N; head -c 9000 /dev/zero | tr '\\0' x"});
    let run =
        alice.run_with(json!({"input": format!("@@loop 8 terminal {command}"), "session_id": id})).await;
    let ended = alice.finished(&run).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    let events = compressed(&alice, &run).await;
    assert!((1..=3).contains(&events.len()), "{events:?}");
    let (answers, helpers) = calls(&house);
    assert_eq!(helpers.len(), events.len());
    for body in &answers {
        let mut open: Vec<String> = Vec::new();
        for message in body["messages"].as_array().unwrap() {
            if let Some(calls) = message["tool_calls"].as_array() {
                assert!(open.is_empty(), "a call has no result");
                open.extend(calls.iter().map(|call| call["id"].as_str().unwrap().to_owned()));
            }
            if message["role"] == "tool" {
                let answered = open.iter().position(|id| message["tool_call_id"] == json!(id));
                open.remove(answered.expect("a result without its call"));
            }
        }
        assert!(open.is_empty());
        let user = told(body).into_iter().rfind(|(role, text)| role == "user" && !is_summary(text));
        assert!(
            user.is_some_and(|(_, text)| ["@@loop", "hello", "part"]
                .iter()
                .any(|word| text.starts_with(word))),
            "the user's word stays"
        );
    }
    let counted = ended["usage"]["output_tokens"].as_u64().unwrap();
    let own = answers.len() - 6;
    assert!(
        counted >= (own + helpers.len()) as u64,
        "the helper's tokens are counted, too: {counted}, {own}"
    );

    // The session has all of it, and its next turn is shown the summary.
    let page = alice.get(&format!("/api/sessions/{id}/messages")).await.body;
    let rows = page["data"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["compacted"] == true && row["role"] == "tool"));
    let word = rows
        .iter()
        .find(|row| row["content"].as_str().is_some_and(|text| text.starts_with("@@loop")))
        .unwrap();
    assert_eq!(word["compacted"], false, "the user's word stays");
    say(&alice, &id, "thanks").await;
    let (answers, again) = calls(&house);
    assert_eq!(again.len(), helpers.len(), "no summary of what has one");
    let after = told(answers.last().unwrap());
    assert_eq!(after.iter().filter(|(_, text)| is_summary(text)).count(), 1, "{after:?}");
    assert!(after.len() < rows.len(), "{after:?}");
    assert_eq!(roles(answers.last().unwrap()).last().unwrap(), "user");
    house.close().await;
}

#[actix_web::test]
async fn when_the_upstream_says_that_it_is_too_long_it_is_made_shorter_and_asked_again() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = session(&alice).await;
    for number in 1..=6 {
        say(&alice, &id, &long(&format!("part{number}"), 10)).await;
    }
    let run = alice.run_with(json!({"input": "@@fits 90000", "session_id": id})).await;
    let ended = alice.finished(&run).await;
    assert_eq!((&ended["status"], &ended["output"]), (&json!("completed"), &json!("It fits.")), "{ended}");
    let events = compressed(&alice, &run).await;
    assert_eq!(events[0]["cause"], "overflow", "{events:?}");

    let run = alice.run("@@refuse 400 This model's maximum context length is 10 tokens").await;
    let ended = alice.finished(&run).await;
    assert_eq!(ended["error_code"], "context_length_exceeded", "{ended}");
    let error = ended["error"].as_str().unwrap();
    assert!(
        error.starts_with("Context length exceeded (about ") && error.contains("Cannot compress further."),
        "{error}"
    );
    house.close().await;
}

#[actix_web::test]
async fn a_helper_that_fails_leaves_an_extract_and_is_left_alone_for_a_while() {
    let house = House::with(model("agent: {api_max_retries: 1}\n")).await;
    let alice = house.alice().await;
    for number in 0..2 {
        let id = session(&alice).await;
        for part in 1..=9 {
            say(&alice, &id, &long(&format!("part{part} @@no-helper"), 9)).await;
        }
        let (answers, helpers) = calls(&house);
        assert_eq!(helpers.len(), 1, "round {number}: asked once in ten minutes");
        let body = answers.last().unwrap()["messages"].to_string();
        assert!(body.contains("it is an extract") && body.contains("part3"), "round {number}");
    }
    house.close().await;
}

#[actix_web::test]
async fn a_stop_reaches_the_helper() {
    let house = House::with(model("")).await;
    let alice = house.alice().await;
    let id = session(&alice).await;
    for part in 1..=5 {
        say(&alice, &id, &long(&format!("part{part} @@silent-helper"), 9)).await;
    }
    let run = alice.run_with(json!({"input": long("part6", 60), "session_id": id})).await;
    let asked = async {
        while calls(&house).1.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), asked).await.unwrap();
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    assert_eq!(alice.finished(&run).await["status"], "cancelled");
    let shown = alice.get(&format!("/api/sessions/{id}")).await.body;
    assert_eq!(shown["session"]["summary_count"], 0);
    house.close().await;
}

#[actix_web::test]
async fn the_limit_of_an_answer_fits_into_what_is_left_of_the_window() {
    let house = House::with(model("")).await;
    let alice = house.alice().await;
    let words = long("much", 60);
    for limit in [500, 60_000] {
        let body =
            json!({"model": "test", "max_tokens": limit, "messages": [{"role": "user", "content": words}]});
        assert_eq!(alice.post("/v1/chat/completions", body).await.status, 200);
    }
    let limits: Vec<u64> =
        house.upstream.requests().iter().map(|body| body["max_tokens"].as_u64().unwrap()).collect();
    assert_eq!(limits[0], 500, "what fits goes on as it came");
    // 60,000 letters are some 15,000 tokens of the window's 40,000; prompt and tools are some more.
    assert!((10_000..25_000).contains(&limits[1]), "{limits:?}");
    house.close().await;
}

#[actix_web::test]
async fn the_open_list_of_steps_is_carried_over() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = session(&alice).await;
    say(&alice, &id, "hello").await;
    say(&alice, &id, "hello again").await;
    let todo = json!({"todos": [{"id": "1", "content": "water the ferns", "status": "in_progress"}]});
    say(&alice, &id, &format!("@@tool todo {todo}")).await;
    for number in 1..=20 {
        say(&alice, &id, &format!("this is the word number{number} of many")).await;
    }
    let done = alice.post(&format!("/api/sessions/{id}/compress"), json!({})).await;
    assert_eq!(done.body["compressed"], true, "{}", done.text);
    say(&alice, &id, "what now?").await;
    let (answers, _) = calls(&house);
    let told = answers.last().unwrap()["messages"].as_array().unwrap().clone();
    let summary = told.iter().filter_map(|message| message["content"].as_str()).find(|text| is_summary(text));
    assert!(summary.unwrap().contains("water the ferns"), "{summary:?}");
    house.close().await;
}
