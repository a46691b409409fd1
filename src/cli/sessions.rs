//! `hermes sessions list | search | import | compress`, for one profile.

use super::{
    args::SessionsCommand,
    context::{Context, Place, document},
    error::CliError,
    import,
    output::{Cell, Output, Style, clip, printable},
};
use crate::{
    domain::{Millis, date},
    gateway::{Command, Question},
};
use serde_json::Value;

/// Of what was said, in a table.
const WORDS: usize = 60;

pub fn run(context: &Context, command: SessionsCommand, output: &Output) -> Result<(), CliError> {
    let found = context.meant_profile(name_of(&command))?;
    let place = Place::from(&found);
    match command {
        SessionsCommand::List { limit, json } => {
            let told = context.ask(&place, Question::Sessions { limit })?;
            shown(&told, json, &["ID", "ACTIVE", "FROM", "MESSAGES", "TITLE"], session, output)
        }
        SessionsCommand::Search { words, limit, json } => {
            let told = context.ask(&place, Question::Search { words: words.join(" "), limit })?;
            shown(&told, json, &["SESSION", "SAID", "BY", "WORDS"], hit, output)?;
            if told["complete"] == false {
                output.note("Not every message has been looked at yet; ask again in a moment.");
            }
            Ok(())
        }
        SessionsCommand::Import { file, dry_run, json } => {
            import::run(context, &found, &file, dry_run, json, output)
        }
        SessionsCommand::Compress { id, focus, json } => compress(context, &place, id, focus, json, output),
    }
}

const fn name_of(command: &SessionsCommand) -> &'static str {
    match command {
        SessionsCommand::List { .. } => "sessions list",
        SessionsCommand::Search { .. } => "sessions search",
        SessionsCommand::Import { .. } => "sessions import",
        SessionsCommand::Compress { .. } => "sessions compress",
    }
}

fn shown(
    told: &Value,
    json: bool,
    heads: &[&str],
    row: fn(&Value) -> Vec<Cell>,
    output: &Output,
) -> Result<(), CliError> {
    if json {
        return output.json(told);
    }
    match told["data"].as_array().map(Vec::as_slice).unwrap_or_default() {
        [] => output.line("nothing was found"),
        found => output.table(heads, &found.iter().map(row).collect::<Vec<_>>()),
    }
    Ok(())
}

fn session(session: &Value) -> Vec<Cell> {
    let title = session["title"].as_str().or(session["preview"].as_str()).unwrap_or("-");
    vec![
        Cell::new(Style::Bold, text(&session["id"])),
        Cell::plain(time(&session["last_active"])),
        Cell::plain(text(&session["source"])),
        Cell::plain(session["message_count"].to_string()),
        Cell::plain(clip(title, WORDS)),
    ]
}

fn hit(hit: &Value) -> Vec<Cell> {
    vec![
        Cell::new(Style::Bold, text(&hit["session_id"])),
        Cell::plain(time(&hit["timestamp"])),
        Cell::plain(text(&hit["role"])),
        Cell::plain(clip(&text(&hit["snippet"]), WORDS)),
    ]
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

fn time(value: &Value) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "seconds of this age")]
    value.as_f64().map_or_else(|| "-".to_owned(), |seconds| date((seconds * 1_000.0) as Millis))
}

fn compress(
    context: &Context,
    place: &Place,
    session: String,
    focus: String,
    json: bool,
    output: &Output,
) -> Result<(), CliError> {
    let Some(client) = context.holder(place)? else {
        return Err(CliError::failed(format!(
            "a summary takes a model, and no gateway serves `{0}`; start one (`hermes -p {0} gateway`), then ask again",
            place.name
        )));
    };
    let profile = place.name.clone();
    let told = document(&client, Command::CompressSession { profile, session, focus })?;
    if json {
        return output.json(&told);
    }
    output.line(printable(told["message"].as_str().unwrap_or_default()));
    Ok(())
}
