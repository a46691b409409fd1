//! Calls that type into a process: judged with what stands there already and has no end yet.

use super::drive::Driver;
use crate::{
    agent::{Keyboard, Typed, Verdict},
    domain::ToolCall,
    tools::{self, Keys, Typist},
};
use serde_json::Value;

/// The tool.
const NAME: &str = "process";

/// What is known of a call that types.
enum Typing {
    /// Into nothing: it types nothing, or there is no such process.
    None,
    Into(Typist, Typed),
    /// Calls before it in the same answer leave open what would stand there.
    TooSoon,
}

impl Driver {
    /// The verdict on a call behind `earlier` ones of the same answer, none of which has run yet. `None`: what it means depends on
    /// what becomes of those.
    pub(super) fn judge(&self, call: &ToolCall, arguments: &Value, earlier: &[ToolCall]) -> Option<Verdict> {
        match self.typing(&call.name, arguments, earlier) {
            Typing::None => Some(self.kit.policy.judge(&call.name, arguments)),
            Typing::Into(_, typed) => Some(self.kit.policy.judge_typed(&typed)),
            Typing::TooSoon => None,
        }
    }

    /// Keeps what a call that is let through leaves unfinished.
    pub(super) fn note_typing(&self, call: &ToolCall, arguments: &Value) {
        if let Typing::Into(typist, typed) = self.typing(&call.name, arguments, &[]) {
            typist.set_unfinished(typed.unfinished);
        }
    }

    fn typing(&self, tool: &str, arguments: &Value, earlier: &[ToolCall]) -> Typing {
        let keys = if tool == NAME { Keys::of(arguments) } else { None };
        let Some(keys) = keys else { return Typing::None };
        let Some(typist) = self.kit.toolbox.typist(&self.spec.session.id, keys.id) else {
            return Typing::None;
        };
        let (command, pty, unfinished) = (typist.command(), typist.pty(), typist.unfinished());
        let typed = |keys: &Keys<'_>, unfinished: &str| {
            Keyboard { unfinished, command, pty }.typed(&keys.text(pty), keys.closes)
        };
        for call in earlier.iter().filter(|call| call.name == NAME) {
            let Ok(before) = tools::parse_arguments(&call.arguments) else { continue };
            let Some(before) = Keys::of(&before).filter(|before| before.id == keys.id) else { continue };
            // Whether it will be typed or not: nothing of it may be a part of this one.
            if !unfinished.is_empty() || !typed(&before, "").unfinished.is_empty() {
                return Typing::TooSoon;
            }
        }
        let typed = typed(&keys, &unfinished);
        Typing::Into(typist, typed)
    }
}
