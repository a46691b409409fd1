//! The process environment: captured once, passed on as a value, and read by documented name only.

use super::{ConfigError, provider};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The process environment, read once by `main` through this type and passed on as a value.
#[derive(Clone, Default)]
pub struct ProcessEnv(pub BTreeMap<String, String>);

/// Settings that may come from `.env` and, for `default` and `-p NAME`, from the process environment below it.
/// Provider keys ([`provider::KEY_NAMES`]) join them.
pub(super) const SETTING_NAMES: [&str; 8] = [
    "API_SERVER_ENABLED",
    "API_SERVER_HOST",
    "API_SERVER_PORT",
    "API_SERVER_KEY",
    "API_SERVER_CORS_ORIGINS",
    "API_SERVER_MODEL_NAME",
    "HERMES_INFERENCE_MODEL",
    "HERMES_MODEL",
];

impl ProcessEnv {
    /// Takes a copy of the process environment. Entries that are not UTF-8 can be no setting of ours and stay out.
    #[must_use]
    pub fn capture() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// A documented setting that is set and not empty; whatever else the environment holds stays unseen.
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        let documented = SETTING_NAMES.contains(&name) || provider::is_key_name(name);
        let value = self.0.get(name)?;
        (documented && !value.is_empty()).then_some(value)
    }
}

/// Names only: the values may be secrets.
impl std::fmt::Debug for ProcessEnv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Which home a command means: `--home`, else `HERMES_HOME`, else `~/.hermes`. It need not exist yet.
///
/// # Errors
///
/// None of the three says anything, or the working directory is gone and the path is relative.
pub fn find_home(flag: Option<&Path>, env: &ProcessEnv) -> Result<PathBuf, ConfigError> {
    let named = |name: &str| env.0.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = flag
        .map(Path::to_owned)
        .or_else(|| named("HERMES_HOME"))
        .or_else(|| named("HOME").map(|user| user.join(".hermes")))
        .ok_or_else(|| {
            let message = "no home is known: type `hermes --home DIR …` or set `HERMES_HOME`";
            ConfigError::about(Path::new("--home"), message)
        })?;
    std::path::absolute(&home).map_err(|cause| ConfigError::unreadable(&home, &cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(entries: &[(&str, &str)]) -> ProcessEnv {
        ProcessEnv(entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn the_home_comes_from_the_flag_then_the_variable_then_the_user() {
        let full = [("HERMES_HOME", "/srv/hermes"), ("HOME", "/home/ann")];
        let cases = [
            ("flag", Some("/flag"), &full[..], Some("/flag")),
            ("variable", None, &full[..], Some("/srv/hermes")),
            ("user", None, &full[1..], Some("/home/ann/.hermes")),
            (
                "empty variable",
                None,
                &[("HERMES_HOME", ""), ("HOME", "/home/ann")],
                Some("/home/ann/.hermes"),
            ),
            ("nothing", None, &[], None),
        ];
        for (case, flag, entries, expected) in cases {
            let found = find_home(flag.map(Path::new), &env(entries)).ok();
            assert_eq!(found.as_deref(), expected.map(Path::new), "{case}");
        }
    }

    #[test]
    fn only_documented_names_are_settings() {
        let env = env(&[
            ("API_SERVER_PORT", "1"),
            ("OPENAI_API_KEY", "k"),
            ("AWS_SECRET", "s"),
            ("HERMES_MODEL", ""),
        ]);
        let seen =
            ["API_SERVER_PORT", "OPENAI_API_KEY", "AWS_SECRET", "HERMES_MODEL"].map(|name| env.setting(name));
        assert_eq!(seen, [Some("1"), Some("k"), None, None]);
        assert!(!format!("{env:?}").contains("\"k\""));
    }
}
