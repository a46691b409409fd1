//! A message as it is stored, and what a header counts of it.

use super::{SessionHeader, SessionMessage};
use crate::{
    domain::{Finish, Message, Millis},
    store::{StoreError, codec},
};
use std::borrow::Cow;

/// Characters of a preview.
const PREVIEW: usize = 60;

/// A message on its way to the disk.
#[derive(serde::Serialize)]
pub(super) struct Row<'a> {
    #[serde(flatten)]
    pub message: &'a Message,
    pub at: Millis,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<Finish>,
}

impl SessionHeader {
    /// Takes one more message into the counters.
    pub(super) fn count(&mut self, message: &Message) {
        self.messages += 1;
        match message {
            Message::User { content } => {
                if self.preview.is_none() {
                    self.preview = preview(&content.text());
                }
            }
            Message::Assistant { tool_calls, .. } => {
                self.answers += 1;
                self.tool_calls += tool_calls.len() as u64;
            }
            Message::System { .. } | Message::Tool { .. } => {}
        }
    }
}

fn preview(text: &str) -> Option<String> {
    let line: Cow<'_, str> = if text.contains(['\n', '\r', '\t']) {
        text.chars().take(4 * PREVIEW).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
    } else {
        text.into()
    };
    let shown: String = line.trim().chars().take(PREVIEW).collect();
    (!shown.is_empty()).then_some(shown)
}

/// A stored message with its number; `place` counts from 0.
pub(in crate::store) fn message(place: u64, json: &[u8]) -> Result<SessionMessage, StoreError> {
    let message: SessionMessage = codec::from_json(json)?;
    Ok(SessionMessage { number: place + 1, ..message })
}
