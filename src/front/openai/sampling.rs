//! What a client asks of the model beside the words.

use crate::{
    domain::{Code, Sampling},
    front::{
        error::ApiError,
        json::{Object, wrong_type},
    },
};
use serde_json::Value;
use std::fmt::Display;

/// Most sequences that end an answer; OpenAI takes four, others more.
const MAX_STOPS: usize = 64;

/// Takes the members that go upstream, each checked for its type.
///
/// # Errors
///
/// 400 at the member.
pub fn take<P: Display>(body: &mut Object<P>) -> Result<Sampling, ApiError> {
    let mut sampling = Sampling::default();
    for name in Sampling::EVERY_CALL.into_iter().chain(Sampling::ANSWER) {
        if let Some(value) = body.take(name) {
            if let Some(expected) = refused(name, &value) {
                return Err(wrong_type(body.place_of(name), expected, &value));
            }
            sampling.0.insert(name.to_owned(), value);
        }
    }
    Ok(sampling)
}

/// What was expected, when the value is not that.
fn refused(name: &str, value: &Value) -> Option<&'static str> {
    let number = |low: f64, high: f64| value.as_f64().is_some_and(|number| (low..=high).contains(&number));
    let (good, expected) = match name {
        // OpenAI's ranges: narrower ones are the upstream's to refuse.
        "temperature" => (number(0.0, 2.0), "a number from 0 to 2"),
        "top_p" => (number(0.0, 1.0), "a number from 0 to 1"),
        "presence_penalty" | "frequency_penalty" => (number(-2.0, 2.0), "a number from -2 to 2"),
        "seed" => (value.is_i64() || value.is_u64(), "an integer"),
        "reasoning_effort" | "user" => (value.is_string(), "a string"),
        "max_tokens" | "max_completion_tokens" => {
            (value.as_u64().is_some_and(|limit| limit > 0), "a positive integer")
        }
        "stop" => (is_stop(value), "a string or an array of strings"),
        "response_format" => (value.get("type").is_some_and(Value::is_string), "an object with `type`"),
        _ => (true, ""),
    };
    (!good).then_some(expected)
}

fn is_stop(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(items) => items.len() <= MAX_STOPS && items.iter().all(Value::is_string),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// Refuses what we do not do and what would be missed: more than one answer, sound, the odds of each word or a say in them.
/// Clients also send the values that ask for none of it.
///
/// # Errors
///
/// `unsupported_parameter`, or 400 for a wrong type.
pub fn refuse_unserved<P: Display>(body: &mut Object<P>) -> Result<(), ApiError> {
    let unsupported =
        |name: &str, message: &str| Err(ApiError::new(Code::UnsupportedParameter, message).at(name));
    match body.take("n") {
        None => {}
        Some(value) => match value.as_u64() {
            Some(1) => {}
            Some(n) if n > 1 => {
                return unsupported("n", "`n` above 1 is not supported: an agent gives one answer.");
            }
            Some(_) | None => return Err(wrong_type(body.place_of("n"), "a positive integer", &value)),
        },
    }
    if body.take("audio").is_some() {
        return unsupported("audio", "Audio output is not supported.");
    }
    for (index, modality) in body.array("modalities")?.unwrap_or_default().iter().enumerate() {
        match modality.as_str() {
            Some("audio") => return unsupported("modalities", "Audio output is not supported."),
            Some(_) => {}
            None => return Err(wrong_type(format!("modalities[{index}]"), "a string", modality)),
        }
    }
    if body.flag("logprobs")? == Some(true) {
        return unsupported("logprobs", "Log probabilities are not supported.");
    }
    match body.take("top_logprobs") {
        None => {}
        Some(value) if value == 0 => {}
        Some(value) if value.is_u64() => {
            return unsupported("top_logprobs", "Log probabilities are not supported.");
        }
        Some(other) => return Err(wrong_type("top_logprobs", "an integer from 0", &other)),
    }
    match body.take("logit_bias") {
        None => {}
        Some(Value::Object(biases)) if biases.is_empty() => {}
        Some(Value::Object(_)) => return unsupported("logit_bias", "A bias of tokens is not supported."),
        Some(other) => return Err(wrong_type("logit_bias", "an object", &other)),
    }
    Ok(())
}

/// Looks at what changes nothing here: usage is always told, and nobody reads a chat's metadata. A wrong type is a mistake all
/// the same.
///
/// # Errors
///
/// 400 at the member.
pub fn check_ignored<P: Display>(body: &mut Object<P>) -> Result<(), ApiError> {
    if let Some(options) = body.take("stream_options") {
        let mut options = Object::at(options, "stream_options")?;
        options.flag("include_usage")?;
        options.flag("include_obfuscation")?;
    }
    body.take("metadata").map(|metadata| Object::at(metadata, "metadata")).transpose()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn known_members_are_kept_as_written_and_others_left() {
        let mut body = Object::body(json!({
            "temperature": 0.2, "top_p": 1, "seed": -7, "stop": ["zzz"], "max_tokens": 50, "user": "u1",
            "response_format": {"type": "text"}, "metadata": {"a": "b"}, "presence_penalty": null,
        }))
        .ok()
        .unwrap();
        let kept = json!({
            "temperature": 0.2, "top_p": 1, "seed": -7, "stop": ["zzz"], "max_tokens": 50, "user": "u1",
            "response_format": {"type": "text"},
        });
        assert_eq!(Value::Object(take(&mut body).unwrap().0), kept);
    }

    #[test]
    fn wrong_values_are_named() {
        let cases = [
            ("temperature", json!("hot")),
            ("temperature", json!(-1)),
            ("temperature", json!(2.1)),
            ("top_p", json!(1.5)),
            ("seed", json!(1.5)),
            ("presence_penalty", json!([])),
            ("max_tokens", json!(0)),
            ("max_tokens", json!(1.5)),
            ("max_completion_tokens", json!("5")),
            ("stop", json!([1])),
            ("stop", json!({})),
            ("response_format", json!("json")),
            ("reasoning_effort", json!(1)),
            ("user", json!({})),
        ];
        for (name, value) in cases {
            let mut body = Object::body(json!({ name: value.clone() })).ok().unwrap();
            assert_eq!(take(&mut body).unwrap_err().param.as_deref(), Some(name), "{name}: {value}");
        }
    }

    #[test]
    fn what_would_be_missed_is_refused() {
        let cases = [
            (json!({"n": 1}), None),
            (json!({"n": null}), None),
            (json!({"n": 2}), Some("unsupported_parameter")),
            (json!({"n": "2"}), Some("invalid_request")),
            (json!({"audio": {}}), Some("unsupported_parameter")),
            (json!({"modalities": ["text"]}), None),
            (json!({"modalities": ["text", "audio"]}), Some("unsupported_parameter")),
            (json!({"modalities": [5]}), Some("invalid_request")),
            (json!({"logprobs": true}), Some("unsupported_parameter")),
            (json!({"logprobs": "x"}), Some("invalid_request")),
            (json!({"top_logprobs": 2}), Some("unsupported_parameter")),
            (json!({"top_logprobs": "2"}), Some("invalid_request")),
            (json!({"logit_bias": {"50256": -100}}), Some("unsupported_parameter")),
            (json!({"logit_bias": []}), Some("invalid_request")),
            (json!({"logprobs": false, "top_logprobs": 0, "logit_bias": {}}), None),
            (json!({"logprobs": null, "top_logprobs": null, "logit_bias": null}), None),
        ];
        for (body, code) in cases {
            let refusal = refuse_unserved(&mut Object::body(body.clone()).ok().unwrap()).err();
            assert_eq!(refusal.map(|error| error.code.wire()), code, "{body}");
        }
    }

    #[test]
    fn what_changes_nothing_is_still_held_to_its_type() {
        let cases = [
            (json!({"stream_options": {"include_usage": true}, "metadata": {"a": ["b"]}}), None),
            (json!({"stream_options": {"include_usage": 1, "other": 5}}), None),
            (json!({"stream_options": null, "metadata": null}), None),
            (json!({"stream_options": 5}), Some("stream_options")),
            (json!({"stream_options": {"include_usage": "x"}}), Some("stream_options.include_usage")),
            (json!({"metadata": 5}), Some("metadata")),
        ];
        for (body, param) in cases {
            let refusal = check_ignored(&mut Object::body(body.clone()).ok().unwrap()).err();
            assert_eq!(refusal.and_then(|error| error.param).as_deref(), param, "{body}");
        }
    }
}
