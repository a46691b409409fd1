//! What the module's tests share.

use super::{Change, LogWriter, Options, ProfileLock, SessionAppend, Store, StoreError, lock_of};
use crate::domain::{
    Approval, ApprovalId, ApprovalRequest, ApprovalStatus, Choice, ClientTools, Content, Event, Finish,
    KeyId, Logged, Message, OnDisconnect, RunId, RunSpec, Sampling, SessionId, SessionRef, Surface,
    ToolSelection, Usage, now,
};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

/// An error that the next commits meet instead of the disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Fault(Arc<Mutex<Option<StoreError>>>);

impl Fault {
    pub(super) fn set(&self, error: Option<StoreError>) {
        *lock_of(&self.0) = error;
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        lock_of(&self.0).clone().map_or(Ok(()), Err)
    }
}

/// Nothing is written of its own accord: a copy of the files is to be that of one moment.
pub(super) fn options() -> Options {
    let never = Duration::from_secs(3600);
    let (checkpoint_after, save_after) = (never, never);
    Options { heal_after: Duration::ZERO, disk_floor: 0, checkpoint_after, save_after, ..Options::default() }
}

pub(super) fn open(state: &Path) -> Store {
    open_with(state, options())
}

pub(super) fn open_with(state: &Path, options: Options) -> Store {
    try_open(state, options).unwrap()
}

pub(super) fn try_open(state: &Path, options: Options) -> Result<Store, StoreError> {
    let lock = Arc::new(ProfileLock::acquire(state).unwrap());
    Store::open_with(state, lock, options)
}

/// A durable run, or a stateless chat.
pub(super) fn spec(durable: bool) -> RunSpec {
    let run_id = RunId::new();
    RunSpec {
        run_id,
        surface: if durable { Surface::Runs } else { Surface::Chat },
        created_at: now(),
        session: SessionRef { id: run_id.into(), named: false },
        key_id: KeyId::env(),
        session_key: None,
        model: "m".to_owned(),
        system: None,
        history: Vec::new(),
        load_history: false,
        after: None,
        history_limit: None,
        results: Vec::new(),
        input: Content::Text("hi".to_owned()),
        client_tools: ClientTools::default(),
        tools: ToolSelection::default(),
        parent: None,
        upstream: None,
        runtime: None,
        sampling: Sampling::default(),
        durable,
        on_disconnect: OnDisconnect::Continue,
        unattended: None,
    }
}

pub(super) fn started(spec: &RunSpec) -> Event {
    Event::RunStarted { session_id: spec.session.id.clone(), model: spec.model.clone() }
}

/// A durable run that was taken on, and the writer of its log.
pub(super) async fn accepted(store: &Store) -> (Arc<RunSpec>, LogWriter) {
    let spec = Arc::new(spec(true));
    let (log, begun) = store.begin(Arc::clone(&spec), None);
    begun.await.unwrap();
    (spec, log)
}

/// The same, begun.
pub(super) async fn running(store: &Store) -> (Arc<RunSpec>, LogWriter) {
    let (spec, mut log) = accepted(store).await;
    log.append(started(&spec), Vec::new()).unwrap().await.unwrap();
    (spec, log)
}

/// A question about a command.
pub(super) fn approval(status: ApprovalStatus) -> Approval {
    Approval {
        id: ApprovalId::new(),
        run_id: RunId::new(),
        session_id: SessionId::parse("s").unwrap(),
        call_id: "call_1".to_owned(),
        tool: "terminal".to_owned(),
        command: "rm -rf x".to_owned(),
        arguments_digest: "00".to_owned(),
        findings: Vec::new(),
        scopes: Vec::new(),
        description: String::new(),
        choices: Choice::ALL.to_vec(),
        status,
        created_at: 1,
        expires_at: None,
        decision: None,
        decided_at: None,
        decided_by: None,
        reason: None,
        question: None,
    }
}

/// The same, as the run's readers see it.
pub(super) fn question(asked: &Approval) -> Event {
    Event::ApprovalRequest(Box::new(ApprovalRequest {
        approval_id: asked.id,
        call_id: asked.call_id.clone(),
        tool: asked.tool.clone(),
        command: asked.command.clone(),
        arguments_digest: asked.arguments_digest.clone(),
        pattern_key: String::new(),
        pattern_keys: Vec::new(),
        description: String::new(),
        allow_permanent: true,
        choices: asked.choices.clone(),
        expires_at: None,
    }))
}

pub(super) fn delta(text: &str) -> Event {
    Event::MessageDelta { delta: text.to_owned() }
}

pub(super) fn completed(output: &str) -> Event {
    Event::RunCompleted {
        output: output.to_owned(),
        usage: Usage::default(),
        finish_reason: Finish::Stop,
        tool_calls: Vec::new(),
        pending_steer: None,
    }
}

/// Reads a log to its end.
pub(super) async fn read_all(store: &Store, run: RunId, after: u64) -> Vec<Logged> {
    let mut cursor = store.tail(run, crate::domain::Seq(after)).unwrap().unwrap();
    let mut all = Vec::new();
    while let Some(events) = cursor.next().await {
        all.extend(events.unwrap().iter().map(|logged| (**logged).clone()));
    }
    all
}

/// The store's files as a crash would leave them now: copied while the store is open.
pub(super) fn crash(state: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_dir(state, copy.path());
    copy
}

fn copy_dir(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_dir(&entry.path(), &target);
        } else if entry.file_name() != "lock" {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Waits until all that was handed over is on disk, as a caller would: by a commit behind it.
pub(super) async fn settled(store: &Store) {
    store.commit(Vec::new()).await.unwrap();
}

pub(super) fn id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

/// A turn of a session that said this.
pub(super) async fn say(store: &Store, session: &str, messages: Vec<Message>) {
    let append = turn(SessionRef { id: id(session), named: true }, RunId::new(), messages);
    store.commit(vec![Change::SessionAppend(Box::new(append))]).await.unwrap();
}

/// What a turn that said this leaves in its session.
pub(super) fn turn(session: SessionRef, run_id: RunId, messages: Vec<Message>) -> SessionAppend {
    SessionAppend {
        summary: None,
        prompt: None,
        session,
        run_id,
        source: "api_server",
        model: "m".to_owned(),
        began_at: 7,
        messages,
        finish: Some(Finish::Stop),
        usage: Usage::default(),
        cost: None,
    }
}
