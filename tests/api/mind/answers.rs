//! Answers that are not whole, and what becomes of them.

use crate::support::{House, Plan, ask};
use serde_json::{Value, json};

#[actix_web::test]
async fn a_text_that_the_models_limit_cut_is_gone_on_with_as_one_answer() {
    let house = House::open().await;
    let alice = house.alice().await;
    let reply = alice.chat("@@parts 2").await;
    let choice = &reply.body["choices"][0];
    assert_eq!(choice["message"]["content"], "part0 part1 end", "{}", reply.text);
    assert_eq!(choice["finish_reason"], "stop");
    let asked = house.upstream.requests();
    let last = asked[2]["messages"].as_array().unwrap();
    let before = &last[last.len() - 2];
    assert_eq!(before, &json!({"role": "assistant", "content": "part0 part1 "}), "one message so far");
    let usage = reply.body["usage"]["prompt_tokens"].as_u64();
    assert_eq!(usage, Some(150), "three calls were paid for");
    house.close().await;
}

#[actix_web::test]
async fn a_text_that_never_ends_is_cut_after_three_more_calls_and_says_so() {
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run_with(json!({"input": "@@length", "session_id": "s"})).await;
    let record = alice.finished(&run).await;
    assert_eq!((&record["status"], &record["output"]), (&json!("completed"), &json!("Cut off".repeat(4))));
    assert_eq!(record["usage"]["input_tokens"], 200, "{record}");
    let messages = alice.get("/api/sessions/s/messages").await.body;
    let said = &messages["data"][1];
    assert_eq!((&said["content"], &said["finish_reason"]), (&json!("Cut off".repeat(4)), &json!("length")));
    assert_eq!(messages["data"].as_array().unwrap().len(), 2, "it is one message");
    house.close().await;
}

#[actix_web::test]
async fn the_clients_own_limit_ends_the_text() {
    let house = House::open().await;
    let mut body = ask("@@length", false);
    body["max_tokens"] = json!(3);
    let reply = house.alice().await.post("/v1/chat/completions", body).await;
    assert_eq!(reply.body["choices"][0]["finish_reason"], "length");
    assert_eq!(house.upstream.requests().len(), 1);
    house.close().await;
}

#[actix_web::test]
async fn a_text_whose_rest_cannot_be_had_is_given_as_far_as_it_came() {
    let house = House::open().await;
    let reply = house.alice().await.chat("@@part-then 400").await;
    let choice = &reply.body["choices"][0];
    assert_eq!((reply.status, &choice["message"]["content"]), (200, &json!("Cut off")), "{}", reply.text);
    assert_eq!(choice["finish_reason"], "length");
    house.close().await;
}

#[actix_web::test]
async fn a_call_that_was_cut_is_never_run_and_made_again() {
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run("@@half-call 2").await;
    let record = alice.finished(&run).await;
    assert!(record["output"].as_str().unwrap().contains("whole"), "{record}");
    assert!(!house.profile_dir("alice").join("workspace/mad").exists());
    assert_eq!(record["tools"].as_array().unwrap().len(), 1, "{record}");
    house.close().await;
}

#[actix_web::test]
async fn thoughts_alone_and_nothing_at_all_are_asked_again_and_never_taken_for_an_answer() {
    let house = House::open().await;
    let alice = house.alice().await;
    for (said, calls) in [("@@thoughts 2", 3), ("@@nothing 3", 4)] {
        let before = house.upstream.requests().len();
        let reply = alice.chat(said).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(house.upstream.requests().len() - before, calls, "{said}");
    }
    for (said, calls) in [("@@thoughts 99", 6), ("@@nothing 99", 4)] {
        let before = house.upstream.requests().len();
        let reply = alice.chat(said).await;
        assert_eq!((reply.status, reply.code()), (502, "upstream_error"), "{}", reply.text);
        assert_eq!(house.upstream.requests().len() - before, calls, "{said}");
        let usage = reply.header("X-Hermes-Run-Id").map(str::to_owned).unwrap();
        let record = alice.get(&format!("/v1/runs/{usage}")).await.body;
        assert_eq!(record["usage"]["input_tokens"], 50 * calls as u64, "what failed was paid for, too");
    }
    house.close().await;
}

#[actix_web::test]
async fn a_turn_at_its_cap_sums_up_without_tools() {
    let house = House::with(Plan::config("agent:\n  max_turns: 2\n")).await;
    let alice = house.alice().await;
    let run = alice.run(r#"@@loop 9 terminal {"command":"echo x"}"#).await;
    let record = alice.finished(&run).await;
    assert_eq!(record["status"], "failed", "the scripted model calls on and on: {record}");
    let asked = house.upstream.requests();
    assert_eq!(asked.len(), 4, "twice in the turn, and twice to sum up");
    let offers: Vec<bool> = asked.iter().map(|body| body.get("tools").is_some()).collect();
    assert_eq!(offers, [true, true, false, false]);
    assert_eq!(record["tools"].as_array().unwrap().len(), 2, "nothing is run at the cap: {record}");
    house.close().await;
}

#[actix_web::test]
async fn a_name_with_a_slip_finds_its_tool_and_a_wrong_one_is_told_what_there_is() {
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run(r#"@@tool Termnial {"command":"echo found"}"#).await;
    let record = alice.finished(&run).await;
    assert_eq!(record["tools"][0]["tool"], "terminal", "{record}");
    assert!(record["output"].as_str().unwrap().contains("found"));

    let run = alice.run(r#"@@tools teleport {} ;; terminal {"command":"echo ran"}"#).await;
    alice.finished(&run).await;
    let asked = house.upstream.requests().pop().unwrap();
    let results: Vec<&str> = asked["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|message| message["role"] == "tool")
        .filter_map(|message| message["content"].as_str())
        .collect();
    assert!(results[0].contains("read_file") && results[0].contains("terminal"), "{results:?}");
    assert!(results[1].contains("ran"), "the others run: {results:?}");
    house.close().await;
}

#[actix_web::test]
async fn a_model_that_calls_only_what_is_not_there_ends_its_turn() {
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run("@@loop 9 teleport {}").await;
    let record = alice.finished(&run).await;
    assert_eq!((&record["status"], &record["error_code"]), (&json!("failed"), &json!("upstream_error")));
    assert!(record["error"].as_str().unwrap().contains("teleport"), "{record}");
    assert_eq!(house.upstream.requests().len(), 3);
    assert_ne!(record["usage"], Value::Null);
    house.close().await;
}

#[actix_web::test]
async fn a_turn_at_its_cap_that_sums_up_is_an_answer_that_says_it_was_cut() {
    let house = House::with(Plan::config("agent:\n  max_turns: 2\n")).await;
    let alice = house.alice().await;
    let reply = alice.chat(r#"@@as-long-as-offered terminal {"command":"echo x"}"#).await;
    let choice = &reply.body["choices"][0];
    assert_eq!(choice["message"]["content"], "This is what was done.", "{}", reply.text);
    assert_eq!(choice["finish_reason"], "length");
    let last = house.upstream.requests().pop().unwrap();
    let asked = last["messages"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&asked["role"], last.get("tools")), (&json!("user"), None), "{asked}");
    house.close().await;
}

#[actix_web::test]
async fn what_a_content_filter_withholds_is_a_failed_turn_and_no_answer() {
    let house = House::open().await;
    let alice = house.alice().await;
    for (said, text) in [("@@filtered", ""), ("@@filtered Half of", "Half of")] {
        let run = alice.run(said).await;
        let record = alice.finished(&run).await;
        let said = record["partial_output"].as_str().unwrap_or_default();
        assert_eq!((&record["status"], said), (&json!("failed"), text), "{record}");
        assert!(record["error"].as_str().unwrap().contains("content filter"), "{record}");
        assert_eq!(record["usage"]["input_tokens"], 50, "it was paid for");
    }
    house.close().await;
}

#[actix_web::test]
async fn a_failed_chat_is_a_200_only_where_the_profile_wants_it_for_old_clients() {
    let config = "gateway:\n  api_server:\n    failed_turn_status: 200\n";
    let house = House::with(Plan::config(config)).await;
    let reply = house.alice().await.chat("@@status 400").await;
    let choice = &reply.body["choices"][0];
    assert_eq!((reply.status, &choice["finish_reason"]), (200, &json!("error")), "{}", reply.text);
    assert_eq!(
        (&reply.body["hermes"]["failed"], &reply.body["hermes"]["completed"]),
        (&json!(true), &json!(false))
    );
    house.close().await;
}
