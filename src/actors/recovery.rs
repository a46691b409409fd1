//! What becomes of the runs of a process that ended: once per process and store, before the port opens.

use super::run;
use crate::{
    domain::{Approval, ApprovalStatus, Code, Content, Event, Message, Millis, ModelChoice, RunStatus, now},
    store::{Change, KeyRecord, Store, StoreError, StoredRun},
};

/// A run that goes on: it was queued, or it waits for an approval.
#[derive(Debug)]
pub struct Revived(pub StoredRun);

/// What a former process left.
#[derive(Debug, Default)]
pub struct Recovered {
    pub revived: Vec<Revived>,
    pub orphans: Vec<Orphan>,
}

/// A run of another gateway whose own run here has ended: it is to be stopped.
#[derive(Debug)]
pub struct Orphan {
    /// Who does it.
    pub choice: Option<ModelChoice>,
    /// Its id over there.
    pub id: String,
}

/// The fate of an open run.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// Accepted and never begun: its 202 was given.
    Requeue,
    /// Nothing acted since it asked; the same question can still be answered (or has expired, which the run sees).
    Wait,
    /// A tool may have acted, or the model was in the middle of its answer: never repeated by itself.
    Interrupted,
    /// Its key was revoked while we were down.
    Revoked,
}

fn fate(run: &StoredRun, keys: &[KeyRecord]) -> Fate {
    let key = keys.iter().find(|key| key.id == run.spec.key_id);
    if !run.spec.key_id.is_env() && key.is_none_or(|key| key.revoked_at.is_some()) {
        return Fate::Revoked;
    }
    if run.spec.parent.is_some() {
        // It was at work for a turn that is at work no more.
        return Fate::Interrupted;
    }
    let acting = run.record.tools.iter().any(|tool| tool.status == "running");
    match run.record.status {
        RunStatus::Queued => Fate::Requeue,
        RunStatus::WaitingForApproval | RunStatus::WaitingForClarify if !acting && pending(run) => Fate::Wait,
        RunStatus::WaitingForApproval
        | RunStatus::WaitingForClarify
        | RunStatus::Running
        | RunStatus::Stopping
        | RunStatus::Completed
        | RunStatus::Failed
        | RunStatus::Cancelled => Fate::Interrupted,
    }
}

fn pending(run: &StoredRun) -> bool {
    run.approvals.iter().any(|approval| approval.status == ApprovalStatus::Pending)
}

/// Ends what cannot go on and returns what can, and what has to be ended elsewhere. The session keeps of an ended turn
/// what it keeps of one that failed in a living process.
///
/// # Errors
///
/// The store's: then nothing is served from it.
pub async fn recover(
    store: &Store,
    open: Vec<StoredRun>,
    keys: &[KeyRecord],
    default_model: &str,
) -> Result<Recovered, StoreError> {
    let mut recovered = Recovered::default();
    for run in open {
        let fate = fate(&run, keys);
        tracing::info!(run = %run.record.run_id, status = run.record.status.wire(), ?fate, "recovering a run");
        let (partial_output, usage) = (run.record.text.clone(), run.record.usage);
        let end = match fate {
            Fate::Requeue | Fate::Wait => {
                recovered.revived.push(Revived(run));
                continue;
            }
            Fate::Interrupted => Event::RunFailed {
                error: "The gateway ended during this turn. A tool that had been started may have acted; nothing was \
                        repeated."
                    .to_owned(),
                error_code: Code::Interrupted,
                retryable: false,
                retry_after: None,
                partial_output,
                usage,
                pending_steer: unheard(&run),
            },
            Fate::Revoked => Event::RunCancelled { partial_output, usage, pending_steer: None },
        };
        let orphan = run.record.upstream.as_ref();
        recovered
            .orphans
            .extend(orphan.map(|orphan| Orphan { choice: run.spec.upstream.clone(), id: orphan.id.clone() }));
        let mut log = store.resume(&run);
        let StoredRun { spec, record, messages, approvals, .. } = run;
        let came = run::Came { text: &record.text, usage, cost: record.cost, finish: None };
        let said = (spec.opening(), messages);
        let kept = run::session_append(&spec, default_model, said, &came, None);
        let mut changes = withdrawn(approvals, now());
        changes.extend(kept.map(Change::SessionAppend));
        log.append(end, changes)?.await?;
    }
    Ok(recovered)
}

/// What was said to the turn and is in none of its messages: no model call had heard it.
fn unheard(run: &StoredRun) -> Option<String> {
    let said = |message: &Message| match message {
        Message::User { content: Content::Text(text) } => Some(text.clone()),
        Message::User { content: Content::Parts(_) }
        | Message::System { .. }
        | Message::Assistant { .. }
        | Message::Tool { .. } => None,
    };
    let mut heard: Vec<String> = run.messages.iter().filter_map(said).collect();
    let words: Vec<&str> = run
        .record
        .steered
        .iter()
        .map(String::as_str)
        .filter(|words| {
            let at = heard.iter().position(|heard| heard == words);
            at.map(|at| heard.remove(at)).is_none()
        })
        .collect();
    (!words.is_empty()).then(|| words.join("\n"))
}

/// The questions of a run that has ended: nobody is to be asked them any more.
fn withdrawn(approvals: Vec<Approval>, at: Millis) -> Vec<Change> {
    let pending = approvals.into_iter().filter(|approval| approval.status == ApprovalStatus::Pending);
    pending.map(|approval| Change::Approval(approval.withdrawn(at))).collect()
}
