//! What a command's result says beyond what the command printed: who allowed it, and what its exit code means.

use super::drive::Driver;
use crate::{
    agent,
    domain::{Choice, ToolCall, ToolOutput},
    tools,
};
use serde_json::{Map, Value};

impl Driver {
    /// The result with these members, where there is something to say.
    pub(super) fn explained(&self, call: &ToolCall, output: ToolOutput) -> ToolOutput {
        let approval = self.allowed_by(call);
        let meaning = if output.failed { exit_meaning(call, &output) } else { None };
        if approval.is_none() && meaning.is_none() {
            return output;
        }
        let Ok(mut members) = serde_json::from_str::<Map<String, Value>>(&output.text) else { return output };
        members.extend(approval.map(|note| ("approval".to_owned(), note.into())));
        members.extend(meaning.map(|meaning| ("exit_code_meaning".to_owned(), meaning.into())));
        let failed = output.failed && meaning.is_none();
        ToolOutput { text: Value::Object(members).to_string(), failed }
    }

    /// That a person was asked about this call and allowed it.
    fn allowed_by(&self, call: &ToolCall) -> Option<String> {
        if self.approvals.is_empty() {
            return None;
        }
        let known = self.known_approval(call).filter(|known| known.question.is_none())?;
        let allowed = known.decision.is_some_and(Choice::allows);
        allowed
            .then(|| format!("This needed an approval ({}) and was approved by the user.", known.description))
    }
}

fn exit_meaning(call: &ToolCall, output: &ToolOutput) -> Option<&'static str> {
    if call.name != "terminal" {
        return None;
    }
    let result: Value = serde_json::from_str(&output.text).ok()?;
    // A command that was ended has its reason there.
    let code = result["exit_code"].as_i64().filter(|_| result["error"].is_null())?;
    let arguments = tools::parse_arguments(&call.arguments).ok()?;
    agent::exit_code_meaning(arguments["command"].as_str()?, code)
}
