//! The recorded exchanges as they lie in `../shared/reference/transcripts`, one file a case.

use crate::support::{Frame, frames_of};
use awc::http::Method;
use serde_json::{Map, Value};
use std::{fs, path::PathBuf};

/// One recorded case: a request, or several that follow one another.
pub struct Recording {
    /// The number that begins the file's name.
    pub number: u32,
    pub name: String,
    pub steps: Vec<Step>,
}

/// A request and what the reference answered.
pub struct Step {
    pub method: Method,
    pub path: String,
    pub headers: Vec<(String, String)>,
    /// `key`, `none`, or the whole `Authorization` header.
    pub auth: String,
    pub body: Option<String>,
    /// It was begun and left running while the next steps were taken.
    pub background: bool,
    /// What the recorder said about the moment.
    pub note: String,
    pub answer: Answer,
}

pub struct Answer {
    pub status: u16,
    pub headers: Map<String, Value>,
    pub body: Body,
}

pub enum Body {
    Json(Value),
    /// Not JSON.
    Text,
    Empty,
    /// The frames, and whether the recorder hung up before the end.
    Stream {
        frames: Vec<Frame>,
        left: bool,
    },
}

/// Where the recordings are, if they are there.
pub fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/transcripts");
    folder.is_dir().then_some(folder)
}

/// All recordings, in the order of their numbers.
pub fn all(folder: &PathBuf) -> Vec<Recording> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut recordings: Vec<Recording> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let recorded: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let steps = match recorded["steps"].as_array() {
                Some(steps) => steps.iter().map(|step| Step::read(step, &name)).collect(),
                None => vec![Step::read(&recorded, &name)],
            };
            let number = name.split('-').next().unwrap().parse().unwrap();
            Recording { number, name, steps }
        })
        .collect();
    recordings.sort_by_key(|recording| recording.number);
    recordings
}

impl Step {
    fn read(step: &Value, case: &str) -> Self {
        let (request, response) = (&step["request"], &step["response"]);
        let headers = request["headers"].as_object().unwrap().iter();
        Self {
            method: request["method"].as_str().unwrap().parse().unwrap(),
            path: request["path"].as_str().unwrap().to_owned(),
            headers: headers.map(|(name, value)| (name.clone(), whole(value.as_str().unwrap()))).collect(),
            auth: request["auth"].as_str().unwrap().to_owned(),
            body: sent(&request["body"], case),
            background: !step["bg"].is_null(),
            note: step["note"].as_str().unwrap_or("").to_owned(),
            answer: Answer {
                status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
                headers: response["headers"].as_object().unwrap().clone(),
                body: received(response),
            },
        }
    }
}

fn received(response: &Value) -> Body {
    if let Some(stream) = response["sse"].as_str() {
        let left = response["ended"] != "server closed";
        return Body::Stream { frames: frames_of(stream), left };
    }
    match &response["body"] {
        Value::Null => Body::Empty,
        Value::String(_) => Body::Text,
        json @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Body::Json(json.clone())
        }
    }
}

fn sent(body: &Value, case: &str) -> Option<String> {
    match body {
        Value::Null => None,
        Value::String(text) if case.contains("many-parts") => Some(many_parts(text)),
        Value::String(text) => Some(whole(text)),
        json @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some(spoken(&json.to_string()))
        }
    }
}

/// What the scripted upstream of these tests understands. The recordings used more than one upstream, and waited long
/// for things that have tests of their own (pings in a silence).
fn spoken(body: &str) -> String {
    ["drop", "tool", "hang", "length", "empty"]
        .iter()
        .fold(body.to_owned(), |body, directive| {
            body.replace(&format!("##{directive}"), &format!("@@{directive}"))
        })
        .replace("@@stream 2 40000", "@@stream 2 40")
        .replace("@@stream 60 100", "@@stream 60 20")
        .replace("sleep 6", "sleep 1")
}

/// A long text was recorded by its beginning and its length.
fn cut(text: &str) -> Option<(&str, usize)> {
    let (beginning, rest) = text.split_once("…[")?;
    Some((beginning, rest.strip_suffix(" characters in all]")?.parse().ok()?))
}

/// The recorded text, filled up to its length if it was cut: it went on as it began, to the end of the JSON.
fn whole(text: &str) -> String {
    let Some((beginning, length)) = cut(text) else { return text.to_owned() };
    let end = if beginning.starts_with('{') { "\"}]}" } else { "" };
    let fill = beginning.chars().last().unwrap().to_string();
    format!("{beginning}{}{end}", fill.repeat(length - beginning.chars().count() - end.len()))
}

/// The list of parts `p0`, `p1`, … that was recorded by its beginning.
fn many_parts(text: &str) -> String {
    let (_, length) = cut(text).unwrap();
    let body = |parts: usize| {
        let parts: Vec<String> =
            (0..parts).map(|n| format!(r#"{{"type": "text", "text": "p{n}"}}"#)).collect();
        format!(r#"{{"messages": [{{"role": "user", "content": [{}]}}]}}"#, parts.join(", "))
    };
    (1..2000).map(body).find(|body| body.len() >= length).unwrap()
}
