//! One method of one path, described: what it takes, what it answers, how it fails.

use super::schema::{Schema, named, one_of, text};
use crate::{
    actors::Scope,
    domain::{Code, OnBusy},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody on the profile's own port.
    Open,
    /// Any valid key.
    Key,
    /// A key with this scope.
    Scope(Scope),
}

/// How a route treats `Idempotency-Key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It changes nothing.
    Harmless,
    /// It starts a run, and a retry joins that run.
    JoinsTheRun,
    /// Its answer is kept, and a retry is given the same one.
    KeepsTheAnswer,
}

#[derive(Debug, Clone)]
struct Parameter {
    place: &'static str,
    name: &'static str,
    schema: Schema,
    text: &'static str,
}

#[derive(Debug, Clone)]
struct Answer {
    text: &'static str,
    /// By media type.
    content: Vec<(&'static str, Value)>,
}

/// The description of a route. The router takes its access and its treatment of retries from here, so these two
/// cannot differ from what the document says.
#[derive(Debug, Clone)]
pub struct Operation {
    pub name: &'static str,
    pub access: Access,
    pub retry: Retry,
    tag: &'static str,
    summary: &'static str,
    text: Option<&'static str>,
    parameters: Vec<Parameter>,
    body: Option<Schema>,
    answers: BTreeMap<u16, Answer>,
    errors: Vec<Code>,
}

impl Operation {
    /// `name` is unique: it is the operation's id, and its name among the endpoints of `/v1/capabilities`.
    pub fn new(tag: &'static str, name: &'static str, access: Access, summary: &'static str) -> Self {
        Self {
            name,
            access,
            retry: Retry::Harmless,
            tag,
            summary,
            text: None,
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            errors: Vec::new(),
        }
    }

    pub fn text(self, text: &'static str) -> Self {
        Self { text: Some(text), ..self }
    }

    fn parameter(
        mut self,
        place: &'static str,
        name: &'static str,
        schema: Schema,
        text: &'static str,
    ) -> Self {
        self.parameters.push(Parameter { place, name, schema, text });
        self
    }

    pub fn query(self, name: &'static str, schema: Schema, text: &'static str) -> Self {
        self.parameter("query", name, schema, text).fails([Code::InvalidRequest])
    }

    pub fn header(self, name: &'static str, schema: Schema, text: &'static str) -> Self {
        self.parameter("header", name, schema, text)
    }

    /// A JSON body that must be there.
    pub fn body(self, schema: Schema) -> Self {
        Self { body: Some(schema), ..self }
    }

    /// A JSON answer.
    pub fn answers(self, status: u16, schema: Schema, text: &'static str) -> Self {
        self.content(status, "application/json", schema.into_value(), text)
    }

    /// Server-sent events whose `data` is `event`, or that text of its own.
    pub fn streams(self, event: Schema, text: &'static str) -> Self {
        // No `type`: readers of the document disagree on whether it would be that of the stream or of an event.
        let stream = json!({"x-event-data": event.into_value()});
        self.content(200, "text/event-stream", stream, text)
    }

    /// An answer of another kind.
    pub fn content(mut self, status: u16, media: &'static str, schema: Value, text: &'static str) -> Self {
        let answer = self.answers.entry(status).or_insert(Answer { text, content: Vec::new() });
        answer.content.push((media, schema));
        self
    }

    /// Codes beside those that follow from access, body and retries.
    pub fn fails(mut self, codes: impl IntoIterator<Item = Code>) -> Self {
        self.errors.extend(codes);
        self
    }

    /// It starts a turn.
    pub fn starts_a_run(self) -> Self {
        let session_id = "Continue this session; it need not exist.";
        let session_key = "A name for the conversation's owner; it comes back in the answer.";
        let busy = "What to do when the session has a turn at work.";
        let lost = "What a lost connection does to the turn: `cancel` or `continue`.";
        Self { retry: Retry::JoinsTheRun, ..self }
            .header("X-Hermes-Session-Id", text(), session_id)
            .header("X-Hermes-Session-Key", text(), session_key)
            .header("X-Hermes-On-Busy", one_of(OnBusy::NAMES.map(|(name, _)| name)), busy)
            .header("X-Hermes-On-Disconnect", one_of(["cancel", "continue"]), lost)
            .fails([
                Code::InvalidSessionId,
                Code::SessionBusy,
                Code::ModelLockUnavailable,
                Code::InvalidSessionKey,
                Code::UnsupportedContentType,
                Code::InvalidImageUrl,
                Code::InvalidContentPart,
                Code::RateLimitExceeded,
                Code::GatewayDraining,
                Code::StorageLow,
            ])
    }

    /// A retry with the same `Idempotency-Key` is given the first answer.
    pub fn keeps_its_answer(self) -> Self {
        Self { retry: Retry::KeepsTheAnswer, ..self }
    }

    /// Every code that the route can give, its own and those that all routes like it have.
    fn codes(&self) -> Vec<Code> {
        let mut codes = vec![Code::OriginNotAllowed, Code::HostNotAllowed, Code::Internal];
        match self.access {
            Access::Open => {}
            Access::Key => codes.extend([Code::InvalidApiKey, Code::ProfileUnavailable]),
            Access::Scope(_) => {
                codes.extend([
                    Code::InvalidApiKey,
                    Code::InsufficientScope,
                    Code::ProfileUnavailable,
                    Code::StorageFailed,
                ]);
            }
        }
        if self.body.is_some() {
            codes.extend([
                Code::InvalidRequest,
                Code::InvalidJson,
                Code::UnsupportedMediaType,
                Code::BodyTooLarge,
                Code::RequestTimeout,
            ]);
        }
        if self.retry != Retry::Harmless {
            codes.extend([Code::InvalidIdempotencyKey, Code::IdempotencyKeyConflict]);
        }
        codes.extend(&self.errors);
        codes
    }

    fn responses(&self) -> Value {
        let mut responses = Map::new();
        for (status, answer) in &self.answers {
            let content: Map<String, Value> = answer
                .content
                .iter()
                .map(|(media, schema)| ((*media).to_owned(), json!({ "schema": schema })))
                .collect();
            responses.insert(status.to_string(), json!({"description": answer.text, "content": content}));
        }
        let mut errors: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
        for code in self.codes() {
            let codes = errors.entry(code.status()).or_default();
            if !codes.contains(&code.wire()) {
                codes.push(code.wire());
            }
        }
        for (status, codes) in errors {
            let text = format!("`{}`", codes.join("`, `"));
            let error = json!({"description": text, "content": {"application/json": {"schema": named("Error").into_value()}}});
            responses.entry(status.to_string()).or_insert(error);
        }
        Value::Object(responses)
    }

    fn all_parameters(&self, path: &str) -> Vec<Value> {
        let in_path = placeholders(path).map(|name| {
            json!({"in": "path", "name": name, "required": true, "schema": {"type": "string", "minLength": 1}})
        });
        let own = self.parameters.iter().map(|parameter| {
            let Parameter { place, name, schema, text } = parameter.clone();
            json!({"in": place, "name": name, "description": text, "schema": schema.into_value()})
        });
        let retry = (self.retry != Retry::Harmless).then(|| {
            json!({
                "in": "header", "name": "Idempotency-Key", "schema": {"type": "string", "minLength": 1, "maxLength": 255,
                "pattern": "^[!-~]+$"},
                "description": match self.retry {
                    Retry::JoinsTheRun => "A retry with this key and the same body joins the run of the first request.",
                    Retry::KeepsTheAnswer | Retry::Harmless => "A retry with this key gets the answer of the first request.",
                },
            })
        });
        in_path.chain(own).chain(retry).collect()
    }

    /// The operation object of the document.
    pub fn document(&self, path: &str) -> Value {
        let mut operation = json!({
            "operationId": self.name,
            "tags": [self.tag],
            "summary": self.summary,
            "responses": self.responses(),
            "security": match self.access {
                Access::Open => json!([]),
                Access::Key | Access::Scope(_) => json!([{"key": []}]),
            },
        });
        let scope = match self.access {
            Access::Open => None,
            Access::Key => Some("Any valid key will do.".to_owned()),
            Access::Scope(scope) => Some(format!("Needs a key with the scope `{}`.", scope.wire())),
        };
        let text: Vec<String> = self.text.map(str::to_owned).into_iter().chain(scope).collect();
        if !text.is_empty() {
            operation["description"] = json!(text.join("\n\n"));
        }
        let parameters = self.all_parameters(path);
        if !parameters.is_empty() {
            operation["parameters"] = json!(parameters);
        }
        if let Some(schema) = self.body.clone() {
            operation["requestBody"] = json!({
                "required": true,
                "content": {"application/json": {"schema": schema.into_value()}},
            });
        }
        operation
    }
}

/// The names in a path's braces.
fn placeholders(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split(['}', ':']).next())
}
