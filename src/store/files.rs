//! Files and folders of the store: private to their owner, and on disk when we say so.

use super::StoreError;
use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Whether the disk is known to have fewer bytes left for us.
pub(super) fn has_less_than(dir: &Path, bytes: u64) -> bool {
    rustix::fs::statvfs(dir).is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) < bytes)
}

/// Makes a folder, and those above it, for the owner alone.
pub(super) fn create_dir(path: &Path) -> Result<(), StoreError> {
    named(path, DirBuilder::new().recursive(true).mode(0o700).create(path))
}

pub(super) fn open_rw(path: &Path) -> Result<File, StoreError> {
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    named(path, open)
}

/// Replaces a file whole: a crash leaves the old content or the new one.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let aside = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&aside, path)
    };
    named(path, write())?;
    sync_parent(path)
}

/// Renames, and makes sure that the disk knows the new name.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    named(from, fs::rename(from, to))?;
    sync_parent(to)
}

/// A new name is on disk only when its folder is.
pub(super) fn sync_parent(path: &Path) -> Result<(), StoreError> {
    path.parent().map_or(Ok(()), sync_dir)
}

pub(super) fn sync_dir(path: &Path) -> Result<(), StoreError> {
    named(path, File::open(path).and_then(|dir| dir.sync_all()))
}

/// Removes a folder with all in it; one that is not there is fine.
pub(super) fn remove_dir(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => named(path, Err(cause)),
        Err(_) | Ok(()) => Ok(()),
    }
}

/// Takes the rights of others from what another library made in `dir`.
pub(super) fn make_private(dir: &Path) -> Result<(), StoreError> {
    let walk = || -> io::Result<()> {
        fs::set_permissions(dir, Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let mode = if entry.file_type()?.is_dir() { 0o700 } else { 0o600 };
            fs::set_permissions(entry.path(), Permissions::from_mode(mode))?;
        }
        Ok(())
    };
    named(dir, walk())
}

/// Removes the files of a folder whose names end so.
pub(super) fn remove_named(folder: &Path, end: &str) -> Result<(), StoreError> {
    for entry in named(folder, fs::read_dir(folder))? {
        let entry = named(folder, entry)?;
        if entry.file_name().as_encoded_bytes().ends_with(end.as_bytes()) {
            named(folder, fs::remove_file(entry.path()))?;
        }
    }
    Ok(())
}

/// Puts the last part of the path into an I/O error: enough to find it, and no tenant's home in a message.
pub(super) fn named<T>(path: &Path, result: io::Result<T>) -> Result<T, StoreError> {
    result.map_err(|cause| {
        let name = path.file_name().unwrap_or(path.as_os_str());
        StoreError::io(&name.to_string_lossy(), &cause)
    })
}

/// A file that takes what is written to it, and confirms no fsync.
#[cfg(test)]
pub(super) fn unconfirming() -> File {
    File::options().read(true).write(true).open("/dev/null").unwrap()
}
