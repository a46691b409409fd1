//! What may be typed.

use crate::{
    config::parse_duration,
    domain::{ApprovalId, Millis, ProfileName, UsageBy, now},
    gateway::MAX_OVERLAP,
};
use chrono::NaiveDate;
use clap::{Parser, Subcommand};
use std::{path::PathBuf, time::Duration};

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
    /// Make, list, rotate and revoke the keys of a profile (-p NAME)
    #[command(subcommand)]
    Key(KeyCommand),
    /// Answer what agents ask before they act
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// List and search the sessions of a profile, or make one shorter (-p NAME)
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// What the model calls of a profile cost (-p NAME)
    Usage {
        /// What the sums are for: day, session, key, model or kind
        #[arg(long, value_name = "WHAT", default_value = "day", value_parser = usage_by)]
        by: UsageBy,
        /// From this day on (UTC) [default: 30 days ago]
        #[arg(long, value_name = "DAY")]
        from: Option<String>,
        /// Until the end of this day [default: today]
        #[arg(long, value_name = "DAY")]
        to: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Put what should hold to the test
    #[command(subcommand)]
    Doctor(DoctorCommand),
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
        /// What it may do; may be repeated [default: all but admin and impersonate]
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// A tool of the agent that its runs may use; may be repeated [default: all]
        #[arg(long = "tool", value_name = "TOOL", conflicts_with = "no_tools")]
        tools: Vec<String>,
        /// Its runs use no tool of the agent
        #[arg(long)]
        no_tools: bool,
        /// When it ends by itself: 12h, 30d, or 2027-01-31 (UTC) [default: never]
        #[arg(long, value_name = "WHEN", value_parser = moment)]
        expires: Option<Millis>,
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
    /// One key, without its secret
    Show {
        /// Its id, or a name of its own
        #[arg(value_name = "ID|NAME")]
        key: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a key a new secret; it is shown once
    Rotate {
        /// Its id, or a name of its own
        #[arg(value_name = "ID|NAME")]
        key: String,
        /// How long the old secret works on, at most 90d [default: not at all]
        #[arg(long, value_name = "TIME", default_value = "0", hide_default_value = true, value_parser = overlap)]
        overlap: Duration,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a key useless at once: its streams and its runs end
    Revoke {
        /// Its id, or a name of its own
        #[arg(value_name = "ID|NAME")]
        key: String,
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
    /// Answer what the agent asks itself
    Answer {
        #[arg(value_parser = approval_id)]
        id: ApprovalId,
        /// The answer
        text: String,
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
pub enum SessionsCommand {
    /// The newest sessions
    List {
        /// How many
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = page)]
        limit: usize,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Find messages by their words
    Search {
        /// All of them must be there; `word*` for a beginning, `"two words"` for a phrase
        #[arg(required = true)]
        words: Vec<String>,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = page)]
        limit: usize,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Take over the sessions of a state.db of the reference
    Import {
        /// The database; it is copied first, and not changed
        file: PathBuf,
        /// Only tell what would come of it
        #[arg(long)]
        dry_run: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Have the older messages of a session give way to a summary; needs a running gateway
    Compress {
        /// The session
        id: String,
        /// What the summary is to give most room to
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        focus: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum DoctorCommand {
    /// Attack the sandbox from inside (with -p: with the terminal settings of that profile)
    Isolation {
        /// As JSON
        #[arg(long)]
        json: bool,
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

/// A time from now, or a day of the calendar; either is to come.
fn moment(text: &str) -> Result<Millis, String> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(|day| day.and_hms_opt(0, 0, 0));
    let at = match (parse_duration(text), day) {
        (Some(after), _) => Millis::try_from(after.as_millis()).ok().map(|ms| now().saturating_add(ms)),
        (None, Some(day)) => Some(day.and_utc().timestamp_millis()),
        (None, None) => None,
    };
    at.filter(|at| *at > now())
        .ok_or_else(|| "a time from now (`12h`, `30d`) or a day to come (`2027-01-31`, UTC)".to_owned())
}

fn overlap(text: &str) -> Result<Duration, String> {
    let overlap = parse_duration(text).filter(|overlap| *overlap <= MAX_OVERLAP);
    overlap.ok_or_else(|| "a time such as `30m`, `24h`, `7d`, at most `90d`".to_owned())
}

fn usage_by(text: &str) -> Result<UsageBy, String> {
    UsageBy::parse(text).ok_or_else(|| format!("one of {}", UsageBy::NAMED.map(|(name, _)| name).join(", ")))
}

fn page(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=200).contains(number));
    number.ok_or_else(|| "a number from 1 to 200".to_owned())
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
