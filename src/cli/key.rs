//! `hermes key create | list | show | rotate | revoke`, for one profile.

use super::{
    args::KeyCommand,
    context::{Context, Place, Way},
    error::CliError,
    output::{Cell, Output, Style},
};
use crate::{
    config::Secret,
    domain::{Millis, ProfileName, date, now},
    gateway::{ClientError, Command, KeyInfo, KeyWish, Reply},
};
use std::time::Duration;

pub fn run(context: &Context, command: KeyCommand, output: &Output) -> Result<(), CliError> {
    let place = Place::from(&context.meant_profile(name_of(&command))?);
    match command {
        KeyCommand::Create { name, scopes, tools, no_tools, expires, json } => {
            let tools = (no_tools || !tools.is_empty()).then_some(tools);
            let wish = KeyWish { name, scopes, tools, expires_at: expires };
            let made = create(context, &place, wish)?;
            shown_once(&place, &made, json, output)
        }
        KeyCommand::List { json } => list(context, &place, json, output),
        KeyCommand::Show { key, json } => show(context, &place, key, json, output),
        KeyCommand::Rotate { key, overlap, json } => {
            let made = rotate(context, &place, key, overlap)?;
            shown_once(&place, &made, json, output)?;
            if let (Some(until), false) = (made.1.overlap_until, json) {
                output.note(format_args!("Its old secret works until {} UTC.", date(until)));
            }
            Ok(())
        }
        KeyCommand::Revoke { key } => revoke(context, &place, key, output),
    }
}

const fn name_of(command: &KeyCommand) -> &'static str {
    match command {
        KeyCommand::Create { .. } => "key create",
        KeyCommand::List { .. } => "key list",
        KeyCommand::Show { .. } => "key show",
        KeyCommand::Rotate { .. } => "key rotate",
        KeyCommand::Revoke { .. } => "key revoke",
    }
}

type Made = (Secret, KeyInfo);

fn create(context: &Context, place: &Place, wish: KeyWish) -> Result<Made, CliError> {
    wish.spec().map_err(CliError::Usage)?;
    match context.way(place)? {
        Way::Offline(offline) => Ok(offline.create_key(&wish)?),
        Way::Gateway(client) => made(client.ask(Command::CreateKey { profile: place.name.clone(), wish })?),
    }
}

fn rotate(context: &Context, place: &Place, key: String, overlap: Duration) -> Result<Made, CliError> {
    match context.way(place)? {
        Way::Offline(offline) => Ok(offline.rotate_key(&key, overlap)?),
        Way::Gateway(client) => {
            let overlap_ms = Millis::try_from(overlap.as_millis()).unwrap_or(Millis::MAX);
            made(client.ask(Command::RotateKey { profile: place.name.clone(), key, overlap_ms })?)
        }
    }
}

fn made(reply: Reply) -> Result<Made, CliError> {
    let Reply::KeyCreated { token, key } = reply else {
        return Err(ClientError::Garbage.into());
    };
    Ok((Secret::new(token), key))
}

fn shown_once(place: &Place, (token, key): &Made, json: bool, output: &Output) -> Result<(), CliError> {
    if json {
        return output.json(&serde_json::json!({ "token": token.reveal(), "key": key }));
    }
    output.line(token.reveal());
    output.note(format_args!(
        "This key of `{}` is shown once. Revoke it with `hermes -p {} key revoke {}`.",
        place.name, place.name, key.id
    ));
    Ok(())
}

fn list(context: &Context, place: &Place, json: bool, output: &Output) -> Result<(), CliError> {
    let keys = match context.way(place)? {
        Way::Offline(offline) => offline.keys()?,
        Way::Gateway(client) => {
            let Reply::Keys(keys) = client.ask(Command::ListKeys { profile: place.name.clone() })? else {
                return Err(ClientError::Garbage.into());
            };
            keys
        }
    };
    if json {
        return output.json(&keys);
    }
    if keys.is_empty() {
        output.hint(nothing(&place.name));
        return Ok(());
    }
    let rows: Vec<_> = keys.iter().map(row).collect();
    output.table(&["ID", "NAME", "STATE", "MADE", "ENDS", "USED", "SCOPES", "TOOLS"], &rows);
    Ok(())
}

fn show(context: &Context, place: &Place, key: String, json: bool, output: &Output) -> Result<(), CliError> {
    let key = match context.way(place)? {
        Way::Offline(offline) => offline.key(&key)?,
        Way::Gateway(client) => one(client.ask(Command::ShowKey { profile: place.name.clone(), key })?)?,
    };
    if json {
        return output.json(&key);
    }
    let time = |at: Option<Millis>, never: &str| at.map_or_else(|| never.to_owned(), utc);
    let tools = tools(&key);
    let mut rows = vec![
        ("id", key.id.to_string()),
        ("name", key.name.clone()),
        ("state", state(&key).1.to_owned()),
        ("scopes", key.scopes.join(", ")),
        ("tools", tools),
        ("made", utc(key.created_at)),
        ("ends", time(key.expires_at, "never")),
        ("last used", time(key.last_used_at, "not known")),
    ];
    rows.extend(key.rotated_at.map(|at| ("rotated", utc(at))));
    rows.extend(key.overlap_until.map(|at| ("old secret until", utc(at))));
    rows.extend(key.revoked_at.map(|at| ("revoked", utc(at))));
    for (what, value) in rows {
        output.line(format_args!("{what:<17} {value}"));
    }
    Ok(())
}

fn revoke(context: &Context, place: &Place, key: String, output: &Output) -> Result<(), CliError> {
    let key = match context.way(place)? {
        Way::Offline(offline) => offline.revoke_key(&key)?,
        Way::Gateway(client) => one(client.ask(Command::RevokeKey { profile: place.name.clone(), key })?)?,
    };
    output.line(format_args!("revoked {} ({})", key.id, key.name));
    Ok(())
}

fn one(reply: Reply) -> Result<KeyInfo, CliError> {
    let Reply::Key(key) = reply else {
        return Err(ClientError::Garbage.into());
    };
    Ok(key)
}

fn nothing(name: &ProfileName) -> String {
    format!("`{name}` has no stored key; `hermes -p {name} key create` makes one")
}

fn utc(at: Millis) -> String {
    format!("{} UTC", date(at))
}

fn state(key: &KeyInfo) -> (Style, &'static str) {
    match (key.revoked_at, key.expires_at) {
        (Some(_), _) => (Style::Bad, "revoked"),
        (None, Some(end)) if end <= now() => (Style::Bad, "ended"),
        (None, _) if key.overlap_until.is_some() => (Style::Good, "valid, 2 secrets"),
        (None, _) => (Style::Good, "valid"),
    }
}

fn tools(key: &KeyInfo) -> String {
    match key.tools.as_deref() {
        None => "all".to_owned(),
        Some([]) => "none".to_owned(),
        Some(tools) => tools.join(","),
    }
}

fn row(key: &KeyInfo) -> Vec<Cell> {
    let (style, state) = state(key);
    let time = |at: Option<Millis>| Cell::plain(at.map_or_else(|| "-".to_owned(), date));
    vec![
        Cell::plain(key.id.as_str()),
        Cell::plain(&key.name),
        Cell::new(style, state),
        Cell::plain(date(key.created_at)),
        time(key.expires_at),
        time(key.last_used_at),
        Cell::plain(key.scopes.join(",")),
        Cell::plain(tools(key)),
    ]
}
