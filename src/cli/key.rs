//! `hermes key create | list | revoke`, for one profile.

use super::{
    args::KeyCommand,
    context::{Context, Place, Way},
    error::CliError,
    output::{Cell, Output, Style},
};
use crate::{
    config::Secret,
    domain::{KeyId, ProfileName, date},
    gateway::{ClientError, Command, KeyInfo, Reply, parse_scopes},
};

pub fn run(context: &Context, command: KeyCommand, output: &Output) -> Result<(), CliError> {
    let place = Place::from(&context.meant_profile(name_of(&command))?);
    match command {
        KeyCommand::Create { name, scopes, json } => create(context, &place, name, scopes, json, output),
        KeyCommand::List { json } => list(context, &place, json, output),
        KeyCommand::Revoke { id } => revoke(context, &place, id, output),
    }
}

const fn name_of(command: &KeyCommand) -> &'static str {
    match command {
        KeyCommand::Create { .. } => "key create",
        KeyCommand::List { .. } => "key list",
        KeyCommand::Revoke { .. } => "key revoke",
    }
}

fn create(
    context: &Context,
    place: &Place,
    name: String,
    scopes: Vec<String>,
    json: bool,
    output: &Output,
) -> Result<(), CliError> {
    parse_scopes(&scopes).map_err(CliError::Usage)?;
    let (token, key) = match context.way(place)? {
        Way::Offline(offline) => offline.create_key(&name, &scopes)?,
        Way::Gateway(client) => {
            let profile = place.name.clone();
            let Reply::KeyCreated { token, key } =
                client.ask(Command::CreateKey { profile, name, scopes })?
            else {
                return Err(ClientError::Garbage.into());
            };
            (Secret::new(token), key)
        }
    };
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
    output.table(&["ID", "NAME", "STATE", "MADE", "SCOPES"], &rows);
    Ok(())
}

fn revoke(context: &Context, place: &Place, id: KeyId, output: &Output) -> Result<(), CliError> {
    let key = match context.way(place)? {
        Way::Offline(offline) => offline.revoke_key(&id)?,
        Way::Gateway(client) => {
            let Reply::Key(key) = client.ask(Command::RevokeKey { profile: place.name.clone(), id })? else {
                return Err(ClientError::Garbage.into());
            };
            key
        }
    };
    output.line(format_args!("revoked {} ({})", key.id, key.name));
    Ok(())
}

fn nothing(name: &ProfileName) -> String {
    format!("`{name}` has no stored key; `hermes -p {name} key create` makes one")
}

fn row(key: &KeyInfo) -> Vec<Cell> {
    let state = match key.revoked_at {
        Some(_) => Cell::new(Style::Bad, "revoked"),
        None => Cell::new(Style::Good, "valid"),
    };
    let made = Cell::plain(date(key.created_at));
    vec![Cell::plain(key.id.as_str()), Cell::plain(&key.name), state, made, Cell::plain(key.scopes.join(","))]
}
