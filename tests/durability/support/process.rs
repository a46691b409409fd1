//! A gateway process, from its start table to its end.

use super::{Client, PATIENCE, site::key};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{File, OpenOptions},
    future::Future,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, ChildStdout},
    time::timeout,
};

/// Dropped, it is killed.
pub struct Process {
    child: Child,
    /// Kept open: a gateway without a reader of its output is another test.
    rest: BufReader<ChildStdout>,
    /// The rows of the start table.
    rows: Vec<String>,
    log: PathBuf,
}

impl Process {
    /// Starts `hermes … gateway` and waits until it serves what it can.
    pub async fn start(command: std::process::Command, home: &Path) -> Self {
        let log = home.with_file_name("gateway.log");
        let errors: File = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut command = tokio::process::Command::from(command);
        command.arg("gateway").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let rest = BufReader::new(child.stdout.take().unwrap());
        let mut process = Self { child, rest, rows: Vec::new(), log };
        // The table is printed when each profile is up or has failed; an empty line follows it.
        loop {
            let line = process.line().await;
            if line.is_empty() {
                return process;
            }
            process.rows.push(line);
        }
    }

    /// The next line of its output.
    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.within(|process| process.rest.read_line(&mut line)).await;
        assert!(read.unwrap() > 0, "the gateway ended: {}", self.log());
        line.trim_end().to_owned()
    }

    async fn within<'a, F: Future>(&'a mut self, what: impl FnOnce(&'a mut Self) -> F) -> F::Output {
        let log = self.log.clone();
        let done = timeout(PATIENCE, what(self)).await;
        done.unwrap_or_else(|_| panic!("the gateway hangs: {}", std::fs::read_to_string(log).unwrap()))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// A client of a profile, with the key of its `.env`.
    pub fn client(&self, profile: &str) -> Client {
        Client::new(self.base(profile), Some(key(profile)))
    }

    pub fn alice(&self) -> Client {
        self.client("alice")
    }

    pub fn bob(&self) -> Client {
        self.client("bob")
    }

    /// `http://127.0.0.1:PORT`, as the start table has it.
    pub fn base(&self, profile: &str) -> String {
        let row = self.rows.iter().find(|row| row.split_whitespace().next() == Some(profile));
        let url = row.and_then(|row| row.split_whitespace().nth(1)).and_then(|url| url.strip_suffix("/v1"));
        url.unwrap_or_else(|| panic!("`{profile}` does not serve: {:?}", self.rows)).to_owned()
    }

    /// `kill -9`, and waits until the process is gone.
    pub async fn kill(mut self) {
        self.signal(Signal::KILL);
        self.ended().await;
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// The rest of what it prints, and how it ended.
    pub async fn ended(&mut self) -> (ExitStatus, String) {
        let mut text = String::new();
        self.within(|process| process.rest.read_to_string(&mut text)).await.unwrap();
        let status = self.within(|process| process.child.wait()).await.unwrap();
        (status, text)
    }
}
