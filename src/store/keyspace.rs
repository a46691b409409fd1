//! The one ordered keyspace: a table's byte, a key of fixed width, the number of the part.
//!
//! Numbers are big-endian, so that the order of the bytes is the order of the records.

use crate::domain::{ApprovalId, KeyId, RunId, SessionId};

/// Widest key: table, 32 bytes, part.
const WIDTH: usize = 35;

/// The kinds of record. The bytes are on disk: they are never changed, and never used for another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Table {
    /// Which database this is, and its last commit.
    Meta = 0x01,
    /// Run: its record.
    Run = 0x10,
    /// Run: its specification.
    Spec = 0x11,
    /// Run, number: a message.
    Message = 0x12,
    /// Run, seq: an event that is not a delta.
    Event = 0x13,
    /// Run, first seq: a chunk of deltas. Here for runs that were written in one piece; the others' chunks lie in
    /// the second database, under the same key.
    Deltas = 0x14,
    /// Run: it has no terminal event.
    OpenRun = 0x15,
    /// Run, approval: index.
    RunApproval = 0x16,
    /// Run, generation: the second database in which some of its deltas are.
    RunGeneration = 0x17,
    /// Generation: how many commits that database has seen.
    Generation = 0x18,
    /// Hash of a session's id, run: index.
    SessionRun = 0x19,
    /// How it ended, run: index.
    EndedRun = 0x1a,
    /// Run that was written in one piece: all of it.
    WholeRun = 0x1b,
    /// Run, number: a model call.
    Call = 0x1c,
    /// Day, hash of key, provider and model: what the model calls of deleted runs cost.
    UsageDay = 0x1d,
    Approval = 0x20,
    /// Approval: it waits.
    Pending = 0x21,
    Rule = 0x22,
    /// Hash of the session's id: its header.
    Session = 0x30,
    /// Transcript, number: a message.
    SessionMessage = 0x31,
    /// Time, hash of the session's id: the order of last activity.
    SessionActivity = 0x32,
    /// Hash of a title: whose it is.
    SessionTitle = 0x33,
    /// Hash of the session's id: its system prompt.
    SessionPrompt = 0x34,
    /// Transcript: no session has it.
    SessionTrash = 0x35,
    /// Transcript, number: a summary.
    SessionSummary = 0x37,
    /// Hash of the session's id: its list of steps.
    Todos = 0x36,
    /// Hash of a session's id in another database, when it began: which session here was made of it.
    Imported = 0x38,
    /// How many sessions were made in the midst of the order of last activity.
    Imports = 0x39,
    Idempotency = 0x40,
    Key = 0x50,
    /// Hash of a key's id: when it was last used.
    KeyUse = 0x51,
    /// Hash of a key's id, hash of a call's id: the run that ended with this call of a client's tool.
    ClientCall = 0x60,
    /// Hash of a session's id, hash of its own: a command in the background.
    Process = 0x68,
    /// Run: the response that shows it.
    Response = 0x70,
    /// Run: its response can be asked for.
    KeptResponse = 0x71,
    /// Hash of a place of memory: what is known of its entries.
    Memory = 0x90,
    /// Hash of a place of memory, number: a change of it.
    MemoryChange = 0x91,
    /// Hash of a prompt's hash: its text.
    Prompt = 0x92,
    /// Word, number: the messages with it from that number on. This table and the next lie in the database of
    /// [the search](super::search).
    SearchTerm = 0x80,
    /// Number: whose messages it and the next ones are.
    SearchSpan = 0x81,
    /// Transcript, number: its spans.
    SearchOf = 0x82,
    /// Transcript: how many of its messages can be found.
    SearchMark = 0x83,
}

impl Table {
    /// What a backup holds, in the order in which it holds it. The rest is about files that it does not copy, or
    /// [an index](super::index), which is made anew.
    pub(super) const BACKED_UP: &'static [Self] = &[
        Self::Run,
        Self::Spec,
        Self::Message,
        Self::Event,
        Self::Deltas,
        Self::WholeRun,
        Self::Call,
        Self::UsageDay,
        Self::OpenRun,
        Self::RunApproval,
        Self::Approval,
        Self::Pending,
        Self::Rule,
        Self::Session,
        Self::SessionMessage,
        Self::SessionPrompt,
        Self::SessionTrash,
        Self::SessionSummary,
        Self::Todos,
        Self::Imported,
        Self::Idempotency,
        Self::Key,
        Self::KeyUse,
        Self::Response,
        Self::KeptResponse,
        Self::ClientCall,
        Self::Memory,
        Self::MemoryChange,
        Self::Prompt,
        Self::Process,
    ];

    /// What stateless chats leave: of commits of many, these lie in [value files](super::values).
    pub(super) const IN_FILES: &'static [Self] = &[Self::WholeRun, Self::SessionMessage, Self::Session];

    /// The table's name in a backup.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Run => "run",
            Self::Spec => "spec",
            Self::Message => "message",
            Self::Event => "event",
            Self::Deltas => "deltas",
            Self::OpenRun => "open_run",
            Self::RunApproval => "run_approval",
            Self::RunGeneration => "run_generation",
            Self::WholeRun => "whole_run",
            Self::Call => "call",
            Self::UsageDay => "usage_day",
            Self::Generation => "generation",
            Self::SessionRun => "session_run",
            Self::EndedRun => "ended_run",
            Self::Approval => "approval",
            Self::Pending => "pending",
            Self::Rule => "rule",
            Self::Session => "session",
            Self::SessionMessage => "session_message",
            Self::SessionActivity => "session_activity",
            Self::SessionTitle => "session_title",
            Self::SessionPrompt => "session_prompt",
            Self::SessionTrash => "session_trash",
            Self::SessionSummary => "session_summary",
            Self::Todos => "todos",
            Self::Imported => "imported",
            Self::Imports => "imports",
            Self::Idempotency => "idempotency",
            Self::Key => "key",
            Self::KeyUse => "key_use",
            Self::Response => "response",
            Self::KeptResponse => "kept_response",
            Self::ClientCall => "client_call",
            Self::Memory => "memory",
            Self::MemoryChange => "memory_change",
            Self::Prompt => "prompt",
            Self::Process => "process",
            Self::SearchTerm => "search_term",
            Self::SearchSpan => "search_span",
            Self::SearchOf => "search_of",
            Self::SearchMark => "search_mark",
        }
    }

    /// Bytes between table and part.
    pub(super) const fn width(self) -> usize {
        match self {
            Self::Meta | Self::Imports => 0,
            Self::SearchSpan => 4,
            Self::Generation => 8,
            Self::Run
            | Self::WholeRun
            | Self::Spec
            | Self::OpenRun
            | Self::Approval
            | Self::Pending
            | Self::Rule
            | Self::Session
            | Self::SessionTitle
            | Self::SessionPrompt
            | Self::SessionTrash
            | Self::Todos
            | Self::Key
            | Self::KeyUse
            | Self::Response
            | Self::KeptResponse
            | Self::Memory
            | Self::Prompt
            | Self::SearchMark => 16,
            Self::EndedRun => 17,
            Self::SearchOf => 20,
            Self::SearchTerm => 28,
            Self::Message
            | Self::Event
            | Self::Deltas
            | Self::RunGeneration
            | Self::Call
            | Self::UsageDay
            | Self::SessionMessage
            | Self::SessionActivity
            | Self::SessionSummary
            | Self::Imported
            | Self::MemoryChange => 24,
            Self::RunApproval | Self::Idempotency | Self::SessionRun | Self::ClientCall | Self::Process => 32,
        }
    }
}

/// A record's key, or the beginning of some: built left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    bytes: [u8; WIDTH],
    length: usize,
}

impl Key {
    pub(super) const fn table(table: Table) -> Self {
        let mut bytes = [0; WIDTH];
        bytes[0] = table as u8;
        Self { bytes, length: 1 }
    }

    pub(super) fn run(table: Table, run: RunId) -> Self {
        Self::table(table).with(run.as_bytes())
    }

    pub(super) fn numbered(table: Table, run: RunId, number: u64) -> Self {
        Self::run(table, run).with(&number.to_be_bytes())
    }

    pub(super) fn approval(table: Table, id: ApprovalId) -> Self {
        Self::table(table).with(id.as_bytes())
    }

    /// For ids whose text has any length: its hash stands for it.
    pub(super) fn text(table: Table, id: &str) -> Self {
        Self::table(table).with(&blake3::hash(id.as_bytes()).as_bytes()[..16])
    }

    pub(super) fn idempotency(scope: &[u8; 32]) -> Self {
        Self::table(Table::Idempotency).with(scope)
    }

    pub(super) fn client_call(key: &KeyId, call_id: &str) -> Self {
        Self::text(Table::ClientCall, key.as_str()).with(&blake3::hash(call_id.as_bytes()).as_bytes()[..16])
    }

    pub(super) fn process(session: &SessionId, id: &str) -> Self {
        Self::text(Table::Process, session.as_str()).with(&blake3::hash(id.as_bytes()).as_bytes()[..16])
    }

    /// Adds bytes; what does not fit is a bug that the debug build finds.
    pub(super) fn with(mut self, more: &[u8]) -> Self {
        let end = (self.length + more.len()).min(WIDTH);
        debug_assert_eq!(end, self.length + more.len(), "key too wide");
        self.bytes[self.length..end].copy_from_slice(&more[..end - self.length]);
        self.length = end;
        self
    }

    pub(super) fn part(self, part: u16) -> Self {
        self.with(&part.to_be_bytes())
    }

    /// The key in front of its part, from the bytes that the database gave.
    pub(super) fn of_record(table: Table, bytes: &[u8]) -> Option<Self> {
        let body = bytes.get(1..1 + table.width())?;
        (bytes.len() == 1 + table.width() + 2).then(|| Self::table(table).with(body))
    }

    /// The bytes of a key without its part, and the part.
    pub(super) fn split(bytes: &[u8]) -> Option<(&[u8], u16)> {
        let (stem, part) = bytes.split_last_chunk::<2>()?;
        Some((stem, u16::from_be_bytes(*part)))
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    pub(super) const fn is(&self, table: Table) -> bool {
        self.bytes[0] == table as u8
    }

    pub(super) fn may_lie_in_file(&self) -> bool {
        Table::IN_FILES.iter().any(|table| self.is(*table))
    }

    /// What stands between table and part.
    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[1..self.length]
    }

    /// The first key behind all that begin with this one. No table is 0xff, so there always is one.
    pub(super) fn end(mut self) -> Self {
        while self.length > 1 && self.bytes[self.length - 1] == u8::MAX {
            self.length -= 1;
        }
        self.bytes[self.length - 1] = self.bytes[self.length - 1].saturating_add(1);
        self
    }

    /// The number in the last eight bytes of the body.
    pub(super) fn number(&self) -> u64 {
        self.body().last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    /// The id in the first sixteen bytes of the body.
    pub(super) fn id(&self) -> [u8; 16] {
        self.body().first_chunk::<16>().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_records() {
        let run = RunId::new();
        let keys = [
            Key::numbered(Table::Event, run, 1).part(0),
            Key::numbered(Table::Event, run, 1).part(1),
            Key::numbered(Table::Event, run, 2).part(0),
            Key::numbered(Table::Event, run, 256).part(0),
            Key::run(Table::Event, run).end(),
            Key::run(Table::Event, RunId::new()).part(0),
            Key::table(Table::Event).end(),
        ];
        assert!(keys.windows(2).all(|pair| pair[0].as_slice() < pair[1].as_slice()));
    }

    #[test]
    fn the_end_of_a_prefix_of_ff_is_the_next_one_up() {
        let key = Key::table(Table::Run).with(&[1, 0xff, 0xff]).end();
        assert_eq!(key.as_slice(), [0x10, 2]);
    }
}
