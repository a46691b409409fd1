//! What responses look like, in one piece and as a stream.

use super::{ECHO, create, created, get, kinds, stream, types};
use crate::support::{Frame, House, Plan};
use serde_json::{Value, json};

#[actix_web::test]
async fn a_response_has_openais_members_and_is_the_same_when_asked_for() {
    let house = House::open().await;
    let alice = house.alice().await;
    let reply = create(&alice, json!({"model": "m", "input": "hello", "metadata": {"k": "v"}})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let mut body = reply.body.clone();
    let run = reply.header("X-Hermes-Run-Id").unwrap();
    assert_eq!(body["id"].as_str().unwrap().strip_prefix("resp_"), run.strip_prefix("run_"));
    for name in ["id", "created_at", "completed_at"] {
        assert!(!body[name].is_null(), "{name}");
        body[name] = Value::Null;
    }
    let item = body["output"][0]["id"].take();
    assert!(item.as_str().unwrap().starts_with("msg_"));
    let expected = json!({
        "id": null, "object": "response", "created_at": null, "completed_at": null, "status": "completed",
        "error": null, "incomplete_details": null, "instructions": null, "model": "m",
        "output": [{"type": "message", "id": null, "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": "You said: hello", "annotations": [], "logprobs": []}]}],
        "previous_response_id": null, "conversation": null, "background": false, "store": true,
        "usage": {"input_tokens": 50, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 2,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 52},
        "metadata": {"k": "v"}, "max_output_tokens": null, "truncation": "disabled",
        "text": {"format": {"type": "text"}}, "reasoning": {"effort": null, "summary": null},
        "temperature": null, "top_p": null, "user": null, "tools": [], "tool_choice": "auto",
        "parallel_tool_calls": true,
    });
    assert_eq!(body, expected);
    assert_eq!(get(&alice, &reply.body).await, reply.body);
    assert_eq!(alice.get(&format!("/v1/runs/{run}")).await.body["surface"], "responses");
    house.close().await;
}

#[actix_web::test]
async fn a_stream_follows_openais_grammar_and_ends_with_the_stored_object() {
    let house = House::open().await;
    let alice = house.alice().await;
    let frames = stream(&alice, json!({"input": "@@stream 2 1"})).await.rest().await;
    let expected = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    // Text of one read is one event: two tokens are one or two of them.
    let mut each = kinds(&frames);
    each.dedup();
    assert_eq!(each, expected);
    let numbers: Vec<u64> =
        frames.iter().map(|frame| frame.json()["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..frames.len() as u64).collect::<Vec<_>>());
    assert!(frames.iter().all(|frame| frame.event.as_deref() == frame.json()["type"].as_str()));
    let last = frames.last().unwrap().json();
    assert_eq!(frames[frames.len() - 2].json()["item"], last["response"]["output"][0]);
    assert_eq!(get(&alice, &last["response"]).await, last["response"]);
    house.close().await;
}

#[actix_web::test]
async fn fault_08_each_segment_of_text_is_an_item_of_its_own_in_order() {
    let house = House::open().await;
    let alice = house.alice().await;
    // A first answer with text and a call, then a second with text.
    let frames = stream(&alice, json!({"input": format!("@@say Looking. {ECHO}")})).await.rest().await;
    let response = frames.last().unwrap().json()["response"].clone();
    assert_eq!(types(&response), ["message", "function_call", "function_call_output", "message"]);
    assert_eq!(response["output"][0]["content"][0]["text"], "Looking.");
    let answer = response["output"][3]["content"][0]["text"].as_str().unwrap();
    assert!(answer.starts_with("Tool said:"), "{answer:?}");
    assert_eq!(response["output"][1]["call_id"], response["output"][2]["call_id"]);
    let done: Vec<Value> = frames
        .iter()
        .map(Frame::json)
        .filter(|frame| frame["type"] == "response.output_item.done")
        .map(|frame| frame["item"].clone())
        .collect();
    assert_eq!(json!(done), response["output"]);
    assert_eq!(get(&alice, &response).await, response);
    house.close().await;
}

#[actix_web::test]
async fn a_long_result_is_whole_in_stream_answer_and_afterwards() {
    let house = House::open().await;
    let alice = house.alice().await;
    let ask = r#"@@tools terminal {"command":"seq 1 2000"} ;; terminal {"command":"seq 3000 5000"}"#;
    let frames = stream(&alice, json!({"input": ask})).await.rest().await;
    let streamed = frames.last().unwrap().json()["response"].clone();
    for (item, ends) in [(1, "2000"), (3, "5000")] {
        assert_eq!(streamed["output"][item]["type"], "function_call_output");
        let output = streamed["output"][item]["output"].as_str().unwrap();
        let result: Value = serde_json::from_str(output).unwrap();
        assert!(result["output"].as_str().unwrap().trim_end().ends_with(ends), "{}", output.len());
    }
    assert_eq!(get(&alice, &streamed).await, streamed);
    house.close().await;
}

#[actix_web::test]
async fn the_agents_calls_can_be_shown_as_mcp_calls() {
    let house = House::open().await;
    let alice = house.alice().await;
    let headers = [("X-Hermes-Tool-Items", "mcp_call")];
    let reply = alice.post_with("/v1/responses", &headers, json!({"input": ECHO})).await;
    assert_eq!(types(&reply.body), ["mcp_call", "message"], "{}", reply.text);
    let call = &reply.body["output"][0];
    assert_eq!((&call["name"], &call["status"]), (&json!("terminal"), &json!("completed")));
    assert!(call["output"].as_str().unwrap().contains("from-the-tool"), "{call}");
    assert_eq!(get(&alice, &reply.body).await, reply.body);
    let wrong = [("X-Hermes-Tool-Items", "nope")];
    let refused = alice.post_with("/v1/responses", &wrong, json!({"input": "x"})).await;
    assert_eq!((refused.status, refused.body["error"]["param"].as_str()), (400, Some("X-Hermes-Tool-Items")));
    house.close().await;

    let house = House::with(Plan::config("responses:\n  tool_items: mcp_call\n")).await;
    let frames = stream(&house.alice().await, json!({"input": ECHO})).await.rest().await;
    let seen = kinds(&frames);
    let steps: Vec<&str> = seen.iter().map(String::as_str).filter(|kind| kind.contains("mcp_call")).collect();
    assert_eq!(
        steps,
        [
            "response.mcp_call.in_progress",
            "response.mcp_call_arguments.delta",
            "response.mcp_call_arguments.done",
            "response.mcp_call.completed"
        ]
    );
    house.close().await;
}

#[actix_web::test]
async fn reasoning_is_an_item_only_where_it_is_shown() {
    for (shown, expected) in [(true, vec!["reasoning", "message"]), (false, vec!["message"])] {
        let plan = Plan::config(&format!("display:\n  show_reasoning: {shown}\n"));
        let house = House::with(plan).await;
        let frames = stream(&house.alice().await, json!({"input": "@@reason Hm."})).await.rest().await;
        let response = frames.last().unwrap().json()["response"].clone();
        assert_eq!(types(&response), expected);
        if shown {
            let thought = json!([{"type": "reasoning_text", "text": "Hm."}]);
            assert_eq!(response["output"][0]["content"], thought);
            assert!(kinds(&frames).contains(&"response.reasoning_text.delta".to_owned()));
        }
        house.close().await;
    }
}

#[actix_web::test]
async fn limits_and_formats_reach_the_upstream_under_its_names() {
    let house = House::open().await;
    let alice = house.alice().await;
    let schema = json!({"type": "object", "properties": {}});
    let body = json!({
        "input": "x", "max_output_tokens": 7, "temperature": 0.5, "reasoning": {"effort": "low"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": true}},
        "instructions": "Be brief.",
    });
    let response = created(&alice, body.clone()).await;
    for name in ["max_output_tokens", "temperature", "text", "instructions"] {
        assert_eq!(response[name], body[name], "{name}");
    }
    let said = house.upstream.requests().pop().unwrap();
    assert_eq!((&said["max_tokens"], &said["reasoning_effort"]), (&json!(7), &json!("low")));
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": true}});
    assert_eq!(said["response_format"], format);
    assert!(said["messages"].to_string().contains("Be brief."));
    house.close().await;
}

#[actix_web::test]
async fn a_limit_that_was_reached_makes_the_response_incomplete() {
    let house = House::open().await;
    let response = created(&house.alice().await, json!({"input": "@@length", "max_output_tokens": 3})).await;
    assert_eq!(response["status"], "incomplete", "{response}");
    assert_eq!(response["incomplete_details"], json!({"reason": "max_output_tokens"}));
    assert_eq!(response["output"][0]["status"], "incomplete");
    assert_eq!(response["output"][0]["content"][0]["text"], "Cut off");
    house.close().await;
}

#[actix_web::test]
async fn fault_03_a_failed_turn_is_a_failed_response_with_what_there_was_of_it() {
    let house = House::open().await;
    let alice = house.alice().await;
    let reply = create(&alice, json!({"input": "@@status 400"})).await;
    assert_eq!((reply.status, &reply.body["status"]), (200, &json!("failed")), "{}", reply.text);
    assert_eq!(reply.body["error"]["code"], "upstream_error");
    assert_eq!((reply.header("x-should-retry"), types(&reply.body)), (Some("false"), vec![]));
    assert_eq!(get(&alice, &reply.body).await, reply.body);

    let frames = stream(&alice, json!({"input": "@@drop 3"})).await.rest().await;
    let last = frames.last().unwrap().json();
    assert_eq!(last["type"], "response.failed");
    assert_eq!(last["response"]["output"][0]["status"], "incomplete");
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], "tok0 tok1 tok2 ");
    assert_eq!(get(&alice, &last["response"]).await, last["response"]);
    house.close().await;
}

#[actix_web::test]
async fn tokens_that_the_upstream_tells_apart_are_told_apart_here() {
    let house = House::open().await;
    let alice = house.alice().await;
    let response = created(&alice, json!({"input": "@@usage 40 3"})).await;
    let usage = json!({
        "input_tokens": 50, "input_tokens_details": {"cached_tokens": 40},
        "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 52,
    });
    assert_eq!((&response["usage"], get(&alice, &response).await), (&usage, response.clone()));

    let of_chat = json!({
        "prompt_tokens": 50, "prompt_tokens_details": {"cached_tokens": 40},
        "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 52,
    });
    assert_eq!(alice.chat("@@usage 40 3").await.body["usage"], of_chat);
    let plain = json!({"prompt_tokens": 50, "completion_tokens": 2, "total_tokens": 52});
    assert_eq!(alice.chat("hello").await.body["usage"], plain, "nothing is told apart where nobody told");
    house.close().await;
}
