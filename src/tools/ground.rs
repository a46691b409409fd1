//! What a profile's tools stand on: its settings, its wall, its folders.

use super::{disk::Disk, failure::Failure, parts::Held, process::Jobs, terminal::Spare};
use crate::{
    config::{ProfileConfig, SandboxLevel},
    domain::SessionId,
    egress::Egress,
    sandbox::{Jail, Owner, Roots, Sandbox, View, Wall, profile_tmp, session_tmp},
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;

/// How long a profile's start may give files to its user. A million takes about as long.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Ground {
    pub config: Arc<ProfileConfig>,
    pub sandbox: Sandbox,
    pub egress: Egress,
    /// The user that this home keeps for the profile; whether its commands can run as such is found out.
    pub user: Option<Owner>,
    /// Looked up at the first command: most profiles of a large home run none.
    view: OnceLock<View>,
    /// Opened at the profile's start, and again by later calls only as long as that fails.
    roots: Mutex<Option<Arc<Roots>>>,
    pub disk: Arc<Disk>,
    pub jobs: Arc<Jobs>,
    /// Held from a command's end until what it has left is taken over: others of its session may end at the same time, and
    /// the next one waits for it.
    pub carrying: Arc<tokio::sync::Mutex<()>>,
    pub spare: Spare,
    /// One document at a time is read: it takes far more memory than its file.
    pub documents: Semaphore,
    /// What the prompt is made of.
    pub held: Held,
}

/// What a profile's start found out about its folders.
#[derive(Debug, Default)]
pub struct Footing {
    /// Whose the agent's commands and files are; `None`: the gateway's own user's.
    pub owner: Option<Owner>,
    /// The file system holds the workspace to its quota.
    pub held: bool,
    /// What will not work, a sentence each, with the line that mends it.
    pub warnings: Vec<String>,
}

impl Ground {
    pub fn new(config: Arc<ProfileConfig>, sandbox: Sandbox, user: Option<Owner>, egress: Egress) -> Self {
        let folders = vec![config.workspace.clone(), profile_tmp(config.name.as_str(), &config.root)];
        let mut limits = config.terminal.limits.clone();
        if sandbox.omit.contains(&Wall::Quota) {
            limits.disk_quota = u64::MAX;
        }
        let disk = Arc::new(Disk::new(folders, &limits));
        Self {
            config,
            sandbox,
            egress,
            user,
            view: OnceLock::new(),
            roots: Mutex::new(None),
            disk,
            jobs: Arc::default(),
            carrying: Arc::default(),
            spare: Spare::default(),
            documents: Semaphore::new(1),
            held: Held::default(),
        }
    }

    /// What commands may read. Blocking at its first use.
    pub fn view(&self) -> &View {
        self.view.get_or_init(|| View::without(&hidden(&self.config.root)))
    }

    /// Whether commands have a file system of their own.
    pub fn is_strict(&self) -> bool {
        self.sandbox.level >= SandboxLevel::Strict
    }

    pub fn tmp(&self, session: &SessionId) -> PathBuf {
        session_tmp(self.config.name.as_str(), &self.config.root, session)
    }

    /// The folders of one session. Blocking.
    pub fn jail(&self, session: &SessionId) -> Result<Jail, Failure> {
        let tmp = self.tmp(session);
        Jail::open(&self.roots()?, &tmp)
            .map_err(|error| Failure::io(&format!("the temporary folder `{}`", tmp.display()), &error))
    }

    /// The profile's folders. Blocking.
    pub fn roots(&self) -> Result<Arc<Roots>, Failure> {
        let mut held = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(roots) = &*held {
            return Ok(roots.clone());
        }
        Ok(held.insert(Arc::new(self.settle()?)).clone())
    }

    /// Whose the agent's files are, as far as that is settled.
    pub fn owner(&self) -> Option<Owner> {
        let held = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().and_then(|roots| roots.owner())
    }

    /// Why the file system does not hold the workspace to its quota; `None`: it does.
    pub fn unheld(&self) -> Option<String> {
        let held = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        match held.as_ref().map(|roots| roots.held()) {
            Some(held) => held.err().map(str::to_owned),
            None => Some("the workspace is not open".to_owned()),
        }
    }

    /// Opens the folders, and gives the workspace to the profile's user. Blocking: for the profile's start.
    pub fn prepare(&self) -> Footing {
        let name = &self.config.name;
        match self.roots() {
            Ok(roots) => Footing {
                owner: roots.owner(),
                held: roots.held().is_ok(),
                warnings: roots.trouble().iter().map(|trouble| format!("`{name}`: {trouble}")).collect(),
            },
            Err(failure) => {
                Footing { owner: None, held: false, warnings: vec![format!("`{name}`: {failure}")] }
            }
        }
    }

    fn settle(&self) -> Result<Roots, Failure> {
        let config = &self.config;
        let workspace = &config.workspace;
        let extra = &config.terminal.roots;
        for given in [workspace].into_iter().chain(extra.iter().map(|root| &root.path)) {
            if exposes(given, config) {
                let text = format!("the folder `{}` contains the gateway's own files", given.display());
                return Err(Failure::new("workspace_unsafe", text)
                    .hint("tell the user to set terminal.cwd and terminal.roots to folders of their own"));
            }
        }
        let roots = Roots::open(workspace, extra, &config.skills_dir)
            .map_err(|error| Failure::io(&format!("the workspace `{}`", workspace.display()), &error))?;
        // Behind the strict wall the path is made for the command; elsewhere its user has to walk it.
        let walks =
            |user: &Owner| self.sandbox.level == SandboxLevel::Strict || roots.can_be_reached_by(*user);
        let owner = self.user.filter(walks);
        let ours = hidden(&config.root).iter().any(|home| roots.workspace().path().starts_with(real(home)));
        let mut roots = roots.settle(owner, self.user, ours, PATIENCE).map_err(|error| {
            Failure::io(
                &format!("the workspace `{}` cannot be given to its user", workspace.display()),
                &error,
            )
        })?;
        // A workspace elsewhere is the operator's, and so is its project.
        if let Some(room) = self.disk.room().filter(|_| ours) {
            roots.hold(room, PATIENCE);
            self.disk.set_held(roots.held().is_ok());
        }
        Ok(roots)
    }
}

/// Everything of the home but the workspace: keys, stores, other profiles.
fn hidden(root: &Path) -> Vec<PathBuf> {
    let home = root.parent().filter(|above| above.ends_with("profiles")).and_then(Path::parent);
    match home {
        // A container with `/profiles/alice`: the whole machine is the home, so its parts are named.
        Some(home) if home.parent().is_none() => {
            ["profiles", "state", "run", ".env", "config.yaml"].iter().map(|name| home.join(name)).collect()
        }
        Some(home) => vec![home.to_owned()],
        None => vec![root.to_owned()],
    }
}

/// A grant holds for all that lies below: a workspace above the home, or inside the store, would give it away.
fn exposes(workspace: &Path, config: &ProfileConfig) -> bool {
    let workspace = real(workspace);
    let mut secrets = hidden(&config.root);
    secrets.push(config.root.clone());
    secrets.push(config.state_dir.clone());
    secrets.iter().any(|secret| real(secret).starts_with(&workspace))
        || workspace.starts_with(real(&config.state_dir))
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_hides_the_whole_home() {
        let cases = [
            ("/h/profiles/alice", vec!["/h"]),
            ("/h", vec!["/h"]),
            ("/profiles/alice", vec!["/profiles", "/state", "/run", "/.env", "/config.yaml"]),
        ];
        for (root, expected) in cases {
            let expected: Vec<PathBuf> = expected.into_iter().map(PathBuf::from).collect();
            assert_eq!(hidden(Path::new(root)), expected, "{root}");
        }
    }
}
