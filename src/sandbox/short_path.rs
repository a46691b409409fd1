//! Paths of sockets, which an address has 108 bytes for.

use rustix::fs::{Mode, OFlags};
use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
};

/// Makes a directory name that fits into a socket's address, however long the real path is: a descriptor of the
/// folder, spoken through `/proc`.
#[derive(Debug)]
pub struct ShortPath(OwnedFd);

impl ShortPath {
    /// # Errors
    /// The folder cannot be opened.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(folder, flags, Mode::empty())?))
    }

    /// The way to `name` in the folder; good while `self` lives.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        Path::new(&format!("/proc/self/fd/{}", self.0.as_raw_fd())).join(name)
    }

    /// Does something with a path of a socket: with itself where it fits into an address.
    ///
    /// # Errors
    /// The folder cannot be opened, or what is done fails.
    pub fn with<R>(path: &Path, what: impl FnOnce(&Path) -> io::Result<R>) -> io::Result<R> {
        const FITS: usize = 107;
        let parts = path.parent().zip(path.file_name());
        match parts.filter(|_| path.as_os_str().len() > FITS) {
            Some((folder, name)) => what(&Self::of(folder)?.join(name)),
            None => what(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_socket_may_lie_deeper_than_an_address_is_long() {
        let dir = tempfile::tempdir().unwrap();
        for folder in [dir.path().to_owned(), dir.path().join("long-".repeat(40)).join("longer-".repeat(20))]
        {
            std::fs::create_dir_all(&folder).unwrap();
            let path = folder.join("daemon.sock");
            let _listener = ShortPath::with(&path, |path| UnixListener::bind(path)).unwrap();
            assert!(path.exists());
            ShortPath::with(&path, |path| UnixStream::connect(path)).unwrap();
        }
    }
}
