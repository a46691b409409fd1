//! The background commands of one profile.

use super::job::Job;
use crate::{
    domain::{ProcessRecord, SessionId},
    tools::failure::Failure,
};
use futures_util::future::join_all;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Running at once.
const MOST_RUNNING: usize = 16;
/// That have ended, with their output.
const MOST_KEPT: usize = 16;
/// Longer only when the kernel holds a process fast.
const GRACE: Duration = Duration::from_secs(7);

/// All that run, and the last that have ended.
#[derive(Default)]
pub struct Jobs {
    known: Mutex<Vec<Arc<Job>>>,
}

/// A process that can be typed into, and what was typed and waits to be finished.
pub struct Typist(Arc<Job>);

impl Typist {
    #[must_use]
    pub fn command(&self) -> &str {
        &self.0.record.command
    }

    #[must_use]
    pub fn pty(&self) -> bool {
        self.0.record.pty
    }

    #[must_use]
    pub fn unfinished(&self) -> String {
        self.0.unfinished()
    }

    pub fn set_unfinished(&self, text: String) {
        self.0.set_unfinished(text);
    }
}

impl Jobs {
    /// One of a session that runs.
    pub fn typist(&self, session: &SessionId, id: &str) -> Option<Typist> {
        let job = self.of(session).into_iter().find(|job| job.record.id == id && !job.is_over());
        job.map(Typist)
    }

    /// Room for one more.
    ///
    /// # Errors
    ///
    /// Too many run.
    pub fn enter(&self, record: ProcessRecord) -> Result<Arc<Job>, Failure> {
        let mut known = self.known();
        if known.iter().filter(|job| !job.is_over()).count() >= MOST_RUNNING {
            let text = format!("{MOST_RUNNING} commands run in the background already");
            return Err(Failure::new("too_many_processes", text)
                .hint("end some: `process` with action list shows those of this session"));
        }
        while known.iter().filter(|job| job.is_over()).count() >= MOST_KEPT {
            let Some(oldest) = known.iter().position(|job| job.is_over()) else { break };
            known.remove(oldest);
        }
        let job = Arc::new(Job::new(record, CancellationToken::new()));
        known.push(job.clone());
        Ok(job)
    }

    /// Takes back one that did not come to run.
    pub fn leave(&self, job: &Arc<Job>) {
        self.known().retain(|known| !Arc::ptr_eq(known, job));
    }

    /// Those of a session, oldest first.
    pub fn of(&self, session: &SessionId) -> Vec<Arc<Job>> {
        self.known().iter().filter(|job| job.record.session == *session).cloned().collect()
    }

    /// Kills those of a session, waits until nothing of them is left, and forgets them.
    pub async fn end_session(&self, session: &SessionId) {
        let ours = self.of(session);
        end(&ours).await;
        self.known().retain(|job| job.record.session != *session);
    }

    /// Kills all, and waits until nothing of them is left.
    pub async fn end_all(&self) {
        let all = self.known().clone();
        end(&all).await;
    }

    fn known(&self) -> MutexGuard<'_, Vec<Arc<Job>>> {
        // Each change is one call, so a panic leaves nothing half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn end(jobs: &[Arc<Job>]) {
    jobs.iter().for_each(|job| job.kill());
    let all = join_all(jobs.iter().map(|job| job.ended()));
    if tokio::time::timeout(GRACE, all).await.is_err() {
        tracing::warn!("a background command does not end");
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.known().iter().for_each(|job| job.kill());
    }
}
