//! Waits that end.

use rustix::process::{Pid, Signal, kill_process};
use std::{sync::mpsc, thread, time::Duration};

/// Waits for something of a child process, which is killed when that takes too long: without it a fault would hang the suite.
pub fn bounded<R>(pid: u32, patience: Duration, wait: impl FnOnce() -> R) -> R {
    let (done, over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if over.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
                kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
            }
        });
        let waited = wait();
        drop(done);
        waited
    })
}
