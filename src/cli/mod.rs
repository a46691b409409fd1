//! The command line: one file per command.
//!
//! A command reads arguments, asks the gateway that holds the profile (or opens the store while it holds the
//! profile's lock), and prints. Exit codes: 0 done, 1 failed, 2 wrong use.

mod approvals;
mod args;
mod audit;
mod backup;
mod context;
mod doctor;
mod error;
mod gateway;
mod import;
mod key;
mod output;
mod profile;
mod sessions;
mod start_table;
mod usage;

use crate::{config::ProcessEnv, sandbox};
use args::{Args, Command};
use clap::Parser as _;
use context::Context;
use error::CliError;
use output::Output;
use std::{ffi::OsString, process::ExitCode};

/// The program. Returns its exit code; nothing else in the crate ends the process.
#[must_use]
pub fn main() -> ExitCode {
    let mut words = std::env::args_os();
    // Before everything else: this is the start of every tool's command.
    if words.nth(1).is_some_and(|word| word == "sandbox-exec") {
        let code = sandbox::helper_main();
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    if std::env::args_os().nth(1).is_some_and(|word| word == sandbox::attack::COMMAND) {
        return attack();
    }
    if let Err(error) = sandbox::close_to_others() {
        Output::new(&ProcessEnv::default())
            .error(&CliError::failed(format!("this process cannot be closed to others: {error}")));
        return ExitCode::FAILURE;
    }
    run(std::env::args_os(), ProcessEnv::capture())
}

/// Runs inside a sandbox, where none of the other commands would find anything.
fn attack() -> ExitCode {
    let words: Vec<String> = std::env::args_os().skip(2).filter_map(|word| word.into_string().ok()).collect();
    let code = sandbox::attack::attack_main(&words, ProcessEnv::capture().0.into_iter().collect());
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn run(words: impl Iterator<Item = OsString>, env: ProcessEnv) -> ExitCode {
    let args = match Args::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors: clap knows. A closed terminal cannot be told anyway.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let output = Output::new(&env).with_home(args.home.as_deref());
    match dispatch(args, env, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn dispatch(args: Args, env: ProcessEnv, output: &Output) -> Result<(), CliError> {
    let Args { home, profile, command } = args;
    let context = Context::new(home.as_deref(), profile, env)?;
    let done = act(&context, command, output);
    if let Some(error) = context.unread.get() {
        output.note(format_args!("warning: {error}. The gateway goes on with its earlier settings"));
    }
    done
}

fn act(context: &Context, command: Command, output: &Output) -> Result<(), CliError> {
    match command {
        Command::Gateway(command) => gateway::run(context, &command, output),
        Command::Profile(command) => profile::run(context, command, output),
        Command::Key(command) => key::run(context, command, output),
        Command::Approvals(command) => approvals::run(context, command, output),
        Command::Sessions(command) => sessions::run(context, command, output),
        Command::Usage { by, from, to, json } => usage::run(context, by, (from, to), json, output),
        Command::Doctor(command) => doctor::run(context, &command, output),
        Command::Audit(command) => audit::run(context, &command, output),
        Command::Backup { name, file, stop } => {
            let name = context.one_profile(Some(name), "backup")?;
            backup::backup(context, &name, file.as_deref(), stop, output)
        }
        Command::Restore { name, file, stop } => {
            let name = context.one_profile(Some(name), "restore")?;
            backup::restore(context, &name, &file, stop, output)
        }
    }
}
