//! The words of turns, as later turns are told of them.

use super::room;
use crate::{
    agent::{self, INTERRUPTED},
    domain::{Finish, Message, RunId, RunSpec, RunStatus, SystemPrompt, Usage},
    store::{SessionAppend, Store, StoreError, StoredRun},
};

/// What an ended turn leaves behind. One that failed before it did or said anything leaves nothing: the next one would
/// only be confused by it.
fn of_turn(
    opening: Vec<Message>,
    mut said: Vec<Message>,
    completed: bool,
    text: &str,
) -> Option<Vec<Message>> {
    if !completed {
        if said.is_empty() && text.is_empty() {
            return None;
        }
        // Every result of a turn's own messages answers one of its calls.
        said = agent::mended(said, INTERRUPTED).unwrap_or_default();
        let answered =
            matches!(said.last(), Some(Message::Assistant { tool_calls, .. }) if tool_calls.is_empty());
        let rest = unsaid(&said, text);
        if !answered && !rest.is_empty() {
            said.push(Message::assistant(rest));
        }
    }
    let mut all = opening;
    all.append(&mut said);
    Some(all)
}

/// What a turn came to: the run's record, as it was before its last event.
pub(in crate::actors) struct Came<'a> {
    pub text: &'a str,
    pub usage: Usage,
    pub cost: Option<u64>,
    /// How it completed, if it did.
    pub finish: Option<Finish>,
}

/// What the session keeps of an ended turn that began with `opening`.
pub(in crate::actors) fn append(
    spec: &RunSpec,
    default_model: &str,
    (opening, said): (Vec<Message>, Vec<Message>),
    came: &Came<'_>,
    prompt: Option<SystemPrompt>,
) -> Option<Box<SessionAppend>> {
    if spec.parent.is_some() {
        // What a child said is its parent's to use; nobody talks with it.
        return None;
    }
    let messages = match spec.asks_to_compress() {
        Some(_) => Vec::new(),
        None => match of_turn(opening, said, came.finish.is_some(), came.text) {
            Some(messages) => messages,
            // What it cost is the session's all the same.
            None if spec.session.named && came.usage.total_tokens > 0 => Vec::new(),
            None => return None,
        },
    };
    let choice = spec.upstream.as_ref();
    Some(Box::new(SessionAppend {
        summary: None,
        session: spec.session.clone(),
        run_id: spec.run_id,
        source: "api_server",
        model: choice.map_or(default_model, |choice| &choice.model).to_owned(),
        began_at: spec.created_at,
        messages,
        finish: came.finish,
        usage: came.usage,
        cost: came.cost,
        prompt,
    }))
}

/// Why a conversation cannot be told.
#[derive(Debug)]
pub(in crate::actors) enum Broken {
    /// An earlier run of it is no longer there.
    Missing(RunId),
    Store(StoreError),
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The whole conversation up to the end of the run `last`, each message once: what every run of its chain brought, and
/// what stood before the first of them. Blocking.
pub(in crate::actors) fn conversation(store: &Store, last: RunId) -> Result<Vec<Message>, Broken> {
    let mut chain: Vec<StoredRun> = Vec::new();
    let mut next = Some(last);
    while let Some(run) = next {
        let link = store.stored_run(run)?.ok_or(Broken::Missing(run))?;
        next = link.spec.after;
        chain.push(link);
    }
    let mut told = Vec::new();
    for link in chain.into_iter().rev() {
        let StoredRun { mut spec, record, messages, .. } = link;
        if spec.load_history {
            let total = record.loaded.unwrap_or_default() as u64;
            let before = store.session_context(&spec.session.id, Some(total))?;
            told.extend(before.map_or_else(Vec::new, room::told));
        }
        told.append(&mut spec.history);
        let completed = record.status == RunStatus::Completed;
        told.extend(of_turn(spec.opening(), messages, completed, &record.text).into_iter().flatten());
    }
    Ok(told)
}

/// The newest messages of a history, `limit` at most; it begins with a word of the user's, so that no result stands
/// there without its call.
pub(super) fn newest(mut history: Vec<Message>, limit: usize) -> Vec<Message> {
    let from = history.len().saturating_sub(limit);
    let begin = history.iter().skip(from).position(|message| matches!(message, Message::User { .. }));
    history.drain(..begin.map_or(history.len(), |skip| from + skip));
    history
}

/// Text that reached readers but is in no message: of a model call that was cut.
fn unsaid(messages: &[Message], text: &str) -> String {
    let mut rest = text;
    for message in messages {
        if let Message::Assistant { content, .. } = message
            && !content.is_empty()
        {
            rest = rest.strip_prefix("\n\n").unwrap_or(rest);
            rest = rest.strip_prefix(content.as_str()).unwrap_or(rest);
        }
    }
    rest.strip_prefix("\n\n").unwrap_or(rest).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_call_that_was_cut_is_what_no_message_has() {
        let messages = [Message::user("go"), Message::assistant("one")];
        assert_eq!(unsaid(&messages, "one\n\ntwo so f"), "two so f");
    }
}
