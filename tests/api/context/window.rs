//! What is known of a model's window: who says it, who is told it, and the limit that each call has because of it.

use super::{WINDOW, compressed, long, model};
use crate::support::{Client, House, Plan, ask, within};
use serde_json::{Value, json};

/// The limits of all calls so far.
fn limits(house: &House) -> Vec<Option<u64>> {
    house.upstream.requests().iter().map(|body| body["max_tokens"].as_u64()).collect()
}

async fn agent(client: &Client) -> Value {
    client.get("/v1/models").await.body["data"][0].clone()
}

#[actix_web::test]
async fn where_nobody_knows_the_window_no_limit_is_sent_and_none_is_told() {
    let house = House::open().await;
    let alice = house.alice().await;
    alice.chat(&long("hello", 20)).await;
    house.upstream.listed().await;
    alice.chat("hello again").await;
    assert_eq!(limits(&house), [None, None]);
    let agent = agent(&alice).await;
    assert!(agent.get("context_length").is_none() && agent.get("max_model_len").is_none(), "{agent}");
    house.close().await;
}

#[actix_web::test]
async fn what_the_endpoint_says_is_told_to_clients_and_bounds_each_call() {
    let house = House::open().await;
    house.upstream.says_of_its_model(json!({"max_model_len": 50_000}));
    let (alice, bob) = (house.alice().await, house.bob().await);
    alice.chat("hello").await;
    assert!(agent(&alice).await.get("context_length").is_none(), "nobody has asked the endpoint yet");
    alice.chat(&long("hello", 20)).await;
    let said = within(async {
        loop {
            let agent = agent(&alice).await;
            if agent.get("context_length").is_some() {
                return agent;
            }
        }
    })
    .await;
    assert_eq!((&said["context_length"], &said["max_model_len"]), (&json!(50_000), &json!(50_000)));
    let options = alice.get("/api/model/options").await.body;
    assert_eq!(options["providers"][0]["context_length"], 50_000, "{options}");
    assert!(agent(&bob).await.get("context_length").is_none(), "bob has asked nobody yet");

    alice.chat("hello again").await;
    let sent = limits(&house);
    assert_eq!((sent.len(), sent[1]), (3, None), "nobody waits for the endpoint");
    assert!((20_000..50_000).contains(&sent[2].unwrap()), "{sent:?}");
    assert_eq!(house.upstream.listed().await, 1, "it is asked once");
    house.close().await;
}

#[actix_web::test]
async fn a_call_is_limited_to_what_is_left_and_never_beyond_what_client_or_owner_say() {
    let house = House::with(model("")).await;
    let alice = house.alice().await;
    assert_eq!(agent(&alice).await["context_length"], WINDOW);
    alice.chat("short").await;
    alice.chat(&long("long", 60)).await;
    let mut body = ask("hello", false);
    body["max_tokens"] = json!(300);
    alice.post("/v1/chat/completions", body).await;
    let [Some(short), Some(long), Some(own)] = limits(&house)[..] else { panic!("{:?}", limits(&house)) };
    assert!(long < short && short < WINDOW && own == 300, "{:?}", limits(&house));
    assert!(short - long > 10_000, "60,000 letters are some 15,000 tokens: {short} {long}");
    house.close().await;

    let house = House::with(Plan::config("  max_tokens: 700\n")).await;
    let alice = house.alice().await;
    alice.chat("hello").await;
    assert_eq!(limits(&house), [Some(700)], "also where the window is not known");
    let settings = alice.get("/api/config").await.body;
    assert_eq!(settings["config"]["model"]["max_tokens"], 700, "{settings}");
    house.close().await;
}

#[actix_web::test]
async fn a_model_that_answers_with_less_is_asked_again_once_and_then_known() {
    let house = House::with(model("")).await;
    let alice = house.alice().await;
    for said in ["@@most 4096", "@@most 4096"] {
        let reply = alice.chat(said).await;
        assert_eq!(reply.body["choices"][0]["message"]["content"], "Little enough.", "{}", reply.text);
    }
    let sent = limits(&house);
    assert!(sent[0] > Some(4_096) && sent[1..] == [Some(4_096), Some(4_096)], "{sent:?}");
    house.close().await;
}

#[actix_web::test]
async fn a_limit_of_our_own_never_makes_a_prompt_too_long() {
    let house = House::with(model("")).await;
    let alice = house.alice().await;
    let run = alice.run("@@reserves").await;
    let record = alice.finished(&run).await;
    assert_eq!((&record["status"], &record["output"]), (&json!("completed"), &json!("It fits.")));
    assert_eq!(compressed(&alice, &run).await, Vec::<Value>::new());
    let sent = limits(&house);
    assert!(sent.len() == 2 && sent[0].is_some() && sent[1].is_none(), "{sent:?}");
    alice.chat("the next call").await;
    assert!(limits(&house)[2].is_some(), "it was that call's trouble");
    house.close().await;
}
