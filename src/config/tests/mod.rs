//! Whole homes on disk, read as a gateway reads them.

mod compression;
mod documented;
mod fallbacks;
mod homes;
mod inheritance;
mod listening;
mod models;
mod prompt;
mod roots;
mod selection;
mod tools;
mod values;

use super::{FoundProfile, Home, ProcessEnv, ProfileConfig, Provider, Secret, Select, provider};
use crate::domain::ProfileName;
use std::{fs, path::PathBuf};

/// A home in a temporary folder.
struct Disk(tempfile::TempDir);

impl Disk {
    /// Files by their path in the home.
    fn with(files: &[(&str, &str)]) -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            disk.write(path, text);
        }
        disk
    }

    /// One profile, `a`, that listens, with these lines in its files.
    fn profile(yaml: &str, env: &str) -> Self {
        let env = format!("API_SERVER_ENABLED=true\nAPI_SERVER_PORT=8643\n{env}");
        Self::with(&[("profiles/a/config.yaml", yaml), ("profiles/a/.env", &env)])
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self) -> Home {
        self.read_in(&[])
    }

    fn read_in(&self, env: &[(&str, &str)]) -> Home {
        Home::read(self.0.path(), Select::All, &process(env)).unwrap()
    }

    fn read_one(&self, name: &str, env: &[(&str, &str)]) -> Home {
        let name = ProfileName::parse(name).unwrap();
        Home::read(self.0.path(), Select::One(&name), &process(env)).unwrap()
    }

    /// An error's or warning's text without the temporary folder.
    fn short(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }

    /// The error of profile `a`.
    fn error(&self) -> String {
        let home = self.read();
        match &home.found("a").config {
            Ok(_) => panic!("profile `a` was accepted"),
            Err(error) => self.short(&error.to_string()),
        }
    }
}

fn process(entries: &[(&str, &str)]) -> ProcessEnv {
    ProcessEnv(entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

impl Home {
    fn found(&self, name: &str) -> &FoundProfile {
        self.profiles.iter().find(|profile| profile.name.as_str() == name).unwrap()
    }

    fn config(&self, name: &str) -> &ProfileConfig {
        self.found(name).config.as_ref().unwrap()
    }

    /// Names and ports of what a gateway without `-p` serves.
    fn served(&self) -> Vec<(&str, u16)> {
        let served = self.profiles.iter().filter(|profile| profile.enabled);
        served
            .filter_map(|profile| Some((profile.name.as_str(), profile.config.as_ref().ok()?.listen.port())))
            .collect()
    }
}
