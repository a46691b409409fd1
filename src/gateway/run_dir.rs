//! `HOME/run`: what the processes of one home share with each other and with nobody else.
//!
//! The folder is 0700 and lies in no tenant's view of the file system.

use crate::{config::Secret, domain::ProfileName, store::Wake};
use rustix::fs::{AtFlags, CWD};
use std::{
    fs::{DirBuilder, OpenOptions, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

const SECRET_LENGTH: usize = 32;

/// The folder, made and closed to others.
#[derive(Debug, Clone)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// Makes the folder if it is not there, and closes it to others.
    ///
    /// # Errors
    /// The home does not exist or cannot be written.
    pub fn open(home: &Path) -> io::Result<Self> {
        let path = home.join("run");
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                std::fs::set_permissions(&path, Permissions::from_mode(0o700))?;
            }
            made => made?,
        }
        Ok(Self(path))
    }

    /// The folder as it is; it need not exist. For those who only ask.
    #[must_use]
    pub fn at(home: &Path) -> Self {
        Self(home.join("run"))
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The key of the fast hashes of the home's credentials; made at the first start.
    ///
    /// # Errors
    /// The file cannot be read or made, or is not what was written: a new one would make every issued key useless, so
    /// none is made. For the same reason none is made when the file is missing while stores of the home hold keys.
    pub fn home_secret(&self) -> io::Result<Arc<[u8; SECRET_LENGTH]>> {
        let path = self.0.join("secret");
        let keyed = if path.exists() { Vec::new() } else { self.keyed_profiles()? };
        // Looked at again: another process may just have made it, and a key with it.
        if let Some(first) = keyed.first()
            && !path.exists()
        {
            return Err(io::Error::other(format!(
                "{} is missing, and keys of {} were made with it: none of them would be accepted any more. Put the \
                 file back from a backup of the home. If it is lost, revoke those keys (`hermes -p {first} key list` \
                 shows them, `hermes -p {first} key revoke ID` revokes one); the next start then makes a new file, and \
                 a new key for each profile that has none",
                path.display(),
                keyed.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
            )));
        }
        Ok(Arc::new(self.random_file("secret")?))
    }

    /// The profiles whose stores hold valid keys, by what their side files say: of all the home, since all of it
    /// shares the secret.
    fn keyed_profiles(&self) -> io::Result<Vec<String>> {
        let Some(home) = self.0.parent() else { return Ok(Vec::new()) };
        let holds_keys = |root: &Path| Wake::read(&root.join("state")).is_some_and(|wake| wake.keys > 0);
        let mut keyed = Vec::new();
        if holds_keys(home) {
            keyed.push(ProfileName::home().to_string());
        }
        let entries = match std::fs::read_dir(home.join("profiles")) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(keyed),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            // Folders of other names (a profile that is being deleted) are none of the home's profiles.
            let name = entry.file_name().to_str().and_then(|name| ProfileName::parse(name).ok());
            keyed.extend(name.filter(|_| holds_keys(&entry.path())).map(|name| name.to_string()));
        }
        keyed.sort();
        Ok(keyed)
    }

    /// What a client of a control socket must know.
    ///
    /// # Errors
    /// As [`RunDir::home_secret`].
    pub fn control_token(&self) -> io::Result<Secret> {
        let bytes = self.random_file("control.token")?;
        Ok(Secret::new(blake3::Hash::from_bytes(bytes).to_hex().as_str()))
    }

    fn random_file(&self, name: &str) -> io::Result<[u8; SECRET_LENGTH]> {
        let path = self.0.join(name);
        if let Some(bytes) = read_exactly(&path)? {
            return Ok(bytes);
        }
        let mut bytes = [0; SECRET_LENGTH];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        // Written aside and linked: two processes that start at once agree on one content, and a crash leaves no half.
        let aside = self.0.join(format!(".{name}.{}", uuid::Uuid::now_v7().simple()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        let linked = rustix::fs::linkat(CWD, &aside, CWD, &path, AtFlags::empty());
        std::fs::remove_file(&aside)?;
        match linked {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        std::fs::File::open(&self.0)?.sync_all()?;
        read_exactly(&path)?.ok_or_else(|| io::Error::other(format!("{} vanished", path.display())))
    }
}

/// `None`: there is no such file.
fn read_exactly(path: &Path) -> io::Result<Option<[u8; SECRET_LENGTH]>> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(SECRET_LENGTH as u64 + 1).read_to_end(&mut bytes)?;
    let wrong = |bytes: Vec<u8>| {
        io::Error::other(format!("{} should hold {SECRET_LENGTH} bytes, not {}", path.display(), bytes.len()))
    };
    bytes.try_into().map(Some).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_made_once_and_are_for_the_owner_only() {
        let home = tempfile::tempdir().unwrap();
        let run = RunDir::open(home.path()).unwrap();
        let first = run.home_secret().unwrap();
        assert_eq!(RunDir::open(home.path()).unwrap().home_secret().unwrap(), first);
        assert_ne!(run.control_token().unwrap().reveal().as_bytes(), &first[..]);
        let mode =
            |name: &str| std::fs::metadata(home.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!([mode("run"), mode("run/secret"), mode("run/control.token")], [0o700, 0o600, 0o600]);
        let names: Vec<_> =
            std::fs::read_dir(run.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "nothing is left aside: {names:?}");
    }

    #[test]
    fn a_lost_secret_is_not_replaced_while_keys_depend_on_it() {
        let home = tempfile::tempdir().unwrap();
        let run = RunDir::open(home.path()).unwrap();
        let state = home.path().join("profiles/bob/state");
        std::fs::create_dir_all(&state).unwrap();
        let wake = |keys: usize| {
            let wake = Wake { keys, ..Wake::default() };
            std::fs::write(state.join("wake"), serde_json::to_vec(&wake).unwrap()).unwrap();
        };
        wake(1);
        let refused = run.home_secret().unwrap_err().to_string();
        assert!(refused.contains("run/secret is missing") && refused.contains("`bob`"), "{refused}");
        assert!(!run.path().join("secret").exists());
        wake(0);
        let made = run.home_secret().unwrap();
        wake(1);
        assert_eq!(run.home_secret().unwrap(), made, "a file that is there is never in question");
    }

    #[test]
    fn many_that_start_at_once_agree() {
        let home = tempfile::tempdir().unwrap();
        let run = RunDir::open(home.path()).unwrap();
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| run.home_secret().unwrap())).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    }

    #[test]
    fn a_file_of_the_wrong_length_is_refused_not_replaced() {
        let home = tempfile::tempdir().unwrap();
        let run = RunDir::open(home.path()).unwrap();
        for wrong in [&[][..], &[1; 31], &[1; 33]] {
            std::fs::write(run.path().join("secret"), wrong).unwrap();
            assert!(run.home_secret().is_err(), "{}", wrong.len());
            assert_eq!(std::fs::read(run.path().join("secret")).unwrap(), wrong);
        }
    }
}
