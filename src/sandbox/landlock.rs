//! The kernel's path and signal rules for one command.

use super::world::World;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::fs::{FileType, fstat};
use std::{io, path::Path};

/// The newest rules that were tried out here; older kernels enforce what they know.
const ABI_KNOWN: ABI = ABI::V7;

/// Devices that every program expects. Read and write, no `ioctl`.
const DEVICES: &[&str] = &["/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero"];

/// Builds the rules. Done before the fork, so that the child only has to enter them.
pub fn rules(world: &World) -> Result<RulesetCreated, RulesetError> {
    let everything = AccessFs::from_all(ABI_KNOWN);
    // Data folders need no device nodes.
    let data = everything & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(everything)?
        // No port is ever allowed: all TCP is refused.
        .handle_access(AccessNet::from_all(ABI_KNOWN))?
        .scope(Scope::from_all(ABI_KNOWN))?
        .create()?;
    for path in world.writable() {
        ruleset = allow(ruleset, path, data)?;
    }
    for path in &world.readable {
        ruleset = allow(ruleset, path, AccessFs::from_read(ABI_KNOWN))?;
    }
    for path in DEVICES {
        ruleset = allow(ruleset, Path::new(path), device)?;
    }
    Ok(ruleset)
}

/// A path that is not there allows nothing.
fn allow(
    ruleset: RulesetCreated,
    path: &Path,
    rights: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    let Ok(fd) = PathFd::new(path) else {
        return Ok(ruleset);
    };
    let folder = fstat(&fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
    let rights = if folder { rights } else { rights & AccessFs::from_file(ABI_KNOWN) };
    ruleset.add_rule(PathBeneath::new(fd, rights))
}

/// Enters the rules for good. "Not enforced" is an error: nobody gets a wall on paper.
pub fn enter(rules: RulesetCreated) -> io::Result<()> {
    let status = rules.restrict_self().map_err(io::Error::other)?;
    match status.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
    }
}

/// Holds the caller's signals, for good, to itself and to what it starts from now on. False where the kernel cannot.
pub fn scope_signals() -> bool {
    let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement).scope(Scope::Signal);
    let entered = rules.and_then(Ruleset::create).and_then(RulesetCreated::restrict_self);
    entered.is_ok_and(|status| status.ruleset == RulesetStatus::FullyEnforced)
}

/// The kernel's Landlock version; 0 = none.
pub fn abi() -> u32 {
    const VERSION: u32 = 1;
    // SAFETY: with this flag the kernel only answers a number; it reads neither pointer nor size.
    let answer = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0_usize, VERSION)
    };
    u32::try_from(answer).unwrap_or(0)
}
