//! A home on a small disk of its own, in memory, that only the processes of one namespace see.

use super::{Process, Site};
use rustix::{
    fs::{FallocateFlags, fallocate, statvfs},
    process::geteuid,
};
use std::{
    fs::{self, File},
    io::Read as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

pub struct Disk {
    /// Has the namespace, and keeps it.
    keeper: Child,
    home: PathBuf,
}

impl Disk {
    /// Puts the site's home on it. `None`: here nobody may mount anything.
    pub fn of(site: &Site, megabytes: u32) -> Option<Self> {
        if !geteuid().is_root() {
            return None;
        }
        let home = site.home.clone();
        let script = "cp -a \"$1\" \"$1.before\" && mount -t tmpfs -o size=$2m none \"$1\" && \
                      cp -a \"$1.before/.\" \"$1\" && echo there && exec cat";
        let mut keeper = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
            .arg(&home)
            .arg(megabytes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut told = [0; 5];
        let there = keeper.stdout.as_mut().unwrap().read_exact(&mut told).is_ok();
        let disk = Self { keeper, home };
        there.then_some(disk)
    }

    /// Serves the home.
    pub async fn start(&self, site: &Site) -> Process {
        let plain = site.command();
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.keeper.id())).arg("--").arg(plain.get_program());
        command.args(plain.get_args()).env_clear().env("PATH", env!("PATH"));
        Process::start(command, &self.home).await
    }

    /// Takes all the space that is left.
    pub fn fill(&self) {
        let file = File::options().append(true).create(true).open(self.filler()).unwrap();
        let mut piece = statvfs(self.filler()).unwrap().f_bavail * 4096;
        let mut length = 0;
        while piece >= 4096 {
            match fallocate(&file, FallocateFlags::empty(), length, piece) {
                Ok(()) => length += piece,
                Err(_full) => piece /= 2,
            }
        }
    }

    /// Gives it back.
    pub fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        let home = self.home.strip_prefix("/").unwrap();
        PathBuf::from(format!("/proc/{}/root", self.keeper.id())).join(home).join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may have ended, and nobody has to hear of it.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
