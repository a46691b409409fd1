//! `hermes approvals list | approve | deny | answer`: what agents ask.

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
            answer(context, id, &Answer::Decision(choice, None), output)
        }
        ApprovalsCommand::Deny { id, reason } => {
            answer(context, id, &Answer::Decision(Choice::Deny, reason), output)
        }
        ApprovalsCommand::Answer { id, text } => answer(context, id, &Answer::Words(text), output),
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

/// What somebody says to a question.
enum Answer {
    Decision(Choice, Option<String>),
    /// To what the agent asks itself.
    Words(String),
}

/// Finds the profile whose question it is, and answers there.
fn answer(context: &Context, id: ApprovalId, answer: &Answer, output: &Output) -> Result<(), CliError> {
    let mut asleep = Vec::new();
    for profile in meant(context)? {
        let place = Place::from(&profile);
        match context.holder(&place)? {
            Some(client) => {
                let known = of_gateway(&client, &place.name, false)?;
                let question = known.iter().find(|approval| approval.id == id);
                if question.is_some() || context.profile.is_some() {
                    return tell(&client, &place.name, id, question, answer, output);
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

fn tell(
    client: &Client,
    profile: &ProfileName,
    id: ApprovalId,
    question: Option<&Approval>,
    answer: &Answer,
    output: &Output,
) -> Result<(), CliError> {
    let profile = profile.clone();
    let command = match (answer, question) {
        (Answer::Decision(choice, reason), _) => {
            Command::DecideApproval { profile, id, choice: *choice, reason: reason.clone() }
        }
        (Answer::Words(response), Some(question)) => {
            Command::AnswerQuestion { profile, run: question.run_id, id, response: response.clone() }
        }
        (Answer::Words(_), None) => {
            return Err(CliError::failed(format!("`{profile}` asks no question {id}")));
        }
    };
    let Reply::Approvals(settled) = client.ask(command)? else { return Err(ClientError::Garbage.into()) };
    for approval in settled {
        let what = match answer {
            Answer::Words(_) => "answered",
            Answer::Decision(choice, _) if choice.allows() => "approved",
            Answer::Decision(..) => "denied",
        };
        output.line(format_args!("{what} {}: {}", approval.id, clip(&printable(&approval.command), 70)));
    }
    Ok(())
}
