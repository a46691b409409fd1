//! One life of a server's process, as its callers see it: what they ask, and what waits for an answer.

use super::{
    super::failure::Failure,
    message::{self, cancelled, request},
};
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

pub const INITIALIZE: &str = "initialize";
/// Messages that a server has not taken in yet. Who has more to say waits.
const QUEUE: usize = 64;

type Waiting = HashMap<u64, oneshot::Sender<Result<Value, Failure>>>;

pub struct Live {
    /// Messages to the server, each without its line's end.
    messages: mpsc::Sender<String>,
    next: AtomicU64,
    waiting: Mutex<Waiting>,
    /// It has answered `initialize`, and can be asked.
    pub greeted: CancellationToken,
    /// Nothing of it is left.
    pub over: CancellationToken,
    pub began: Instant,
}

impl Live {
    pub fn new() -> (Self, mpsc::Receiver<String>) {
        let (messages, to_write) = mpsc::channel(QUEUE);
        let live = Self {
            messages,
            next: AtomicU64::new(1),
            waiting: Mutex::default(),
            greeted: CancellationToken::new(),
            over: CancellationToken::new(),
            began: Instant::now(),
        };
        (live, to_write)
    }

    /// `None`: it ended before it gave an answer. When this is dropped earlier, the server is told.
    pub async fn ask(&self, method: &str, params: &Value) -> Option<Result<Value, Failure>> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.waiting().insert(id, answer);
        let mut asked = Asked { live: self, id, is_to_be_told: false };
        self.say(&request(id, method, params)).await?;
        // A greeting may not be taken back.
        asked.is_to_be_told = method != INITIALIZE;
        tokio::select! {
            biased;
            answer = answered => answer.ok(),
            () = self.over.cancelled() => None,
        }
    }

    /// Waits for room. `None`: it has ended.
    pub async fn say(&self, message: &Value) -> Option<()> {
        if self.messages.send(message.to_string()).await.is_err() {
            self.over.cancelled().await;
            return None;
        }
        Some(())
    }

    /// Says it if there is room: who does not read misses it.
    pub fn try_say(&self, message: &Value) {
        let _full_or_gone = self.messages.try_send(message.to_string());
    }

    /// An answer has come. One that nobody waits for is nothing.
    pub fn answered(&self, id: u64, outcome: Result<Value, Failure>) {
        if let Some(answer) = self.waiting().remove(&id) {
            let _gone = answer.send(outcome);
        }
    }

    /// Something came that may have been any of the answers.
    pub fn fail_all(&self, why: &str) {
        let all = std::mem::take(&mut *self.waiting());
        for answer in all.into_values() {
            let _gone = answer.send(Err(message::failed(why)));
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Each change is one call, so a panic leaves nothing half done.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way.
struct Asked<'a> {
    live: &'a Live,
    id: u64,
    is_to_be_told: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let is_open = self.live.waiting().remove(&self.id).is_some();
        if is_open && self.is_to_be_told {
            self.live.try_say(&cancelled(self.id));
        }
    }
}
