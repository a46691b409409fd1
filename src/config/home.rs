//! A home on disk: which profiles it holds, which of them a gateway serves, and what each one's settings come to.

use super::{
    ConfigError, ProcessEnv, ProfileConfig, ServerConfig,
    home_files::HomeFiles,
    known::{self, Owner},
    listen::DEFAULT_PORT,
    server, tls,
};
use crate::domain::ProfileName;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
};

/// A home as found on disk.
#[derive(Debug)]
pub struct Home {
    pub root: PathBuf,
    pub server: ServerConfig,
    /// Sorted by name, the profile `default` first. A profile with a broken file is here too, with its error. With
    /// [`Select::One`], that one alone.
    pub profiles: Vec<FoundProfile>,
    pub warnings: Vec<String>,
}

#[derive(Debug)]
pub struct FoundProfile {
    pub name: ProfileName,
    pub root: PathBuf,
    /// Whether a gateway without `-p` serves it. A profile whose files cannot be read counts as enabled, so that its
    /// error is seen.
    pub enabled: bool,
    /// The port that its files name, also when something else is wrong with them.
    pub port: Option<u16>,
    pub config: Result<ProfileConfig, ConfigError>,
    /// Unknown keys with the nearest known one, and the like: one sentence each, with file and line.
    pub warnings: Vec<String>,
}

/// Which profiles to read.
#[derive(Debug, Clone, Copy)]
pub enum Select<'a> {
    All,
    /// `-p NAME`: served even when its files do not enable it. Below its `.env` the documented names of the
    /// process environment count.
    One(&'a ProfileName),
}

impl Home {
    /// Reads the home's files. Broken profiles are results inside; an error here is about the home itself.
    ///
    /// # Errors
    ///
    /// The home cannot be read, its own files are broken, or `-p` names a profile that does not exist.
    pub fn read(root: &Path, select: Select<'_>, env: &ProcessEnv) -> Result<Self, ConfigError> {
        let files = HomeFiles::read(root)?;
        let (mut names, mut warnings) = profile_names(&files.root)?;
        warnings.extend(known::check(&files.yaml, Owner::Home)?);
        let alone = names.is_empty();
        names.insert(0, ProfileName::home());
        if let Select::One(wanted) = select {
            if !names.contains(wanted) {
                return Err(no_such_profile(&files.root, wanted, &names));
            }
            names.retain(|name| name == wanted);
        }
        let process = |name: &ProfileName| {
            let named = matches!(select, Select::One(_));
            (named || *name == ProfileName::home()).then_some(env)
        };
        let read = |name: &ProfileName| match *name == ProfileName::home() {
            true => files.default_profile(process(name), alone),
            false => files.profile(name, process(name)),
        };
        let mut profiles: Vec<_> = names.iter().map(read).collect();
        refuse_shared_ports(&files, &mut profiles);
        warn_of_shared_workspaces(&mut profiles);
        let server = server::read(&files.settings(None), &files.root)?;
        for FoundProfile { config, warnings, .. } in &mut profiles {
            let Ok(config) = config else { continue };
            config.access = server.access.clone();
            config.tls = config.tls.take().or_else(|| server.tls.clone());
            warnings.extend(tls::warnings(config));
        }
        Ok(Self { root: files.root, server, profiles, warnings })
    }

    /// The lowest port from `first` on that no profile of this home has, enabled or not; 0 when all are taken.
    #[must_use]
    pub fn free_port(&self, first: u16) -> u16 {
        let taken = |port: u16| self.ports().any(|(_, other)| other == port);
        (first..=u16::MAX).find(|port| !taken(*port)).unwrap_or(0)
    }

    /// The profiles that name a port, with it.
    pub fn ports(&self) -> impl Iterator<Item = (&ProfileName, u16)> {
        self.profiles.iter().filter_map(|profile| Some((&profile.name, profile.port?)))
    }
}

impl FoundProfile {
    /// The profiles by their folders alone, each with the error that the home's own files have. Those of `served`
    /// count as enabled.
    ///
    /// # Errors
    ///
    /// The folders cannot be read.
    pub fn by_folders(
        root: &Path,
        served: &[ProfileName],
        error: &ConfigError,
    ) -> Result<Vec<Self>, ConfigError> {
        let (mut names, _) = profile_names(root)?;
        names.insert(0, ProfileName::home());
        let found = |name: ProfileName| Self {
            root: match name == ProfileName::home() {
                true => root.to_owned(),
                false => root.join("profiles").join(name.as_str()),
            },
            enabled: served.contains(&name),
            port: None,
            config: Err(error.clone()),
            warnings: Vec::new(),
            name,
        };
        Ok(names.into_iter().map(found).collect())
    }
}

/// The folders below `profiles/`, sorted, and a warning for each that cannot be a profile.
fn profile_names(root: &Path) -> Result<(Vec<ProfileName>, Vec<String>), ConfigError> {
    let folder = root.join("profiles");
    let unreadable = |cause: std::io::Error| ConfigError::unreadable(&folder, &cause);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
        Err(cause) => return Err(unreadable(cause)),
    };
    let (mut names, mut warnings) = (Vec::new(), Vec::new());
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let text = path.file_name().unwrap_or_default().to_string_lossy();
        if text.starts_with('.') || !path.is_dir() {
            continue;
        }
        let at = path.display();
        match ProfileName::parse(&text) {
            Ok(name) if name == ProfileName::home() => {
                warnings.push(format!("{at}: is not read: the profile `default` is the home itself"));
            }
            Ok(name) => names.push(name),
            Err(error) => warnings.push(format!("{at}: is not read: {error}")),
        }
    }
    names.sort();
    Ok((names, warnings))
}

/// Of two served profiles on one address the second fails, naming the first.
fn refuse_shared_ports(files: &HomeFiles, profiles: &mut [FoundProfile]) {
    let named: BTreeSet<u16> = profiles.iter().filter_map(|profile| profile.port).collect();
    let mut taken: Vec<(std::net::SocketAddr, ProfileName)> = Vec::new();
    for profile in profiles.iter_mut().filter(|profile| profile.enabled) {
        let Ok(config) = &profile.config else { continue };
        let address = config.listen;
        let clash = |other: &std::net::SocketAddr| {
            let wide = other.ip().is_unspecified() || address.ip().is_unspecified();
            other.port() == address.port() && address.port() != 0 && (wide || other.ip() == address.ip())
        };
        if let Some((_, first)) = taken.iter().find(|(other, _)| clash(other)) {
            let free = (DEFAULT_PORT + 1..=u16::MAX).find(|port| !named.contains(port)).unwrap_or_default();
            profile.config = Err(files.port_place(&profile.root).error(format!(
                "port {} is already that of the profile `{first}`: give one of them another, such as {free}",
                address.port()
            )));
            continue;
        }
        taken.push((address, profile.name.clone()));
    }
}

/// Two profiles may work in one folder when an operator says so, but it must not happen unseen. Roots may be shared;
/// that one is where another profile works is worth a word, too.
fn warn_of_shared_workspaces(profiles: &mut [FoundProfile]) {
    let served = profiles
        .iter()
        .filter_map(|profile| Some((profile.name.clone(), profile.config.as_ref().ok()?.workspace.clone())));
    let served: Vec<(ProfileName, PathBuf)> = served.collect();
    let workspaces = Workspaces::of(&served);
    let readable = profiles.iter_mut().filter(|profile| profile.config.is_ok());
    for (own, profile) in readable.enumerate() {
        let Ok(config) = &profile.config else { continue };
        let at = profile.root.display();
        // Of two workspaces the second is told of.
        for (_, first) in workspaces.that_meet(&config.workspace).range(..own) {
            profile.warnings.push(format!(
                "{at}: `terminal.cwd`: is also the workspace of `{first}`: both see the same files"
            ));
        }
        let mut met = BTreeMap::new();
        for root in &config.terminal.roots {
            for (other, name) in workspaces.that_meet(&root.path) {
                met.entry(other).or_insert((root, name));
            }
        }
        met.remove(&own);
        for (root, other) in met.values() {
            let root = root.path.display();
            profile.warnings.push(format!(
                "{at}: `terminal.roots`: `{root}` is, holds or lies in the workspace of `{other}`"
            ));
        }
    }
}

/// Workspaces by where they are: a home may have a thousand.
struct Workspaces<'a> {
    at: HashMap<&'a Path, Named<'a>>,
    /// By each folder on the way to them, too.
    below: HashMap<&'a Path, Named<'a>>,
}

/// By their place in the home's order.
type Named<'a> = BTreeMap<usize, &'a ProfileName>;

impl<'a> Workspaces<'a> {
    fn of(all: &'a [(ProfileName, PathBuf)]) -> Self {
        let (mut at, mut below) = (HashMap::<_, Named<'_>>::new(), HashMap::<_, Named<'_>>::new());
        for (place, (name, path)) in all.iter().enumerate() {
            at.entry(path.as_path()).or_default().insert(place, name);
            for folder in path.ancestors() {
                below.entry(folder).or_default().insert(place, name);
            }
        }
        Self { at, below }
    }

    /// Those that are, hold or lie in a folder.
    fn that_meet(&self, folder: &Path) -> Named<'a> {
        let holding = folder.ancestors().filter_map(|above| self.at.get(above));
        let met = holding.chain(self.below.get(folder)).flatten();
        met.map(|(place, name)| (*place, *name)).collect()
    }
}

fn no_such_profile(root: &Path, wanted: &ProfileName, names: &[ProfileName]) -> ConfigError {
    let known: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let message = format!(
        "there is no profile `{wanted}`; there are {}; `hermes profile create {wanted}` makes it",
        known.join(", ")
    );
    ConfigError::about(&root.join("profiles"), message)
}
