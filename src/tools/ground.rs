//! What a profile's tools stand on: its settings, its wall, its two folders.

use super::{disk::Disk, failure::Failure};
use crate::{
    config::ProfileConfig,
    domain::SessionId,
    egress::Egress,
    sandbox::{Jail, Sandbox, View, profile_tmp, session_tmp},
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

pub struct Ground {
    pub config: Arc<ProfileConfig>,
    pub sandbox: Sandbox,
    pub egress: Egress,
    /// Looked up at the first command: most profiles of a large home run none.
    view: OnceLock<View>,
    pub disk: Arc<Disk>,
}

impl Ground {
    pub fn new(config: Arc<ProfileConfig>, sandbox: Sandbox, egress: Egress) -> Self {
        let folders = vec![config.workspace.clone(), profile_tmp(config.name.as_str(), &config.root)];
        let disk = Arc::new(Disk::new(folders, &config.terminal.limits));
        Self { config, sandbox, egress, view: OnceLock::new(), disk }
    }

    /// What commands may read. Blocking at its first use.
    pub fn view(&self) -> &View {
        self.view.get_or_init(|| View::without(&hidden(&self.config.root)))
    }

    pub fn tmp(&self, session: &SessionId) -> PathBuf {
        session_tmp(self.config.name.as_str(), &self.config.root, session)
    }

    /// The session's two folders. Blocking.
    pub fn jail(&self, session: &SessionId) -> Result<Jail, Failure> {
        let workspace = &self.config.workspace;
        if exposes(workspace, &self.config) {
            let text = format!("the workspace `{}` contains the gateway's own files", workspace.display());
            return Err(Failure::new("workspace_unsafe", text)
                .hint("tell the user to set terminal.cwd to a folder of its own"));
        }
        Jail::open(workspace, &self.tmp(session))
            .map_err(|error| Failure::io(&format!("the workspace `{}`", workspace.display()), &error))
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
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let workspace = real(workspace);
    let mut secrets = hidden(&config.root);
    secrets.push(config.root.clone());
    secrets.push(config.state_dir.clone());
    secrets.iter().any(|secret| real(secret).starts_with(&workspace))
        || workspace.starts_with(real(&config.state_dir))
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
