//! What a skill needs beside its text, by its head, and what of that the profile's commands do not have.

use crate::{
    config::{FrontMatter, ProfileConfig},
    tools::terminal::{PATH, has_variable},
};
use serde_json::{Map, Value, json};
use std::{env::consts::OS, os::unix::fs::PermissionsExt, path::Path};

/// Names of one kind that are looked at.
const MOST: usize = 50;
const LONGEST_NAME: usize = 128;

/// The members of `skill_view` that the head of a `SKILL.md` decides; of lists, those that are not empty. Blocking.
pub fn readiness(config: &ProfileConfig, head: &FrontMatter) -> Map<String, Value> {
    let variables = named(head, &["required_environment_variables", "prerequisites.env_vars"]);
    let commands = named(head, &["required_commands", "prerequisites.commands"]);
    let platforms = named(head, &["platforms"]);
    let no_variable: Vec<&str> =
        variables.iter().copied().filter(|name| !has_variable(config, name)).collect();
    let no_command: Vec<&str> = commands.iter().copied().filter(|name| !is_program(name)).collect();
    let elsewhere = !platforms.is_empty() && platforms.iter().all(|name| !name.eq_ignore_ascii_case(OS));
    let missing = !no_variable.is_empty() || !no_command.is_empty();
    let mut told = Map::new();
    let status = match (elsewhere, missing) {
        (true, _) => "unsupported",
        (false, true) => "setup_needed",
        (false, false) => "available",
    };
    told.insert("readiness_status".into(), status.into());
    if elsewhere {
        told.insert("setup_note".into(), format!("it is not meant for this system ({OS})").into());
    } else if missing {
        told.insert("setup_note".into(), note(config, &no_variable, &no_command).into());
    }
    let lists = [
        ("tags", named(head, &["metadata.hermes.tags", "tags"])),
        ("related_skills", named(head, &["metadata.hermes.related_skills", "related_skills"])),
        ("platforms", platforms),
        ("required_environment_variables", variables),
        ("missing_required_environment_variables", no_variable),
        ("required_commands", commands),
        ("missing_required_commands", no_command),
    ];
    for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        told.insert(name.into(), json!(list));
    }
    told
}

/// Each name once, from wherever heads have them.
fn named<'a>(head: &'a FrontMatter, paths: &[&str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    for name in paths.iter().flat_map(|path| head.names(path)) {
        if found.len() < MOST && name.len() <= LONGEST_NAME && !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

/// Whether commands find a program by its name. A path is no name: whether it exists is not for every text to ask.
fn is_program(name: &str) -> bool {
    let runs = |folder: &str| {
        let found = Path::new(folder).join(name).metadata();
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    !name.contains(['/', '\0']) && PATH.split(':').any(runs)
}

fn note(config: &ProfileConfig, variables: &[&str], commands: &[&str]) -> String {
    let variable = |name: &&str| {
        if config.env.contains_key(*name) {
            format!(
                "the variable {name} (it is in the profile's .env; terminal.env_passthrough has to name it)"
            )
        } else {
            format!("the variable {name} (for the profile's .env, and terminal.env_passthrough)")
        }
    };
    let command = |name: &&str| format!("the program {name} (to be installed on the machine)");
    let missing: Vec<String> = variables.iter().map(variable).chain(commands.iter().map(command)).collect();
    format!("commands do not have {}; tell the user what is missing before you begin", missing.join(", "))
}
