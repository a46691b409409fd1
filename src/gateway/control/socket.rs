//! Names and places of control sockets.

use crate::{gateway::run_dir::RunDir, sandbox::ShortPath};
use std::{
    fs::Permissions,
    io,
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
};

/// Gateways of one process in one home: more than a test needs.
const PER_PROCESS: usize = 16;

/// A bound socket; its file goes with it.
#[derive(Debug)]
pub struct Bound {
    pub listener: UnixListener,
    pub file: SocketFile,
}

/// Removes the socket's file when dropped.
#[derive(Debug)]
pub struct SocketFile(std::path::PathBuf);

impl SocketFile {
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Already gone, or the home is: nobody can be misled by it.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Binds this process's socket, and clears away those of processes that are gone.
///
/// # Errors
/// The folder is not there or cannot be written.
pub fn bind(run: &RunDir) -> io::Result<Bound> {
    let folder = ShortPath::of(run.path())?;
    clear_stale(run, &folder)?;
    let pid = std::process::id();
    for number in 0..PER_PROCESS {
        let name = if number == 0 { format!("{pid}.sock") } else { format!("{pid}.{number}.sock") };
        match UnixListener::bind(folder.join(&name)) {
            Ok(listener) => {
                let file = SocketFile(run.path().join(&name));
                // The folder is closed to others already; this is the second lock.
                std::fs::set_permissions(&file.0, Permissions::from_mode(0o600))?;
                return Ok(Bound { listener, file });
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("this process has too many control sockets"))
}

/// The sockets of the folder whose gateways answer; `of` narrows to one process.
///
/// # Errors
/// The folder cannot be read. That it does not exist is no error: no gateway ever ran here.
pub fn connect_all(run: &RunDir, of: Option<u32>) -> io::Result<Vec<UnixStream>> {
    connect(run, |pid| of.is_none_or(|of| of == pid))
}

/// As [`connect_all`], without those of this process.
///
/// # Errors
/// As [`connect_all`].
pub fn connect_others(run: &RunDir) -> io::Result<Vec<UnixStream>> {
    connect(run, |pid| pid != std::process::id())
}

fn connect(run: &RunDir, wanted: impl Fn(u32) -> bool) -> io::Result<Vec<UnixStream>> {
    let names = names(run)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let folder = ShortPath::of(run.path())?;
    let wanted = names.iter().filter(|(pid, _)| wanted(*pid));
    Ok(wanted.filter_map(|(_, name)| UnixStream::connect(folder.join(name)).ok()).collect())
}

fn clear_stale(run: &RunDir, folder: &ShortPath) -> io::Result<()> {
    for (pid, name) in names(run)? {
        // Between its `bind` and its `listen` a living gateway refuses too: only the dead, and our own number left by
        // an earlier process (in a container it is the same at each start), are cleared.
        let gone = pid == std::process::id() || !is_alive(pid);
        let refuses = || {
            let refused = UnixStream::connect(folder.join(&name)).err();
            refused.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        };
        if gone && refuses() {
            std::fs::remove_file(run.path().join(&name))?;
        }
    }
    Ok(())
}

/// Process and file name of each socket, sorted.
fn names(run: &RunDir) -> io::Result<Vec<(u32, String)>> {
    let entries = match std::fs::read_dir(run.path()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let Ok(name) = entry?.file_name().into_string() else {
            continue;
        };
        let pid = name.strip_suffix(".sock").and_then(|stem| stem.split('.').next()?.parse().ok());
        names.extend(pid.map(|pid| (pid, name)));
    }
    names.sort();
    Ok(names)
}

fn is_alive(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else {
        return false;
    };
    // Not permitted: it is somebody else's, but it is there.
    !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockets(run: &RunDir) -> Vec<String> {
        names(run).unwrap().into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn a_home_with_a_long_path_has_a_socket_all_the_same() {
        let base = tempfile::tempdir().unwrap();
        let home = base.path().join("a-long-name/".repeat(20));
        std::fs::create_dir_all(&home).unwrap();
        let run = RunDir::open(&home).unwrap();
        let bound = bind(&run).unwrap();
        let mode = std::fs::metadata(&bound.file.0).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(connect_all(&run, None).unwrap().len(), 1);
        assert_eq!(connect_all(&run, Some(std::process::id())).unwrap().len(), 1);
        assert_eq!(connect_all(&run, Some(1)).unwrap().len(), 0);
        drop(bound);
        assert_eq!(sockets(&run), [""; 0], "the file goes with the socket");
    }

    #[test]
    fn sockets_of_the_dead_are_cleared_and_those_of_the_living_are_not() {
        let home = tempfile::tempdir().unwrap();
        let run = RunDir::open(home.path()).unwrap();
        let own = std::process::id();
        let leave = |name: String| drop(UnixListener::bind(run.path().join(name)).unwrap());
        // No process has the greatest number that a pid can have; process 1 lives.
        leave(format!("{}.sock", i32::MAX));
        leave(format!("{own}.sock"));
        leave("1.sock".to_owned());
        std::fs::write(run.path().join("secret"), "not a socket").unwrap();

        let first = bind(&run).unwrap();
        let second = bind(&run).unwrap();
        assert_eq!(sockets(&run), ["1.sock".to_owned(), format!("{own}.1.sock"), format!("{own}.sock")]);
        assert_eq!(connect_all(&run, None).unwrap().len(), 2);
        drop((first, second));
    }
}
