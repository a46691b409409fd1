//! Messages of the protocol, whichever way they travel.

use super::super::failure::Failure;
use serde_json::{Value, json};

pub const VERSION: &str = "2025-06-18";
const LIST_CHANGED: &str = "notifications/tools/list_changed";
/// JSON-RPC's own.
const NO_SUCH_METHOD: i32 = -32_601;
/// Characters of an error that are told.
const MOST_ERROR: usize = 500;

/// What a server says.
#[derive(Debug)]
pub enum Said {
    /// To the request with this id.
    Answer(u64, Result<Value, Failure>),
    /// It asks something; this is the reply.
    Asked(Value),
    /// It has other tools from now on.
    ListChanged,
    /// Nothing that concerns anybody here.
    Other,
}

pub fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

pub fn notification(method: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": method })
}

/// The parameters of `initialize`. Nothing that a server could ask for is offered.
pub fn hello() -> Value {
    json!({
        "protocolVersion": VERSION,
        "capabilities": {},
        "clientInfo": { "name": "hermes-gateway", "version": env!("CARGO_PKG_VERSION") },
    })
}

/// The answer to the request `id` is not wanted any more.
pub fn cancelled(id: u64) -> Value {
    let params = json!({ "requestId": id, "reason": "nobody waits for it any more" });
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })
}

/// What one message means.
pub fn said(mut message: Value) -> Said {
    let id = message.get("id").filter(|id| !id.is_null()).cloned();
    match (message.get("method").and_then(Value::as_str), id) {
        (Some("ping"), Some(id)) => Said::Asked(json!({ "jsonrpc": "2.0", "id": id, "result": {} })),
        (Some(_), Some(id)) => {
            let error = json!({ "code": NO_SUCH_METHOD, "message": "this client offers no such method" });
            Said::Asked(json!({ "jsonrpc": "2.0", "id": id, "error": error }))
        }
        (Some(LIST_CHANGED), None) => Said::ListChanged,
        (Some(_), None) | (None, None) => Said::Other,
        (None, Some(id)) => match id.as_u64() {
            Some(id) => Said::Answer(id, outcome(&mut message)),
            None => Said::Other,
        },
    }
}

fn outcome(answer: &mut Value) -> Result<Value, Failure> {
    if let Some(error) = answer.get("error") {
        let said = error.get("message").and_then(Value::as_str).unwrap_or("an error without a message");
        let said: String = said.chars().take(MOST_ERROR).collect();
        return Err(failed(format!("the server: {said}")));
    }
    answer.get_mut("result").map(Value::take).ok_or_else(|| failed("the server's answer has no result"))
}

/// It did not do what the protocol wants.
pub fn failed(text: impl Into<String>) -> Failure {
    Failure::new("mcp_failed", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_ping_is_answered_and_nothing_else_is_offered() {
        let Said::Asked(reply) = said(json!({"jsonrpc": "2.0", "id": "a", "method": "ping"})) else {
            panic!("no reply")
        };
        assert_eq!(reply, json!({"jsonrpc": "2.0", "id": "a", "result": {}}));
        for method in ["roots/list", "sampling/createMessage", "elicitation/create", "tools/call"] {
            let Said::Asked(reply) = said(json!({"id": 3, "method": method})) else { panic!("{method}") };
            assert_eq!((&reply["id"], &reply["error"]["code"]), (&json!(3), &json!(-32_601)));
        }
    }

    #[test]
    fn what_is_no_message_means_nothing() {
        for message in [
            json!(7),
            json!(null),
            json!({}),
            json!({"id": null, "result": {}}),
            json!({"id": "seven", "result": {}}),
            json!({"id": -1, "result": {}}),
            json!({"method": 5}),
            json!({"method": "notifications/progress"}),
        ] {
            assert!(matches!(said(message.clone()), Said::Other), "{message}");
        }
        assert!(matches!(said(notification(LIST_CHANGED)), Said::ListChanged));
    }

    #[test]
    fn an_answer_is_a_result_or_what_went_wrong() {
        let of = |answer: Value| {
            let Said::Answer(1, outcome) = said(answer) else { panic!("no answer to 1") };
            outcome.map_err(|failure| failure.to_string())
        };
        assert_eq!(of(json!({"id": 1, "result": {"a": 2}})), Ok(json!({"a": 2})));
        let long = of(json!({"id": 1, "error": {"message": "x".repeat(9_000)}})).unwrap_err();
        assert!(long.len() < 600, "{}", long.len());
        assert!(of(json!({"id": 1, "error": 5})).unwrap_err().contains("without a message"));
        assert!(of(json!({"id": 1})).unwrap_err().contains("no result"));
    }
}
