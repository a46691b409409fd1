//! System calls that no command gets: those that the other walls do not cover, and those that only widen the kernel's
//! attack surface.

mod others;
mod sockets;

use super::{World, quota};
use crate::config::SandboxLevel;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    sock_filter,
};
use std::{collections::BTreeMap, io};

/// Refused with `EPERM`.
const REFUSED: &[libc::c_long] = &[
    // Into other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // Programs and buffers inside the kernel.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    // Keyrings belong to the user, not to the profile.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // Another view of the world.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    OPEN_TREE_ATTR,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    // The machine itself, for a gateway that runs as root.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
];

/// Newer than the list of the library; like all new calls it has one number everywhere.
const OPEN_TREE_ATTR: libc::c_long = 467;
/// The first call that was not looked at. Whatever a newer kernel adds is as unknown to commands as to this list; the x32
/// numbers, a second set for the same calls, lie far above.
const UNSEEN: u32 = 470;

/// Ways to type into somebody's terminal.
const TYPING: [u64; 2] = [libc::TIOCSTI, libc::TIOCLINUX];

/// Refused with `ENOSYS`: callers then take the older way. The flags of `clone3` lie in memory where a filter cannot
/// look; those of `clone` can be checked.
const UNKNOWN: &[libc::c_long] =
    &[libc::SYS_clone3, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

const NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// Filters ready to be entered.
pub struct Filters([BpfProgram; 2]);

impl Filters {
    pub fn new(world: &World) -> Result<Self, seccompiler::BackendError> {
        let mut refused = calls(REFUSED);
        let mut namespaces = Vec::new();
        for bit in 0..32 {
            let flag = 1_u64 << bit;
            if NAMESPACES.cast_unsigned() & (1 << bit) != 0 {
                let set = SeccompCmpOp::MaskedEq(flag);
                let condition = SeccompCondition::new(0, SeccompCmpArgLen::Qword, set, flag)?;
                namespaces.push(SeccompRule::new(vec![condition])?);
            }
        }
        refused.insert(libc::SYS_clone, namespaces);
        let leaving = quota::LEAVING.map(u64::from);
        let requests = TYPING.iter().chain(&leaving).map(|&request| {
            let same = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, request)?;
            SeccompRule::new(vec![same])
        });
        refused.insert(libc::SYS_ioctl, requests.collect::<Result<_, _>>()?);
        refused.extend(sockets::refused(world)?);
        if world.level < SandboxLevel::Strict {
            refused.extend(others::refused()?);
        }
        Ok(Self([compile(calls(UNKNOWN), libc::ENOSYS)?, compile(refused, libc::EPERM)?]))
    }

    /// For good, and for all children. Needs no privilege after `no_new_privs`, which the caller sets or leaves out.
    pub fn enter(&self) -> io::Result<()> {
        self.0.iter().try_for_each(|program| {
            let len = u16::try_from(program.len()).map_err(io::Error::other)?;
            let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut().cast() };
            // SAFETY: the kernel reads `len` instructions of four members each, which is how both types are laid out.
            let done = unsafe {
                libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
            };
            if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
        })
    }
}

fn calls(numbers: &[libc::c_long]) -> BTreeMap<i64, Vec<SeccompRule>> {
    numbers.iter().map(|&number| (number, Vec::new())).collect()
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    errno: libc::c_int,
) -> Result<BpfProgram, seccompiler::BackendError> {
    let refuse = SeccompAction::Errno(errno.cast_unsigned());
    let arch = std::env::consts::ARCH.try_into()?;
    let mut program: BpfProgram =
        SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)?.try_into()?;
    program.splice(0..0, without_unseen());
    Ok(program)
}

/// By range, and ahead of the list, which compares for equality.
fn without_unseen() -> [sock_filter; 3] {
    const LOAD_WORD: u16 = 0x20;
    const JUMP_GREATER_OR_EQUAL: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const REFUSE: u32 = 0x0005_0000;
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    [
        step(LOAD_WORD, 0, 0, 0),
        step(JUMP_GREATER_OR_EQUAL, 0, 1, UNSEEN),
        step(RETURN, 0, 0, REFUSE | libc::ENOSYS.cast_unsigned()),
    ]
}
