//! The agent's own prompt once a summary stands for the older messages: it is built of what there is then.

use super::{calls, compressed, is_summary, long, model, say, session, told};
use crate::support::{Client, House};
use serde_json::{Value, json};
use std::{fs, time::Duration};

fn remember(house: &House, text: &str) {
    let folder = house.profile_dir("alice").join("memories");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("MEMORY.md"), text).unwrap();
}

/// The prompts of the calls for answers, in order.
fn prompts(house: &House) -> Vec<String> {
    let (answers, _) = calls(house);
    answers.iter().map(|body| body["messages"][0]["content"].as_str().unwrap().to_owned()).collect()
}

async fn hash(client: &Client, session: &str) -> Value {
    client.get(&format!("/api/sessions/{session}")).await.body["session"]["prompt_hash"].clone()
}

#[actix_web::test]
async fn a_session_that_went_on_from_a_summary_has_the_memory_of_now_and_keeps_it() {
    let mut house = House::with(model("")).await;
    let alice = house.alice().await;
    remember(&house, "old\n");
    let id = session(&alice).await;
    say(&alice, &id, &long("part0", 9)).await;
    let first = hash(&alice, &id).await;
    remember(&house, "new\n");
    for number in 1..=8 {
        say(&alice, &id, &long(&format!("part{number}"), 9)).await;
    }
    let (answers, helpers) = calls(&house);
    assert_eq!(helpers.len(), 1, "one summary");
    for (answer, prompt) in answers.iter().zip(prompts(&house)) {
        let summed = told(answer).iter().any(|(_, text)| is_summary(text));
        assert_eq!((prompt.contains("\nold\n"), prompt.contains("\nnew\n")), (!summed, summed), "{prompt}");
    }
    let second = hash(&alice, &id).await;
    assert!(second.is_string() && second != first, "{second}");

    remember(&house, "newest\n");
    house.stop(Duration::ZERO).await;
    house.start().await;
    let alice = house.alice().await;
    say(&alice, &id, "and now?").await;
    let all = prompts(&house);
    assert_eq!(all[all.len() - 1], all[all.len() - 2], "the same bytes until the next summary");
    assert_eq!(hash(&alice, &id).await, second);
    house.close().await;
}

#[actix_web::test]
async fn the_turn_after_one_that_says_compress_has_a_prompt_of_now() {
    let house = House::open().await;
    let alice = house.alice().await;
    remember(&house, "old\n");
    let id = session(&alice).await;
    for number in 1..=14 {
        say(&alice, &id, &format!("this is number{number}")).await;
    }
    remember(&house, "new\n");
    say(&alice, &id, "and this?").await;
    assert!(prompts(&house).last().unwrap().contains("\nold\n"), "nothing gave way yet");
    assert_eq!(alice.post(&format!("/api/sessions/{id}/compress"), json!({})).await.body["compressed"], true);
    say(&alice, &id, "what now?").await;
    assert!(prompts(&house).last().unwrap().contains("\nnew\n"));
    house.close().await;
}

#[actix_web::test]
async fn a_turn_that_overflowed_asks_again_with_a_prompt_of_now() {
    let house = House::with(model("")).await;
    let alice = house.alice().await;
    remember(&house, "old\n");
    let id = session(&alice).await;
    for number in 1..=5 {
        say(&alice, &id, &long(&format!("part{number}"), 9)).await;
    }
    remember(&house, "new\n");
    let run = alice.run_with(json!({"input": "@@fits 50000", "session_id": id})).await;
    let record = alice.finished(&run).await;
    assert_eq!(record["status"], "completed", "{record}");
    assert_eq!(compressed(&alice, &run).await[0]["cause"], "overflow");
    let all = prompts(&house);
    let (refused, answered) = (&all[5], &all[all.len() - 1]);
    assert!(refused.contains("\nold\n") && answered.contains("\nnew\n"), "{refused} {answered}");
    house.close().await;
}
