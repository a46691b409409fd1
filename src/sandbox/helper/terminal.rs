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

/// Makes one where this process stands, and sends the other end to the gateway; gives back the command's. Its name is a
/// name inside of the sandbox at level `strict` only; elsewhere programs may use it and not find it.
pub fn open(window: Window, owner: Option<Owner>, gateway: &mut UnixStream) -> Result<OwnedFd, String> {
    let failed = |error: io::Error| format!("a terminal cannot be had: {error}");
    let (ours, theirs) = pair(window, owner).map_err(failed)?;
    link::send(gateway, &Reply::Terminal, Some(theirs.as_fd())).map_err(failed)?;
    Ok(ours)
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

/// In the child, as the leader of a new session: this is its controlling terminal.
pub fn control(terminal: &OwnedFd) -> io::Result<()> {
    Ok(ioctl_tiocsctty(terminal)?)
}
