//! Projects and their limits as the kernel knows them.

use super::Room;
use rustix::{
    io::Errno,
    ioctl::{Getter, Opcode, Setter, ioctl, opcode},
};
use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

/// The kernel counts in these.
const BLOCK: u64 = 1_024;

/// `struct fsxattr` of the kernel.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    pub flags: u32,
    extent_size: u32,
    extents: u32,
    pub project: u32,
    copy_extent_size: u32,
    unused: [u8; 8],
}

impl Attributes {
    /// The same with another project, and with these flags beside those that it has.
    pub const fn of(self, project: u32, more: u32) -> Self {
        Self { project, flags: self.flags | more, ..self }
    }
}

/// What is made in the folder gets its project: `FS_XFLAG_PROJINHERIT`.
pub const INHERIT: u32 = 0x200;
const GET: Opcode = opcode::read::<Attributes>(b'X', 31);
const SET: Opcode = opcode::write::<Attributes>(b'X', 32);

/// Calls by which the owner of a file changes its project, or whether a folder hands it on: `FS_IOC_SETFLAGS` and
/// `FS_IOC_FSSETXATTR`.
pub const LEAVING: [Opcode; 2] = [opcode::write::<libc::c_long>(b'f', 2), SET];

pub fn attributes(file: impl AsFd) -> rustix::io::Result<Attributes> {
    // SAFETY: the call fills a structure that is laid out like the kernel's, of integers alone.
    unsafe { ioctl(file, Getter::<GET, Attributes>::new()) }
}

pub fn set_attributes(file: impl AsFd, attributes: Attributes) -> rustix::io::Result<()> {
    // SAFETY: the call reads a structure that is laid out like the kernel's.
    unsafe { ioctl(file, Setter::<SET, Attributes>::new(attributes)) }
}

/// `struct if_dqblk` of the kernel.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    hard_blocks: u64,
    soft_blocks: u64,
    bytes: u64,
    hard_entries: u64,
    soft_entries: u64,
    pub entries: u64,
    block_grace: u64,
    entry_grace: u64,
    valid: u32,
}

impl Quota {
    pub const fn is_free(&self) -> bool {
        self.hard_blocks == 0 && self.hard_entries == 0 && self.bytes == 0 && self.entries == 0
    }
}

/// `struct fs_quota_statv` of the kernel; only its beginning is of interest.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct State {
    version: u8,
    unused: u8,
    flags: u16,
    rest: [u32; 39],
}

const PROJECTS: libc::c_int = 2;
const GET_QUOTA: libc::c_int = 0x80_0007;
const SET_QUOTA: libc::c_int = 0x80_0008;
/// `Q_XGETQSTATV`, which every file system with quotas answers.
const GET_STATE: libc::c_int = 0x5808;
/// Both hard limits are given.
const LIMITS: u32 = 1 | 4;
const PROJECTS_ENFORCED: u16 = 1 << 5;

/// Counting alone is no limit.
pub fn is_enforced(folder: &OwnedFd) -> bool {
    let mut state = State { version: 1, unused: 0, flags: 0, rest: [0; 39] };
    call(folder, GET_STATE, 0, &mut state).is_ok() && state.flags & PROJECTS_ENFORCED != 0
}

pub fn usage(folder: &OwnedFd, project: u32) -> io::Result<Quota> {
    let mut quota = Quota::default();
    match call(folder, GET_QUOTA, project, &mut quota) {
        // A project that nobody ever used, for XFS.
        Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => Ok(Quota::default()),
        other => other.map(|()| quota),
    }
}

pub fn limit(folder: &OwnedFd, project: u32, Room { bytes, entries }: Room) -> io::Result<()> {
    let mut quota = Quota {
        hard_blocks: bytes.div_ceil(BLOCK),
        hard_entries: entries,
        valid: LIMITS,
        ..Quota::default()
    };
    call(folder, SET_QUOTA, project, &mut quota)
}

fn call<T>(folder: &OwnedFd, command: libc::c_int, project: u32, value: &mut T) -> io::Result<()> {
    let command = libc::QCMD(command, PROJECTS);
    // SAFETY: each of the commands reads or fills the structure that goes with it, of integers alone, which outlives
    // the call.
    let done = unsafe {
        libc::syscall(libc::SYS_quotactl_fd, folder.as_raw_fd(), command, project, std::ptr::from_mut(value))
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structures_are_the_kernels() {
        assert_eq!((size_of::<Attributes>(), size_of::<Quota>(), size_of::<State>()), (28, 72, 160));
        assert_eq!(size_of::<Quota>(), size_of::<libc::dqblk>());
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        assert_eq!((GET, SET, LEAVING[0]), (0x801c_581f, 0x401c_5820, 0x4008_6602));
    }

    #[test]
    fn a_project_is_free_when_nothing_is_known_of_it() {
        assert!(Quota::default().is_free());
        for taken in [
            Quota { bytes: 1, ..Quota::default() },
            Quota { entries: 1, ..Quota::default() },
            Quota { hard_blocks: 1, ..Quota::default() },
        ] {
            assert!(!taken.is_free());
        }
    }
}
