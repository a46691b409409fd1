//! Taking a JSON body apart so that every wrong type is a 400 that names its place.
//!
//! Values are consumed, not copied: a 10 MB message is moved from the parser to the run.

use super::error::ApiError;
use serde_json::{Map, Value};
use std::fmt::{self, Display};

/// How an error calls the type that it met.
const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Longest value that an error repeats, in characters.
const MAX_SHOWN: usize = 60;

/// What an error says of a value that is not `expected`: its type or, where that is one of the expected ones, the value.
fn met(expected: &str, got: &Value) -> String {
    let right_types: &[&str] = match got {
        Value::Null | Value::Bool(_) => &[],
        Value::Number(_) => &["number", "integer"],
        Value::String(_) => &["string"],
        Value::Array(_) => &["array"],
        Value::Object(_) => &["object"],
    };
    if !right_types.iter().any(|name| expected.contains(name)) {
        return kind(got).to_owned();
    }
    let text = got.to_string();
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

/// `place` holds something else than `expected`.
pub fn wrong_type(place: impl Display, expected: &str, got: &Value) -> ApiError {
    let message = format!("`{place}` must be {expected}, not {}", met(expected, got));
    ApiError::invalid(place, message)
}

/// A JSON object with the place where it stands in the body.
pub struct Object<P> {
    members: Map<String, Value>,
    place: P,
}

/// The place of the body itself: members are called by their bare name.
#[derive(Clone, Copy)]
pub struct Root;

impl Display for Root {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// The place of a member.
pub struct Member<'a, P> {
    object: &'a Object<P>,
    name: &'a str,
}

impl<P: Display> Display for Member<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.object.place_of(self.name))
    }
}

impl Object<Root> {
    /// # Errors
    ///
    /// The body is valid JSON but no object.
    pub fn body(value: Value) -> Result<Self, ApiError> {
        match value {
            Value::Object(members) => Ok(Self { members, place: Root }),
            other
            @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                let message = format!("The request body must be a JSON object, not {}", kind(&other));
                Err(ApiError::new(crate::domain::Code::InvalidRequest, message))
            }
        }
    }
}

impl<P: Display> Object<P> {
    /// # Errors
    ///
    /// `place` holds something else than an object.
    pub fn at(value: Value, place: P) -> Result<Self, ApiError> {
        match value {
            Value::Object(members) => Ok(Self { members, place }),
            other
            @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                Err(wrong_type(place, "an object", &other))
            }
        }
    }

    /// The full name of a member, for errors.
    pub fn place_of(&self, name: &str) -> String {
        let parent = self.place.to_string();
        if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
    }

    /// The same, written out only when an error needs it.
    pub const fn place<'a>(&'a self, name: &'a str) -> Member<'a, P> {
        Member { object: self, name }
    }

    /// Takes a member out; `null` counts as absent, as OpenAI's clients mean it.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a member out, `null` too: where that says something else than nothing.
    pub fn take_said(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    /// The members that nobody has taken, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.members.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    fn wrong<T>(&self, name: &str, expected: &str, got: &Value) -> Result<T, ApiError> {
        Err(wrong_type(self.place_of(name), expected, got))
    }

    /// # Errors
    ///
    /// The member is there and no string.
    pub fn string(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => self.wrong(name, "a string", &other),
        }
    }

    /// # Errors
    ///
    /// The member is there and no array.
    pub fn array(&mut self, name: &str) -> Result<Option<Vec<Value>>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => self.wrong(name, "an array", &other),
        }
    }

    /// A boolean, or a text or number that the reference reads as one.
    ///
    /// # Errors
    ///
    /// The member is there and none of these.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let read = match &value {
            Value::Bool(flag) => Some(*flag),
            Value::Number(number) => Some(number.as_f64().is_some_and(|number| number != 0.0)),
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "1" | "true" | "yes" | "on" => Some(true),
                "0" | "false" | "no" | "off" => Some(false),
                _ => None,
            },
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        match read {
            Some(flag) => Ok(Some(flag)),
            None => self.wrong(name, "true or false", &value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn wrong_types_name_their_place() {
        let mut object = Object::at(json!({"a": 1, "b": {"c": []}, "n": null}), "messages[2]").ok().unwrap();
        let error = object.string("a").unwrap_err();
        assert_eq!(error.param.as_deref(), Some("messages[2].a"));
        assert_eq!(error.message, "`messages[2].a` must be a string, not a number");
        assert_eq!(object.string("n").unwrap(), None);
        assert_eq!(object.array("b").unwrap_err().param.as_deref(), Some("messages[2].b"));
        assert!(Object::body(json!([])).is_err());
    }

    #[test]
    fn a_value_of_the_right_type_is_told_itself() {
        let long = format!(r#"["{}"]"#, "x".repeat(200));
        let cases = [
            ("a number from 0 to 2", json!(-1), "-1"),
            ("a number from 0 to 2", json!("hot"), "a string"),
            ("a positive integer", json!(0), "0"),
            ("a positive integer", json!(1.5), "1.5"),
            ("a string or an array of strings", json!([5]), "[5]"),
            ("an object with `type`", json!({}), "{}"),
            ("true or false", json!("maybe"), "a string"),
        ];
        for (expected, value, told) in cases {
            let message = wrong_type("m", expected, &value).message;
            assert_eq!(message, format!("`m` must be {expected}, not {told}"));
        }
        let message = wrong_type("m", "an array of numbers", &serde_json::from_str(&long).unwrap()).message;
        assert!(message.ends_with(" …") && message.len() < 120, "{message}");
    }

    #[test]
    fn flags_are_read_as_the_reference_reads_them() {
        let cases = [
            (json!(true), Some(Some(true))),
            (json!("Yes "), Some(Some(true))),
            (json!("off"), Some(Some(false))),
            (json!(0), Some(Some(false))),
            (json!(2), Some(Some(true))),
            (json!(null), Some(None)),
            (json!("maybe"), None),
            (json!([]), None),
        ];
        for (value, flag) in cases {
            let mut object = Object::body(json!({ "f": value.clone() })).ok().unwrap();
            assert_eq!(object.flag("f").ok(), flag, "{value}");
        }
    }
}
