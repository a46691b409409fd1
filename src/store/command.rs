//! What waits in the writer's queue.

use super::{
    Change, SessionAppend, SessionSummary, StoreError, clean, codec,
    keyspace::{Key, Table},
    live::Live,
    memory,
    prompts::{self, StoredPrompt},
    sessions::SessionEdit,
    todos,
    whole::Ended,
};
use crate::{
    domain::{Approval, ApprovalStatus, ResponseRecord, RunId, SystemPrompt, now},
    redact::Redactor,
};
use std::sync::Arc;
use tokio::sync::oneshot;

/// One write of a batch.
pub(super) enum Write {
    Put(Key, Vec<u8>),
    Remove(Key),
    /// A chunk of deltas, for the second database.
    Deltas(Key, Vec<u8>),
    /// All of a run, whose record the writer makes, off the threads that serve.
    Whole(Box<Ended>),
    /// Needs the session's header, which only the writer may read and write. `unlisted`: its run is in no index yet.
    Session {
        append: Box<SessionAppend>,
        unlisted: bool,
    },
    /// Likewise.
    Summary(Box<SessionSummary>),
    /// May be refused, by itself; the command that it came with must hold nothing else.
    SessionEdit(SessionEdit),
}

impl Write {
    /// It says what the log's memory says, too, and is as well made again from that.
    pub(super) fn is_of_log(&self) -> bool {
        match self {
            Self::Put(key, _) => key.is(Table::Event) || key.is(Table::Run),
            Self::Deltas(..) => true,
            Self::Remove(_)
            | Self::Whole(_)
            | Self::Session { .. }
            | Self::Summary(_)
            | Self::SessionEdit(_) => false,
        }
    }
}

/// Where a log stands when its command is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Begun,
    Going,
    Ended,
    Parked,
}

/// The log that a command belongs to, and what it may show when the command is on disk.
pub(super) struct LogAck {
    pub(super) live: Arc<Live>,
    pub(super) upto: u64,
    /// What the command tells the disk about numbers; `None`: nothing.
    pub(super) reserved: Option<u64>,
    pub(super) stage: Stage,
}

/// Writes that go together, and who is told.
#[derive(Default)]
pub(super) struct Command {
    pub(super) writes: Vec<Write>,
    pub(super) log: Option<LogAck>,
    pub(super) answer: Option<oneshot::Sender<Result<(), StoreError>>>,
}

/// Turns changes into writes. `messages` is the run's next message number, for those that belong to a run.
pub(super) fn encode(
    redactor: &Redactor,
    changes: Vec<Change>,
    mut run: Option<(RunId, &mut u64)>,
) -> Result<Vec<Write>, StoreError> {
    let mut writes = Vec::with_capacity(changes.len());
    for mut change in changes {
        clean::change(redactor, &mut change);
        match change {
            Change::Message(message) => {
                let Some((run, number)) = &mut run else {
                    return Err(StoreError::Illegal("a message that belongs to no run".to_owned()));
                };
                let key = Key::numbered(Table::Message, *run, **number);
                writes.push(Write::Put(key, codec::to_json(&message)?));
                **number += 1;
            }
            Change::Approval(approval) => encode_approval(&mut writes, &approval)?,
            Change::Rule(rule) => {
                writes.push(Write::Put(Key::text(Table::Rule, &rule.id), codec::to_json(&rule)?));
            }
            Change::RuleRemoved(id) => writes.push(Write::Remove(Key::text(Table::Rule, &id))),
            Change::SessionAppend(append) => {
                writes.push(Write::Session { append, unlisted: false });
            }
            Change::SessionSummary(summary) => writes.push(Write::Summary(Box::new(summary))),
            Change::Idempotency(entry) => {
                writes.push(Write::Put(Key::idempotency(&entry.scope), codec::to_json(&entry)?));
            }
            Change::ClientCall(call) => {
                let key = Key::client_call(&call.key_id, &call.call_id);
                writes.push(Write::Put(key, codec::to_json(&call)?));
            }
            Change::Process(process) => {
                let key = Key::process(&process.session, &process.id);
                writes.push(Write::Put(key, codec::to_json(&process)?));
            }
            Change::ProcessRemoved(process) => {
                writes.push(Write::Remove(Key::process(&process.session, &process.id)));
            }
            Change::Key(key) => {
                writes.push(Write::Put(Key::text(Table::Key, key.id.as_str()), codec::to_json(&key)?));
            }
            Change::KeyUse(used) => {
                writes.push(Write::Put(Key::text(Table::KeyUse, used.id.as_str()), codec::to_json(&used)?));
            }
            Change::Memory(record) => {
                let key = Key::text(Table::Memory, &record.place.to_string());
                writes.push(Write::Put(key, codec::to_json(&record)?));
            }
            Change::Prompt(SystemPrompt { id, text }) => {
                let stored = StoredPrompt { id, text: text.to_string(), at: now() };
                writes.push(Write::Put(prompts::key(&stored.id), codec::to_json(&stored)?));
            }
            Change::MemoryChange(change) => {
                writes.push(Write::Put(
                    memory::change_key(&change.place, change.number),
                    codec::to_json(&change)?,
                ));
            }
            Change::Response(response) => encode_response(&mut writes, &response)?,
            Change::Todos { session, list } => {
                writes.push(Write::Put(todos::key(&session), codec::to_json(&list)?));
            }
        }
    }
    Ok(writes)
}

fn encode_approval(writes: &mut Vec<Write>, approval: &Approval) -> Result<(), StoreError> {
    let pending = Key::approval(Table::Pending, approval.id);
    let of_run = Key::run(Table::RunApproval, approval.run_id).with(approval.id.as_bytes());
    writes.push(Write::Put(Key::approval(Table::Approval, approval.id), codec::to_json(approval)?));
    writes.push(Write::Put(of_run, b"null".to_vec()));
    writes.push(match approval.status {
        ApprovalStatus::Pending => Write::Put(pending, b"null".to_vec()),
        ApprovalStatus::Decided | ApprovalStatus::Expired | ApprovalStatus::Withdrawn => {
            Write::Remove(pending)
        }
    });
    Ok(())
}

fn encode_response(writes: &mut Vec<Write>, response: &ResponseRecord) -> Result<(), StoreError> {
    let kept = Key::run(Table::KeptResponse, response.run_id);
    writes.push(Write::Put(Key::run(Table::Response, response.run_id), codec::to_json(response)?));
    writes.push(if response.kept { Write::Put(kept, b"null".to_vec()) } else { Write::Remove(kept) });
    Ok(())
}
