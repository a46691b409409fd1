//! `hermes sessions import`: the sessions of a `state.db` of the reference.

use super::{
    context::{Context, Place, Way},
    error::CliError,
    output::{Output, printable},
};
use crate::{
    config::FoundProfile,
    domain::{ImportRecord, ImportReport},
    gateway::RunDir,
    state_db::StateDb,
};
use std::{io, path::Path, sync::mpsc};

/// Records that wait for the store.
const AHEAD: usize = 64;

pub fn run(
    context: &Context,
    found: &FoundProfile,
    file: &Path,
    dry_run: bool,
    json: bool,
    output: &Output,
) -> Result<(), CliError> {
    let place = Place::from(found);
    let scratch = RunDir::open(&context.home)?;
    let database =
        StateDb::open(file, scratch.path()).map_err(|error| CliError::failed(error.to_string()))?;
    let report = match context.way(&place)? {
        Way::Gateway(client) => client.import(&place.name, dry_run, |told| database.tell(told))?,
        Way::Offline(offline) => {
            let config = found.config.as_ref().map_err(|errors| CliError::failed(errors.to_string()))?;
            std::thread::scope(|scope| {
                let (to, records) = mpsc::sync_channel::<ImportRecord>(AHEAD);
                scope.spawn(move || {
                    let gone = |_gone| io::Error::from(io::ErrorKind::BrokenPipe);
                    // Whoever does not listen any more has said why.
                    let _told = database.tell(&mut |record| to.send(record).map_err(gone));
                });
                offline.import(config, records.into_iter().map(Ok), dry_run)
            })?
        }
    };
    if json {
        output.json(&report)?;
    } else {
        tell(&report, output);
    }
    report.stopped.map_or(Ok(()), |why| {
        let why = printable(&why);
        let kept = "what was imported stays, and to import again goes on behind it";
        Err(CliError::failed(format!("the import stopped before its end: {why}; {kept}")))
    })
}

fn tell(report: &ImportReport, output: &Output) {
    let ImportReport { dry_run, sessions, messages, already_imported, grown_since, .. } = report;
    let done = if *dry_run { "nothing was written; there would come" } else { "imported" };
    output.line(format!("{done}: {sessions} sessions with {messages} messages"));
    if *already_imported > 0 {
        output.line(format!("{already_imported} sessions had been imported before and stay as they are"));
    }
    if *grown_since > 0 {
        output.line(format!("{grown_since} of these have got messages since, which are not taken over"));
    }
    if report.retitled > 0 {
        output
            .line(format!("{} sessions have a number behind their title, which was taken", report.retitled));
    }
    if report.without_parent > 0 {
        output.line(format!(
            "{} sessions have lost the session they came from, which is not here",
            report.without_parent
        ));
    }
    listed(report.renamed_count, "sessions have another id here", output, || {
        report.renamed.iter().map(|one| format!("{} is {}", one.from, one.to)).collect()
    });
    listed(report.skipped_count, "sessions were not imported", output, || {
        report.skipped.iter().map(|one| format!("{}: {}", one.id, one.why)).collect()
    });
    for (why, count) in &report.left_out {
        output.line(format!("{count} messages were left out: {}", printable(why)));
    }
}

fn listed(count: u64, what: &str, output: &Output, lines: impl FnOnce() -> Vec<String>) {
    if count == 0 {
        return;
    }
    output.line(format!("{count} {what}:"));
    let lines = lines();
    for line in &lines {
        output.line(format!("  {}", printable(line)));
    }
    if count > lines.len() as u64 {
        output.line("  …");
    }
}
