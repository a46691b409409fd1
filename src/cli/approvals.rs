//! `hermes approvals list | approve | deny | answer`: what agents ask.

use super::{
    args::ApprovalsCommand,
    context::{Context, Place, Way},
    error::CliError,
    output::{Cell, Output, Style, clip, printable},
};
use crate::{
    domain::{Approval, ApprovalId, ApprovalStatus, Choice, ProfileName, date},
    gateway::{Client, ClientError, Command, OfflineError, Reply},
    store::{StoreError, Wake},
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

/// The profiles that are meant: the one of `-p`, else all that have a store.
fn meant(context: &Context) -> Result<Vec<Meant>, CliError> {
    let profiles = match &context.profile {
        Some(name) => vec![context.find(name)?],
        None => context.profiles()?,
    };
    let with_store = profiles.iter().filter_map(|profile| {
        let place = Place::from(profile);
        let wake = Wake::read(&place.state_dir)?;
        Some(Meant { may_wait: wake.open_runs, place })
    });
    Ok(with_store.collect())
}

struct Meant {
    place: Place,
    /// Who asks has an open run, and `state/wake` is told of one before there is anything of it: a profile that it
    /// knows none of waits for nobody. Hundreds of stores need not be opened to learn that.
    may_wait: bool,
}

fn list(context: &Context, pending: bool, json: bool, output: &Output) -> Result<(), CliError> {
    let mut found: Vec<(ProfileName, Approval)> = Vec::new();
    let named = context.profile.is_some();
    for Meant { place, may_wait } in meant(context)? {
        if pending && !may_wait && !named {
            continue;
        }
        match of_profile(context, &place, pending) {
            Ok(of) => found.extend(of.into_iter().map(|approval| (place.name.clone(), approval))),
            Err(error) if named => return Err(error),
            Err(error) => left_out(&place.name, &error, output),
        }
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

fn of_profile(context: &Context, place: &Place, pending: bool) -> Result<Vec<Approval>, CliError> {
    match context.way(place)? {
        Way::Gateway(client) => of_gateway(&client, &place.name, pending),
        Way::Offline(offline) => {
            offline.approvals(pending, LIMIT).map_err(|error| of_store(&place.name, error))
        }
    }
}

/// With the line to type, as a gateway tells it.
fn of_store(name: &ProfileName, error: OfflineError) -> CliError {
    if let OfflineError::Store(damaged @ StoreError::Damaged(_)) = &error {
        return CliError::failed(format!("{damaged}: `hermes restore {name} FILE`"));
    }
    error.into()
}

/// One profile that cannot answer is no reason to keep silent about the others.
fn left_out(name: &ProfileName, error: &CliError, output: &Output) {
    let error = error.to_string();
    let error = error.trim_end_matches('.');
    output.note(format_args!(
        "warning: `{name}` is left out, since it cannot be asked: {error}. `hermes profile show {name}` tells its \
         state; once that is mended, type `hermes -p {name} approvals list`"
    ));
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
    let mut meant = meant(context)?;
    // The others can know it only as one that was answered before.
    meant.sort_by_key(|meant| !meant.may_wait);
    let mut unasked = Vec::new();
    for meant in &meant {
        match try_answer(context, meant, id, answer, output) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(Unanswered::Final(error)) => return Err(error),
            Err(Unanswered::NotAsked(error)) if context.profile.is_some() => return Err(error),
            Err(Unanswered::NotAsked(error)) => {
                left_out(&meant.place.name, &error, output);
                unasked.push(format!("`{}`", meant.place.name));
            }
        }
    }
    let known = "`hermes approvals list` shows what waits";
    Err(CliError::failed(match unasked.as_slice() {
        [] => format!("no profile knows {id}; {known}"),
        unasked => format!(
            "no profile that could be asked knows {id}; {} could not be asked; {known}",
            unasked.join(", ")
        ),
    }))
}

enum Unanswered {
    /// Whether it is this profile's question is not known.
    NotAsked(CliError),
    Final(CliError),
}

/// `false`: it is not this profile's question.
fn try_answer(
    context: &Context,
    Meant { place, may_wait }: &Meant,
    id: ApprovalId,
    answer: &Answer,
    output: &Output,
) -> Result<bool, Unanswered> {
    let not_asked = Unanswered::NotAsked;
    if let Some(client) = context.holder(place).map_err(|error| not_asked(error.into()))? {
        let known = of_gateway(&client, &place.name, false).map_err(not_asked)?;
        let question = known.iter().find(|approval| approval.id == id);
        if question.is_none() && context.profile.is_none() {
            return Ok(false);
        }
        let told = tell(&client, &place.name, id, question, answer, output);
        return told.map(|()| true).map_err(Unanswered::Final);
    }
    let waits = |known: &[Approval]| known.iter().any(|approval| approval.id == id);
    if !may_wait || !waits(&of_profile(context, place, true).map_err(not_asked)?) {
        return Ok(false);
    }
    Err(Unanswered::Final(CliError::failed(format!(
        "{id} waits in `{0}`, which no gateway serves; start one (`hermes -p {0} gateway`), then answer",
        place.name
    ))))
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
