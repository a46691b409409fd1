//! The gateway's side of the fork server: the one process that every helper is forked from.
//!
//! To start a program of this size takes 1.7 ms of processor time, most of it the dynamic linker's; to fork one that was
//! started takes a tenth of that. The server holds nothing of any profile: it gets two descriptors per helper, hands them
//! to a copy of itself, and forgets them. What the helper is for, only the helper is told.

use super::link;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::SendFlags,
    process::{Pid, Signal, pidfd_send_signal},
};
use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// It does nothing but fork; a machine under load may take its time.
const PATIENCE: Duration = Duration::from_secs(10);
/// A request is one byte, with two descriptors.
const ONE_MORE: u8 = 1;
/// An answer is a process's number, with its descriptor, or the negative number of an error (little-endian).
const ANSWER: usize = size_of::<i32>();

/// Forks helpers. The server is started with the first one, and again when it was killed.
#[derive(Debug)]
pub struct ForkServer {
    program: PathBuf,
    server: Mutex<Option<Server>>,
}

#[derive(Debug)]
struct Server {
    link: UnixStream,
    child: Child,
}

/// A process that is not our child: its descriptor keeps meaning it, whatever becomes of its number.
#[derive(Debug)]
pub struct Forked {
    pub pid: Pid,
    pub handle: OwnedFd,
}

/// What the server answers.
enum Answer {
    Forked(Forked),
    /// This machine lets it have no more processes or descriptors. It goes on.
    Refused(io::Error),
}

impl ForkServer {
    /// `program` is started as `PROGRAM sandbox-exec`, when the first helper is wanted.
    #[must_use]
    pub const fn new(program: PathBuf) -> Self {
        Self { program, server: Mutex::new(None) }
    }

    /// What is started.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A helper that talks on `control` and writes to `output`. Blocking: some 0.2 ms, and 2 ms the first time.
    ///
    /// # Errors
    ///
    /// No process or descriptor is to be had, or the program is gone.
    pub fn fork(&self, control: BorrowedFd<'_>, output: BorrowedFd<'_>) -> io::Result<Forked> {
        // Each request is answered before the next one is sent; a panic leaves at worst a server that is not used.
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        let running = server.as_ref().and_then(|server| server.fork(control, output).ok());
        let answer = match running {
            Some(answer) => answer,
            None => server.insert(Server::start(&self.program)?).fork(control, output)?,
        };
        match answer {
            Answer::Forked(forked) => Ok(forked),
            Answer::Refused(error) => Err(error),
        }
    }
}

impl Server {
    /// Nothing of the gateway's environment, no descriptor but 0, 1 and 2, and no code of ours between `fork` and `exec`:
    /// then the start costs the same however large the gateway is.
    fn start(program: &Path) -> io::Result<Self> {
        let (link, theirs) = UnixStream::pair()?;
        link.set_read_timeout(Some(PATIENCE))?;
        let mut command = Command::new(program);
        command.arg("sandbox-exec").env_clear().current_dir("/");
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
        // A Ctrl-C at the gateway's terminal is for the gateway.
        let child = command.process_group(0).spawn()?;
        Ok(Self { link, child })
    }

    fn fork(&self, control: BorrowedFd<'_>, output: BorrowedFd<'_>) -> io::Result<Answer> {
        link::send_first(&self.link, &[ONE_MORE], &[control, output])?;
        let (mut answer, mut handle) = ([0; ANSWER], None);
        let got = link::receive(&self.link, &mut answer, |fd| handle = Some(fd))?;
        if got != ANSWER {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let number = i32::from_le_bytes(answer);
        Ok(match (Pid::from_raw(number).filter(|_| number > 0), handle) {
            (Some(pid), Some(handle)) => Answer::Forked(Forked { pid, handle }),
            (Some(_), None) => Answer::Refused(io::Error::other("the helper's descriptor did not come")),
            (None, _) => Answer::Refused(io::Error::from_raw_os_error(-number)),
        })
    }
}

/// Its helpers go on, each as long as its own socket.
impl Drop for Server {
    fn drop(&mut self) {
        // A program that is no helper, or one that was stopped, would not notice the end of its socket.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server's side: waits for the next request, which brings a helper's socket and its output. `None`: the gateway is
/// gone.
pub fn next_request(gateway: impl AsFd) -> io::Result<Option<[OwnedFd; 2]>> {
    let mut ends = Vec::with_capacity(2);
    let got = link::receive(gateway, &mut [0], |fd| ends.push(fd))?;
    if got == 0 {
        return Ok(None);
    }
    let ends = <[OwnedFd; 2]>::try_from(ends);
    ends.map(Some).map_err(|_other| io::Error::other("a request came without a socket and an output"))
}

/// Tells the gateway of the helper that it asked for, or why there is none.
pub fn answer(gateway: impl AsFd, forked: io::Result<Forked>) -> io::Result<()> {
    let sent = match forked {
        Ok(Forked { pid, handle }) => {
            link::send_first(gateway, &pid.as_raw_nonzero().get().to_le_bytes(), &[handle.as_fd()])?
        }
        Err(error) => {
            let number = error.raw_os_error().unwrap_or(Errno::IO.raw_os_error());
            rustix::net::send(gateway, &(-number).to_le_bytes(), SendFlags::NOSIGNAL)?
        }
    };
    if sent == ANSWER { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

impl Forked {
    /// Whether it has not ended.
    pub fn is_there(&self) -> bool {
        !self.ends_within(Duration::ZERO)
    }

    /// Waits for its end, for so long at most. Blocking.
    pub fn ends_within(&self, time: Duration) -> bool {
        let mut ended = [PollFd::new(&self.handle, PollFlags::IN)];
        let time = Timespec::try_from(time).ok();
        matches!(poll(&mut ended, time.as_ref()), Ok(1..))
    }

    pub fn kill(&self) {
        let _ = pidfd_send_signal(self.handle.as_fd(), Signal::KILL);
    }
}
