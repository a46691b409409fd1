//! One command in the background, from its start to whoever looks at it after its end.

use super::ring::Ring;
use crate::{
    domain::{Millis, ProcessEnd, ProcessRecord, now},
    store::{Change, Store},
    tools::{
        failure::Failure,
        terminal::{End, Running, WayOut},
    },
};
use std::{
    sync::Arc,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{io::AsyncWriteExt, net::unix::pipe, time::Instant};
use tokio_util::sync::CancellationToken;

/// A program that reads nothing for so long will not read what is typed now.
const TYPING: Duration = Duration::from_secs(5);
/// What a terminal takes for the end of what is typed (Ctrl-D).
const END_OF_TYPING: &[u8] = &[4];

pub struct Job {
    /// As it was at the start: without an end.
    pub record: ProcessRecord,
    state: Mutex<State>,
    /// Somebody wants it to end.
    kill: CancellationToken,
    /// It has ended, and says how.
    over: CancellationToken,
    input: tokio::sync::Mutex<Option<pipe::Sender>>,
}

#[derive(Default)]
struct State {
    ring: Ring,
    end: Option<ProcessEnd>,
    refused: Vec<String>,
    /// What was typed and waits to be finished.
    unfinished: String,
}

/// Says of what was typed before that nobody knows how much of it arrived.
const ASTRAY: char = '\0';

/// What a job needs while it runs.
pub struct Work {
    pub running: Running,
    pub way_out: WayOut,
    /// Of the run that started it.
    pub stop: CancellationToken,
    /// When it has been there for too long, and how long that is.
    pub deadline: (Instant, Duration),
    /// Where its end is written down.
    pub store: Option<Store>,
}

impl Job {
    /// `kill`: ends it, whoever cancels it.
    pub fn new(record: ProcessRecord, kill: CancellationToken) -> Self {
        let (state, over, input) =
            (Mutex::default(), CancellationToken::new(), tokio::sync::Mutex::default());
        Self { record, state, kill, over, input }
    }

    pub fn end(&self) -> Option<ProcessEnd> {
        self.state().end.clone()
    }

    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Resolves when it has ended.
    pub async fn ended(&self) {
        self.over.cancelled().await;
    }

    pub fn kill(&self) {
        self.kill.cancel();
    }

    /// What is kept of its output, and how many bytes came before that.
    pub fn output(&self) -> (String, u64) {
        let state = self.state();
        (state.ring.text(), state.ring.dropped())
    }

    /// Connections that it was refused, once it has ended.
    pub fn refused(&self) -> Vec<String> {
        self.state().refused.clone()
    }

    pub async fn set_input(&self, input: pipe::Sender) {
        *self.input.lock().await = Some(input);
    }

    pub fn unfinished(&self) -> String {
        self.state().unfinished.clone()
    }

    pub fn set_unfinished(&self, text: String) {
        self.state().unfinished = text;
    }

    /// Types.
    pub async fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut input = self.input.lock().await;
        let Some(open) = input.as_mut() else {
            return Err(Failure::new("input_closed", "its standard input was closed before"));
        };
        match tokio::time::timeout(TYPING, open.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                *input = None;
                Err(Failure::new("input_closed", format!("it does not read any more: {error}")))
            }
            Err(_late) => {
                self.state().unfinished.push(ASTRAY);
                Err(Failure::new("input_full", "it does not read what is typed; part of it may be waiting")
                    .hint("look what it is at with action poll"))
            }
        }
    }

    /// There will be nothing more to read for it.
    pub async fn close_input(&self) -> Result<(), Failure> {
        if self.record.pty {
            return self.write(END_OF_TYPING).await;
        }
        *self.input.lock().await = None;
        Ok(())
    }

    /// Follows the command to its end. To be spawned; whatever becomes of the task, the job ends.
    pub async fn follow(self: Arc<Self>, work: Work) {
        let last_word = LastWord(&self);
        let Work { running, way_out, stop, deadline: (deadline, longest), store } = work;
        let told = async {
            tokio::select! {
                biased;
                () = stop.cancelled() => End::new(130, "the run that started it was stopped"),
                () = self.kill.cancelled() => End::new(137, "it was killed"),
                () = tokio::time::sleep_until(deadline) => {
                    let hours = longest.as_secs_f64() / 3_600.0;
                    End::new(124, format!("it ran for {hours:.1} h (terminal.background_max) and was killed"))
                }
            }
        };
        let ended = running.until_its_end(told, |piece| self.state().ring.push(piece)).await;
        // Who never ran is told why like who was killed.
        let end = ended.unwrap_or_else(|failure| End::new(125, failure.to_string()));
        self.state().refused = way_out.refusals();
        drop(way_out);
        *self.input.lock().await = None;
        let end = self.note(end);
        if let Some(store) = store {
            let record = ProcessRecord { end: Some(end), ..self.record.clone() };
            if let Err(error) = store.commit(vec![Change::Process(record)]).await {
                // It will be told as lost.
                tracing::warn!(process = self.record.id, %error, "the end of a background command was not stored");
            }
        }
        drop(last_word);
    }

    fn note(&self, end: End) -> ProcessEnd {
        let end = ProcessEnd { at: now(), exit_code: end.code, error: end.error };
        self.state().end.get_or_insert(end).clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one step, so a panic leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seconds between two moments.
#[expect(clippy::cast_precision_loss, reason = "exact for every time that a process can run")]
pub fn seconds_between(from: Millis, to: Millis) -> f64 {
    (to - from).max(0) as f64 / 1_000.0
}

/// Says that a job is over, also when its task was dropped.
struct LastWord<'a>(&'a Job);

impl Drop for LastWord<'_> {
    fn drop(&mut self) {
        self.0.note(End::new(137, "its sandbox ended"));
        self.0.over.cancel();
    }
}
