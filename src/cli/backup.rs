//! `hermes backup NAME [FILE]` and `hermes restore NAME FILE`.
//!
//! Both need the store for themselves. A profile that is being served is stopped and started again when `--stop` was
//! given; a failed one serves nobody, so restoring it asks no such thing.

use super::{
    context::{Context, Place, ask_profile},
    error::CliError,
    output::Output,
};
use crate::{
    domain::{ProfileName, now},
    gateway::{Client, Command, Offline, ProfileAnswer, State},
    store::Revocations,
};
use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

pub fn backup(
    context: &Context,
    name: &ProfileName,
    file: Option<&Path>,
    stop: bool,
    output: &Output,
) -> Result<(), CliError> {
    let place = Place::from(&context.find(name)?);
    let path = file.map_or_else(|| PathBuf::from(format!("{name}-{}.jsonl", now())), Path::to_owned);
    let lines = alone(context, &place, stop, false, "backup", output, |offline| {
        if path.as_os_str() == "-" {
            return Ok(offline.backup(name, &mut io::stdout().lock())?);
        }
        write_whole(&path, |to| Ok(offline.backup(name, to)?))
    })?;
    output.note(format_args!("{lines} records of `{name}` written to {}", path.display()));
    Ok(())
}

pub fn restore(
    context: &Context,
    name: &ProfileName,
    file: &Path,
    stop: bool,
    output: &Output,
) -> Result<(), CliError> {
    let place = Place::from(&context.find(name)?);
    // Before anything is stopped: the file must be there.
    let from = File::open(file).map_err(|error| CliError::failed(format!("{}: {error}", file.display())))?;
    let restored = alone(context, &place, stop, true, "restore", output, |offline| {
        Ok(offline.restore(name, &mut BufReader::new(from))?)
    })?;
    output.note(format_args!(
        "{} records of `{name}` restored; what was there before is kept in {}",
        restored.records,
        place.state_dir.display()
    ));
    match restored.revocations {
        Revocations::Kept(0) => {}
        Revocations::Kept(count) => {
            output.note(format_args!("keys revoked since the backup stay revoked: {count}"));
        }
        Revocations::Lost(_) => output.note(format_args!(
            "warning: the store that was replaced cannot be read, so keys of `{name}` that were revoked since the \
             backup are valid again; look with `hermes -p {name} key list`, revoke with `hermes -p {name} key revoke ID`"
        )),
    }
    Ok(())
}

/// Does something while nobody serves the profile.
fn alone<R>(
    context: &Context,
    place: &Place,
    stop: bool,
    failed_is_free: bool,
    command: &str,
    output: &Output,
    what: impl FnOnce(&Offline<'_>) -> Result<R, CliError>,
) -> Result<R, CliError> {
    let holder = context.holder(place)?;
    if let Some(client) = &holder {
        let failed = failed_is_free && state(client, &place.name) == Some(State::Failed);
        if !(stop || failed) {
            return Err(CliError::failed(format!(
                "`{0}` is being served by process {1}; type `hermes {command} {0} … --stop` to stop it meanwhile",
                place.name, client.status.pid
            )));
        }
        ask_profile(client, Command::StopProfile { profile: place.name.clone() })?;
    }
    let done = Offline::lock(&context.home, &place.state_dir)
        .map_err(CliError::from)
        .and_then(|offline| what(&offline));
    // Also when it went wrong: a profile that served before is to serve again.
    let started = holder
        .map(|client| ask_profile(&client, Command::StartProfile { profile: place.name.clone() }))
        .transpose();
    // A key is shown whatever became of the rest: nobody will see it again.
    if let Ok(Some(ProfileAnswer { status: _, first_key, warnings })) = &started {
        for warning in warnings {
            output.note(format_args!("warning: {warning}"));
        }
        if let Some(key) = first_key {
            // Not on standard output: the backup itself may be there.
            output.note(format_args!("New key of `{}`, shown this once: {key}", place.name));
        }
    }
    let done = done?;
    started?;
    Ok(done)
}

fn state(client: &Client, name: &ProfileName) -> Option<State> {
    client.status.profiles.iter().find(|status| status.name == *name).map(|status| status.state)
}

/// Writes a new file for the owner only; it has its name once it is whole and on disk.
pub(super) fn write_whole<R>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<R, CliError>,
) -> Result<R, CliError> {
    let in_file = |error: io::Error| CliError::failed(format!("{}: {error}", path.display()));
    if path.exists() {
        return Err(CliError::failed(format!("{} exists already; give another name", path.display())));
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)
        .map_err(in_file)?;
    let mut to = BufWriter::new(file);
    let written = write(&mut to).and_then(|done| {
        let file = to.into_inner().map_err(|error| in_file(error.into_error()))?;
        file.sync_all().map_err(in_file)?;
        std::fs::rename(&part, path).map_err(in_file)?;
        Ok(done)
    });
    if written.is_err() {
        // Half a backup is worse than none.
        let _ = std::fs::remove_file(&part);
    }
    written
}
