//! A command that goes on in the background of its session.

use super::{Millis, RunId, SessionId};
use serde::{Deserialize, Serialize};

/// What is kept of it. One without an end that nobody runs any more was lost with the process that ran it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// `proc_…`.
    pub id: String,
    pub session: SessionId,
    /// The run that started it.
    pub run: RunId,
    pub command: String,
    /// Of its warden, on the machine.
    pub pid: u32,
    /// It has a terminal.
    pub pty: bool,
    pub started_at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<ProcessEnd>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessEnd {
    pub at: Millis,
    /// As a shell has it: 128 and the signal's number where one ended it.
    pub exit_code: i32,
    /// Why it was ended, where it did not end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
