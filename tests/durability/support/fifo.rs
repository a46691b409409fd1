//! A named pipe in a workspace: a command that opens it for writing is known to run, and known to be gone when it ends.

use super::PATIENCE;
use std::path::{Path, PathBuf};
use tokio::{
    io::AsyncReadExt as _,
    net::unix::pipe::{OpenOptions, Receiver},
    time::timeout,
};

pub struct Fifo {
    end: Receiver,
    path: PathBuf,
}

impl Fifo {
    pub fn make(path: &Path) -> Self {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(
            std::process::Command::new("mkfifo").args(["-m", "666"]).arg(path).status().unwrap().success()
        );
        Self { end: OpenOptions::new().open_receiver(path).unwrap(), path: path.to_owned() }
    }

    /// Waits until somebody wrote this line.
    pub async fn reads(&mut self, line: &str) {
        let mut bytes = vec![0; line.len()];
        let read = timeout(PATIENCE, self.end.read_exact(&mut bytes)).await;
        read.unwrap_or_else(|_| panic!("nobody wrote to {}", self.path.display())).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), line);
    }

    /// Waits until all who had it open for writing are gone; gives what they wrote.
    pub async fn closed(mut self) -> String {
        let mut text = String::new();
        let read = timeout(PATIENCE, self.end.read_to_string(&mut text)).await;
        read.unwrap_or_else(|_| panic!("{} is still open for writing", self.path.display())).unwrap();
        text
    }
}
