//! `hermes profile list | show`: what the files say, and what the gateways make of it.

use crate::{
    cli::{
        context::{Context, OWN_PROGRAM},
        error::CliError,
        output::{Cell, Output, Style, clip},
    },
    config::{FoundProfile, ProfileConfig},
    domain::ProfileName,
    gateway::{Client, ProfileStatus, State, base_url, floor_warning, upstream},
    sandbox::Sandbox,
    store::Wake,
};
use serde_json::{Value, json};

pub fn all(context: &Context, as_json: bool, output: &Output) -> Result<(), CliError> {
    if let Some(name) = &context.profile {
        return Err(CliError::usage(format!(
            "this lists all profiles; type `hermes profile list` without -p, or `hermes profile show {name}`"
        )));
    }
    let profiles = context.profiles()?;
    let running = running(context)?;
    let mut rows = Vec::new();
    for profile in profiles.iter().filter(|profile| is_there(profile)) {
        rows.push(Row::new(profile, running.get(&profile.name)));
    }
    if as_json {
        return output.json(&rows.iter().map(Row::json).collect::<Vec<_>>());
    }
    if rows.is_empty() {
        output.hint("no profiles yet; `hermes profile create NAME` makes one");
        return Ok(());
    }
    output.table(
        &["PROFILE", "STATE", "PORT", "MODEL", "UPSTREAM"],
        &rows.iter().map(Row::cells).collect::<Vec<_>>(),
    );
    // What is wrong with the home is told once, not with each of its profiles.
    let of_home = context.unread.get().map(ToString::to_string);
    for row in &rows {
        let own = |reason: &&String| of_home.as_ref().is_none_or(|error| !reason.starts_with(error));
        if let Some(reason) = row.reason.as_ref().filter(own) {
            output.hint(format_args!("\n{}: {reason}", row.name));
        }
    }
    Ok(())
}

pub fn one(context: &Context, name: &ProfileName, as_json: bool, output: &Output) -> Result<(), CliError> {
    let mut found = context.find(name)?;
    if let Ok(config) = &found.config {
        found.warnings.extend(floor_warning(config, &Sandbox::probe(OWN_PROGRAM.into())));
    }
    let running = running(context)?;
    let row = Row::new(&found, running.get(name));
    let folder = found.root.display().to_string();
    if as_json {
        let mut value = row.json();
        value["folder"] = json!(folder);
        value["warnings"] = json!(found.warnings);
        return output.json(&value);
    }
    let mut lines = vec![("profile", name.to_string()), ("state", row.state.to_owned()), ("folder", folder)];
    match (&found.config, running.get(name)) {
        (Ok(config), _) => lines.extend(settings(config)),
        (Err(_), Some((_, status))) => lines.extend(in_force(status)),
        (Err(_), None) => {}
    }
    lines.extend(row.reason.clone().map(|reason| ("reason", reason)));
    for (label, text) in lines {
        output.hint(format_args!(
            "{:10}{text}",
            output.paint(Style::Faint, &format!("{label:10}")).trim_end_matches(' ')
        ));
    }
    for warning in &found.warnings {
        output.note(format_args!("warning: {warning}"));
    }
    Ok(())
}

fn settings(config: &ProfileConfig) -> Vec<(&'static str, String)> {
    vec![
        ("address", base_url(config.listen, config.tls.is_some())),
        ("model", config.model_name.clone()),
        ("upstream", upstream(config)),
        ("workspace", config.workspace.display().to_string()),
        ("key", key(config).to_owned()),
    ]
}

/// Where its keys are, without opening its store.
fn key(config: &ProfileConfig) -> &'static str {
    let stored = Wake::read(&config.state_dir).is_some_and(|wake| wake.keys > 0);
    match (config.api_key.is_some(), stored) {
        (true, true) => "API_SERVER_KEY, and stored ones",
        (true, false) => "API_SERVER_KEY",
        (false, true) => "stored",
        (false, false) => "none yet: made at its next start",
    }
}

/// What is served, where the files cannot say it.
fn in_force(status: &ProfileStatus) -> Vec<(&'static str, String)> {
    let told = [("model", &status.model), ("upstream", &status.upstream)];
    let told = told.into_iter().filter(|(_, text)| !text.is_empty());
    let address = status.url().map(|url| ("address", url));
    address.into_iter().chain(told.map(|(label, text)| (label, text.clone()))).collect()
}

/// `default` is listed when its files make something of it.
fn is_there(profile: &FoundProfile) -> bool {
    profile.enabled || profile.name != ProfileName::home()
}

/// What the running gateways say, by profile.
fn running(
    context: &Context,
) -> Result<std::collections::BTreeMap<ProfileName, (u32, ProfileStatus)>, CliError> {
    let mut found = std::collections::BTreeMap::new();
    for client in Client::all(&context.home)? {
        let pid = client.status.pid;
        for status in client.status.profiles {
            // The gateway that serves it counts, not one that has stopped it.
            if status.state != State::Stopped {
                found.insert(status.name.clone(), (pid, status));
            }
        }
    }
    Ok(found)
}

struct Row<'a> {
    name: &'a ProfileName,
    state: &'static str,
    style: Style,
    reason: Option<String>,
    pid: Option<u32>,
    port: Option<u16>,
    model: Option<String>,
    upstream: Option<String>,
}

impl<'a> Row<'a> {
    fn new(found: &'a FoundProfile, running: Option<&(u32, ProfileStatus)>) -> Self {
        let config = found.config.as_ref().ok();
        let (mut state, mut style) = match (found.enabled, &found.config) {
            (_, Err(_)) => (State::Failed.name(), Style::Bad),
            (true, Ok(_)) => ("stopped", Style::Plain),
            (false, Ok(_)) => ("disabled", Style::Faint),
        };
        let mut reason = found.config.as_ref().err().map(ToString::to_string);
        let mut port = found.port;
        let (mut model, mut served_by) =
            (config.map(|config| config.model_name.clone()), config.map(upstream));
        if let Some((_, status)) = running {
            state = status.state.name();
            style = style_of(status.state);
            // It was started before its files broke.
            let earlier = |error: String| match status.state {
                State::Serving | State::Restarting => format!("{error}. The earlier settings are in force"),
                State::Starting | State::Failed | State::Stopped => error,
            };
            reason = status.reason.clone().or(reason.map(earlier));
            port = status.address.map(|address| address.port()).or(port);
            let told = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
            model = model.or_else(|| told(&status.model));
            served_by = served_by.or_else(|| told(&status.upstream));
        }
        let pid = running.map(|(pid, _)| *pid);
        Self { name: &found.name, state, style, reason, pid, port, model, upstream: served_by }
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::new(Style::Bold, self.name.as_str()),
            Cell::new(self.style, self.state),
            Cell::plain(self.port.map_or_else(|| "-".to_owned(), |port| port.to_string())),
            Cell::plain(self.model.as_deref().unwrap_or("-")),
            Cell::plain(clip(self.upstream.as_deref().unwrap_or("-"), 48)),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "state": self.state,
            "reason": self.reason,
            "pid": self.pid,
            "port": self.port,
            "model": self.model,
            "upstream": self.upstream,
        })
    }
}

pub fn style_of(state: State) -> Style {
    match state {
        State::Serving => Style::Good,
        State::Failed => Style::Bad,
        State::Starting | State::Restarting => Style::Bold,
        State::Stopped => Style::Plain,
    }
}
