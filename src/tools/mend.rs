//! What a model wrote as arguments, made JSON.

use serde_json::{Map, Value};

/// Parses what a model wrote as arguments, mending small mistakes: nothing at all, a fence around it, a trailing comma,
/// raw line breaks inside a string, JSON inside a JSON string.
///
/// # Errors
///
/// A sentence for the model. Text that was cut off is never completed by guess.
pub fn parse_arguments(text: &str) -> Result<Value, String> {
    let text = without_fence(text.trim());
    if text.is_empty() || text == "null" {
        return Ok(Value::Object(Map::new()));
    }
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(first) => serde_json::from_str(&mended(text)).map_err(|_| {
            format!("the arguments are not valid JSON: {first}. Send the call again with a JSON object")
        })?,
    };
    if value.is_object() {
        return Ok(value);
    }
    // Some models encode twice.
    match value.as_str() {
        Some(inner) if inner.trim_start().starts_with('{') => {
            serde_json::from_str(inner).map_err(|error| format!("the arguments are not valid JSON: {error}"))
        }
        _ => Err("the arguments are not a JSON object".to_owned()),
    }
}

fn without_fence(text: &str) -> &str {
    let inner = text.strip_prefix("```json").or_else(|| text.strip_prefix("```"));
    inner.and_then(|inner| inner.strip_suffix("```")).map_or(text, str::trim)
}

/// Drops commas before a closing bracket and escapes control characters inside strings.
fn mended(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_string = false;
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        if in_string {
            match letter {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_string = false,
                _ => {}
            }
            match letter {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                _ => out.push(letter),
            }
            continue;
        }
        in_string = letter == '"';
        let closes = || text[at + 1..].trim_start().starts_with(['}', ']']);
        if letter != ',' || !closes() {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn small_mistakes_are_mended() {
        let cases = [
            ("", json!({})),
            ("  \n", json!({})),
            ("null", json!({})),
            (r#"{"a": 1}"#, json!({ "a": 1 })),
            (r#"{"a": [1, 2, ], }"#, json!({ "a": [1, 2] })),
            (r#"{"a": "x,}", }"#, json!({ "a": "x,}" })),
            (r#"{"a": "say \"x,]\"",}"#, json!({ "a": "say \"x,]\"" })),
            ("{\"a\": \"two\nlines\"}", json!({ "a": "two\nlines" })),
            ("```json\n{\"a\": 1}\n```", json!({ "a": 1 })),
            (r#""{\"a\": 1}""#, json!({ "a": 1 })),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_arguments(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_was_cut_or_is_no_object_is_refused() {
        for text in [r#"{"a": "x"#, r#"{"a": 1"#, "[1]", "5", "rm -rf", r#""text""#, "{,}x", "{'a': 1}"] {
            assert!(parse_arguments(text).is_err(), "{text}");
        }
    }
}
