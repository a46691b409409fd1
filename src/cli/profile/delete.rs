//! `hermes profile delete NAME --yes`.

use crate::{
    cli::{
        context::{Context, Place, ask_profile},
        error::CliError,
        output::Output,
    },
    domain::{ProfileName, now},
    gateway::{Command, Offline, RunDir, Users},
    sandbox::{Project, remove_folder, remove_tmp},
};
use std::fs;

pub fn run(
    context: &Context,
    name: &ProfileName,
    yes: bool,
    stop: bool,
    output: &Output,
) -> Result<(), CliError> {
    if *name == ProfileName::home() {
        return Err(CliError::usage(
            "`default` is the home itself; delete the folder if that is what you want",
        ));
    }
    let found = context.find(name)?;
    if !yes {
        return Err(CliError::usage(format!(
            "this deletes {} with sessions, keys and files; type `hermes profile delete {name} --yes` if you mean it",
            found.root.display()
        )));
    }
    let place = Place::from(&found);
    if let Some(client) = context.holder(&place)? {
        if !stop {
            return Err(CliError::failed(format!(
                "`{name}` is being served by process {}; add --stop, or type `hermes profile stop {name}` first",
                client.status.pid
            )));
        }
        ask_profile(&client, Command::StopProfile { profile: name.clone() })?;
    }
    // Held until all is gone: no gateway starts it meanwhile.
    let _lock = Offline::lock(&context.home, &place.state_dir)?;
    let at = |error: std::io::Error| CliError::failed(format!("{}: {error}", found.root.display()));
    let project = found.config.as_ref().ok().and_then(|config| Project::of(&config.workspace));
    // Out of sight in one step; an interrupted deletion leaves no half profile.
    let grave = found.root.with_file_name(format!(".{name}.deleted-{}", now()));
    fs::rename(&found.root, &grave).map_err(at)?;
    remove_folder(&grave).map_err(at)?;
    // The profile is gone by now, so what is left of it in `/tmp` is worth a word, not a failure.
    if let Err(error) = remove_tmp(name.as_str(), &found.root) {
        output.note(format_args!("warning: the temporary folders of `{name}` are still there: {error}"));
    }
    if let Some(Err(error)) = project.map(Project::forget) {
        output.note(format_args!("warning: the file system still keeps a quota for `{name}`: {error}"));
    }
    if let Err(error) = Users::forget(RunDir::at(&context.home).path(), name) {
        output.note(format_args!("warning: the user of `{name}` is still kept for that name: {error}"));
    }
    output.line(format_args!("deleted the profile `{name}`"));
    Ok(())
}
