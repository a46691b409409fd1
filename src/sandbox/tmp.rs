//! The temporary folder of a session: `/tmp/hermes-PROFILE-HASH/HASH`, private, removed when unused for a day.

use super::{Owner, handover::hand_over, remove::remove_folder};
use crate::domain::SessionId;
use rustix::{
    fs::{CWD, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, fchmod, fstat, futimens, mkdirat, openat},
    io::Errno,
    process::geteuid,
};
use std::{
    fs, io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// For giving the files of one session to another user, after a change of users.
const PATIENCE: Duration = Duration::from_secs(5);
const UNUSED: Duration = Duration::from_hours(24);

/// Where the folder of a session lies. The root's hash keeps two homes with a profile of the same name apart.
#[must_use]
pub fn session_tmp(profile: &str, root: &Path, session: &SessionId) -> PathBuf {
    let name = blake3::hash(session.as_str().as_bytes()).to_hex();
    profile_tmp(profile, root).join(&name[..32])
}

/// Removes the folders of sessions that were last used 24 hours before `now`. Returns how many. Blocking.
///
/// # Errors
///
/// The profile's folder cannot be read, or is not ours. A folder that cannot be removed is left for the next time.
pub fn clean_tmp(profile: &str, root: &Path, now: SystemTime) -> io::Result<usize> {
    let base = profile_tmp(profile, root);
    match private(&base) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    }
    let mut removed = 0;
    for entry in fs::read_dir(&base)?.flatten() {
        let used = entry.metadata().and_then(|data| data.modified());
        if used.is_ok_and(|used| now.duration_since(used).is_ok_and(|age| age >= UNUSED)) {
            // Out of the way first: a session that comes back at this moment makes a new folder.
            let aside = base.join(format!("removed-{}", entry.file_name().display()));
            let moved = fs::rename(entry.path(), &aside);
            removed += usize::from(moved.and_then(|()| remove_folder(&aside)).is_ok());
        }
    }
    Ok(removed)
}

/// Removes the folders of all sessions of a profile that is no more. Blocking.
///
/// # Errors
///
/// The profile's folder is not ours, or cannot be removed.
pub fn remove_tmp(profile: &str, root: &Path) -> io::Result<()> {
    let base = profile_tmp(profile, root);
    match private(&base).and_then(|_ours| remove_folder(&base)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Err(_) | Ok(()) => Ok(()),
    }
}

/// Makes the folder when it is missing, gives it to `owner`, and marks it as used.
pub(super) fn ensure(dir: &Path, owner: Option<Owner>) -> io::Result<OwnedFd> {
    let base = dir.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let name = dir.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    make(CWD, base)?;
    let base = private(base)?;
    if owner.is_some() {
        // Without the strict wall its user walks this path; the names in it cannot be guessed.
        fchmod(&base, Mode::from_raw_mode(0o711))?;
    }
    make(&base, Path::new(name))?;
    let fd = open(&base, Path::new(name))?;
    // Ours until now, or another user's from before: what lies in a folder of ours was made by this profile.
    if hand_over(&fd, owner.unwrap_or_else(Owner::gateway), PATIENCE)?.unfinished {
        return Err(io::Error::other("it has more files than can be given to its user; delete it"));
    }
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    futimens(&fd, &Timestamps { last_access: now, last_modification: now })?;
    Ok(fd)
}

/// A fresh private folder for a trial.
pub(super) fn scratch() -> io::Result<PathBuf> {
    let dir = Path::new("/tmp").join(format!("hermes-trial-{}", uuid::Uuid::now_v7().simple()));
    mkdirat(CWD, &dir, Mode::RWXU)?;
    Ok(dir)
}

/// The folder with the temporary folders of all sessions of a profile.
#[must_use]
pub fn profile_tmp(profile: &str, root: &Path) -> PathBuf {
    let hash = blake3::hash(root.as_os_str().as_encoded_bytes()).to_hex();
    Path::new("/tmp").join(format!("hermes-{profile}-{}", &hash[..8]))
}

fn make(above: impl AsFd, dir: &Path) -> io::Result<()> {
    match mkdirat(above, dir, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn open(above: impl AsFd, dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(above, dir, flags, Mode::empty())?)
}

/// Everybody may write to `/tmp`: whoever was there first may have left a link or a folder of their own.
fn private(dir: &Path) -> io::Result<OwnedFd> {
    let fd = open(CWD, dir)?;
    let stat = fstat(&fd)?;
    // Others may be able to pass it, no more: see `ensure`.
    if stat.st_uid == geteuid().as_raw() && stat.st_mode & 0o066 == 0 {
        return Ok(fd);
    }
    let text = format!("`{}` belongs to somebody else or is open to others", dir.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn session(name: &str) -> SessionId {
        SessionId::parse(name).unwrap()
    }

    /// A root of its own per test: the folder's name hangs on it.
    fn root() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn folders_differ_by_profile_root_and_session() {
        let one = session_tmp("alice", Path::new("/a"), &session("s"));
        assert_ne!(one, session_tmp("bob", Path::new("/a"), &session("s")));
        assert_ne!(one, session_tmp("alice", Path::new("/b"), &session("s")));
        assert_ne!(one, session_tmp("alice", Path::new("/a"), &session("t")));
    }

    #[test]
    fn a_folder_is_private_and_outlives_a_day_of_use_only() {
        let root = root();
        let dir = session_tmp("alice", root.path(), &session("s"));
        ensure(&dir, None).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(dir.join("file"), "x").unwrap();
        let now = SystemTime::now();
        assert_eq!(clean_tmp("alice", root.path(), now + Duration::from_hours(23)).unwrap(), 0);
        assert!(dir.join("file").exists());
        assert_eq!(clean_tmp("alice", root.path(), now + Duration::from_hours(25)).unwrap(), 1);
        assert!(!dir.exists());
        fs::remove_dir(dir.parent().unwrap()).unwrap();
    }

    #[test]
    fn all_folders_of_a_profile_go_with_it() {
        let root = root();
        let dirs = ["s", "t"].map(|name| session_tmp("alice", root.path(), &session(name)));
        let bobs = session_tmp("bob", root.path(), &session("s"));
        for dir in dirs.iter().chain([&bobs]) {
            ensure(dir, None).unwrap();
            fs::write(dir.join("file"), "x").unwrap();
        }
        remove_tmp("alice", root.path()).unwrap();
        assert!(!dirs[0].parent().unwrap().exists());
        assert!(bobs.join("file").exists());
        remove_tmp("alice", root.path()).expect("none is fine");
        remove_tmp("bob", root.path()).unwrap();
    }

    #[test]
    fn what_somebody_else_prepared_is_refused() {
        let root = root();
        let dir = session_tmp("mallory", root.path(), &session("s"));
        let base = dir.parent().unwrap();
        symlink(root.path(), base).unwrap();
        ensure(&dir, None).unwrap_err();
        remove_tmp("mallory", root.path()).unwrap_err();
        assert!(root.path().exists(), "a link is not followed");
        fs::remove_file(base).unwrap();
        fs::create_dir(base).unwrap();
        fs::set_permissions(base, fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(ensure(&dir, None).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        fs::remove_dir(base).unwrap();
    }
}
