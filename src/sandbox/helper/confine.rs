//! What takes rights away from a process, and cannot be undone by it or by what it starts.

use crate::{
    config::SandboxLevel,
    sandbox::{Owner, Wall, World, landlock, seccomp::Filters},
};
use ::landlock::RulesetCreated;
use rustix::{
    process::{Gid, Uid, geteuid},
    thread::{
        CapabilitiesSecureBits, CapabilitySet, CapabilitySets, clear_ambient_capability_set,
        configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
        set_capabilities_secure_bits, set_no_new_privs, set_thread_groups, set_thread_res_gid,
        set_thread_res_uid,
    },
};
use std::io;

/// What becomes of root's rights, or of those that a user namespace gives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Capabilities {
    Drop,
    /// As a start of a program leaves them.
    Leave,
    /// For the world without this wall: what the caller has outlives the start of a program.
    Raise,
}

/// Everything prepared, so that only system calls are left to make.
pub struct Confinement {
    no_new_privs: bool,
    capabilities: Capabilities,
    rules: Option<RulesetCreated>,
    filters: Option<Filters>,
    /// Whom to become; `None` when the caller is that user already.
    owner: Option<Owner>,
}

impl Confinement {
    /// To be called by whoever may open all the paths of `world`, and in its view.
    pub fn prepare(world: &World, owner: Option<Owner>) -> io::Result<Self> {
        let confined = world.level > SandboxLevel::None;
        let has = |wall| confined && world.has(wall);
        let rules = || landlock::rules(world);
        let filters = || Filters::new(world).map_err(io::Error::other);
        Ok(Self {
            no_new_privs: world.has(Wall::NoNewPrivs),
            capabilities: match (confined, world.has(Wall::Capabilities)) {
                (false, _) => Capabilities::Leave,
                (true, true) => Capabilities::Drop,
                (true, false) => Capabilities::Raise,
            },
            rules: has(Wall::Landlock).then(rules).transpose()?,
            filters: has(Wall::Seccomp).then(filters).transpose()?,
            owner,
        })
    }

    /// In this order every wall can be entered although a later one would forbid it, and also without
    /// `no_new_privs` by a caller that has its rights still.
    pub fn enter(&mut self) -> io::Result<()> {
        if self.no_new_privs {
            set_no_new_privs(true)?;
        }
        if let Some(rules) = self.rules.take() {
            landlock::enter(rules)?;
        }
        if let Some(filters) = &self.filters {
            filters.enter()?;
        }
        if self.capabilities == Capabilities::Drop {
            shut_capabilities();
        }
        if let Some(owner) = self.owner {
            become_user(owner)?;
        }
        match self.capabilities {
            Capabilities::Drop => drop_capabilities(),
            Capabilities::Leave => Ok(()),
            Capabilities::Raise => raise_capabilities(),
        }
    }
}

/// A new session keyring: namespaces do not part the old one. Best effort, since some containers refuse it and the
/// filter refuses all keyring calls anyway.
pub fn leave_keyring() {
    let join = libc::KEYCTL_JOIN_SESSION_KEYRING;
    // SAFETY: a null name asks for a new, unnamed keyring; the kernel reads no memory of ours.
    unsafe { libc::syscall(libc::SYS_keyctl, join, std::ptr::null::<libc::c_char>()) };
}

/// Becomes another user for good. Needs root's rights.
pub fn become_user(owner: Owner) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    // Of this thread alone, which is the only one.
    set_thread_groups(&[])?;
    set_thread_res_gid(Some(gid), Some(gid), Some(gid))?;
    set_thread_res_uid(Some(uid), Some(uid), Some(uid))?;
    if geteuid() == uid { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EPERM)) }
}

/// Root's commands are those of an ordinary user with number 0: modes and owners hold for them, and Landlock has no rule
/// for `chown` nor for what lies outside the file system.
///
/// Running a program would give root everything back, up to the bounding set; that set is emptied, and where this root
/// may not do so `no_new_privs` (set before) holds the program to what its caller had: nothing.
fn shut_capabilities() {
    let _ = clear_ambient_capability_set();
    let held = rustix::thread::capabilities(None).map(|sets| sets.permitted);
    for capability in CapabilitySet::all().iter() {
        // Fails for those that this kernel does not know, and all at once for an ordinary user.
        if remove_capability_from_bounding_set(capability).is_err()
            && held.is_ok_and(|held| !held.contains(CapabilitySet::SETPCAP))
        {
            break;
        }
    }
    // Uid 0 means nothing more, for good. For those who may say so; the others have nothing to lose.
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED;
    let _ = set_capabilities_secure_bits(bits);
}

fn drop_capabilities() -> io::Result<()> {
    let none = CapabilitySet::empty();
    Ok(set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?)
}

fn raise_capabilities() -> io::Result<()> {
    let mut sets = rustix::thread::capabilities(None)?;
    sets.inheritable = sets.permitted;
    set_capabilities(None, sets)?;
    for capability in sets.permitted.iter() {
        let _ = configure_capability_in_ambient_set(capability, true);
    }
    Ok(())
}
