//! Processes of another profile, outside of every sandbox, to be attacked.

use crate::sandbox::attack::{COMMAND, Decoy};
use std::{
    io::{self, BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

/// Ends when dropped.
pub struct Running {
    child: Child,
    pub said: Decoy,
}

impl Running {
    /// Starts one that has the file `open` open and `secret` in its environment.
    pub fn start(program: &Path, open: &Path, secret: &str) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args([COMMAND, "decoy"]).arg(open).env_clear().env("SECRET", secret);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let said = serde_json::from_str(&line);
        let said = said.map_err(|_| io::Error::other("a process that is to be attacked did not start"))?;
        Ok(Self { child, said })
    }

    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It is our child: its number is its own until it is waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether it still runs.
pub fn lives(running: &mut Running) -> bool {
    matches!(running.child.try_wait(), Ok(None))
}
