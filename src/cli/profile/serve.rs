//! `hermes profile start | stop | restart | reload`: asks a running gateway.

use crate::{
    cli::{
        context::{Context, ask_profile},
        error::CliError,
        output::Output,
    },
    domain::ProfileName,
    gateway::{Client, Command, ProfileAnswer, State},
};

pub fn start(context: &Context, name: &ProfileName, output: &Output) -> Result<(), CliError> {
    context.find(name)?;
    // A gateway that has it already counts more than one that could take it.
    let client = match having(context, name)? {
        Some(client) => client,
        None => context.server(name)?,
    };
    let answer = ask_profile(&client, Command::StartProfile { profile: name.clone() })?;
    say(&answer, output);
    Ok(())
}

/// What only makes sense for a profile that a gateway has.
pub fn running(context: &Context, command: Command, output: &Output) -> Result<(), CliError> {
    let (Command::StopProfile { profile: name }
    | Command::RestartProfile { profile: name }
    | Command::ReloadProfile { profile: name }) = &command
    else {
        return Err(CliError::failed("not a command for a running profile"));
    };
    let Some(client) = having(context, name)? else {
        // Before the answer "it does not run": does it exist?
        context.find(name)?;
        return Err(CliError::failed(format!(
            "no gateway of this home serves `{name}`; `hermes profile start {name}` starts it where one runs"
        )));
    };
    let answer = ask_profile(&client, command)?;
    say(&answer, output);
    Ok(())
}

/// The gateway that knows the profile; among several the one that serves it.
fn having(context: &Context, name: &ProfileName) -> Result<Option<Client>, CliError> {
    let mut known: Vec<_> = Client::all(&context.home)?
        .into_iter()
        .filter_map(|client| {
            let state = client.status.profiles.iter().find(|status| status.name == *name)?.state;
            Some((state == State::Stopped, client))
        })
        .collect();
    known.sort_by_key(|(stopped, _)| *stopped);
    Ok(known.into_iter().next().map(|(_, client)| client))
}

pub fn say(answer: &ProfileAnswer, output: &Output) {
    let ProfileAnswer { status, first_key, warnings } = answer;
    for warning in warnings {
        output.note(format_args!("warning: {warning}"));
    }
    match status.url() {
        Some(url) => output.line(format_args!("{} is {} at {url}", status.name, status.state.name())),
        None => output.line(format_args!("{} is {}", status.name, status.state.name())),
    }
    if let Some(key) = first_key {
        output.line(format_args!("New key, shown this once: {key}"));
    }
}
