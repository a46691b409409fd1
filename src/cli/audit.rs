//! `hermes audit show | verify | export`: reads the files of the log, whether a gateway writes them or not.

use super::{
    args::AuditCommand,
    backup::write_whole,
    context::{Context, Place},
    error::CliError,
    output::{Cell, Output, Style, clip},
};
use crate::audit;
use serde_json::{Map, Value};
use std::{io, path::Path};

pub fn run(context: &Context, command: &AuditCommand, output: &Output) -> Result<(), CliError> {
    let place = Place::from(&context.meant_profile(name_of(command))?);
    match command {
        AuditCommand::Show { last, json } => show(&place, *last, *json, output),
        AuditCommand::Verify { json } => verify(&place, *json, output),
        AuditCommand::Export { file } => export(&place, file, output),
    }
}

const fn name_of(command: &AuditCommand) -> &'static str {
    match command {
        AuditCommand::Show { .. } => "audit show",
        AuditCommand::Verify { .. } => "audit verify",
        AuditCommand::Export { .. } => "audit export",
    }
}

fn show(place: &Place, last: usize, json: bool, output: &Output) -> Result<(), CliError> {
    let lines = audit::last(&place.state_dir, last)
        .map_err(|error| CliError::failed(format!("the audit log cannot be read: {error}")))?;
    // A line that is none is shown all the same: `verify` says what is wrong with it.
    let entries: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| Value::String(line.clone())))
        .collect();
    if json {
        return output.json(&entries);
    }
    if entries.is_empty() {
        output.line(format_args!("nothing was done in the name of `{}` yet", place.name));
        return Ok(());
    }
    let rows: Vec<_> = entries.iter().map(row).collect();
    output.table(&["NO", "TIME", "WHO", "WHAT", "DETAILS"], &rows);
    Ok(())
}

fn row(entry: &Value) -> Vec<Cell> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let number = entry.get("seq").map_or_else(|| "-".to_owned(), ToString::to_string);
    let time = text("at");
    let time = time.get(..19).unwrap_or(&time).replace('T', " ");
    let known = ["seq", "at", "actor", "act", "hash", "prev", "digest"];
    let details: Vec<String> = entry
        .as_object()
        .into_iter()
        .flat_map(Map::iter)
        .filter(|(name, _)| !known.contains(&name.as_str()))
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                format!("{name}={value}")
            }
        })
        .collect();
    let what = text("act");
    let style = if what.starts_with("log.") { Style::Bold } else { Style::Plain };
    vec![
        Cell::plain(number),
        Cell::plain(time),
        Cell::plain(text("actor")),
        Cell::new(style, what),
        Cell::plain(clip(&details.join(" "), 160)),
    ]
}

fn verify(place: &Place, json: bool, output: &Output) -> Result<(), CliError> {
    let checked = audit::verify(&place.state_dir);
    if json {
        let told = match &checked {
            Ok(verified) => serde_json::json!({ "ok": true, "log": verified }),
            Err(broken) => serde_json::json!({ "ok": false, "error": broken.to_string() }),
        };
        output.json(&told)?;
    }
    let verified = checked.map_err(|broken| {
        CliError::failed(format!("the audit log of `{}` does not hold together: {broken}", place.name))
    })?;
    if json {
        return Ok(());
    }
    match (verified.first, verified.last) {
        (Some(first), Some(last)) => {
            output.line(format_args!("entries {first} to {last} of `{}` hold together", place.name));
            output.line(format_args!("last hash: {}", verified.last_hash));
        }
        (Some(_), None) | (None, _) => {
            output.line(format_args!("the audit log of `{}` has no entry yet", place.name));
        }
    }
    if verified.unfinished > 0 {
        output.note(format_args!(
            "{} bytes behind the last entry are one that is being written, or that a crash cut off",
            verified.unfinished
        ));
    }
    Ok(())
}

fn export(place: &Place, file: &Path, output: &Output) -> Result<(), CliError> {
    let broken = |broken: audit::Broken| {
        CliError::failed(format!("the audit log of `{}` does not hold together: {broken}", place.name))
    };
    let verified = if file.as_os_str() == "-" {
        audit::export(&place.state_dir, &mut io::stdout().lock()).map_err(broken)?
    } else {
        write_whole(file, |to| audit::export(&place.state_dir, to).map_err(broken))?
    };
    output.note(format_args!(
        "{} entries of `{}` written; the last hash is {}",
        verified.entries, place.name, verified.last_hash
    ));
    Ok(())
}
