//! Tools of the client's in responses.

use super::{create, created, get, id, kinds, roles, stream, told, types};
use crate::support::{Frame, House};
use serde_json::{Value, json};

const ASK: &str = r#"@@tool weather {"city":"Bern"}"#;

fn weather() -> Value {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    json!([{"type": "function", "name": "weather", "description": "The weather.", "parameters": schema,
        "strict": true}])
}

fn result(call: &Value, output: &str) -> Value {
    json!([{"type": "function_call_output", "call_id": call["call_id"], "output": output}])
}

#[actix_web::test]
async fn a_call_of_the_clients_ends_the_response_and_its_result_goes_on_from_it() {
    let house = House::open().await;
    let alice = house.alice().await;
    let asked = created(&alice, json!({"input": ASK, "tools": weather()})).await;
    assert_eq!((types(&asked), &asked["status"]), (vec!["function_call"], &json!("completed")));
    let call = &asked["output"][0];
    assert_eq!((&call["name"], &call["arguments"]), (&json!("weather"), &json!(r#"{"city":"Bern"}"#)));
    assert_eq!(call["status"], "completed");
    assert_eq!((&asked["tools"], get(&alice, &asked).await), (&weather(), asked.clone()));
    let offered = house.upstream.requests().pop().unwrap();
    let of_client =
        offered["tools"].as_array().unwrap().iter().find(|tool| tool["function"]["name"] == "weather");
    assert_eq!(of_client.unwrap()["function"]["strict"], true);

    let answers = [
        json!({"input": result(call, "sunny"), "previous_response_id": id(&asked), "tools": weather()}),
        // The call's id alone says which turn is meant.
        json!({"input": result(call, "sunny"), "tools": weather()}),
    ];
    for body in answers {
        let answer = created(&alice, body).await;
        assert_eq!(answer["output"][0]["content"][0]["text"], "Tool said: sunny");
        assert_eq!(roles(&told(&house)), ["user", "assistant", "tool"]);
    }
    house.close().await;
}

#[actix_web::test]
async fn a_streamed_call_of_the_clients_is_an_item_like_any_other() {
    let house = House::open().await;
    let frames = stream(&house.alice().await, json!({"input": ASK, "tools": weather()})).await.rest().await;
    let expected = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(kinds(&frames), expected);
    let frames: Vec<Value> = frames.iter().map(Frame::json).collect();
    assert_eq!(frames[2]["item"]["status"], "in_progress");
    assert_eq!(frames[5]["item"], frames[6]["response"]["output"][0]);
    house.close().await;
}

#[actix_web::test]
async fn the_agents_own_calls_of_the_same_answer_run_first_and_are_remembered() {
    let house = House::open().await;
    let alice = house.alice().await;
    let ask = r#"@@tools weather {"city":"Bern"} ;; terminal {"command":"echo from-the-agent"}"#;
    let asked = created(&alice, json!({"input": ask, "tools": weather()})).await;
    assert_eq!(types(&asked), ["function_call", "function_call_output", "function_call"]);
    let call = &asked["output"][2];
    assert_eq!(call["name"], "weather");
    created(&alice, json!({"input": result(call, "rain"), "previous_response_id": id(&asked)})).await;
    let told = told(&house);
    assert_eq!(roles(&told), ["user", "assistant", "tool", "tool"]);
    assert!(told.iter().any(|(_, text)| text.contains("from-the-agent")), "{told:?}");
    house.close().await;
}

#[actix_web::test]
async fn a_result_that_never_comes_is_told_to_the_model_and_one_without_a_call_is_refused() {
    let house = House::open().await;
    let alice = house.alice().await;
    let first = created(&alice, json!({"input": "hello"})).await;
    let body = json!({"input": ASK, "tools": weather(), "previous_response_id": id(&first)});
    let asked = created(&alice, body).await;
    created(&alice, json!({"input": "never mind", "previous_response_id": id(&asked)})).await;
    let said = told(&house);
    assert_eq!(roles(&said), ["user", "assistant", "user", "assistant", "tool", "user"]);
    assert!(said[4].1.contains("no_result"), "{said:?}");

    // The whole chain is meant, not only the turn that asked.
    created(&alice, json!({"input": result(&asked["output"][0], "late")})).await;
    assert_eq!(told(&house)[0].1, "hello");

    let stray = json!([{"type": "function_call_output", "call_id": "call_nope", "output": "x"}]);
    for body in [json!({ "input": stray }), json!({"input": stray, "previous_response_id": id(&first)})] {
        let reply = create(&alice, body).await;
        assert_eq!((reply.status, reply.code()), (400, "invalid_request"), "{}", reply.text);
        assert_eq!(reply.body["error"]["param"], "input");
    }
    house.close().await;
}

#[actix_web::test]
async fn a_choice_of_tools_reaches_the_model() {
    let house = House::open().await;
    let alice = house.alice().await;
    let choice = json!({"type": "function", "name": "weather"});
    let body = json!({"input": ASK, "tools": weather(), "tool_choice": choice, "parallel_tool_calls": false});
    let response = created(&alice, body).await;
    assert_eq!((&response["tool_choice"], &response["parallel_tool_calls"]), (&choice, &json!(false)));
    let said = house.upstream.requests().pop().unwrap();
    assert_eq!(said["tool_choice"], json!({"type": "function", "function": {"name": "weather"}}));
    assert_eq!(said["parallel_tool_calls"], false);
    created(&alice, json!({"input": "x", "tools": weather(), "tool_choice": "none"})).await;
    assert_eq!(house.upstream.requests().pop().unwrap()["tools"], Value::Null);
    house.close().await;
}
