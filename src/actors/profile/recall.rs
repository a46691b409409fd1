//! Going on with turns that ended with calls of the client's tools.
//!
//! The client saw such a turn as one message with its own calls. The record has all of it: what the agent called before
//! and beside them, and what came of that. So where a request repeats that message, or only brings the results, the
//! record takes its place. Ids that are not on record are what they are: history.

use crate::{
    actors::{
        ProfileError,
        run::{Broken, conversation},
    },
    agent::{self, NO_RESULT, Stray},
    domain::{Code, KeyId, Message, RunSpec, Surface},
    store::{Store, StoreError, StoredRun},
};
use std::collections::HashSet;

/// Whether a turn's request carries results of calls, so that it may go on from a turn on record. The transcript of a
/// session, or of a chain, has its turns whole; it is looked at when the session's turn has come.
pub(super) fn brings_results(spec: &RunSpec) -> bool {
    let answers = |message: &Message| matches!(message, Message::Tool { .. });
    let carried = !spec.results.is_empty() || spec.history.iter().any(answers);
    carried && !spec.load_history && spec.after.is_none()
}

/// Puts the record into the history of a turn that [brings results](brings_results). Reads the store on the blocking pool.
///
/// # Errors
///
/// `invalid_request` for a result that answers no call; the store's.
pub(super) async fn recall(store: &Store, mut spec: RunSpec) -> Result<RunSpec, ProfileError> {
    let store = store.clone();
    let work = move || {
        let mut recall =
            Recall { store, key: spec.key_id.clone(), history: Vec::new(), called: HashSet::new() };
        for message in std::mem::take(&mut spec.history) {
            recall.add(message)?;
        }
        for result in &spec.results {
            recall.find_call(&result.call_id)?;
        }
        spec.history = recall.history;
        let opening = spec.opening();
        if !agent::is_whole(&[&spec.history, &opening]) {
            let all = spec.history.iter().chain(&opening).cloned().collect();
            let member = if spec.surface == Surface::Chat { "messages" } else { "input" };
            agent::mended(all, NO_RESULT).map_err(|stray: Stray| {
                ProfileError::new(Code::InvalidRequest, stray.to_string()).at(member)
            })?;
        }
        Ok(spec)
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| {
        Err(ProfileError::new(Code::Internal, format!("the history could not be read: {panic}")))
    })
}

/// A history that grows, with the record in the place of what the client saw of it.
struct Recall {
    store: Store,
    key: KeyId,
    history: Vec<Message>,
    /// Ids of all calls in it.
    called: HashSet<String>,
}

impl Recall {
    fn add(&mut self, message: Message) -> Result<(), StoreError> {
        match &message {
            Message::Assistant { tool_calls, .. } => {
                for call in tool_calls {
                    if let Some(run) = self.on_record(&call.id)? {
                        self.extend(run.messages);
                        return Ok(());
                    }
                }
            }
            Message::Tool { tool_call_id, .. } => self.find_call(tool_call_id)?,
            Message::System { .. } | Message::User { .. } => {}
        }
        self.extend(vec![message]);
        Ok(())
    }

    /// Brings in the turn that made this call, if the request left its message out.
    fn find_call(&mut self, id: &str) -> Result<(), StoreError> {
        if self.called.contains(id) {
            return Ok(());
        }
        let Some(run) = self.on_record(id)? else {
            return Ok(());
        };
        if self.history.is_empty() {
            // A request that brings nothing but results means the whole conversation.
            match conversation(&self.store, run.spec.run_id) {
                Ok(all) => {
                    self.extend(all);
                    return Ok(());
                }
                Err(Broken::Store(error)) => return Err(error),
                // The turn itself is there; it goes on with what there is.
                Err(Broken::Missing(_)) => self.extend(run.spec.opening()),
            }
        }
        self.extend(run.messages);
        Ok(())
    }

    fn on_record(&self, call_id: &str) -> Result<Option<StoredRun>, StoreError> {
        match self.store.client_call(&self.key, call_id)? {
            Some(call) => self.store.stored_run(call.run_id),
            None => Ok(None),
        }
    }

    fn extend(&mut self, messages: Vec<Message>) {
        for message in &messages {
            if let Message::Assistant { tool_calls, .. } = message {
                self.called.extend(tool_calls.iter().map(|call| call.id.clone()));
            }
        }
        self.history.extend(messages);
    }
}
