//! What stands for the older part of a conversation that has grown too long.

use super::Millis;
use serde::{Deserialize, Serialize};

/// A summary that a session goes on with. The messages that it covers stay where they are; models are not shown them any
/// more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The session's first one is 1. Each covers all that the one before it did, and that one is kept.
    pub number: u32,
    /// The first so many messages of the session stay before it.
    pub head: u64,
    /// It covers the messages behind those, up to and with the one of this number.
    pub upto: u64,
    /// The number of the covered message of the user's that stays as it was: the last one, when none comes after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<u64>,
    pub text: String,
    pub author: Author,
    /// Results of tools that bring texts of strangers are among what it covers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strangers: bool,
    pub at: Millis,
}

impl Summary {
    /// Whether the message of this number is shown no more.
    #[must_use]
    pub fn covers(&self, number: u64) -> bool {
        number > self.head && number <= self.upto && self.kept != Some(number)
    }
}

/// Who wrote a summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    Model,
    /// No model could: it is put together from the messages themselves.
    Extract,
}

/// Why a conversation was compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It came near the model's window.
    Threshold,
    /// The upstream said that it is too long.
    Overflow,
    /// Somebody asked for it.
    Asked,
}

/// The fact that a conversation was compressed, with its size before and after: messages, and tokens as estimated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compressed {
    pub cause: Cause,
    pub author: Author,
    pub messages_before: usize,
    pub messages_after: usize,
    pub tokens_before: u64,
    pub tokens_after: u64,
    /// Which summary of its session it is; absent when it holds for this turn alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<u32>,
}
