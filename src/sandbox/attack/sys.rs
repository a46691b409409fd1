//! System calls as an attacker makes them: by number, with arguments that a library would not let through.

use super::Attempt;
use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

/// An argument. Memory is passed as a slice, so that no call reads or writes beyond what its caller holds.
pub enum Arg<'a> {
    Number(i64),
    In(&'a [u8]),
    Out(&'a mut [u8]),
}

pub const NULL: Arg<'static> = Arg::Number(0);

/// Makes the call `number`.
pub fn call<const N: usize>(number: libc::c_long, arguments: [Arg<'_>; N]) -> io::Result<i64> {
    let mut words = [0_usize; 6];
    for (word, argument) in words.iter_mut().zip(arguments) {
        *word = match argument {
            // Sign-extended as the kernel expects it of an `int`.
            Arg::Number(number) => number.cast_unsigned() as usize,
            Arg::In(bytes) => bytes.as_ptr() as usize,
            Arg::Out(bytes) => bytes.as_mut_ptr() as usize,
        };
    }
    let [a, b, c, d, e, f] = words;
    // SAFETY: every pointer is that of a live slice of the caller, who passes its true length to the kernel; numbers are
    // never valid addresses, so the kernel answers `EFAULT` where it would follow one.
    let answer = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

/// As `call`, for calls that make a descriptor.
pub fn open<const N: usize>(number: libc::c_long, arguments: [Arg<'_>; N]) -> io::Result<OwnedFd> {
    let fd = call(number, arguments)?;
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel just made it, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A number of the kernel's as an argument.
pub fn number(value: impl Into<i64>) -> Arg<'static> {
    Arg::Number(value.into())
}

/// A descriptor as an argument.
pub fn fd(value: &impl AsRawFd) -> Arg<'static> {
    Arg::Number(value.as_raw_fd().into())
}

/// A call whose refusal is `EPERM`, `EACCES` or `ENOSYS`. Every other answer, also an error, shows that the kernel had no
/// objection: the arguments are chosen so that nothing happens then.
pub fn gate<T>(result: io::Result<T>) -> Attempt {
    match result {
        Ok(_) => Attempt::Succeeded("the kernel did it".to_owned()),
        Err(error) => match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => Attempt::Refused(brief(&error)),
            _ => Attempt::Succeeded(format!("the kernel had no objection ({})", brief(&error))),
        },
    }
}

/// A call that gives what was wanted, or did not work.
pub fn take<T>(result: io::Result<T>, what: &str) -> Attempt {
    match result {
        Ok(_) => Attempt::Succeeded(what.to_owned()),
        Err(error) => Attempt::Refused(brief(&error)),
    }
}

/// The kernel's words without its number.
pub fn brief(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// Ends the process without any of the parent's clearing up.
pub fn leave(code: i32) -> ! {
    // SAFETY: ends this process; nothing of it runs afterwards.
    unsafe { libc::_exit(code) }
}

/// A second process with the same memory. `None` in the new one.
pub fn fork() -> io::Result<Option<i32>> {
    // SAFETY: the program that attacks has one thread, so the child may do whatever its parent may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(pid)),
    }
}

/// What a shared memory segment holds.
pub fn shared_memory(id: i32) -> io::Result<Vec<u8>> {
    const MOST: usize = 64;
    // SAFETY: the kernel chooses an address where nothing else lies, and segments have at least a page; it is read here
    // only, before it is given back.
    unsafe {
        let start = libc::shmat(id, std::ptr::null(), libc::SHM_RDONLY);
        if start.addr() == usize::MAX {
            return Err(io::Error::last_os_error());
        }
        let bytes = std::slice::from_raw_parts(start.cast::<u8>(), MOST).to_vec();
        libc::shmdt(start);
        Ok(bytes)
    }
}

/// Fresh memory that nobody else has, with every page used. Given back when the process ends.
pub fn use_memory(bytes: usize) -> io::Result<()> {
    const PAGE: usize = 4_096;
    let (read_write, private) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, written within its length.
    unsafe {
        let start = libc::mmap(std::ptr::null_mut(), bytes, read_write, private, -1, 0);
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        for page in (0..bytes).step_by(PAGE) {
            start.cast::<u8>().add(page).write_volatile(1);
        }
    }
    Ok(())
}

/// Puts `bytes` at the beginning of a shared memory segment of a page or more.
pub fn write_shared_memory(id: i32, bytes: &[u8]) -> io::Result<()> {
    const PAGE: usize = 4_096;
    // SAFETY: as above; no more than a page is written.
    unsafe {
        let start = libc::shmat(id, std::ptr::null(), 0);
        if start.addr() == usize::MAX {
            return Err(io::Error::last_os_error());
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), start.cast::<u8>(), bytes.len().min(PAGE));
        libc::shmdt(start);
    }
    Ok(())
}
