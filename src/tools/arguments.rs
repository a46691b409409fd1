//! Arguments by name and type. A wrong type is an error that names the parameter, never a guess.

use super::failure::Failure;
use serde_json::{Map, Value};

/// The arguments of one call. Members that a tool does not know are ignored: models add some.
#[derive(Debug, Clone, Copy)]
pub struct Arguments<'a> {
    tool: &'a str,
    members: &'a Map<String, Value>,
}

impl<'a> Arguments<'a> {
    pub fn of(tool: &'a str, value: &'a Value) -> Result<Self, Failure> {
        let Some(members) = value.as_object() else {
            return Err(Failure::invalid(format!(
                "the arguments of `{tool}` are not an object but {}",
                kind(value)
            )));
        };
        Ok(Self { tool, members })
    }

    pub fn text(&self, name: &str) -> Result<&'a str, Failure> {
        self.opt_text(name)?
            .ok_or_else(|| Failure::invalid(format!("`{}` needs `{name}`: a string", self.tool)))
    }

    /// Also refuses text that is only blanks.
    pub fn filled(&self, name: &str) -> Result<&'a str, Failure> {
        let text = self.text(name)?;
        if text.trim().is_empty() {
            return Err(Failure::invalid(format!("`{name}` is empty")));
        }
        Ok(text)
    }

    pub fn opt_text(&self, name: &str) -> Result<Option<&'a str>, Failure> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(name, "a string", other)),
        }
    }

    pub fn opt_list(&self, name: &str) -> Result<Option<&'a [Value]>, Failure> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(wrong(name, "a list", other)),
        }
    }

    /// A name that models also write as a number.
    pub fn opt_id(&self, name: &str) -> Result<Option<String>, Failure> {
        match self.get(name) {
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) | None => Ok(self.opt_text(name)?.map(str::to_owned)),
        }
    }

    /// Bytes of all texts.
    pub fn length(&self) -> u64 {
        let texts = self.members.values().filter_map(Value::as_str);
        texts.map(|text| text.len() as u64).sum()
    }

    pub fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(other) => Err(wrong(name, "true or false", other)),
        }
    }

    /// A whole number of at least `least`.
    pub fn number(&self, name: &str, default: u64, least: u64) -> Result<u64, Failure> {
        let Some(value) = self.get(name) else {
            return Ok(default);
        };
        match value.as_u64() {
            Some(number) if number >= least => Ok(number),
            _ if value.is_number() => Err(Failure::invalid(format!(
                "`{name}` must be a whole number of at least {least}, not {value}"
            ))),
            _ => Err(wrong(name, "a whole number", value)),
        }
    }

    /// One of some words; the first is the default.
    pub fn choice(&self, name: &str, words: &[&'static str]) -> Result<&'static str, Failure> {
        let asked = self.opt_text(name)?;
        let found = asked.map_or(words.first(), |asked| words.iter().find(|word| **word == asked));
        found.copied().ok_or_else(|| {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            Failure::invalid(format!("`{name}` must be one of {}", words.join(", ")))
        })
    }

    /// `null` means the same as not there.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }
}

fn wrong(name: &str, wanted: &str, got: &Value) -> Failure {
    Failure::invalid(format!("`{name}` must be {wanted}, not {}", kind(got)))
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn wrong_types_name_the_parameter() {
        let cases = [
            ("text", json!({ "path": 5 }), "`path` must be a string, not a number"),
            ("text", json!({}), "`read_file` needs `path`: a string"),
            ("text", json!({ "path": null }), "`read_file` needs `path`: a string"),
            ("number", json!({ "limit": "5" }), "`limit` must be a whole number, not a string"),
            ("number", json!({ "limit": 0 }), "`limit` must be a whole number of at least 1, not 0"),
            ("number", json!({ "limit": -3 }), "`limit` must be a whole number of at least 1, not -3"),
            ("number", json!({ "limit": 1.5 }), "`limit` must be a whole number of at least 1, not 1.5"),
            ("flag", json!({ "pty": "yes" }), "`pty` must be true or false, not a string"),
            ("choice", json!({ "mode": "x" }), "`mode` must be one of `replace`, `patch`"),
        ];
        for (method, value, expected) in cases {
            let arguments = Arguments::of("read_file", &value).unwrap();
            let failure = match method {
                "text" => arguments.text("path").unwrap_err(),
                "number" => arguments.number("limit", 1, 1).unwrap_err(),
                "flag" => arguments.flag("pty").unwrap_err(),
                _ => arguments.choice("mode", &["replace", "patch"]).unwrap_err(),
            };
            let output = failure.output();
            let output: Value = serde_json::from_str(&output.text).unwrap();
            assert_eq!(output, json!({ "error": expected, "code": "invalid_arguments", "hint": null }));
        }
    }
}
