//! Where a setting comes from: the layers of one profile, strongest first, and what may pass between home and profile.

use super::{
    ConfigError, ProcessEnv, Secret,
    env_file::EnvFile,
    error::Place,
    expand::expand,
    known::misspelt,
    node::{Kind, Member, Node},
    provider,
    yaml::YamlFile,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Sections of the home's `config.yaml` that a profile inherits. Nothing about its listener is among them.
const INHERITED: [&str; 7] = ["model", "providers", "agent", "approvals", "terminal", "memory", "tools"];

/// What of `model` belongs together: an endpoint of the profile's own is not completed with parts of the home's, or
/// its key could be sent to the home's server.
const ENDPOINT: [&str; 6] = [
    "model.provider",
    "model.base_url",
    "model.api_key",
    "model.default",
    "model.context_length",
    "model.max_tokens",
];

/// The layers of one profile.
pub(super) struct Settings<'a> {
    /// The profile's own `config.yaml`; the home's for `default`.
    pub yaml: &'a YamlFile,
    /// The profile's own `.env`.
    pub env: &'a EnvFile,
    /// The home's files, for every profile but `default`.
    pub home: Option<HomeLayer<'a>>,
    /// Documented names count below `.env`; for `default` and `-p NAME`.
    pub process: Option<&'a ProcessEnv>,
}

#[derive(Clone, Copy)]
pub(super) struct HomeLayer<'a> {
    pub yaml: &'a YamlFile,
    pub env: &'a EnvFile,
    /// `profiles.inherit_secrets`: names of `.env` entries and dotted keys that profiles may share.
    pub shared: &'a [String],
}

/// A value of one layer, `${VAR}` expanded, with its place for what is said about it. No `Debug`: it may be a secret.
#[derive(Clone)]
pub(super) struct Found {
    pub text: String,
    pub place: Place,
}

/// One map of a list of them.
pub(super) struct Row {
    pub place: Place,
    pub members: Vec<(String, Found)>,
}

/// A value of `config.yaml` before it is read as a type.
#[derive(Clone, Copy)]
struct Source<'a> {
    file: &'a YamlFile,
    node: &'a Node,
    /// Whose entries `${VAR}` means.
    owner: Expand,
}

#[derive(Clone, Copy)]
enum Expand {
    /// The profile's own: also for what it inherits, so that an inherited line shows it nothing of the home.
    Profile,
    /// The home's: for a secret that `profiles.inherit_secrets` names.
    Home,
}

impl Settings<'_> {
    /// A single value at a dotted path of `config.yaml`: the profile's own, else the inherited one.
    pub fn yaml(&self, path: &str) -> Result<Option<Found>, ConfigError> {
        let Some(source) = self.source(path) else {
            return Ok(None);
        };
        self.scalar(path, source, source.node).map(Some)
    }

    /// A list of words, also written as one text with commas.
    pub fn yaml_list(&self, path: &str) -> Result<Option<Vec<Found>>, ConfigError> {
        let listed = self.source(path).is_some_and(|source| matches!(source.node.kind, Kind::List(_)));
        let found = self.yaml_list_whole(path)?;
        Ok(found.map(|found| if listed { found } else { found.iter().flat_map(split).collect() }))
    }

    /// A list whose members may hold commas; a single value is a list of one.
    pub fn yaml_list_whole(&self, path: &str) -> Result<Option<Vec<Found>>, ConfigError> {
        let Some(source) = self.source(path) else {
            return Ok(None);
        };
        match &source.node.kind {
            Kind::List(items) => {
                items.iter().map(|item| self.scalar(path, source, item)).collect::<Result<_, _>>()
            }
            Kind::Scalar { .. } => self.scalar(path, source, source.node).map(|one| vec![one]),
            Kind::Map(_) => {
                Err(place(source, path).error("is a map of settings, but a list is wanted: `[a, b]`"))
            }
        }
        .map(Some)
    }

    /// A list of small maps, each as its members with their places; a single value stands for a map with the one
    /// member `short`.
    pub fn yaml_rows(&self, path: &str, short: &str) -> Result<Option<Vec<Row>>, ConfigError> {
        let Some(source) = self.source(path) else {
            return Ok(None);
        };
        let Kind::List(items) = &source.node.kind else {
            return Err(
                place(source, path).error(format!("is {}, but a list is wanted", source.node.kind_name()))
            );
        };
        let row = |item: &Node| {
            let at = Place { line: Some(item.line), ..place(source, path) };
            let members = match &item.kind {
                Kind::Map(members) => members
                    .iter()
                    .map(|member| Ok((member.key.clone(), self.scalar(path, source, &member.value)?)))
                    .collect::<Result<_, ConfigError>>()?,
                Kind::Scalar { .. } | Kind::List(_) => {
                    vec![(short.to_owned(), self.scalar(path, source, item)?)]
                }
            };
            Ok(Row { place: at, members })
        };
        items.iter().map(row).collect::<Result<_, _>>().map(Some)
    }

    /// The names below a section, each with its place: the profile's own, then the inherited ones that it has not.
    pub fn names(&self, section: &str) -> Vec<Found> {
        let mut names: Vec<Found> = Vec::new();
        let above = section.split('.').next().unwrap_or(section);
        let home = self.home.filter(|_| INHERITED.contains(&above)).map(|home| home.yaml);
        for file in [self.yaml].into_iter().chain(home) {
            for member in file.root.at(section).into_iter().flat_map(Node::members) {
                if names.iter().all(|known| known.text != member.key) {
                    let key = format!("{section}.{}", member.key);
                    let place = Place { file: file.path.clone(), line: Some(member.line), key };
                    names.push(Found { text: member.key.clone(), place });
                }
            }
        }
        names
    }

    /// A value of any form as JSON: what stands unquoted and reads as a number, `true`, `false` or `null` is that.
    pub fn json(&self, path: &str) -> Result<Option<Value>, ConfigError> {
        let Some(source) = self.source(path) else {
            return Ok(None);
        };
        self.to_json(path, source, source.node).map(Some)
    }

    fn to_json(&self, path: &str, source: Source<'_>, node: &Node) -> Result<Value, ConfigError> {
        match &node.kind {
            Kind::Scalar { text, plain: true } => match serde_json::from_str(text) {
                Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => Ok(value),
                Ok(Value::String(_) | Value::Array(_) | Value::Object(_)) | Err(_) => {
                    self.scalar(path, source, node).map(|found| Value::String(found.text))
                }
            },
            Kind::Scalar { plain: false, .. } => {
                self.scalar(path, source, node).map(|found| Value::String(found.text))
            }
            Kind::List(items) => items.iter().map(|item| self.to_json(path, source, item)).collect(),
            Kind::Map(members) => {
                let member = |member: &Member| {
                    let below = format!("{path}.{}", member.key);
                    Ok((member.key.clone(), self.to_json(&below, source, &member.value)?))
                };
                members.iter().map(member).collect::<Result<_, _>>().map(Value::Object)
            }
        }
    }

    /// An entry of `.env` that is not empty: the profile's own, a shared one of the home, the process environment's.
    pub fn env(&self, name: &str) -> Option<Found> {
        if let Some(found) = self.env_entry(name).filter(|found| !found.text.is_empty()) {
            return Some(found);
        }
        let text = self.process?.setting(name)?.to_owned();
        Some(Found { text, place: Place { file: "(environment)".into(), line: None, key: name.to_owned() } })
    }

    fn env_entry(&self, name: &str) -> Option<Found> {
        let shared = self.home.filter(|home| home.shared.iter().any(|shared| shared == name));
        let entry_of = |file: &EnvFile| {
            let entry = file.entries.get(name)?;
            let place = Place { file: file.path.clone(), line: Some(entry.line), key: name.to_owned() };
            Some(Found { text: entry.value.reveal().to_owned(), place })
        };
        entry_of(self.env).or_else(|| entry_of(shared?.env))
    }

    /// Every entry of the profile's `.env`, with the secrets that the home shares and the process environment adds to
    /// it: what commands may be given and what must never show.
    pub fn env_values(&self) -> BTreeMap<String, Secret> {
        let own = self.env.entries.iter().map(|(name, entry)| (name.clone(), entry.value.clone()));
        let mut values: BTreeMap<_, _> = own.collect();
        let mut names: Vec<&str> = provider::key_names().collect();
        names.push("API_SERVER_KEY");
        names.extend(self.home.into_iter().flat_map(|home| home.shared).map(String::as_str));
        for name in names {
            if let Some(found) = self.env(name) {
                values.insert(name.to_owned(), Secret::new(found.text));
            }
        }
        values
    }

    /// Whether the profile's own `config.yaml` says anything at this path.
    pub fn own_has(&self, path: &str) -> bool {
        self.yaml.root.at(path).is_some()
    }

    /// Entries of the profile's `.env` that look like a setting of ours and are none.
    pub fn entry_warnings(&self) -> Vec<String> {
        let warning = |name: &String| {
            let text = match misspelt(name)? {
                Some(near) => format!("is not known and has no effect: did you mean `{near}`?"),
                None => "is not known and has no effect".to_owned(),
            };
            Some(self.env_entry(name)?.place.warning(text))
        };
        self.env.entries.keys().filter_map(warning).collect()
    }

    /// Where a setting of `.env` would be written, for errors about what is missing.
    pub fn missing(&self, key: &str, message: impl Into<String>) -> ConfigError {
        self.place(key).error(message)
    }

    /// Where an entry of `.env` would be.
    pub fn place(&self, key: &str) -> Place {
        Place { file: self.env.path.clone(), line: None, key: key.to_owned() }
    }

    fn source(&self, path: &str) -> Option<Source<'_>> {
        if let Some(node) = at(&self.yaml.root, path) {
            return Some(Source { file: self.yaml, node, owner: Expand::Profile });
        }
        let home = self.home?;
        let section = path.split('.').next().unwrap_or(path);
        let shared = home.shared.iter().any(|shared| shared == path);
        let own_endpoint = self.own_has("model.provider") || self.own_has("model.base_url");
        let cut = ENDPOINT.contains(&path) && own_endpoint || self.own_entry(path);
        // A workspace is one profile's own: two that met in one folder would read each other's files.
        if !INHERITED.contains(&section) || cut || path == "terminal.cwd" || (is_secret(path) && !shared) {
            return None;
        }
        let node = at(&home.yaml.root, path)?;
        let owner = if shared { Expand::Home } else { Expand::Profile };
        Some(Source { file: home.yaml, node, owner })
    }

    /// Whether a path lies in an entry of `providers` that the profile has itself: such an entry is not completed with
    /// parts of the home's either.
    fn own_entry(&self, path: &str) -> bool {
        let name = path.strip_prefix("providers.").and_then(|rest| rest.split('.').next());
        name.is_some_and(|name| {
            let own = self.yaml.root.at("providers");
            own.is_some_and(|own| own.members().iter().any(|member| member.key == name))
        })
    }

    /// Where the value at a path, or a member of that list, names an entry of `.env`.
    pub fn reference(&self, path: &str) -> Option<Place> {
        let source = self.source(path)?;
        let refers = |node: &&Node| matches!(&node.kind, Kind::Scalar { text, .. } if expand(text, |_name| None).is_err());
        let items = match &source.node.kind {
            Kind::List(items) => items.as_slice(),
            Kind::Scalar { .. } | Kind::Map(_) => std::slice::from_ref(source.node),
        };
        let line = items.iter().find(refers)?.line;
        Some(Place { line: Some(line), ..place(source, path) })
    }

    fn scalar(&self, path: &str, source: Source<'_>, node: &Node) -> Result<Found, ConfigError> {
        let place = Place { line: Some(node.line), ..place(source, path) };
        let Kind::Scalar { text, .. } = &node.kind else {
            return Err(place.error(format!("is {}, but a single value is wanted", node.kind_name())));
        };
        let env = match (source.owner, self.home) {
            (Expand::Home, Some(home)) => home.env,
            (Expand::Home | Expand::Profile, _) => self.env,
        };
        let value_of = |name: &str| match source.owner {
            Expand::Home => env.entries.get(name).map(|entry| entry.value.reveal().to_owned()),
            Expand::Profile => self.env_entry(name).map(|found| found.text),
        };
        let text = expand(text, value_of).map_err(|name| {
            place.error(format!("`${{{name}}}` is not set: add a line `{name}=…` to {}", env.path.display()))
        })?;
        Ok(Found { text, place })
    }
}

fn place(source: Source<'_>, path: &str) -> Place {
    Place { file: source.file.path.clone(), line: Some(source.node.line), key: path.to_owned() }
}

/// The value at a path; `model: NAME` reads as `model.default`.
fn at<'a>(root: &'a Node, path: &str) -> Option<&'a Node> {
    let short = || root.at("model").filter(|model| matches!(model.kind, Kind::Scalar { .. }));
    root.at(path).or_else(|| if path == "model.default" { short() } else { None })
}

/// The pieces of a comma list, without blanks around them.
pub(super) fn split(whole: &Found) -> Vec<Found> {
    let pieces = whole.text.split(',').map(str::trim).filter(|piece| !piece.is_empty());
    pieces.map(|piece| Found { text: piece.to_owned(), place: whole.place.clone() }).collect()
}

/// Whether the last word of a dotted path says that its value is a credential.
fn is_secret(path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or(path);
    ["key", "keys", "token", "secret", "password"]
        .iter()
        .any(|word| name.strip_suffix(word).is_some_and(|before| before.is_empty() || before.ends_with('_')))
}
