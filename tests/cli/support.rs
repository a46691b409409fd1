//! A home of its own for each test, and the binary run on it.

use crate::{blobs::sled_blobs, bounded::bounded};
use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

const HERMES: &str = env!("CARGO_BIN_EXE_hermes");

pub struct Home(tempfile::TempDir);

impl Drop for Home {
    /// Over the whole suite.
    fn drop(&mut self) {
        if !thread::panicking() {
            assert_eq!(sled_blobs(self.path()), Vec::<PathBuf>::new(), "sled wrote blobs");
        }
    }
}

/// What a command came to.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Home {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A home whose path is longer than an address of a socket, with characters that a shell reads.
    pub fn oddly_named() -> Self {
        let prefix = format!("it's \"$HOME\" {}", "long-".repeat(30));
        Self(tempfile::Builder::new().prefix(&prefix).tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(HERMES);
        command.env_clear().arg("--home").arg(self.path()).args(words).current_dir(self.path());
        command
    }

    pub fn run(&self, words: &[&str]) -> Done {
        let mut command = self.command(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let Output { status, stdout, stderr } =
            bounded(child.id(), PATIENCE, || child.wait_with_output().unwrap());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Done { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    /// Runs a command that must succeed.
    pub fn ok(&self, words: &[&str]) -> String {
        let done = self.run(words);
        assert_eq!(done.code, Some(0), "{words:?}: {done:?}");
        done.out
    }

    pub fn json(&self, words: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.ok(words)).unwrap()
    }

    /// Waits until `gateway status` tells this state of the profile. Its port may know it first: whoever keeps the
    /// profile hears of a fall by a notice.
    pub fn until(&self, profile: &str, state: &str) {
        until(|| {
            let told = self.json(&["gateway", "status", "--json"]);
            let mut profiles =
                told.as_array().unwrap().iter().flat_map(|one| one["profiles"].as_array().unwrap());
            profiles.any(|status| status["name"] == profile && status["state"] == state)
        });
    }

    /// A profile at a port that the kernel chooses.
    pub fn profile(&self, name: &str) {
        self.ok(&["profile", "create", name]);
        self.set_port(name, 0);
    }

    pub fn set_port(&self, name: &str, port: u16) {
        let env = self.path().join("profiles").join(name).join(".env");
        std::fs::write(env, format!("API_SERVER_ENABLED=true\nAPI_SERVER_PORT={port}\n")).unwrap();
    }

    /// A gateway, as soon as its table stands.
    pub fn gateway(&self, words: &[&str]) -> Gateway {
        let mut words = words.to_vec();
        words.push("gateway");
        Self::serve(&mut self.command(&words))
    }

    /// A gateway of a user without rights, who gets the home. For tests that are root.
    pub fn gateway_as_nobody(&self) -> Gateway {
        Self::serve(&mut self.as_nobody(&["gateway"]))
    }

    /// The program as a user without rights, who gets the home. For tests that are root.
    pub fn as_nobody(&self, words: &[&str]) -> Command {
        const NOBODY: u32 = 65_534;
        let program = self.path().join("hermes");
        std::fs::copy(HERMES, &program).unwrap();
        assert!(
            Command::new("chown")
                .arg("-R")
                .arg(NOBODY.to_string())
                .arg(self.path())
                .status()
                .unwrap()
                .success()
        );
        let mut command = Command::new(program);
        command.env_clear().arg("--home").arg(self.path()).args(words).current_dir(self.path());
        command.uid(NOBODY).gid(NOBODY);
        command
    }

    /// A gateway started like this, as soon as its table stands.
    pub fn serve(command: &mut Command) -> Gateway {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut table = String::new();
        // The curl line is the last of it.
        bounded(child.id(), PATIENCE, || {
            while !table.contains("curl ") && reader.read_line(&mut table).unwrap() > 0 {}
        });
        Gateway { child, table, _out: reader }
    }
}

/// A running gateway; killed if a test ends early.
pub struct Gateway {
    child: Child,
    pub table: String,
    _out: BufReader<std::process::ChildStdout>,
}

impl Gateway {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The key in the curl line.
    pub fn key(&self) -> String {
        let rest = self.table.split("Bearer ").nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    pub fn wait(mut self) -> Done {
        let mut err = String::new();
        let code = bounded(self.child.id(), PATIENCE, || {
            self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
            self.child.wait().unwrap().code()
        });
        Done { code, out: std::mem::take(&mut self.table), err }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Ended already: then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// No command, no answer and no state that a test waits for takes this long; without it a fault would hang the suite.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again until it is so.
pub fn until(mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < limit, "it never came to that");
    }
}

/// A connection whose answer does not take for ever.
pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Where a running gateway serves a profile.
pub fn address(home: &Home, profile: &str) -> Option<SocketAddr> {
    let gateways = home.json(&["gateway", "status", "--json"]);
    let all = gateways.as_array().unwrap().iter().flat_map(|gateway| gateway["profiles"].as_array().unwrap());
    let found = all.filter(|status| status["name"] == profile).find_map(|status| status["address"].as_str());
    found.map(|address| address.parse().unwrap())
}

/// The status code of an answer to `GET path`.
pub fn get(address: SocketAddr, path: &str, token: &str) -> u16 {
    let mut stream = connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer[9..12].parse().unwrap()
}

pub fn words(line: &str) -> Vec<&str> {
    line.split(' ').filter(|word| !word.is_empty()).collect()
}

/// Status code and the rest of an answer to `POST path`; 0 when the connection broke off.
pub fn post(address: SocketAddr, path: &str, token: &str, body: &str) -> (u16, String) {
    let Ok(mut stream) = connect(address) else { return (0, String::new()) };
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    let mut answer = String::new();
    let asked = stream.write_all((head + body).as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    let status = asked.ok().and_then(|_| answer.get(9..12)?.parse().ok());
    (status.unwrap_or(0), answer)
}
