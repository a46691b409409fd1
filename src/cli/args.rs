//! What may be typed.

use crate::domain::{ApprovalId, KeyId, ProfileName};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Many isolated agents behind the OpenAI and Hermes APIs, from one process.
#[derive(Debug, Parser)]
#[command(name = "hermes", version, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Args {
    /// The folder that holds all [default: $HERMES_HOME, else ~/.hermes]
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,

    /// The profile that is meant
    #[arg(short, long, global = true, value_name = "NAME", value_parser = profile_name)]
    pub profile: Option<ProfileName>,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the enabled profiles (with -p: that one) until Ctrl-C
    Gateway(GatewayArgs),
    /// Make, list, start and stop profiles
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Make, list and revoke the keys of a profile (-p NAME)
    #[command(subcommand)]
    Key(KeyCommand),
    /// Answer what agents ask before they act
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// Look at what was done in a profile's name (-p NAME), and whether that log was changed
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Write a profile's store into a file
    Backup {
        #[arg(value_parser = profile_name)]
        name: ProfileName,
        /// [default: NAME-<date and time>.jsonl in the current folder; `-`: standard output]
        file: Option<PathBuf>,
        /// Stop the profile meanwhile, and start it again
        #[arg(long)]
        stop: bool,
    },
    /// Replace a profile's store by a backup
    Restore {
        #[arg(value_parser = profile_name)]
        name: ProfileName,
        /// What `hermes backup` wrote
        file: PathBuf,
        /// Stop the profile meanwhile, and start it again
        #[arg(long)]
        stop: bool,
    },
}

#[derive(Debug, clap::Args)]
pub struct GatewayArgs {
    #[command(subcommand)]
    pub command: Option<GatewayCommand>,
}

#[derive(Debug, Subcommand)]
pub enum GatewayCommand {
    /// The gateways of this home and what they serve
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// End the gateways of this home (with -p: the one that serves that profile), in order
    Stop,
}

#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// Make a profile with the first free port from 8643
    Create {
        #[arg(value_parser = profile_name)]
        name: ProfileName,
    },
    /// All profiles of the home
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// One profile: settings in force, state
    Show {
        #[arg(value_parser = profile_name)]
        name: Option<ProfileName>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete a profile with everything it has
    Delete {
        #[arg(value_parser = profile_name)]
        name: ProfileName,
        /// It is meant: there is no way back
        #[arg(long)]
        yes: bool,
        /// Stop it first if it runs
        #[arg(long)]
        stop: bool,
    },
    /// Have the running gateway serve a profile
    Start {
        #[arg(value_parser = profile_name)]
        name: Option<ProfileName>,
    },
    /// Have the running gateway stop serving a profile
    Stop {
        #[arg(value_parser = profile_name)]
        name: Option<ProfileName>,
    },
    /// Stop and start a profile
    Restart {
        #[arg(value_parser = profile_name)]
        name: Option<ProfileName>,
    },
    /// Restart a profile with its files as they are now, if they are sound
    Reload {
        #[arg(value_parser = profile_name)]
        name: Option<ProfileName>,
    },
}

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key; it is shown once
    Create {
        /// What to call it
        #[arg(long, default_value = "cli")]
        name: String,
        /// What it may do; may be repeated [default: all but admin]
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// All keys, without their secrets
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a key useless at once
    Revoke {
        #[arg(value_parser = key_id)]
        id: KeyId,
    },
}

#[derive(Debug, Subcommand)]
pub enum ApprovalsCommand {
    /// What waits for an answer (with -p: of that profile)
    List {
        /// The answered ones too
        #[arg(long)]
        all: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Allow it
    Approve {
        #[arg(value_parser = approval_id)]
        id: ApprovalId,
        /// And everything like it in the same session
        #[arg(long, conflicts_with = "always")]
        session: bool,
        /// And everything like it in this profile, from now on
        #[arg(long)]
        always: bool,
    },
    /// Refuse it
    Deny {
        #[arg(value_parser = approval_id)]
        id: ApprovalId,
        /// Told to the agent
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// The last entries
    Show {
        /// How many
        #[arg(long, value_name = "N", default_value_t = 50)]
        last: usize,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Hold every entry to the chain; exit code 1 when something was changed, moved or cut off
    Verify {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write all entries into a file, as they are, while they are checked
    Export {
        /// `-`: standard output
        file: PathBuf,
    },
}

fn profile_name(text: &str) -> Result<ProfileName, String> {
    ProfileName::parse(text).map_err(|error| error.to_string())
}

fn key_id(text: &str) -> Result<KeyId, String> {
    KeyId::parse(text).map_err(|_error| "a key's id stands in `hermes key list`".to_owned())
}

fn approval_id(text: &str) -> Result<ApprovalId, String> {
    ApprovalId::parse(text)
        .ok_or_else(|| "an approval's id begins with apr_; see `hermes approvals list`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_fit_together() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }
}
