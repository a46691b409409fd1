//! What a model call brought, or that it brought nothing.

use super::drive::{Break, Driver};
use crate::{
    agent::{self, Answered},
    domain::ToolCall,
    model::{ModelAnswer, ModelError},
    store::Change,
};

impl Driver {
    pub(super) fn model_failed(&self, error: &ModelError) -> Break {
        if matches!(error, ModelError::Cancelled) {
            return self.stopped();
        }
        tracing::info!(run = %self.spec.run_id, %error, "the model call failed");
        let failure = error.failure();
        self.asked_model(Some(failure.code));
        Break::Failed(failure)
    }

    pub(super) fn heard(&mut self, answer: ModelAnswer) {
        self.asked_model(None);
        let ModelAnswer { text, mut reasoning, mut tool_calls, finish_reason, usage: _ } = answer;
        self.tenant.redactor().clean_text(&mut reasoning);
        if !tool_calls.is_empty() {
            // From here on the turn has effects: it is durable whatever road it came in by.
            self.log.make_durable();
        }
        let unknown_only = self.mend_names(&mut tool_calls);
        self.name_clients_calls(&mut tool_calls);
        let answered = Answered { text, calls: tool_calls, reasoning, finish_reason, unknown_only };
        if let Some(message) = self.turn.answered(answered) {
            // Most turns leave this one and what their session keeps of them.
            self.changes.reserve_exact(2);
            self.changes.push(Change::Message(message.clone()));
        }
    }

    /// The call gave no whole answer; `text` is what came of it. A text that was to be gone on with stands as it is.
    pub(super) fn unanswered(&mut self, error: &ModelError, text: &str) -> Result<(), Break> {
        if !matches!(error, ModelError::Cancelled) && self.turn.part().is_empty() && error.asks_another() {
            let failure = error.failure();
            self.asked_model(Some(failure.code));
            if self.fall_back(&failure, Some(error))? {
                return Ok(());
            }
        }
        let failed = self.model_failed(error);
        if matches!(failed, Break::Failed(_))
            && let Some(message) = self.turn.leave_cut(text)
        {
            self.changes.push(Change::Message(message.clone()));
            return Ok(());
        }
        Err(failed)
    }

    /// Gives calls the names of the tools that are meant. Whether there are calls, and all of them mean nothing.
    fn mend_names(&self, calls: &mut [ToolCall]) -> bool {
        if calls.is_empty() {
            return false;
        }
        let toolset = self.kit.toolbox.toolset();
        let allowed = self.allowed_tools(&toolset);
        let own = toolset.specs().iter().map(|spec| &*spec.name);
        let own = own.filter(|name| allowed.as_ref().is_none_or(|all| all.iter().any(|one| one == name)));
        let known: Vec<&str> = own.chain(self.spec.client_tools.names()).collect();
        let mut unknown = 0;
        for call in calls.iter_mut() {
            // A tool that this key may not use is known: the call is told so.
            if known.contains(&call.name.as_str()) || toolset.get(&call.name).is_some() {
                continue;
            }
            match agent::meant(&call.name, &known) {
                Some(name) => name.clone_into(&mut call.name),
                None => unknown += 1,
            }
        }
        unknown == calls.len()
    }

    /// Gives each call of a client's tool an id that no other call has: by it alone the client comes back to this turn.
    /// Upstreams count from nought in every conversation.
    fn name_clients_calls(&self, calls: &mut [ToolCall]) {
        let asked = self.turn.messages().len();
        for (at, call) in calls.iter_mut().enumerate().filter(|(_, call)| self.turn.is_clients(call)) {
            let name = blake3::hash(format!("{} {asked} {at}", self.spec.run_id).as_bytes()).to_hex();
            // As long as OpenAI allows an id to be, or shorter.
            call.id = format!("call_{}", &name[..32]);
        }
    }
}
