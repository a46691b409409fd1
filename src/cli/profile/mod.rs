//! `hermes profile …`: one file per group of commands.

mod create;
mod delete;
mod list;
mod serve;

pub use list::style_of;

use super::{args::ProfileCommand, context::Context, error::CliError, output::Output};
use crate::gateway::Command;

pub fn run(context: &Context, command: ProfileCommand, output: &Output) -> Result<(), CliError> {
    match command {
        ProfileCommand::Create { name } => {
            let name = context.one_profile(Some(name), "profile create")?;
            create::run(context, &name, output)
        }
        ProfileCommand::List { json } => list::all(context, json, output),
        ProfileCommand::Show { name, json } => {
            let name = context.one_profile(name, "profile show")?;
            list::one(context, &name, json, output)
        }
        ProfileCommand::Delete { name, yes, stop } => {
            let name = context.one_profile(Some(name), "profile delete")?;
            delete::run(context, &name, yes, stop, output)
        }
        ProfileCommand::Start { name } => {
            let profile = context.one_profile(name, "profile start")?;
            serve::start(context, &profile, output)
        }
        ProfileCommand::Stop { name } => {
            let profile = context.one_profile(name, "profile stop")?;
            serve::running(context, Command::StopProfile { profile }, output)
        }
        ProfileCommand::Restart { name } => {
            let profile = context.one_profile(name, "profile restart")?;
            serve::running(context, Command::RestartProfile { profile }, output)
        }
        ProfileCommand::Reload { name } => {
            let profile = context.one_profile(name, "profile reload")?;
            serve::running(context, Command::ReloadProfile { profile }, output)
        }
    }
}
