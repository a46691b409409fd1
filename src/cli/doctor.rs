//! `hermes doctor isolation`: the gateway's attacks on its own wall.

use super::{
    args::DoctorCommand,
    context::{Context, OWN_PROGRAM},
    error::CliError,
    output::{Cell, Output, Style, clip},
};
use crate::{
    config::ProfileConfig,
    gateway::RunDir,
    isolation::{Depth, Examination, Finding, Inquiry, Outcome},
    sandbox::Sandbox,
};
use std::sync::Arc;

pub fn run(context: &Context, command: &DoctorCommand, output: &Output) -> Result<(), CliError> {
    match command {
        DoctorCommand::Isolation { json } => isolation(context, *json, output),
    }
}

fn isolation(context: &Context, json: bool, output: &Output) -> Result<(), CliError> {
    let settings = Arc::new(settings(context)?);
    let run = RunDir::open(&context.home)
        .map_err(|error| CliError::failed(format!("{}: {error}", context.home.join("run").display())))?;
    let sandbox = Sandbox::probe(OWN_PROGRAM.into()).at_most(settings.terminal.sandbox_most);
    let floor = settings.terminal.sandbox;
    if let Some(why) = sandbox.below(floor) {
        return Err(CliError::failed(format!(
            "there is nothing to attack, since commands are refused: {why}"
        )));
    }
    let inquiry =
        Inquiry { settings, sandbox, user: None, folder: run.path().to_owned(), depth: Depth::Whole };
    let examination = inquiry.run().map_err(|error| CliError::failed(format!("the attacks: {error}")))?;
    if json {
        output.json(&examination.to_json())?;
    } else {
        print(&examination, output);
    }
    breaches(&examination).map_or(Ok(()), |text| Err(CliError::failed(text)))
}

fn breaches(examination: &Examination) -> Option<String> {
    let (known, unknown): (Vec<_>, Vec<_>) = examination.breaches().partition(|finding| finding.known);
    let attacks = |count: usize| if count == 1 { "1 attack".to_owned() } else { format!("{count} attacks") };
    let through = || format!("{} came through that this level promises to stop", attacks(known.len()));
    let silent = || format!("nothing is known of {}, which counts as much", attacks(unknown.len()));
    match (known.is_empty(), unknown.is_empty()) {
        (true, true) => None,
        (false, true) => Some(through()),
        (true, false) => Some(silent()),
        (false, false) => Some(format!("{}; {}", through(), silent())),
    }
}

/// Whose terminal settings are put to the test: those of `-p NAME`, else of the first profile.
fn settings(context: &Context) -> Result<ProfileConfig, CliError> {
    if let Some(name) = &context.profile {
        return Ok(context.find(name)?.config?);
    }
    let home = context.read_home()?;
    let mut configs = home.profiles.into_iter().filter_map(|profile| profile.config.ok());
    configs.next().ok_or_else(|| {
        CliError::failed(
            "the home has no profile whose settings could be used; type `hermes profile create NAME`",
        )
    })
}

fn print(examination: &Examination, output: &Output) {
    let level = examination.level_name();
    let rows: Vec<_> = examination.findings.iter().map(|finding| row(level, finding)).collect();
    output.table(&["LEVEL", "ATTACK", "RESULT", "REASON"], &rows);
    let counts = Outcome::ALL.map(|outcome| format!("{} {}", examination.count(outcome), outcome.name()));
    let seconds = examination.took.as_secs_f32();
    output.line(format_args!("\n{} attacks in {seconds:.1} s: {}", rows.len(), counts.join(", ")));
    let known = examination.count(Outcome::NotContained) - examination.breaches().count();
    if known > 0 {
        output.line(format_args!(
            "{known} of them this level does not promise to stop; docs/SECURITY.md says why."
        ));
    }
}

fn row(level: &str, finding: &Finding) -> Vec<Cell> {
    let style = match finding.outcome {
        Outcome::Contained | Outcome::DetectedAndKilled => Style::Good,
        Outcome::NotContained if finding.is_breach() => Style::Bad,
        Outcome::NotContained => Style::Bold,
    };
    vec![
        Cell::plain(level),
        Cell::plain(finding.attack),
        Cell::new(style, finding.outcome.name()),
        Cell::plain(clip(&finding.reason, 90)),
    ]
}
