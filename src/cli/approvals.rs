//! `hermes approvals list | approve | deny`: what agents ask before they act.

use super::{
    args::ApprovalsCommand,
    context::{Context, Place, Way},
    error::CliError,
    output::{Cell, Output, Style, clip, printable},
};
use crate::{
    config::FoundProfile,
    domain::{Approval, ApprovalId, ApprovalStatus, Choice, ProfileName, date},
    gateway::{Client, ClientError, Command, Reply},
};

/// Approvals of one profile in one list.
const LIMIT: usize = 200;
/// Of a command, in a table.
const COMMAND_WIDTH: usize = 44;

pub fn run(context: &Context, command: ApprovalsCommand, output: &Output) -> Result<(), CliError> {
    match command {
        ApprovalsCommand::List { all, json } => list(context, !all, json, output),
        ApprovalsCommand::Approve { id, session, always } => {
            let choice = match (session, always) {
                (_, true) => Choice::Always,
                (true, false) => Choice::Session,
                (false, false) => Choice::Once,
            };
            decide(context, id, choice, None, output)
        }
        ApprovalsCommand::Deny { id, reason } => decide(context, id, Choice::Deny, reason, output),
    }
}

/// The profiles that are meant: the one of `-p`, else all.
fn meant(context: &Context) -> Result<Vec<FoundProfile>, CliError> {
    match &context.profile {
        Some(name) => Ok(vec![context.find(name)?]),
        None => Ok(context.read_home()?.profiles),
    }
}

fn list(context: &Context, pending: bool, json: bool, output: &Output) -> Result<(), CliError> {
    let mut found: Vec<(ProfileName, Approval)> = Vec::new();
    for profile in meant(context)? {
        let place = Place::from(&profile);
        if !place.state_dir.exists() {
            continue;
        }
        let of = match context.way(&place)? {
            Way::Offline(offline) => offline.approvals(pending, LIMIT)?,
            Way::Gateway(client) => of_gateway(&client, &place.name, pending)?,
        };
        found.extend(of.into_iter().map(|approval| (place.name.clone(), approval)));
    }
    if json {
        let rows = found
            .iter()
            .map(|(profile, approval)| serde_json::json!({ "profile": profile, "approval": approval }));
        return output.json(&rows.collect::<Vec<_>>());
    }
    if found.is_empty() {
        output.line(if pending { "nothing waits for an answer" } else { "nothing was ever asked" });
        return Ok(());
    }
    let rows: Vec<_> = found.iter().map(|(profile, approval)| row(profile, approval)).collect();
    output.table(&["PROFILE", "ID", "STATE", "ASKED", "COMMAND"], &rows);
    Ok(())
}

fn of_gateway(client: &Client, profile: &ProfileName, pending: bool) -> Result<Vec<Approval>, CliError> {
    let list = Command::ListApprovals { profile: profile.clone(), pending };
    let Reply::Approvals(approvals) = client.ask(list)? else { return Err(ClientError::Garbage.into()) };
    Ok(approvals)
}

fn row(profile: &ProfileName, approval: &Approval) -> Vec<Cell> {
    let state = match (approval.status, approval.decision) {
        (ApprovalStatus::Pending, _) => Cell::new(Style::Bold, "pending"),
        (ApprovalStatus::Decided, Some(choice)) => Cell::plain(choice.wire()),
        (ApprovalStatus::Decided, None) => Cell::plain("decided"),
        (ApprovalStatus::Expired, _) => Cell::new(Style::Faint, "expired"),
        (ApprovalStatus::Withdrawn, _) => Cell::new(Style::Faint, "withdrawn"),
    };
    vec![
        Cell::plain(profile.as_str()),
        Cell::plain(approval.id.to_string()),
        state,
        Cell::plain(date(approval.created_at)),
        Cell::plain(clip(&approval.command, COMMAND_WIDTH)),
    ]
}

/// Finds the profile whose question it is, and answers there.
fn decide(
    context: &Context,
    id: ApprovalId,
    choice: Choice,
    reason: Option<String>,
    output: &Output,
) -> Result<(), CliError> {
    let mut asleep = Vec::new();
    for profile in meant(context)? {
        let place = Place::from(&profile);
        match context.holder(&place)? {
            Some(client) => {
                let known = of_gateway(&client, &place.name, false)?;
                if known.iter().any(|approval| approval.id == id) || context.profile.is_some() {
                    return answer(&client, &place.name, id, choice, reason, output);
                }
            }
            None => asleep.push(place),
        }
    }
    for place in asleep.into_iter().filter(|place| place.state_dir.exists()) {
        if let Way::Offline(offline) = context.way(&place)?
            && offline.approvals(true, LIMIT)?.iter().any(|approval| approval.id == id)
        {
            return Err(CliError::failed(format!(
                "{id} waits in `{0}`, which no gateway serves; start one (`hermes -p {0} gateway`), then answer",
                place.name
            )));
        }
    }
    Err(CliError::failed(format!("no profile knows {id}; `hermes approvals list` shows what waits")))
}

fn answer(
    client: &Client,
    profile: &ProfileName,
    id: ApprovalId,
    choice: Choice,
    reason: Option<String>,
    output: &Output,
) -> Result<(), CliError> {
    let command = Command::DecideApproval { profile: profile.clone(), id, choice, reason };
    let Reply::Approvals(decided) = client.ask(command)? else { return Err(ClientError::Garbage.into()) };
    for approval in decided {
        let what = if choice.allows() { "approved" } else { "denied" };
        output.line(format_args!("{what} {}: {}", approval.id, clip(&printable(&approval.command), 70)));
    }
    Ok(())
}
