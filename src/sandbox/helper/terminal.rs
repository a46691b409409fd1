//! A terminal of its own for one command.

use crate::sandbox::{
    Owner, Window,
    link::{self, Reply},
};
use rustix::{
    fs::fchown,
    process::{Gid, Uid, ioctl_tiocsctty},
    pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

/// The command's end of a terminal.
pub struct Terminal(OwnedFd);

impl Terminal {
    /// Makes one where this process stands, and sends the other end to the gateway. Its name is a name inside of the
    /// sandbox at level `strict` only; elsewhere programs may use it and not find it.
    pub fn open(window: Window, owner: Option<Owner>, gateway: &mut UnixStream) -> Result<Self, String> {
        let failed = |error: io::Error| format!("a terminal cannot be had: {error}");
        let (ours, theirs) = pair(window, owner).map_err(failed)?;
        link::send(gateway, &Reply::Terminal, Some(theirs.as_fd())).map_err(failed)?;
        Ok(Self(ours))
    }

    /// For standard input, output and error.
    pub fn ends(self) -> io::Result<[OwnedFd; 3]> {
        Ok([self.0.try_clone()?, self.0.try_clone()?, self.0])
    }
}

fn pair(window: Window, owner: Option<Owner>) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let theirs = openpt(flags)?;
    unlockpt(&theirs)?;
    let Window { rows, columns } = window;
    tcsetwinsize(&theirs, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?;
    let ours = ioctl_tiocgptpeer(&theirs, flags)?;
    if let Some(Owner { uid, gid }) = owner {
        fchown(&ours, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    Ok((ours, theirs))
}

/// In the child, as the leader of a new session: what it reads from is its controlling terminal.
pub fn control() -> io::Result<()> {
    Ok(ioctl_tiocsctty(io::stdin())?)
}
