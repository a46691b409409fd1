//! What is handed over to be kept, without the profile's secrets: done by the store itself, so that nobody can forget it.

use super::{
    Change, IdempotencyEntry, SessionAppend, SessionChange, SessionSummary, StoreError, codec, deltas,
    log::LogWriter,
    sessions::{Edit, NewSession, Title},
};
use crate::{
    domain::{Event, RunSpec, SystemPrompt},
    redact::{Redactor, Stream},
};
use std::borrow::Cow;

/// Text of a model's answer on its way into the log.
pub(super) struct Text {
    kind: u8,
    stream: Stream,
}

impl LogWriter {
    /// Text that may reach readers before the disk (which sees it within 50 ms). A secret in it does not reach anybody; what
    /// may be the beginning of one waits for what comes next.
    ///
    /// # Errors
    /// [`StoreError::Illegal`] for an event that is no delta, or a run that has ended; the error of an earlier commit.
    pub fn delta(&mut self, event: Event) -> Result<(), StoreError> {
        let Some((kind, _)) = deltas::text_of(&event) else {
            return Err(StoreError::Illegal(format!("`{}` is not a delta", event.name())));
        };
        if self.text.as_ref().is_some_and(|text| text.kind != kind) {
            self.end_text()?;
        }
        let redactor = &self.store.options.redactor;
        let text = self.text.get_or_insert_with(|| Text { kind, stream: redactor.stream() });
        let shown = text.stream.push(deltas::into_text(event));
        if shown.is_empty() { Ok(()) } else { self.put_delta(deltas::event_of(kind, shown)) }
    }

    /// The end of one text: what was held back of it is written.
    ///
    /// # Errors
    /// As [`LogWriter::delta`].
    pub fn end_text(&mut self) -> Result<(), StoreError> {
        let Some(Text { kind, mut stream }) = self.text.take() else { return Ok(()) };
        let rest = stream.finish();
        if rest.is_empty() { Ok(()) } else { self.put_delta(deltas::event_of(kind, rest)) }
    }

    /// Bytes of text in the log so far.
    #[must_use]
    pub fn text_length(&self) -> usize {
        self.live.state().record.text.len()
    }

    /// The text behind the first `length` bytes, as it is in the log.
    #[must_use]
    pub fn text_behind(&self, length: usize) -> String {
        self.live.state().record.text.get(length..).unwrap_or_default().to_owned()
    }
}

/// A run's specification as it is kept. It may be long, so it is copied only if it has to be changed.
pub(super) fn spec(redactor: &Redactor, spec: &RunSpec, history: bool) -> Result<Vec<u8>, StoreError> {
    if history || spec.history.is_empty() {
        let json = codec::to_json(spec)?;
        if !redactor.finds(&json) {
            return Ok(json);
        }
    }
    codec::to_json(&copy(redactor, spec, history))
}

/// A clean copy. Nobody goes on with a stateless run, so nobody needs its history.
pub(super) fn copy(redactor: &Redactor, spec: &RunSpec, history: bool) -> RunSpec {
    let mut kept = spec.clone();
    if !history {
        kept.history.clear();
    }
    redactor.clean_spec(&mut kept);
    kept
}

/// All but the messages of turns: these are cleaned where they are written, off the threads that serve.
pub(super) fn change(redactor: &Redactor, change: &mut Change) {
    match change {
        Change::Message(message) => redactor.clean_message(message),
        Change::Approval(approval) => redactor.clean_approval(approval),
        Change::Rule(rule) => redactor.clean_rule(rule),
        Change::Response(response) => redactor.clean_response(response),
        Change::Idempotency(IdempotencyEntry { stands_for, .. }) => redactor.clean_answer(stands_for),
        Change::Todos { session: _, list } => {
            list.iter_mut().for_each(|todo| redactor.clean_text(&mut todo.content));
        }
        Change::ClientCall(call) => redactor.clean_text(&mut call.call_id),
        Change::SessionSummary(SessionSummary { session: _, summary }) => {
            redactor.clean_text(&mut summary.text);
        }
        Change::Prompt(prompt) => clean_prompt(redactor, prompt),
        Change::Memory(record) => {
            record.entries.iter_mut().for_each(|entry| redactor.clean_text(&mut entry.text));
        }
        Change::MemoryChange(change) => {
            change.before.iter_mut().chain(&mut change.after).for_each(|text| redactor.clean_text(text));
        }
        Change::Process(process) => redactor.clean_text(&mut process.command),
        Change::ProcessRemoved(_)
        | Change::SessionAppend(_)
        | Change::RuleRemoved(_)
        | Change::Key(_)
        | Change::KeyUse(_) => {}
    }
}

pub(super) fn append(redactor: &Redactor, append: &mut SessionAppend) {
    append.messages.iter_mut().for_each(|message| redactor.clean_message(message));
    if let Some(summary) = &mut append.summary {
        redactor.clean_text(&mut summary.text);
    }
    // Its prompt was cleaned when it was built, with this same redactor, and is hardly ever written.
}

pub(super) fn edit(redactor: &Redactor, edit: &mut Edit) {
    let some = |text: Option<&mut String>| text.into_iter().for_each(|text| redactor.clean_text(text));
    match edit {
        Edit::Create(new) => {
            let NewSession { title, system_prompt, .. } = &mut **new;
            match title {
                Title::Given(title) => some(title.as_mut()),
                Title::NextOf(title) => redactor.clean_text(title),
            }
            some(system_prompt.as_mut());
        }
        Edit::Change { id: _, change: SessionChange { title, system_prompt, lock: _, end_reason } } => {
            some(title.as_mut().and_then(Option::as_mut));
            some(system_prompt.as_mut().and_then(Option::as_mut));
            some(end_reason.as_mut());
        }
        // Cleaned before it was decided what its title is to be.
        Edit::Import(_) => {}
        Edit::Delete(_) => {}
    }
}

/// It was clean when it was built; a secret may have come since.
fn clean_prompt(redactor: &Redactor, prompt: &mut SystemPrompt) {
    if let Cow::Owned(clean) = redactor.clean(&prompt.text) {
        prompt.text = clean.into();
    }
}
