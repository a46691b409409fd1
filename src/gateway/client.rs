//! The command line's side of the control socket. Blocking, without a runtime: a command is to answer at once.

use super::{
    control::{
        protocol::{Command, GatewayStatus, MAX_ANSWER, Reply, Request},
        socket, write_record,
    },
    run_dir::RunDir,
    status::{ProfileStatus, State},
};
use crate::{
    config::Secret,
    domain::{ImportRecord, ImportReport, ProfileName},
    store::ProfileLock,
};
use std::{
    fmt,
    io::{self, BufRead, BufReader, BufWriter, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// For a gateway that is asked something small.
const QUICK: Duration = Duration::from_secs(10);
/// For one that need not be asked at all.
const SOON: Duration = Duration::from_secs(2);
/// For one that has to wait for running turns first.
const PATIENT: Duration = Duration::from_secs(300);

/// Takes one record of an import after the other.
pub type Taker<'a> = dyn FnMut(ImportRecord) -> io::Result<()> + 'a;

#[derive(Debug)]
pub enum ClientError {
    Io(io::Error),
    /// The gateway said no, and why.
    Refused(String),
    /// The answer makes no sense: another version, most likely.
    Garbage,
    /// A process holds the profile, but none of the home's gateways knows it.
    NoAnswer {
        profile: ProfileName,
        pid: u32,
    },
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::WouldBlock => {
                f.write_str("the gateway did not answer in time")
            }
            Self::Io(error) => write!(f, "the gateway cannot be reached: {error}"),
            Self::Refused(message) => f.write_str(message),
            Self::Garbage => {
                f.write_str("the gateway's answer makes no sense; is it another version of hermes?")
            }
            Self::NoAnswer { profile, pid } => {
                write!(
                    f,
                    "process {pid} holds the profile `{profile}`, but does not answer for it; try again"
                )
            }
        }
    }
}

impl std::error::Error for ClientError {}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A running gateway of this home, by its process.
#[derive(Debug, Clone)]
pub struct Client {
    run: RunDir,
    token: Secret,
    /// As it was when it was found.
    pub status: GatewayStatus,
}

impl Client {
    /// All running gateways of a home.
    ///
    /// # Errors
    /// The home's `run` folder cannot be read.
    pub fn all(home: &Path) -> Result<Vec<Self>, ClientError> {
        Self::find(home, None)
    }

    /// The gateway that holds a profile. `None`: no process does, so the store may be opened.
    ///
    /// # Errors
    /// A process holds it and does not answer.
    pub fn holder(home: &Path, profile: &ProfileName, state_dir: &Path) -> Result<Option<Self>, ClientError> {
        let Some(pid) = ProfileLock::holder(state_dir) else {
            return Ok(None);
        };
        let knows = |client: &Self| {
            let mut known = client.status.profiles.iter();
            known.any(|status| status.name == *profile && status.state != State::Stopped)
        };
        let found = Self::find(home, Some(pid))?.into_iter().find(knows);
        found.map(Some).ok_or_else(|| ClientError::NoAnswer { profile: profile.clone(), pid })
    }

    /// The profile that another process serves at a port, with that process. One that does not answer soon is passed
    /// over: this is for an explanation.
    pub(super) fn neighbour_at(home: &Path, port: u16) -> Option<(ProfileName, u32)> {
        let run = RunDir::at(home);
        let token = run.control_token().ok()?;
        socket::connect_others(&run).ok()?.into_iter().find_map(|stream| {
            let Ok((Reply::Gateway(status), _)) = ask(stream, &token, Command::Status, SOON) else {
                return None;
            };
            let there = |profile: &ProfileStatus| profile.address.is_some_and(|at| at.port() == port);
            let found = status.profiles.into_iter().find(there)?;
            Some((found.name, status.pid))
        })
    }

    fn find(home: &Path, of: Option<u32>) -> Result<Vec<Self>, ClientError> {
        let run = RunDir::at(home);
        let streams = socket::connect_all(&run, of)?;
        if streams.is_empty() {
            return Ok(Vec::new());
        }
        let token = run.control_token()?;
        let mut found = Vec::new();
        for stream in streams {
            let reply = match ask(stream, &token, Command::Status, QUICK) {
                // It ended between the two questions; the others have not.
                Err(ClientError::Io(error)) if is_gone(&error) => continue,
                asked => accepted(asked?.0)?,
            };
            let Reply::Gateway(status) = reply else { return Err(ClientError::Garbage) };
            found.push(Self { run: run.clone(), token: token.clone(), status });
        }
        Ok(found)
    }

    /// Whether this gateway would serve the profile when told to.
    #[must_use]
    pub fn serves(&self, profile: &ProfileName) -> bool {
        self.status.only.as_ref().is_none_or(|only| only == profile)
    }

    /// Sends a command and waits for the answer.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the gateway's own words, and all that can go wrong on the way.
    pub fn ask(&self, command: Command) -> Result<Reply, ClientError> {
        let patience = match &command {
            Command::Status
            | Command::ListKeys { .. }
            | Command::ShowKey { .. }
            | Command::ListApprovals { .. } => QUICK,
            // The index of a search may have to be made first; a summary is a call of the model.
            Command::Ask { .. } | Command::CompressSession { .. } | Command::ImportSessions { .. } => PATIENT,
            Command::StopGateway
            | Command::StartProfile { .. }
            | Command::StopProfile { .. }
            | Command::RestartProfile { .. }
            | Command::ReloadProfile { .. }
            | Command::CreateKey { .. }
            | Command::RotateKey { .. }
            | Command::RevokeKey { .. }
            | Command::DecideApproval { .. }
            | Command::AnswerQuestion { .. } => PATIENT,
        };
        let (reply, _) = ask(self.connect()?, &self.token, command, patience)?;
        accepted(reply)
    }

    /// Has a profile take over sessions of another database. `tell` hands over all records, in order, and the last one.
    ///
    /// # Errors
    /// As [`Client::ask`]. What stops an import is in its report.
    pub fn import(
        &self,
        profile: &ProfileName,
        dry_run: bool,
        tell: impl FnOnce(&mut Taker<'_>) -> io::Result<()>,
    ) -> Result<ImportReport, ClientError> {
        let stream = self.connect()?;
        let command = Command::ImportSessions { profile: profile.clone(), dry_run };
        send(&stream, &self.token, command, PATIENT)?;
        let mut to = BufWriter::new(&stream);
        let told = tell(&mut |record| write_record(&mut to, &record)).and_then(|()| to.flush());
        // One that does not want more has said why.
        match (receive(&mut BufReader::new(&stream)), told) {
            (Ok(reply), _) => {
                let Reply::Imported(report) = accepted(reply)? else { return Err(ClientError::Garbage) };
                Ok(*report)
            }
            (Err(_gone), Err(error)) => Err(error.into()),
            (Err(error), Ok(())) => Err(error),
        }
    }

    /// Ends the gateway and waits until it is gone.
    ///
    /// # Errors
    /// As [`Client::ask`]; also when it takes longer than five minutes.
    pub fn stop(&self) -> Result<(), ClientError> {
        let (reply, mut rest) = ask(self.connect()?, &self.token, Command::StopGateway, PATIENT)?;
        let Reply::Stopping = accepted(reply)? else { return Err(ClientError::Garbage) };
        // The end of the connection, clean or not, is the end of the gateway; only a timeout is not.
        match rest.read(&mut [0; 1]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error.into()),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn connect(&self) -> Result<UnixStream, ClientError> {
        let pid = self.status.pid;
        let mut streams = socket::connect_all(&self.run, Some(pid))?;
        // Several gateways of one process exist in tests only, and those have no need of this.
        let gone = || ClientError::Refused(format!("the gateway (process {pid}) has ended"));
        streams.drain(..).next().ok_or_else(gone)
    }
}

fn ask(
    stream: UnixStream,
    token: &Secret,
    command: Command,
    patience: Duration,
) -> Result<(Reply, BufReader<UnixStream>), ClientError> {
    send(&stream, token, command, patience)?;
    let mut reader = BufReader::new(stream);
    let reply = receive(&mut reader)?;
    Ok((reply, reader))
}

fn send(
    stream: &UnixStream,
    token: &Secret,
    command: Command,
    patience: Duration,
) -> Result<(), ClientError> {
    stream.set_write_timeout(Some(patience))?;
    stream.set_read_timeout(Some(patience))?;
    let request = Request { token: token.reveal().to_owned(), command };
    let mut line = serde_json::to_vec(&request).map_err(io::Error::other)?;
    line.push(b'\n');
    let mut to = stream;
    Ok(to.write_all(&line)?)
}

fn receive(from: &mut impl BufRead) -> Result<Reply, ClientError> {
    let mut answer = Vec::new();
    from.take(MAX_ANSWER as u64).read_until(b'\n', &mut answer)?;
    if answer.is_empty() {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    serde_json::from_slice(&answer).map_err(|_garbage| ClientError::Garbage)
}

fn accepted(reply: Reply) -> Result<Reply, ClientError> {
    match reply {
        Reply::Refused { message } => Err(ClientError::Refused(message)),
        reply @ (Reply::Gateway(_)
        | Reply::Stopping
        | Reply::Profile(_)
        | Reply::KeyCreated { .. }
        | Reply::Keys(_)
        | Reply::Key(_)
        | Reply::Approvals(_)
        | Reply::Imported(_)
        | Reply::Document(_)) => Ok(reply),
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}
