//! The gateway's side of a helper: start it, tell it what to run, read its output, end it.

use super::{
    Sandbox,
    link::{self, MAX_REPORT, Report},
    policy::Policy,
};
use rustix::{
    io::Errno,
    pipe::{PipeFlags, pipe_with},
};
use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net::UnixStream as StdUnixStream, process::CommandExt},
    },
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::{UnixStream, unix::pipe},
    process::Child,
    time::timeout,
};

/// How long a helper may take to clear up after its socket was closed.
const GRACE: Duration = Duration::from_secs(6);

/// The ends of a helper that stay with the gateway.
pub(super) struct Ends {
    pub control: StdUnixStream,
    pub output: OwnedFd,
}

/// The command line of a helper. Nothing of the gateway's environment, no descriptor but 0, 1 and 2, and no code of
/// ours between `fork` and `exec`: then the spawn costs the same however large the gateway is.
pub(super) fn command(helper: &Path) -> io::Result<(Command, Ends)> {
    let (control, theirs) = StdUnixStream::pair()?;
    let (output, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let mut command = Command::new(helper);
    command.arg("sandbox-exec").env_clear().current_dir("/");
    command.stdin(OwnedFd::from(theirs)).stdout(writer.try_clone()?).stderr(writer);
    // A Ctrl-C at the gateway's terminal is for the gateway.
    command.process_group(0);
    Ok((command, Ends { control, output }))
}

/// A running helper. Dropping it closes the socket, which kills the command and everything it started.
#[derive(Debug)]
pub struct Helper {
    child: Child,
    control: UnixStream,
    /// Standard output and standard error of the command, in the order of writing. Ends after the last process.
    pub output: pipe::Receiver,
}

impl Sandbox {
    /// Starts a helper that waits for its policy. Takes about a millisecond: call it on the blocking pool, inside a
    /// runtime.
    ///
    /// # Errors
    ///
    /// No process or descriptor is to be had, or the program is gone.
    pub fn start(&self) -> io::Result<Helper> {
        let (command, Ends { control, output }) = command(&self.helper)?;
        let child = tokio::process::Command::from(command).spawn()?;
        control.set_nonblocking(true)?;
        let control = UnixStream::from_std(control)?;
        let output = pipe::Receiver::from_owned_fd(output)?;
        Ok(Helper { child, control, output })
    }
}

impl Helper {
    /// Lets the command run, with nothing to read on its standard input.
    ///
    /// # Errors
    ///
    /// The helper is gone, or the policy is larger than any real one.
    pub async fn send(&mut self, policy: &Policy) -> io::Result<()> {
        let message = link::encode(policy)?;
        let stdin = std::fs::File::open("/dev/null")?;
        loop {
            self.control.writable().await?;
            let first = self
                .control
                .try_io(Interest::WRITABLE, || link::send_first(&self.control, &message, stdin.as_fd()));
            match first {
                Ok(sent) => return self.control.write_all(&message[sent..]).await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.raw_os_error() == Some(Errno::INTR.raw_os_error()) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// How the command ended. Read the output to its end first: a command that waits for room in the pipe never ends.
    ///
    /// # Errors
    ///
    /// The helper ended without a report: it was killed.
    pub async fn report(&mut self) -> io::Result<Report> {
        let mut text = Vec::new();
        (&mut self.control).take(MAX_REPORT).read_to_end(&mut text).await?;
        // It reports when nothing of the command is left, and then only has to end: the runtime collects it.
        serde_json::from_slice(&text).map_err(|_| io::Error::other("the helper gave no report"))
    }

    /// Kills the command's whole tree and waits until it is gone. What the pipe still holds can be read afterwards.
    pub async fn kill(self) -> pipe::Receiver {
        let Self { mut child, control, output } = self;
        drop(control);
        // Longer only when the kernel holds a process fast. The helper goes on trying; killed, it could not.
        let _ = timeout(GRACE, child.wait()).await;
        output
    }
}

/// For use without a runtime: the output goes nowhere, since nobody could read it while waiting.
pub(super) fn run_blocking(helper: &Path, policy: &Policy, limit: Duration) -> io::Result<Report> {
    use std::io::{Read, Write};
    let (mut command, Ends { mut control, output: _unread }) = command(helper)?;
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    // The command holds our end of the helper's socket; it must not outlive this line.
    drop(command);
    control.set_read_timeout(Some(limit))?;
    control.set_write_timeout(Some(limit))?;
    let talk = |control: &mut StdUnixStream| {
        let message = link::encode(policy)?;
        let stdin = std::fs::File::open("/dev/null")?;
        let sent = link::send_first(&*control, &message, stdin.as_fd())?;
        control.write_all(&message[sent..])?;
        let mut text = Vec::new();
        control.take(MAX_REPORT).read_to_end(&mut text)?;
        serde_json::from_slice(&text).map_err(|_| io::Error::other("the helper gave no report"))
    };
    let report = talk(&mut control);
    drop(control);
    if report.is_err() {
        // A program that is no helper would not notice the end of the socket.
        let _ = child.kill();
    }
    child.wait()?;
    report
}
