//! The gateway's side of a helper: start it, tell it what to run, read its output, end it.

use super::{
    Order, Sandbox, Shell, Usage, World,
    fork_server::{ForkServer, Forked},
    link::{self, Beginning, Inbox, Reply, Report},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::Errno,
    pipe::{PipeFlags, pipe_with},
};
use std::{
    io,
    net::TcpListener,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream as StdUnixStream,
    },
    path::Path,
    time::Duration,
};
use tokio::{
    io::{AsyncWriteExt, Interest, unix::AsyncFd},
    net::{UnixStream, unix::pipe},
    time::timeout,
};

/// How long a helper may take to clear up after its socket was closed.
const GRACE: Duration = Duration::from_secs(6);
/// A world fits into the socket's buffer; only a program that is no helper lets it fill up.
const PATIENCE: Duration = Duration::from_secs(10);
const NO_REPORT: &str = "the helper gave no report";

/// A running helper. Dropping it closes the socket, which kills the command and everything it started.
#[derive(Debug)]
pub struct Helper {
    process: Forked,
    /// What the helper says.
    pub talk: Talk,
    /// Standard output and standard error of the command, in the order of writing. Ends after the last process.
    pub output: pipe::Receiver,
    /// What the command after it will write to.
    following: Following,
}

/// Where a helper goes on to another command.
#[derive(Debug)]
enum Following {
    Nothing,
    Output(pipe::Receiver),
    /// A shell that stays has it, and it ends with that: a command's end is its report.
    SameOutput,
    /// Such a shell, which is not the one of this command.
    OutputThatStays(pipe::Receiver),
}

/// The gateway's end of the socket.
#[derive(Debug)]
pub struct Talk {
    control: UnixStream,
    inbox: Inbox,
    /// Said already, and not asked for yet.
    ended: Option<io::Result<Report>>,
    /// It waits for another order.
    goes_on: bool,
}

impl Sandbox {
    /// Forks a helper that builds `world` and then waits for its order. Takes some 0.2 ms: call it on the blocking pool,
    /// inside a runtime.
    ///
    /// # Errors
    ///
    /// No process or descriptor is to be had, or the program is gone.
    pub fn start(&self, world: &World) -> io::Result<Helper> {
        self.start_ahead(world, None)
    }

    /// As [`Sandbox::start`], for an order that is not known yet: `shell` is what it will most likely be for. Any other
    /// one is carried out as well.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::start`].
    pub fn start_ahead(&self, world: &World, shell: Option<Shell>) -> io::Result<Helper> {
        let (mut control, theirs) = StdUnixStream::pair()?;
        let (output, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let stays = shell.as_ref().is_some_and(|shell| shell.stays);
        let following = if stays { Following::SameOutput } else { Following::Nothing };
        let process = self.helper.fork(theirs.as_fd(), writer.as_fd())?;
        // A helper that ends must be the end of both.
        drop((theirs, writer));
        control.set_write_timeout(Some(PATIENCE))?;
        link::send(&mut control, &Beginning { world: world.clone(), way: self.way, shell }, None)?;
        control.set_nonblocking(true)?;
        let control = UnixStream::from_std(control)?;
        let output = pipe::Receiver::from_owned_fd(output)?;
        let talk = Talk { control, inbox: Inbox::default(), ended: None, goes_on: false };
        Ok(Helper { process, talk, output, following })
    }
}

impl Helper {
    /// Its number on this machine, of no meaning once it has ended.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.process.pid.as_raw_nonzero().get().cast_unsigned()
    }

    /// False: it has ended before it had an order.
    #[must_use]
    pub fn is_there(&self) -> bool {
        // What it has started ends a moment after it, and holds the socket until then.
        if !self.process.is_there() {
            return false;
        }
        let mut socket = [PollFd::new(&self.talk.control, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let looked = poll(&mut socket, Some(&now));
        looked.is_ok() && !socket[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
    }

    /// Lets the command run, with nothing to read on its standard input.
    ///
    /// # Errors
    ///
    /// The helper is gone, or the order is larger than any real one.
    pub async fn send(&mut self, order: &Order) -> io::Result<()> {
        self.send_with(order, std::fs::File::open("/dev/null")?.as_fd()).await
    }

    /// Lets the command run, with this standard input, unless it gets a terminal.
    ///
    /// # Errors
    ///
    /// As [`Helper::send`].
    pub async fn send_with(&mut self, order: &Order, stdin: BorrowedFd<'_>) -> io::Result<()> {
        self.hand(&link::encode(&(order, None::<&Shell>))?, &[stdin]).await
    }

    /// As [`Helper::send`], and lets the helper prepare for another order of the same session, most likely one for this
    /// shell, while the command runs. Where it can be given one is for [`Helper::next`] to say.
    ///
    /// # Errors
    ///
    /// As [`Helper::send`], or no descriptor is to be had.
    pub async fn send_first_of_many(&mut self, order: &Order, shell: &Shell) -> io::Result<()> {
        if self.keeps_output() {
            return self.send(order).await;
        }
        let (output, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let output = pipe::Receiver::from_owned_fd(output)?;
        self.following =
            if shell.stays { Following::OutputThatStays(output) } else { Following::Output(output) };
        let stdin = std::fs::File::open("/dev/null")?;
        self.hand(&link::encode(&(order, Some(shell)))?, &[stdin.as_fd(), writer.as_fd()]).await
    }

    /// Once it has reported and goes on, its output has no end; all of it is there, though.
    #[must_use]
    pub const fn keeps_output(&self) -> bool {
        matches!(self.following, Following::SameOutput)
    }

    /// This helper for another order, once the command has been reported; nothing where it ended with the command.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        let Self { process, mut talk, output, following } = self;
        if !std::mem::take(&mut talk.goes_on) {
            return None;
        }
        let (output, following) = match following {
            Following::Nothing => return None,
            Following::Output(next) => (next, Following::Nothing),
            Following::SameOutput => (output, Following::SameOutput),
            Following::OutputThatStays(next) => (next, Following::SameOutput),
        };
        Some(Self { process, talk, output, following })
    }

    async fn hand(&mut self, message: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        loop {
            self.talk.control.writable().await?;
            let control = &self.talk.control;
            let first = control.try_io(Interest::WRITABLE, || link::send_first(control, message, fds));
            match first {
                Ok(sent) => return self.talk.control.write_all(&message[sent..]).await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.raw_os_error() == Some(Errno::INTR.raw_os_error()) => {}
                Err(error) => return Err(self.talk.why_gone(error).await),
            }
        }
    }

    /// The socket on which the commands' connections to the bridge arrive, with `Network::Bridge` at level `strict`;
    /// `None` for every other world. Waits until the world is built. To be asked at most once, before the report.
    ///
    /// # Errors
    ///
    /// The world could not be built; the report says why.
    pub async fn listener(&mut self) -> io::Result<Option<TcpListener>> {
        loop {
            match self.talk.reply().await? {
                Reply::Ready => return Ok(self.talk.inbox.take_fd().map(TcpListener::from)),
                Reply::Usage(_) | Reply::Terminal => {}
                Reply::Ended(report) | Reply::Done(report) => return Err(self.talk.too_early(report)),
            }
        }
    }

    /// The other end of the command's terminal, to be asked for once when its order names one, and after the listener.
    /// From then on it is the output, too; what is given back is for typing.
    ///
    /// # Errors
    ///
    /// There is none; the report says why.
    pub async fn terminal(&mut self) -> io::Result<pipe::Sender> {
        loop {
            match self.talk.reply().await? {
                Reply::Terminal => break,
                Reply::Ready | Reply::Usage(_) => {}
                Reply::Ended(report) | Reply::Done(report) => return Err(self.talk.too_early(report)),
            }
        }
        let terminal = self.talk.inbox.take_fd().ok_or_else(|| io::Error::other("no terminal came"))?;
        fcntl_setfl(&terminal, fcntl_getfl(&terminal)? | OFlags::NONBLOCK)?;
        let typing = pipe::Sender::from_owned_fd_unchecked(terminal.try_clone()?)?;
        self.output = pipe::Receiver::from_owned_fd_unchecked(terminal)?;
        Ok(typing)
    }

    /// How the command ended. Read the output to its end first: a command that waits for room in the pipe never ends.
    ///
    /// # Errors
    ///
    /// The helper ended without a report: it was killed.
    pub async fn report(&mut self) -> io::Result<Report> {
        self.talk.report().await
    }

    /// Kills the command's whole tree and waits until it is gone. What the pipe still holds can be read afterwards. The
    /// report is there when something else had ended the command before.
    pub async fn kill(self) -> (Option<Report>, pipe::Receiver) {
        let Self { process, mut talk, output, following: _ } = self;
        // It takes that as the end of the gateway, but is still heard.
        let _its_end_is_gone = talk.control.shutdown().await;
        // SAFETY: the descriptor is an owned one, and stays with what it is registered by.
        let end = unsafe { AsyncFd::register_with_interest(process.handle, Interest::READABLE) };
        let Ok(end) = end else { return (None, output) };
        let mut report = None;
        let gone = async {
            tokio::select! {
                biased;
                said = talk.report() => report = said.ok(),
                _ = end.readable() => {}
            }
            end.readable().await.map(drop)
        };
        // Longer only when the kernel holds a process fast. The helper goes on trying; killed, it could not.
        let _ = timeout(GRACE, gone).await;
        (report, output)
    }
}

impl Talk {
    /// What the command takes, whenever that has changed. `None`: it has ended.
    pub async fn usage(&mut self) -> Option<Usage> {
        while self.ended.is_none() {
            match self.reply().await {
                Ok(Reply::Ready | Reply::Terminal) => {}
                Ok(Reply::Usage(usage)) => return Some(usage),
                Ok(Reply::Ended(report)) => self.ended = Some(Ok(report)),
                Ok(Reply::Done(report)) => {
                    self.goes_on = true;
                    self.ended = Some(Ok(report));
                }
                Err(error) => self.ended = Some(Err(error)),
            }
        }
        None
    }

    /// Whether the helper has said that it goes on.
    #[must_use]
    pub const fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Its last word.
    async fn report(&mut self) -> io::Result<Report> {
        // It reports when nothing of the command is left.
        while self.usage().await.is_some() {}
        self.ended.take().unwrap_or_else(|| Err(io::Error::other(NO_REPORT)))
    }

    /// What it said before it closed its end, or else that it did.
    async fn why_gone(&mut self, closed: io::Error) -> io::Error {
        loop {
            match self.reply().await {
                Ok(Reply::Ended(report) | Reply::Done(report)) => return self.too_early(report),
                Ok(Reply::Ready | Reply::Usage(_) | Reply::Terminal) => {}
                Err(_) => return closed,
            }
        }
    }

    /// The report is kept for whoever asks for it.
    fn too_early(&mut self, report: Report) -> io::Error {
        let error = match &report {
            Report::NotStarted(reason) => io::Error::other(reason.clone()),
            Report::Exited(_) | Report::Signalled(_) | Report::Over(_) => {
                io::Error::other("the command has ended")
            }
        };
        self.ended = Some(Ok(report));
        error
    }

    async fn reply(&mut self) -> io::Result<Reply> {
        loop {
            if let Some(reply) = self.inbox.next()? {
                return Ok(reply);
            }
            self.control.readable().await?;
            match self.control.try_io(Interest::READABLE, || self.inbox.fill(&self.control)) {
                Ok(true) => {}
                Ok(false) => return Err(io::Error::other(NO_REPORT)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// For use without a runtime, with a server of its own: the output goes nowhere, since nobody could read it while waiting.
pub(super) fn run_blocking(
    program: &Path,
    beginning: &Beginning,
    order: &Order,
    limit: Duration,
) -> io::Result<Report> {
    let (mut control, theirs) = StdUnixStream::pair()?;
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    let server = ForkServer::new(program.to_owned());
    let process = server.fork(theirs.as_fd(), null.as_fd())?;
    // A helper that ends must be the end of its socket.
    drop(theirs);
    control.set_read_timeout(Some(limit))?;
    control.set_write_timeout(Some(limit))?;
    let talk = |control: &mut StdUnixStream| {
        link::send(control, beginning, None)?;
        link::send(control, &(order, None::<&Shell>), Some(null.as_fd()))?;
        let mut inbox = Inbox::default();
        loop {
            match inbox.receive(&*control)? {
                Some(Reply::Ready | Reply::Terminal | Reply::Usage(_)) => {}
                Some(Reply::Ended(report) | Reply::Done(report)) => return Ok(report),
                None => return Err(io::Error::other(NO_REPORT)),
            }
        }
    };
    let report = talk(&mut control);
    drop(control);
    if report.is_err() {
        // One that hangs would not notice the end of the socket.
        process.kill();
    }
    process.ends_within(GRACE);
    report
}
