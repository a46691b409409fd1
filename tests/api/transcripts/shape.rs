//! What two answers have in common, and what not: status, headers, members, types, the words of the protocol, the order
//! of events. Texts, numbers and ids are free. Ours may have more members and more events than the recorded one, never
//! fewer.

use super::recording::{Answer, Body};
use crate::support::{Frame, Reply};
use serde_json::Value;
use std::collections::BTreeMap;

/// Members whose value is a word of the protocol and not free text.
const WORDS: [&str; 13] = [
    "object",
    "type",
    "status",
    "role",
    "finish_reason",
    "event",
    "choice",
    "choices",
    "deleted",
    "code",
    "param",
    "tool",
    "resolved",
];

/// Headers that say nothing about the surface.
const IGNORED_HEADERS: [&str; 5] = ["content-length", "date", "server", "transfer-encoding", "connection"];

/// Ids of the recording, and what they are called here.
pub type Ids = BTreeMap<String, String>;

/// What we answered.
pub enum Got {
    Whole(Reply),
    Stream(Vec<Frame>),
}

/// Differences of one answer, each `place: recorded -> ours`.
#[derive(Default)]
pub struct Comparison {
    pub differences: Vec<String>,
    pub ids: Ids,
}

impl Comparison {
    pub fn of(recorded: &Answer, status: u16, headers: &awc::http::header::HeaderMap, got: &Got) -> Self {
        let mut this = Self::default();
        if recorded.status != status {
            this.note("status", &recorded.status, &status);
            return this;
        }
        this.headers(recorded, headers);
        match (&recorded.body, got) {
            (Body::Json(recorded), Got::Whole(reply)) => this.values("body", recorded, &reply.body),
            (Body::Stream { frames, left }, Got::Stream(ours)) => this.streams(frames, ours, *left),
            (Body::Text, Got::Whole(reply)) if !reply.body.is_null() => this.note("body", &"text", &"json"),
            (Body::Empty, Got::Whole(reply)) if !reply.text.is_empty() => {
                this.note("body", &"empty", &"json");
            }
            (Body::Empty | Body::Text, Got::Whole(_)) => {}
            (Body::Stream { .. }, Got::Whole(_)) => this.note("body", &"stream", &"whole"),
            (Body::Json(_) | Body::Text | Body::Empty, Got::Stream(_)) => {
                this.note("body", &"whole", &"stream");
            }
        }
        this
    }

    fn note(&mut self, place: &str, recorded: &dyn std::fmt::Display, ours: &dyn std::fmt::Display) {
        self.differences.push(format!("{place}: {recorded} -> {ours}"));
    }

    fn headers(&mut self, recorded: &Answer, ours: &awc::http::header::HeaderMap) {
        for (name, value) in &recorded.headers {
            let name = name.to_ascii_lowercase();
            let value = value.as_str().unwrap();
            let Some(here) = ours.get(&name).map(|value| value.to_str().unwrap()) else {
                if !IGNORED_HEADERS.contains(&name.as_str()) {
                    self.note(&format!("header {name}"), &"there", &"missing");
                }
                continue;
            };
            if name == "x-hermes-session-id" {
                self.same_id(value, here);
            }
            let media_type = |value: &str| value.split(';').next().unwrap().to_owned();
            if name == "content-type" && media_type(value) != media_type(here) {
                self.note("header content-type", &media_type(value), &media_type(here));
            }
        }
    }

    fn values(&mut self, place: &str, recorded: &Value, ours: &Value) {
        match (recorded, ours) {
            (Value::Object(recorded), Value::Object(ours)) => {
                for (name, value) in recorded {
                    let place = format!("{place}.{name}");
                    match ours.get(name) {
                        Some(here) => self.member(&place, name, value, here),
                        None => self.note(&place, &kind(value), &"missing"),
                    }
                }
            }
            (Value::Array(recorded), Value::Array(ours)) => {
                let place = format!("{place}[]");
                if recorded.is_empty() != ours.is_empty() {
                    let count = |list: &[Value]| if list.is_empty() { "none" } else { "some" };
                    self.note(&place, &count(recorded), &count(ours));
                }
                for (recorded, ours) in recorded.iter().zip(ours) {
                    self.values(&place, recorded, ours);
                }
            }
            _ if kind(recorded) != kind(ours) => self.note(place, &kind(recorded), &kind(ours)),
            _ => {}
        }
    }

    fn member(&mut self, place: &str, name: &str, recorded: &Value, ours: &Value) {
        if let (Some(recorded), Some(ours)) = (recorded.as_str(), ours.as_str())
            && (name == "id" || name.ends_with("_id"))
        {
            self.same_id(recorded, ours);
        }
        let both_plain = !recorded.is_null() && kind(recorded) == kind(ours) && !recorded.is_object();
        if WORDS.contains(&name) && both_plain && !recorded.as_array().is_some_and(|list| list[0].is_object())
        {
            if recorded != ours {
                self.note(place, recorded, ours);
            }
        } else {
            self.values(place, recorded, ours);
        }
    }

    fn same_id(&mut self, recorded: &str, ours: &str) {
        if recorded != ours {
            self.ids.insert(recorded.to_owned(), ours.to_owned());
        }
    }

    fn streams(&mut self, recorded: &[Frame], ours: &[Frame], left: bool) {
        let (theirs, here) = (kinds(recorded), kinds(ours));
        let mut rest = here.iter();
        for name in &theirs {
            if !rest.any(|ours| ours == name) {
                let what = if here.contains(name) { "elsewhere" } else { "missing" };
                self.note(&format!("event {name}"), &"there", &what);
                rest = here.iter();
            }
        }
        if !left && theirs.last() != here.last() {
            let last = |kinds: &[String]| kinds.last().cloned().unwrap_or_default();
            self.note("last event", &last(&theirs), &last(&here));
        }
        for name in &theirs {
            let first = |frames: &[Frame]| frames.iter().find(|frame| kind_of(frame) == *name).map(json_of);
            if let (Some(recorded), Some(ours)) = (first(recorded), first(ours)) {
                self.values(&format!("{name}:"), &recorded, &ours);
            }
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// The kinds of a stream's events in their order; neighbours of one kind count once.
fn kinds(frames: &[Frame]) -> Vec<String> {
    let mut kinds: Vec<String> = frames.iter().filter(|frame| frame.data.is_some()).map(kind_of).collect();
    kinds.dedup();
    kinds
}

/// What a frame tells: its name, else the event in its data, else what a chat chunk carries.
pub fn kind_of(frame: &Frame) -> String {
    let data = json_of(frame);
    if let Some(name) = &frame.event {
        return match data["status"].as_str() {
            Some(status) if name == "hermes.tool.progress" => format!("{name}({status})"),
            Some(_) | None => name.clone(),
        };
    }
    if let Some(event) = data["event"].as_str() {
        return event.to_owned();
    }
    let choice = &data["choices"][0];
    match (choice["finish_reason"].as_str(), choice["delta"].as_object()) {
        (Some(reason), _) => format!("finish({reason})"),
        (None, Some(delta)) => delta.keys().cloned().collect::<Vec<_>>().join("+"),
        (None, None) => frame.data.clone().unwrap_or_default(),
    }
}

/// The data of a frame; `null` for what is not JSON (`[DONE]`, nothing).
fn json_of(frame: &Frame) -> Value {
    serde_json::from_str(frame.data.as_deref().unwrap_or("null")).unwrap_or(Value::Null)
}
