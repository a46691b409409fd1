//! The results of calls that were not let through, in the one form of all errors: what happened, its code, what to do.

use crate::domain::ToolOutput;
use serde_json::json;

pub(super) fn refused(code: &str, why: &str, hint: &str) -> ToolOutput {
    ToolOutput { text: json!({ "error": why, "code": code, "hint": hint }).to_string(), failed: true }
}

/// The rules or a person did not let it through: with the members of a command's result, where callers look first.
pub(super) fn blocked(why: &str, hint: &str) -> ToolOutput {
    let result = json!({
        "output": "", "exit_code": -1, "error": why, "code": "blocked", "hint": hint, "status": "blocked",
    });
    ToolOutput { text: result.to_string(), failed: true }
}
