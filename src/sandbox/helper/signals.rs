//! Signals as something to poll for: the helper must never be ended by one before it has killed its tree.

use rustix::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::{io, mem::MaybeUninit, os::fd::AsRawFd};

/// What a signal means to the helper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// A child may have ended.
    Child,
    /// Somebody wants the helper to end.
    End,
}

/// Holds back all signals of this process (but `KILL` and `STOP`).
pub struct Signals(OwnedFd);

impl Signals {
    pub fn block() -> io::Result<Self> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: `set` is written by `sigfillset` before anything reads it; both calls get valid pointers.
        let fd = unsafe {
            libc::sigfillset(set.as_mut_ptr());
            if libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
            libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just made this descriptor, and nobody else knows of it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The next signal that waits, if any.
    pub fn next(&self) -> Option<Notice> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: the buffer has exactly the size that is passed.
        let got = unsafe { libc::read(self.0.as_raw_fd(), info.as_mut_ptr().cast(), size) };
        if usize::try_from(got) != Ok(size) {
            return None;
        }
        // SAFETY: the kernel has filled the whole of it.
        let signal = unsafe { info.assume_init() }.ssi_signo.cast_signed();
        match signal {
            libc::SIGTERM | libc::SIGINT | libc::SIGHUP | libc::SIGQUIT => Some(Notice::End),
            _ => Some(Notice::Child),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Of a process that waits for none of its children.
pub fn leave_children() -> io::Result<()> {
    // SAFETY: an ignored signal runs no code of ours.
    let before = unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    if before == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// In the child: signals as a fresh program expects them, whatever the gateway's parent had ignored.
pub fn restore() -> io::Result<()> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: default actions run no code of ours; `set` is written before it is read.
    unsafe {
        for signal in 1..32 {
            if signal != libc::SIGKILL && signal != libc::SIGSTOP {
                libc::signal(signal, libc::SIG_DFL);
            }
        }
        libc::sigemptyset(set.as_mut_ptr());
        if libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
