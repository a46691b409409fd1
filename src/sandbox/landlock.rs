//! The kernel's path, port and signal rules for one command.

use super::{Network, Wall, World};
use crate::config::SandboxLevel;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::fs::{FileType, fstat};
use std::{io, path::Path};

/// The newest rules that were tried out here; older kernels enforce what they know.
const ABI_KNOWN: ABI = ABI::V7;

/// Devices that every program expects. Read and write, no `ioctl`.
const DEVICES: &[&str] = &["/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero"];
/// Terminals that exist only inside: these are nothing without `ioctl`.
const TERMINALS: &[&str] = &["/dev/pts", "/dev/tty"];

/// Builds the rules. Done before they are entered, by whoever can open all the paths.
///
/// # Errors
///
/// The kernel refuses, or a folder is not the one that the gateway meant by its name.
pub fn rules(world: &World) -> io::Result<RulesetCreated> {
    let ruleset = general(world).map_err(io::Error::other)?;
    of_folders(ruleset, world)
}

fn general(world: &World) -> Result<RulesetCreated, RulesetError> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI_KNOWN))?;
    let ruleset =
        if ports_are_ruled(world) { ruleset.handle_access(AccessNet::from_all(ABI_KNOWN))? } else { ruleset };
    let mut ruleset = ruleset.scope(Scope::from_all(ABI_KNOWN))?.create()?;
    if let Network::Bridge { port } = world.network
        && ports_are_ruled(world)
    {
        ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    Ok(ruleset)
}

fn of_folders(mut ruleset: RulesetCreated, world: &World) -> io::Result<RulesetCreated> {
    // Data folders need no device nodes.
    let data =
        AccessFs::from_all(ABI_KNOWN) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let read = AccessFs::from_read(ABI_KNOWN);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    let allow = |ruleset, path: &Path, rights| allow(ruleset, world, path, rights);
    if view_is_built(world) {
        // What is there was put there to be read.
        ruleset = allow(ruleset, Path::new("/"), read)?;
        ruleset = allow(ruleset, Path::new("/tmp"), data)?;
        ruleset = allow(ruleset, Path::new("/dev/shm"), data)?;
        for path in TERMINALS {
            ruleset = allow(ruleset, Path::new(path), device | AccessFs::IoctlDev)?;
        }
    } else {
        for path in &world.readable {
            ruleset = allow(ruleset, path, read)?;
        }
    }
    for path in world.writable() {
        ruleset = allow(ruleset, path, data)?;
    }
    for path in DEVICES {
        ruleset = allow(ruleset, Path::new(path), device)?;
    }
    Ok(ruleset)
}

/// In a network of its own a command may do what it likes: test servers are everyday work.
fn ports_are_ruled(world: &World) -> bool {
    let alone = world.level >= SandboxLevel::Strict && world.has(Wall::NetNamespace);
    !alone && world.network != Network::Full
}

fn view_is_built(world: &World) -> bool {
    world.level >= SandboxLevel::Strict && world.has(Wall::MountView)
}

/// A path that is not there allows nothing.
fn allow(
    ruleset: RulesetCreated,
    world: &World,
    path: &Path,
    rights: BitFlags<AccessFs>,
) -> io::Result<RulesetCreated> {
    let Ok(fd) = PathFd::new(path) else {
        return Ok(ruleset);
    };
    if !world.is_known(path, &fd) {
        let text = format!("`{}` is not the folder any more that the gateway opened", path.display());
        return Err(io::Error::other(text));
    }
    let folder = fstat(&fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
    let rights = if folder { rights } else { rights & AccessFs::from_file(ABI_KNOWN) };
    ruleset.add_rule(PathBeneath::new(fd, rights)).map_err(io::Error::other)
}

/// Enters the rules for good. "Not enforced" is an error: nobody gets a wall on paper.
pub fn enter(rules: RulesetCreated) -> io::Result<()> {
    // `no_new_privs` is set, or left out, by the caller.
    let status = rules.no_new_privs(false).restrict_self().map_err(io::Error::other)?;
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
