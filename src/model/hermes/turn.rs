//! A turn as `POST /v1/runs` takes it.

use super::client::cut;
use crate::{
    domain::{Content, Message, Sampling},
    model::ModelError,
};
use serde::{Serialize, Serializer, ser::SerializeMap};

/// What the other side's agent is asked to do. Everything is borrowed: no history is cloned for it.
pub struct RemoteTurn<'a> {
    pub model: &'a str,
    /// The caller's own system text; the agent's is the other side's.
    pub instructions: Option<&'a str>,
    /// Slices that stand one after the other.
    pub history: &'a [&'a [Message]],
    pub input: &'a Content,
    /// Where the other side keeps shell state and permissions between turns.
    pub session_id: Option<&'a str>,
    pub sampling: &'a Sampling,
}

impl RemoteTurn<'_> {
    /// As it is sent.
    ///
    /// # Errors
    /// [`ModelError`]: it cannot be written as JSON.
    pub fn body(&self) -> Result<Vec<u8>, ModelError> {
        serde_json::to_vec(self)
            .map_err(|error| cut(&format!("The request to the upstream could not be written: {error}.")))
    }
}

/// The message that the agent is to answer.
#[derive(Serialize)]
struct Input<'a> {
    role: &'static str,
    content: &'a Content,
}

impl Serialize for RemoteTurn<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        // First, so that no sampling member of that name counts.
        for (name, value) in &self.sampling.0 {
            if !OURS.contains(&name.as_str()) {
                map.serialize_entry(name, value)?;
            }
        }
        map.serialize_entry("model", self.model)?;
        map.serialize_entry("input", &[Input { role: "user", content: self.input }])?;
        // Always there, also when it is empty: ours is the transcript that counts.
        let history: Vec<&Message> = self.history.iter().copied().flatten().collect();
        map.serialize_entry("conversation_history", &history)?;
        if let Some(instructions) = self.instructions {
            map.serialize_entry("instructions", instructions)?;
        }
        if let Some(session) = self.session_id {
            map.serialize_entry("session_id", session)?;
        }
        map.end()
    }
}

/// Members that are not the request's to set.
const OURS: [&str; 8] = [
    "model",
    "provider",
    "input",
    "conversation_history",
    "instructions",
    "session_id",
    "previous_response_id",
    "tools",
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_body_is_one_that_runs_take() {
        let sampling = serde_json::from_value(json!({"temperature": 0.5, "session_id": "x"})).unwrap();
        let turn = RemoteTurn {
            model: "hermes-agent",
            instructions: Some("Be brief."),
            history: &[&[Message::user("a")], &[], &[Message::assistant("b")]],
            input: &Content::Text("c".to_owned()),
            session_id: None,
            sampling: &sampling,
        };
        let expected = json!({
            "temperature": 0.5,
            "model": "hermes-agent",
            "input": [{"role": "user", "content": "c"}],
            "conversation_history": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
            "instructions": "Be brief.",
        });
        assert_eq!(serde_json::to_value(turn).unwrap(), expected);
    }
}
