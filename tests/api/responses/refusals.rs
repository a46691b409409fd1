//! What is refused, and who is.

use super::{create, created, get, id, told};
use crate::support::House;
use awc::http::Method;
use serde_json::{Value, json};

#[actix_web::test]
async fn mistakes_are_refused_by_place_and_nothing_is_asked_of_the_model() {
    let house = House::open().await;
    let alice = house.alice().await;
    let message = |content: Value| json!({"input": [{"role": "user", "content": content}]});
    let many = vec![json!({"role": "user", "content": "x"}); 10_001];
    let cases = [
        (json!({}), "invalid_request", "input"),
        (json!({"input": null}), "invalid_request", "input"),
        (json!({"input": ""}), "invalid_request", "input"),
        (json!({"input": []}), "invalid_request", "input"),
        (json!({"input": 5}), "invalid_request", "input"),
        (json!({"input": [5]}), "invalid_request", "input[0]"),
        (json!({"input": many}), "invalid_request", "input"),
        (json!({"input": [{"role": "robot", "content": "x"}]}), "invalid_request", "input[0].role"),
        (json!({"input": [{"type": "input_text", "text": "x"}]}), "unsupported_parameter", "input[0].type"),
        (json!({"input": [{"type": "item_reference", "id": "x"}]}), "unsupported_parameter", "input[0].type"),
        (
            json!({"input": [{"type": "function_call_output", "output": "x"}]}),
            "invalid_request",
            "input[0].call_id",
        ),
        (message(json!(5)), "invalid_request", "input[0].content"),
        (
            message(json!([{"type": "input_file", "file_id": "f"}])),
            "unsupported_content_type",
            "input[0].content",
        ),
        (
            message(json!([{"type": "input_image", "image_url": "ftp://x"}])),
            "invalid_image_url",
            "input[0].content",
        ),
        (json!({"input": "x", "instructions": 5}), "invalid_request", "instructions"),
        (json!({"input": "x", "conversation": 5}), "invalid_request", "conversation"),
        (json!({"input": "x", "conversation": {}}), "invalid_request", "conversation.id"),
        (json!({"input": "x", "conversation": " "}), "invalid_request", "conversation"),
        (json!({"input": "x", "conversation": {"id": ""}}), "invalid_request", "conversation"),
        (json!({"input": "x", "previous_response_id": ""}), "invalid_request", "previous_response_id"),
        (
            json!({"input": "x", "conversation": "c", "previous_response_id": "r"}),
            "invalid_request",
            "previous_response_id",
        ),
        (json!({"input": "x", "conversation_history": "h"}), "invalid_request", "conversation_history"),
        (
            json!({"input": "x", "conversation_history": [{"role": "user"}]}),
            "invalid_request",
            "conversation_history[0]",
        ),
        (json!({"input": "x", "metadata": {"a": 1}}), "invalid_request", "metadata.a"),
        (json!({"input": "x", "max_output_tokens": 0}), "invalid_request", "max_output_tokens"),
        (json!({"input": "x", "truncation": "maybe"}), "invalid_request", "truncation"),
        (json!({"input": "x", "text": {"format": {"type": "xml"}}}), "invalid_request", "text.format.type"),
        (
            json!({"input": "x", "text": {"format": {"type": "json_schema"}}}),
            "invalid_request",
            "text.format.name",
        ),
        (json!({"input": "x", "include": ["nope"]}), "unsupported_parameter", "include[0]"),
        (json!({"input": "x", "prompt": {"id": "p"}}), "unsupported_parameter", "prompt"),
        (json!({"input": "x", "max_tool_calls": 1}), "unsupported_parameter", "max_tool_calls"),
        (json!({"input": "x", "tools": [{"type": "web_search"}]}), "unsupported_parameter", "tools[0].type"),
        (json!({"input": "x", "tools": [{"type": "function"}]}), "invalid_request", "tools[0].name"),
        (json!({"input": "x", "tool_choice": "required"}), "invalid_request", "tool_choice"),
        (json!({"input": "x", "temperature": "hot"}), "invalid_request", "temperature"),
    ];
    for (body, code, param) in cases {
        let reply = create(&alice, body.clone()).await;
        let place = reply.body["error"]["param"].as_str();
        let shown: String = body.to_string().chars().take(200).collect();
        assert_eq!((reply.status, reply.code(), place), (400, code, Some(param)), "{shown}");
    }
    assert_eq!(house.upstream.requests().len(), 0);
    // A whole history by itself wins: the link is not looked up.
    let history = json!([{"role": "user", "content": "earlier"}, {"role": "assistant", "content": "yes"}]);
    let body = json!({"input": "x", "previous_response_id": "resp_nope", "conversation_history": history});
    assert_eq!(created(&alice, body).await["previous_response_id"], Value::Null);
    house.close().await;
}

#[actix_web::test]
async fn responses_of_another_profile_or_key_without_scope_are_out_of_reach() {
    let house = House::open().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let response = created(&alice, json!({"input": "mine"})).await;
    let unknown = "resp_0198c2f0000070008000000000000000";
    let (mine, none) = (format!("/v1/responses/{}", id(&response)), format!("/v1/responses/{unknown}"));
    for (method, suffix) in [
        (Method::GET, ""),
        (Method::GET, "?stream=true"),
        (Method::GET, "/input_items"),
        (Method::POST, "/cancel"),
        (Method::DELETE, ""),
    ] {
        let foreign = bob.send(method.clone(), &format!("{mine}{suffix}"), &[], None).await;
        let missing = bob.send(method.clone(), &format!("{none}{suffix}"), &[], None).await;
        assert_eq!((foreign.status, foreign.code()), (404, "response_not_found"), "{method} {suffix}");
        assert_eq!(foreign.text.replace(id(&response), ""), missing.text.replace(unknown, ""));
    }
    let reply = create(&bob, json!({"input": "x", "previous_response_id": id(&response)})).await;
    assert_eq!((reply.status, reply.code()), (404, "previous_response_not_found"));
    created(&bob, json!({"input": "mine too", "conversation": "c"})).await;
    created(&alice, json!({"input": "hers", "conversation": "c"})).await;
    assert_eq!(told(&house).len(), 1, "a conversation's name means another one at each profile");
    assert_eq!(get(&alice, &response).await, response);
    house.close().await;
}
