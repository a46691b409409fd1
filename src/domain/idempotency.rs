//! What a client's idempotency key stands for once its request was carried out.

use super::{RunId, SessionId};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StandsFor {
    /// The request started this run: its log is the answer.
    #[serde(rename = "run_id")]
    Run(RunId),
    /// The request made this session: written with it, until the answer is kept.
    #[serde(rename = "session_id")]
    Session(SessionId),
    /// The request was answered with this.
    #[serde(rename = "answer")]
    Answer(KeptAnswer),
}

/// A small answer, kept so that a retry gets the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    pub status: u16,
    /// The product's own headers.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: String,
}
