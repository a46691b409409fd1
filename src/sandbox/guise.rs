//! Whose rights a thread of the gateway has while it touches the files of an agent.
//!
//! The file tools run inside the gateway, which may be root. Checking owner and mode of every inode by hand would be a
//! second reading of rules that the kernel has: access lists, sticky folders, setgid folders, quotas, every folder on
//! the way. So the kernel is asked to hold the thread to them instead, as file servers do: the thread takes the file
//! system user of the profile and lays down all capabilities. What it makes then belongs to the profile from its birth,
//! and what the profile's commands could not read, write or pass, it cannot either. The file system user alone is
//! changed, not the effective one, so that no process of that user may signal or trace the gateway meanwhile.

use super::Owner;
use rustix::{
    process::{
        DumpableBehavior, Gid, Resource, Rlimit, getegid, geteuid, getgroups, set_dumpable_behavior,
        setrlimit,
    },
    thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_thread_groups},
};
use std::io;

/// Does `work` with no more rights than the agent's commands have: those of `owner`, or the gateway's own user without
/// root's privileges. All of it concerns this thread alone; `work` must not start threads or processes, which would keep
/// the rights for ever, and `work` may not wait for other tasks.
///
/// # Errors
///
/// The kernel refuses the change; then `work` was not done.
pub fn as_agent<T>(owner: Option<Owner>, work: impl FnOnce() -> T) -> io::Result<T> {
    let guise = Guise::take(owner)?;
    let done = work();
    drop(guise);
    Ok(done)
}

/// Whether this process may give files away and run commands as another user.
///
/// # Errors
///
/// Half a sentence that says what is missing; `None`: it is an ordinary user, and nobody expects it.
pub fn may_take(owner: Owner) -> Result<(), Option<String>> {
    let needed = [
        (CapabilitySet::CHOWN, "CAP_CHOWN"),
        (CapabilitySet::DAC_OVERRIDE, "CAP_DAC_OVERRIDE"),
        (CapabilitySet::FOWNER, "CAP_FOWNER"),
        (CapabilitySet::SETGID, "CAP_SETGID"),
        (CapabilitySet::SETUID, "CAP_SETUID"),
        (CapabilitySet::KILL, "CAP_KILL"),
    ];
    if !geteuid().is_root() {
        return Err(None);
    }
    let has = capabilities(None).map_err(|error| Some(error.to_string()))?.effective;
    let missing: Vec<&str> =
        needed.into_iter().filter(|(one, _)| !has.contains(*one)).map(|(_, name)| name).collect();
    if !missing.is_empty() {
        return Err(Some(format!("it runs as root without {}", missing.join(", "))));
    }
    as_agent(Some(owner), || ()).map_err(|error| {
        let Owner { uid, .. } = owner;
        Some(format!(
            "the user {uid} cannot be taken on here ({error}); in a container with a user namespace, set `profiles.uids` \
             to numbers that it maps"
        ))
    })
}

/// Keeps the memory of this process, and the keys in it, from other processes of its user and from core files. What it
/// starts begins anew: a helper is as open as its own program makes it.
///
/// # Errors
///
/// The kernel refuses, which no kernel that runs this program does.
pub fn close_to_others() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

/// The thread as it was; put back when dropped, also by a panic.
struct Guise {
    held: CapabilitySets,
    /// Where another user was taken on.
    groups: Option<Vec<Gid>>,
}

impl Guise {
    /// `None`: this thread has nothing to lay down.
    fn take(owner: Option<Owner>) -> io::Result<Option<Self>> {
        let held = capabilities(None)?;
        if owner.is_none() && held.effective.is_empty() {
            return Ok(None);
        }
        let groups = owner.map(|_| getgroups()).transpose()?;
        // From here on an error puts back what was changed so far.
        let guise = Self { held, groups };
        if let Some(Owner { uid, gid }) = owner {
            set_thread_groups(&[])?;
            set_fs_group(gid)?;
            set_fs_user(uid)?;
        }
        set_capabilities(None, CapabilitySets { effective: CapabilitySet::empty(), ..held })?;
        Ok(Some(guise))
    }

    fn put_back(&self) -> io::Result<()> {
        set_capabilities(None, self.held)?;
        if let Some(groups) = &self.groups {
            set_fs_user(geteuid().as_raw())?;
            set_fs_group(getegid().as_raw())?;
            set_thread_groups(groups)?;
            // The change of user took them; only now are they the thread's own again.
            set_capabilities(None, self.held)?;
        }
        Ok(())
    }
}

impl Drop for Guise {
    fn drop(&mut self) {
        if self.put_back().is_err() {
            // The next job of this thread would be done in the name of the wrong profile.
            std::process::abort();
        }
    }
}

/// The call has no error: what came of it is found by asking again with a number that is none.
fn set_fs_user(uid: u32) -> io::Result<()> {
    // SAFETY: changes and reads a number of this thread; touches no memory.
    let now = unsafe {
        libc::setfsuid(uid);
        libc::setfsuid(u32::MAX)
    };
    settled(now, uid)
}

fn set_fs_group(gid: u32) -> io::Result<()> {
    // SAFETY: as above.
    let now = unsafe {
        libc::setfsgid(gid);
        libc::setfsgid(u32::MAX)
    };
    settled(now, gid)
}

fn settled(now: libc::c_int, wanted: u32) -> io::Result<()> {
    if now.cast_unsigned() == wanted { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        os::unix::fs::{MetadataExt, PermissionsExt, chown},
    };

    const OWNER: Owner = Owner { uid: 12_345, gid: 12_346 };

    #[test]
    fn a_thread_has_the_agents_rights_for_the_time_of_its_work_only() {
        let dir = tempfile::tempdir().unwrap();
        let (open, sealed) = (dir.path().join("open"), dir.path().join("sealed"));
        fs::create_dir(&open).unwrap();
        fs::write(&sealed, "x").unwrap();
        fs::set_permissions(&sealed, fs::Permissions::from_mode(0o000)).unwrap();
        let readable = fs::read(&sealed).is_ok();
        as_agent(None, || fs::read(&sealed).unwrap_err()).unwrap();
        assert_eq!(fs::read(&sealed).is_ok(), readable, "what the thread could before it can again");
        if !geteuid().is_root() {
            // Not root: no other user can be taken on.
            as_agent(Some(OWNER), || ()).unwrap_err();
            return;
        }
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
        chown(&open, Some(OWNER.uid), Some(OWNER.gid)).unwrap();
        as_agent(Some(OWNER), || {
            fs::write(open.join("made"), "").unwrap();
            fs::write(dir.path().join("not"), "").unwrap_err();
            fs::read(&sealed).unwrap_err();
        })
        .unwrap();
        let made = fs::metadata(open.join("made")).unwrap();
        assert_eq!((made.uid(), made.gid()), (OWNER.uid, OWNER.gid));
        fs::read(&sealed).unwrap();
    }

    #[test]
    fn a_panic_puts_the_rights_back() {
        let dir = tempfile::tempdir().unwrap();
        let owner = geteuid().is_root().then_some(OWNER);
        let before = capabilities(None).unwrap();
        let panicked = std::panic::catch_unwind(|| as_agent(owner, || panic!("as intended")));
        assert!(panicked.is_err());
        fs::write(dir.path().join("made"), "").unwrap();
        assert_eq!(fs::metadata(dir.path().join("made")).unwrap().uid(), geteuid().as_raw());
        assert_eq!(capabilities(None).unwrap(), before);
    }
}
