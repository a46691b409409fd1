//! The files of a home, and each profile's layers made of them.

use super::{
    ConfigError, FoundProfile, ProcessEnv,
    env_file::EnvFile,
    error::Place,
    known::{self, Owner},
    listen, profile,
    settings::{HomeLayer, Settings},
    yaml::YamlFile,
};
use crate::domain::ProfileName;
use std::path::{Path, PathBuf};

/// The home's own files, which are those of the profile `default` too.
pub(super) struct HomeFiles {
    pub root: PathBuf,
    pub yaml: YamlFile,
    env: EnvFile,
    /// `profiles.inherit_secrets`.
    shared: Vec<String>,
}

impl HomeFiles {
    pub fn read(root: &Path) -> Result<Self, ConfigError> {
        let root = std::path::absolute(root).map_err(|cause| ConfigError::unreadable(root, &cause))?;
        match std::fs::metadata(&root) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(ConfigError::about(&root, "is no folder, so it cannot be a home")),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                let line = format!("mkdir -p '{}'", root.display());
                return Err(ConfigError::about(
                    &root,
                    format!("does not exist: type `{line}`, or name another home"),
                ));
            }
            Err(cause) => return Err(ConfigError::unreadable(&root, &cause)),
        }
        let yaml = YamlFile::read(root.join("config.yaml"))?;
        let env = EnvFile::read(root.join(".env"))?;
        let mut files = Self { root, yaml, env, shared: Vec::new() };
        let shared = files.settings(None).yaml_list("profiles.inherit_secrets")?.unwrap_or_default();
        for found in &shared {
            if found.text.starts_with("API_SERVER_") {
                return Err(found
                    .place
                    .error("must not name `API_SERVER_…`: one key would open every profile"));
            }
        }
        files.shared = shared.into_iter().map(|found| found.text).collect();
        Ok(files)
    }

    pub fn settings<'a>(&'a self, process: Option<&'a ProcessEnv>) -> Settings<'a> {
        Settings { yaml: &self.yaml, env: &self.env, home: None, process }
    }

    /// The home as a profile. It is served when its own files speak of an API server, or when there is no other.
    pub fn default_profile(&self, process: Option<&ProcessEnv>, alone: bool) -> FoundProfile {
        let settings = self.settings(process);
        let own = listen::enabled(&self.settings(None));
        let enabled = match own {
            Ok(Some(enabled)) => enabled,
            Ok(None) if alone => listen::enabled(&settings).ok().flatten() != Some(false),
            Ok(None) => listen::is_mentioned(&settings),
            Err(_) => true,
        };
        let mut found = self.resolve(&ProfileName::home(), &self.root, &settings);
        found.enabled = enabled;
        found.port = found.port.or(Some(listen::DEFAULT_PORT));
        found
    }

    pub fn profile(&self, name: &ProfileName, process: Option<&ProcessEnv>) -> FoundProfile {
        let root = self.root.join("profiles").join(name.as_str());
        let yaml = YamlFile::read(root.join("config.yaml"));
        let env = EnvFile::read(root.join(".env"));
        let home = Some(HomeLayer { yaml: &self.yaml, env: &self.env, shared: &self.shared });
        match (yaml, env) {
            (Ok(yaml), Ok(env)) => {
                let settings = Settings { yaml: &yaml, env: &env, home, process };
                match known::check(&yaml, Owner::Profile) {
                    Ok(warnings) => {
                        let mut found = self.resolve(name, &root, &settings);
                        found.warnings.splice(0..0, warnings);
                        found
                    }
                    Err(error) => broken(name, root, listen::enabled(&settings), error),
                }
            }
            // What the other file says still decides whether the profile is wanted at all.
            (Err(error), Ok(env)) => {
                let yaml = YamlFile::empty(root.join("config.yaml"));
                let settings = Settings { yaml: &yaml, env: &env, home, process };
                broken(name, root, listen::enabled(&settings), error)
            }
            (_, Err(error)) => broken(name, root, Ok(None), error),
        }
    }

    /// Where a profile's own files name its port. They are read again: this is for an error.
    pub fn port_place(&self, profile: &Path) -> Place {
        let yaml = profile.join("config.yaml");
        let yaml = YamlFile::read(yaml.clone()).unwrap_or_else(|_broken| YamlFile::empty(yaml));
        let env = EnvFile::read(profile.join(".env")).unwrap_or_default();
        listen::port_place(&Settings { yaml: &yaml, env: &env, home: None, process: None })
    }

    fn resolve(&self, name: &ProfileName, root: &Path, settings: &Settings<'_>) -> FoundProfile {
        let mut warnings = settings.entry_warnings();
        let config = listen::enabled(settings)
            .and_then(|_| profile::resolve(name, &self.root, root, settings, &mut warnings));
        FoundProfile {
            name: name.clone(),
            root: root.to_owned(),
            enabled: listen::enabled(settings).unwrap_or(Some(true)).unwrap_or(false),
            port: listen::port(settings).ok().flatten(),
            config,
            warnings,
        }
    }
}

/// A profile that cannot be served. Unless its files clearly say "off" it counts as wanted, so that its error shows.
fn broken(
    name: &ProfileName,
    root: PathBuf,
    enabled: Result<Option<bool>, ConfigError>,
    error: ConfigError,
) -> FoundProfile {
    let enabled = enabled.ok().flatten() != Some(false);
    FoundProfile { name: name.clone(), root, enabled, port: None, config: Err(error), warnings: Vec::new() }
}
