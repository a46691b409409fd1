//! What every command needs: the home, the profile that is meant, the gateways that run.

use super::error::CliError;
use crate::{
    config::{ConfigError, FoundProfile, Home, ProcessEnv, Select, find_home},
    domain::ProfileName,
    gateway::{Client, ClientError, Command, Offline, ProfileAnswer, Question, Reply, State},
};
use serde_json::Value;
use std::{
    cell::OnceCell,
    path::{Path, PathBuf},
};

/// Not its path: that may name another program by then, after an upgrade.
pub const OWN_PROGRAM: &str = "/proc/self/exe";

pub struct Context {
    pub home: PathBuf,
    pub profile: Option<ProfileName>,
    pub env: ProcessEnv,
    /// What is wrong with the home's own files, where a command did without them.
    pub unread: OnceCell<ConfigError>,
}

/// Who can speak for a profile's store.
pub enum Way<'a> {
    /// The gateway that holds it.
    Gateway(Client),
    /// Ourselves: nobody holds it, and nobody can while this lives.
    Offline(Offline<'a>),
}

impl Context {
    /// # Errors
    /// There is no home to be found, or it is a file.
    pub fn new(home: Option<&Path>, profile: Option<ProfileName>, env: ProcessEnv) -> Result<Self, CliError> {
        let home = find_home(home, &env)?;
        if home.exists() && !home.is_dir() {
            let home = home.display();
            return Err(CliError::failed(format!("{home}: is no folder, so it cannot be a home")));
        }
        Ok(Self { home, profile, env, unread: OnceCell::new() })
    }

    /// All profiles of the home, by its files.
    ///
    /// # Errors
    /// The home cannot be read.
    pub fn read_home(&self) -> Result<Home, ConfigError> {
        Home::read(&self.home, Select::All, &self.env)
    }

    /// The profiles of the home. Where its own files are broken while a gateway runs, they are told by their folders:
    /// what a gateway is asked needs no file, and it is asked for most of all when something is wrong.
    ///
    /// # Errors
    /// The home cannot be read, and no gateway runs.
    pub fn profiles(&self) -> Result<Vec<FoundProfile>, ConfigError> {
        self.read_home().map(|home| home.profiles).or_else(|error| {
            let running = Client::all(&self.home).unwrap_or_default();
            let statuses = running.iter().flat_map(|client| &client.status.profiles);
            let served: Vec<_> = statuses
                .filter(|status| status.state != State::Stopped)
                .map(|status| status.name.clone())
                .collect();
            if served.is_empty() {
                return Err(error);
            }
            let found = FoundProfile::by_folders(&self.home, &served, &error)?;
            // A command may come here twice: it is told of once, at the end.
            let _ = self.unread.set(error);
            Ok(found)
        })
    }

    /// The profile that `-p` names; without it `default`, where the home is a profile at all.
    ///
    /// # Errors
    /// Which one is not clear: with what to type.
    pub fn meant_profile(&self, command: &str) -> Result<FoundProfile, CliError> {
        if let Some(name) = &self.profile {
            return self.find(name);
        }
        let found = self.find(&ProfileName::home())?;
        if found.enabled {
            return Ok(found);
        }
        Err(CliError::usage(format!("which profile? Type `hermes -p NAME {command}`")))
    }

    /// The profile that a command was given, in either form.
    ///
    /// # Errors
    /// In neither, or in both and they differ.
    pub fn one_profile(&self, given: Option<ProfileName>, command: &str) -> Result<ProfileName, CliError> {
        match (given, &self.profile) {
            (Some(given), Some(by_option)) if given != *by_option => Err(CliError::usage(format!(
                "`{given}` or `{by_option}`? Type `hermes {command} {given}`, without -p"
            ))),
            (Some(given), _) => Ok(given),
            (None, Some(by_option)) => Ok(by_option.clone()),
            (None, None) => Err(CliError::usage(format!("which profile? Type `hermes {command} NAME`"))),
        }
    }

    /// A profile as its files describe it.
    ///
    /// # Errors
    /// There is none of that name: with those that there are.
    pub fn find(&self, name: &ProfileName) -> Result<FoundProfile, CliError> {
        let profiles = self.profiles()?;
        let names: Vec<_> = profiles.iter().map(|profile| profile.name.to_string()).collect();
        profiles.into_iter().find(|profile| profile.name == *name).ok_or_else(|| {
            let known = match names.is_empty() {
                true => "the home has none yet".to_owned(),
                false => format!("there are {}", names.join(", ")),
            };
            CliError::failed(format!(
                "there is no profile `{name}`; {known}. `hermes profile create {name}` makes it"
            ))
        })
    }

    /// The way to a profile's store.
    ///
    /// # Errors
    /// A process holds it and does not answer.
    pub fn way<'a>(&'a self, found: &'a Place) -> Result<Way<'a>, CliError> {
        if let Some(client) = self.holder(found)? {
            return Ok(Way::Gateway(client));
        }
        match Offline::lock(&self.home, &found.state_dir) {
            Ok(offline) => Ok(Way::Offline(offline)),
            // Somebody took it between the question and now: a gateway that starts. It is asked instead.
            Err(error) => match self.holder(found)? {
                Some(client) => Ok(Way::Gateway(client)),
                None => Err(error.into()),
            },
        }
    }

    /// The gateway that holds a profile, if one does.
    ///
    /// # Errors
    /// A process holds it and does not answer.
    pub fn holder(&self, found: &Place) -> Result<Option<Client>, ClientError> {
        Client::holder(&self.home, &found.name, &found.state_dir)
    }

    /// What a profile's records have of this, from the gateway that holds them or from the store.
    ///
    /// # Errors
    /// As [`Context::way`]; what was asked for makes no sense.
    pub fn ask(&self, place: &Place, question: Question) -> Result<Value, CliError> {
        match self.way(place)? {
            Way::Offline(offline) => Ok(offline.answer(&question)?),
            Way::Gateway(client) => document(&client, Command::Ask { profile: place.name.clone(), question }),
        }
    }

    /// The gateway that would serve `name` when told to.
    ///
    /// # Errors
    /// None runs: with what to type.
    pub fn server(&self, name: &ProfileName) -> Result<Client, CliError> {
        let mut running = Client::all(&self.home)?;
        let found = running.iter().position(|client| client.serves(name));
        found.map(|place| running.swap_remove(place)).ok_or_else(|| {
            CliError::failed(format!(
                "no gateway runs that could serve `{name}`; type `hermes gateway` or `hermes -p {name} gateway`"
            ))
        })
    }
}

/// A profile's name and the folder of its store; known even when its files are broken.
pub struct Place {
    pub name: ProfileName,
    pub state_dir: PathBuf,
}

impl From<&FoundProfile> for Place {
    fn from(found: &FoundProfile) -> Self {
        let state_dir = match &found.config {
            Ok(config) => config.state_dir.clone(),
            Err(_broken) => found.root.join("state"),
        };
        Self { name: found.name.clone(), state_dir }
    }
}

/// What a command asks, when the answer is about a profile.
///
/// # Errors
/// The gateway refused.
pub fn ask_profile(client: &Client, command: Command) -> Result<ProfileAnswer, CliError> {
    let Reply::Profile(answer) = client.ask(command)? else { return Err(ClientError::Garbage.into()) };
    Ok(answer)
}

/// What a command asks, when the answer is a document.
///
/// # Errors
/// The gateway refused.
pub fn document(client: &Client, command: Command) -> Result<Value, CliError> {
    let Reply::Document(document) = client.ask(command)? else { return Err(ClientError::Garbage.into()) };
    Ok(document)
}
