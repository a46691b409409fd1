//! Following a command to its end, whoever brings it about.

use super::bounds;
use crate::{
    sandbox::{Helper, Limits, Report, Seat},
    tools::{disk, failure::Failure},
};
use std::{io, time::Duration};
use tokio::{io::AsyncReadExt, net::unix::pipe};

/// Room of one read.
const PIECE: usize = 16 << 10;
/// What is still in the pipe after a kill is read for so long at most.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// A command that floods its output is slowed to this much per pause: it shares the thread with streams of others.
const BURST: usize = 256 << 10;
const PAUSE: Duration = Duration::from_millis(2);

/// How a command ended, as the model is told.
#[derive(Debug, Clone)]
pub struct End {
    pub code: i32,
    pub error: Option<String>,
}

impl End {
    pub fn new(code: i32, error: impl Into<String>) -> Self {
        Self { code, error: Some(error.into()) }
    }

    /// By its helper.
    fn reported(report: io::Result<Report>, limits: &Limits) -> Result<Self, Failure> {
        match report {
            Ok(Report::Exited(code)) => Ok(Self { code, error: bounds::by_kernel(code, limits) }),
            Ok(Report::Signalled(signal)) => {
                let code = 128 + signal;
                Ok(Self { code, error: bounds::by_kernel(code, limits) })
            }
            Ok(Report::Over(breach)) => Ok(Self::new(137, bounds::breach(breach, limits))),
            Ok(Report::NotStarted(reason)) => Err(Failure::new("sandbox_failed", reason)),
            Err(error) => Ok(Self::new(137, format!("its sandbox ended: {error}"))),
        }
    }
}

/// A command that has its order.
pub struct Running {
    pub helper: Helper,
    pub seat: Seat,
    pub disk: disk::Watch,
    /// What it may print before it is killed.
    pub most: u64,
}

/// Why reading stopped.
enum Stopped {
    Ended,
    /// By us, and how that is told.
    Killed(End),
}

impl Running {
    /// Hands on what it prints until its last process has closed its output, until one of its limits is reached, or
    /// until somebody wants it to end. Nothing of it is left afterwards.
    ///
    /// # Errors
    ///
    /// It never ran.
    pub async fn until_its_end(
        self,
        told: impl Future<Output = End>,
        take: impl FnMut(&[u8]),
    ) -> Result<End, Failure> {
        Ok(self.until_the_next(told, take).await?.0)
    }

    /// As [`Running::until_its_end`], with what is left for the next command where its helper goes on to that.
    pub async fn until_the_next(
        self,
        told: impl Future<Output = End>,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(End, Option<(Helper, Seat)>), Failure> {
        let Self { mut helper, seat, disk, most } = self;
        let (mut piece, limits) = (vec![0; PIECE], seat.limits());
        match read(&mut helper, &seat, &disk, most, told, &mut piece, &mut take).await {
            Stopped::Ended => {
                let end = End::reported(helper.report().await, limits)?;
                Ok((end, helper.next().map(|helper| (helper, seat))))
            }
            Stopped::Killed(end) => {
                let (report, mut rest) = helper.kill().await;
                let drain = async {
                    while let Ok(got @ 1..) = rest.read(&mut piece).await {
                        take(&piece[..got]);
                    }
                };
                let _ = tokio::time::timeout(LAST_WORDS, drain).await;
                // A limit that had ended it may be why it was given up: that is what is told.
                let end = match report {
                    Some(Report::Over(breach)) => End::new(137, bounds::breach(breach, limits)),
                    Some(Report::Exited(_) | Report::Signalled(_) | Report::NotStarted(_)) | None => end,
                };
                Ok((end, None))
            }
        }
    }
}

async fn read(
    helper: &mut Helper,
    seat: &Seat,
    disk: &disk::Watch,
    most: u64,
    told: impl Future<Output = End>,
    piece: &mut [u8],
    take: &mut impl FnMut(&[u8]),
) -> Stopped {
    let keeps_output = helper.keeps_output();
    let Helper { talk, output, .. } = &mut *helper;
    let count = async {
        while let Some(usage) = talk.usage().await {
            disk.note(&usage);
            seat.update(usage);
        }
        if !(keeps_output && talk.goes_on()) {
            // Its output says when it has ended.
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        end = told => return Stopped::Killed(end),
        excess = seat.evicted() => return Stopped::Killed(End::new(137, bounds::excess(excess))),
        why = disk.exceeded() => return Stopped::Killed(End::new(137, why)),
        stopped = pump(output, most, piece, take) => return stopped,
        () = count => {}
    }
    // At most what a pipe holds.
    while let Ok(got @ 1..) = rustix::io::read(&helper.output, &mut *piece) {
        take(&piece[..got]);
    }
    Stopped::Ended
}

async fn pump(
    output: &mut pipe::Receiver,
    most: u64,
    piece: &mut [u8],
    take: &mut impl FnMut(&[u8]),
) -> Stopped {
    let (mut burst, mut all) = (0, 0);
    // A read error means that nothing more will come, like an end: that is how the end of a terminal shows.
    while let Ok(got @ 1..) = output.read(piece).await {
        take(&piece[..got]);
        burst += got;
        all += got as u64;
        if all > most {
            return Stopped::Killed(End::new(137, bounds::too_long(most)));
        }
        if burst >= BURST {
            burst = 0;
            tokio::time::sleep(PAUSE).await;
        }
    }
    Stopped::Ended
}
