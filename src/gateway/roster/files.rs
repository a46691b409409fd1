//! The home's files, read again whenever a profile is started or reloaded.

use crate::{
    config::{ConfigError, FoundProfile, Home, ProcessEnv, ProfileConfig, Select},
    domain::ProfileName,
};
use std::{path::PathBuf, sync::Arc};

/// Which profiles a gateway serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Every enabled one.
    All,
    One(ProfileName),
}

impl Selection {
    const fn as_select(&self) -> Select<'_> {
        match self {
            Self::All => Select::All,
            Self::One(name) => Select::One(name),
        }
    }
}

/// Where the settings come from.
#[derive(Debug)]
pub struct Files {
    pub root: PathBuf,
    pub selection: Selection,
    pub env: ProcessEnv,
}

/// What the files say of one profile at the moment.
#[derive(Debug)]
pub struct Plan {
    pub config: Result<ProfileConfig, String>,
    /// The home, in which other gateways may run.
    pub home: PathBuf,
    /// Another profile whose files name the same port.
    pub rival: Option<ProfileName>,
    /// What is odd in the files, a sentence each.
    pub warnings: Vec<String>,
}

impl Files {
    /// # Errors
    /// The home itself cannot be read.
    pub async fn read(self: &Arc<Self>) -> Result<Home, ConfigError> {
        let files = self.clone();
        let read = actix_rt::task::spawn_blocking(move || {
            Home::read(&files.root, files.selection.as_select(), &files.env)
        });
        let panicked = |_panic| ConfigError {
            file: self.root.clone(),
            line: None,
            key: None,
            message: "reading the settings panicked; please report this".to_owned(),
        };
        read.await.unwrap_or_else(|panic| Err(panicked(panic)))
    }

    /// Whether the home has a folder of that name: a glance that costs nothing.
    #[must_use]
    pub fn may_have(&self, name: &ProfileName) -> bool {
        *name == ProfileName::home() || self.root.join("profiles").join(name.as_str()).is_dir()
    }

    /// # Errors
    /// The home cannot be read, or has no such profile: a sentence for the person who asked.
    pub async fn plan(self: &Arc<Self>, name: &ProfileName) -> Result<Plan, String> {
        if let Selection::One(one) = &self.selection
            && one != name
        {
            return Err(format!("this gateway serves the profile `{one}` alone"));
        }
        let home = self.read().await.map_err(|error| error.to_string())?;
        let missing = || format!("there is no profile `{name}`; `hermes profile create {name}` makes it");
        plans(home.root, home.profiles)
            .find(|(found, _)| found == name)
            .map(|(_, plan)| plan)
            .ok_or_else(missing)
    }
}

/// Turns what was found into what is to be done, in the same order.
pub fn plans(home: PathBuf, found: Vec<FoundProfile>) -> impl Iterator<Item = (ProfileName, Plan)> {
    let ports: Vec<_> =
        found.iter().filter_map(|profile| Some((profile.name.clone(), profile.port?))).collect();
    found.into_iter().map(move |FoundProfile { name, config, root: _, enabled, port, mut warnings }| {
        let rival = ports.iter().find(|(other, taken)| port == Some(*taken) && *taken != 0 && *other != name);
        let rival = rival.map(|(other, _)| other.clone());
        if !enabled {
            warnings.push(format!(
                "the files of `{name}` do not enable it: it is served now because you asked, but the next \
                 `hermes gateway` leaves it out"
            ));
        }
        let config = config.map_err(|error| error.to_string());
        (name, Plan { config, home: home.clone(), rival, warnings })
    })
}
