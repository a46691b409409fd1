//! JSON Schemas, put together from words.

use serde_json::{Map, Value, json};

/// A JSON Schema of draft 2020-12, as OpenAPI 3.1 uses it.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema(Value);

pub fn text() -> Schema {
    Schema(json!({"type": "string"}))
}

pub fn integer() -> Schema {
    Schema(json!({"type": "integer"}))
}

pub fn number() -> Schema {
    Schema(json!({"type": "number"}))
}

pub fn boolean() -> Schema {
    Schema(json!({"type": "boolean"}))
}

/// Any JSON value.
pub fn any() -> Schema {
    Schema(json!({}))
}

/// Seconds since 1970, with a fraction.
pub fn time() -> Schema {
    number().note("Seconds since 1970-01-01 UTC.")
}

/// Always this value.
pub fn always(value: impl Into<Value>) -> Schema {
    Schema(json!({"const": value.into()}))
}

/// One of these texts.
pub fn one_of<'a>(values: impl IntoIterator<Item = &'a str>) -> Schema {
    Schema(json!({"type": "string", "enum": values.into_iter().collect::<Vec<_>>()}))
}

pub fn list(of: Schema) -> Schema {
    Schema(json!({"type": "array"})).with("items", of.0)
}

/// An object whose members have names of their own, all of one kind.
pub fn map(of: Schema) -> Schema {
    Schema(json!({"type": "object"})).with("additionalProperties", of.0)
}

/// A boolean, or a text or number that the reference reads as one.
pub fn flag() -> Schema {
    either([
        boolean(),
        one_of(["true", "false", "1", "0", "yes", "no", "on", "off"]),
        number().note("0: false."),
    ])
}

/// What fits one of several.
pub fn either(all: impl IntoIterator<Item = Schema>) -> Schema {
    Schema(json!({"anyOf": all.into_iter().map(|one| one.0).collect::<Vec<_>>()}))
}

/// A schema of the document by its name.
pub fn named(name: &str) -> Schema {
    Schema(json!({"$ref": format!("#/components/schemas/{name}")}))
}

/// An object; [`Schema::has`] and [`Schema::may`] give it members.
pub fn object() -> Schema {
    Schema(json!({"type": "object", "properties": {}}))
}

impl Schema {
    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        if let Some(members) = self.0.as_object_mut() {
            members.insert(key.to_owned(), value.into());
        }
        self
    }

    /// A member that is always there.
    pub fn has(self, name: &str, schema: Self) -> Self {
        let mut with = self.may(name, schema);
        if let Some(members) = with.0.as_object_mut() {
            let required = members.entry("required").or_insert_with(|| json!([]));
            if let Some(required) = required.as_array_mut() {
                required.push(json!(name));
            }
        }
        with
    }

    /// A member that may be missing.
    pub fn may(mut self, name: &str, schema: Self) -> Self {
        if let Some(members) = self.0["properties"].as_object_mut() {
            members.insert(name.to_owned(), schema.0);
        }
        self
    }

    /// Other members are possible, of any kind.
    pub fn open(self) -> Self {
        self.with("additionalProperties", true)
    }

    pub fn or_null(self) -> Self {
        either([self, Self(json!({"type": "null"}))])
    }

    /// What a reader should know.
    pub fn note(self, text: &str) -> Self {
        self.with("description", text)
    }

    pub fn example(self, value: impl Into<Value>) -> Self {
        self.with("examples", json!([value.into()]))
    }

    pub fn from(self, least: u64) -> Self {
        self.with("minimum", least)
    }

    pub fn to(self, most: u64) -> Self {
        self.with("maximum", most)
    }

    pub fn or_else(self, default: impl Into<Value>) -> Self {
        self.with("default", default)
    }

    pub fn at_least(self, items: u64) -> Self {
        self.with("minItems", items)
    }

    pub fn into_value(self) -> Value {
        self.0
    }
}

/// A page of rows, newest first unless the route says otherwise.
pub fn page(of: Schema) -> Schema {
    object().has("object", always("list")).has("data", list(of)).has("has_more", boolean())
}

/// Schemas with names, as they stand under `components`.
pub type Components = Map<String, Value>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_lists_what_it_always_has() {
        let schema = object().has("a", text().or_null()).may("b", integer().from(1)).into_value();
        assert_eq!(
            schema,
            json!({
                "type": "object",
                "properties": {
                    "a": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "b": {"type": "integer", "minimum": 1},
                },
                "required": ["a"],
            })
        );
    }
}
