//! Commands that go on in the background, and `process`, which looks after them.
//!
//! They belong to a session: nobody sees those of another. They end with it, with a stop of the run that started them,
//! after `terminal.background_max`, and with the gateway, whose next start tells of them as lost.

mod job;
mod jobs;
mod ring;
mod start;

pub use jobs::{Jobs, Typist};
pub(super) use start::start;

use super::{arguments::Arguments, failure::Failure, ground::Ground, toolbox::CallContext};
use crate::domain::{Millis, ProcessEnd, ProcessRecord, ToolOutput, now, seconds};
use job::{Job, seconds_between};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const ACTIONS: [&str; 8] = ["list", "poll", "log", "wait", "kill", "write", "submit", "close"];
/// Lines that `log` shows when it is not told.
const LINES: u64 = 200;
/// Characters of the end of the output that other answers show.
const PREVIEW: usize = 2_000;
/// Typed at once. A pipe takes as much without a reader.
const MOST_TYPED: usize = 64 << 10;
const LOST: &str = "the gateway ended while it ran, and it with the gateway; its output is gone";

/// What a call types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys<'a> {
    /// The process.
    pub id: &'a str,
    data: &'a str,
    enter: bool,
    /// There will be nothing more.
    pub closes: bool,
}

impl<'a> Keys<'a> {
    /// `None`: the call types nothing.
    pub fn of(arguments: &'a Value) -> Option<Self> {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str);
        let (enter, closes) = match text("action")? {
            "write" => (false, false),
            "submit" => (true, false),
            "close" => (false, true),
            _ => return None,
        };
        let data = if closes { "" } else { text("data")? };
        Some(Self { id: text("session_id")?, data, enter, closes })
    }

    /// As they reach the process.
    pub fn text(&self, pty: bool) -> String {
        // What the Enter key of a terminal sends.
        let enter = if pty { "\r" } else { "\n" };
        format!("{}{}", self.data, if self.enter { enter } else { "" })
    }
}

/// What is known of one process.
enum Known {
    Here(Arc<Job>),
    /// Only its record is left.
    Recorded(ProcessRecord),
}

pub async fn call(
    ground: &Arc<Ground>,
    mut context: CallContext<'_>,
    arguments: &Arguments<'_>,
) -> Result<ToolOutput, Failure> {
    arguments.filled("action")?;
    let action = arguments.choice("action", &ACTIONS)?;
    let id = if action == "list" { None } else { Some(arguments.filled("session_id")?) };
    context.clearance().await?;
    let known = known(ground, &context).await?;
    let Some(id) = id else {
        let processes: Vec<Value> = known.iter().map(Known::summary).collect();
        return Ok(ToolOutput::from(json!({ "processes": processes })));
    };
    let Some(known) = known.into_iter().find(|known| known.record().id == id) else {
        return Err(Failure::new("not_found", format!("this session has no process `{id}`"))
            .hint("action list shows those that it has")
            .with("status", "not_found"));
    };
    match action {
        "poll" => Ok(ToolOutput::from(known.with_preview())),
        "log" => log(&known, arguments),
        "wait" => wait(ground, &context, &known, arguments).await,
        "kill" => {
            let Known::Here(job) = &known else { return Ok(ToolOutput::from(known.already())) };
            if job.is_over() {
                return Ok(ToolOutput::from(known.already()));
            }
            job.kill();
            job.ended().await;
            Ok(ToolOutput::from(known.with_preview()))
        }
        _ => type_into(&known, action, arguments).await,
    }
}

/// Those of the session: what is here, and before it what only a record tells of.
async fn known(ground: &Arc<Ground>, context: &CallContext<'_>) -> Result<Vec<Known>, Failure> {
    let here = ground.jobs.of(context.session);
    let Some(behalf) = &context.behalf else { return Ok(here.into_iter().map(Known::Here).collect()) };
    let (store, session) = (behalf.store.clone(), context.session.clone());
    let read = tokio::task::spawn_blocking(move || store.processes(&session)).await;
    let recorded = match read {
        Ok(Ok(recorded)) => recorded,
        Ok(Err(error)) => {
            return Err(Failure::new("store_error", format!("its records cannot be read: {error}")));
        }
        Err(_panic) => return Err(Failure::internal("its records cannot be read")),
    };
    let gone = recorded.into_iter().filter(|record| here.iter().all(|job| job.record.id != record.id));
    let gone: Vec<Known> = gone.map(Known::Recorded).collect();
    Ok(gone.into_iter().chain(here.into_iter().map(Known::Here)).collect())
}

impl Known {
    fn record(&self) -> &ProcessRecord {
        match self {
            Self::Here(job) => &job.record,
            Self::Recorded(record) => record,
        }
    }

    fn end(&self) -> Option<ProcessEnd> {
        match self {
            Self::Here(job) => job.end(),
            Self::Recorded(record) => record.end.clone(),
        }
    }

    fn output(&self) -> (String, u64) {
        match self {
            Self::Here(job) => job.output(),
            Self::Recorded(_) => (String::new(), 0),
        }
    }

    fn summary(&self) -> Value {
        let ProcessRecord { id, command, pid, pty, started_at, .. } = self.record();
        let end = self.end();
        let status = match (self, &end) {
            (_, Some(_)) => "exited",
            (Self::Here(_), None) => "running",
            (Self::Recorded(_), None) => "lost",
        };
        let until: Millis = end.as_ref().map_or_else(now, |end| end.at);
        let mut summary = json!({
            "session_id": id, "command": command, "status": status, "pid": pid, "pty": pty,
            "started_at": seconds(*started_at),
        });
        if status == "lost" {
            summary["error"] = LOST.into();
        } else {
            summary["uptime_seconds"] = seconds_between(*started_at, until).into();
        }
        if let Some(ProcessEnd { exit_code, error, .. }) = end {
            summary["exit_code"] = exit_code.into();
            summary["error"] = json!(error);
        }
        if let Self::Here(job) = self {
            let refused = job.refused();
            if !refused.is_empty() {
                summary["network_refused"] = refused.into();
            }
        }
        summary
    }

    /// With the end of the output, from the beginning of a line where there is one.
    fn with_preview(&self) -> Value {
        let (text, _) = self.output();
        let mut summary = self.summary();
        let count = text.chars().count();
        let skipped: String = text.chars().skip(count.saturating_sub(PREVIEW)).collect();
        let whole = count <= PREVIEW;
        let shown = if whole { &*skipped } else { skipped.split_once('\n').map_or("", |(_, rest)| rest) };
        summary["output"] = shown.trim_end().into();
        if !whole {
            summary["hint"] = "this is the end of the output; action log shows all that is kept".into();
        }
        summary
    }

    fn already(&self) -> Value {
        let mut summary = self.with_preview();
        summary["status"] = "already_exited".into();
        summary
    }
}

fn log(known: &Known, arguments: &Arguments<'_>) -> Result<ToolOutput, Failure> {
    let limit = arguments.number("limit", LINES, 1)?;
    let (text, dropped) = known.output();
    let lines: Vec<&str> = text.lines().collect();
    let total = lines.len();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    // Without an offset, the last ones.
    let last = total.saturating_sub(limit);
    let offset = arguments.number("offset", last as u64, 0)?;
    let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(total);
    let shown = &lines[offset..total.min(offset.saturating_add(limit))];
    let mut answer = known.summary();
    answer["output"] = shown.join("\n").into();
    answer["total_lines"] = total.into();
    answer["offset"] = offset.into();
    answer["shown_lines"] = shown.len().into();
    if dropped > 0 {
        answer["dropped_bytes"] = dropped.into();
        answer["hint"] = "lines are counted from the oldest that is kept; older output was dropped".into();
    }
    Ok(ToolOutput::from(answer))
}

async fn wait(
    ground: &Ground,
    context: &CallContext<'_>,
    known: &Known,
    arguments: &Arguments<'_>,
) -> Result<ToolOutput, Failure> {
    let config = &ground.config.terminal;
    let timeout = arguments.number("timeout", config.timeout.as_secs(), 1)?;
    let timeout = Duration::from_secs(timeout).min(config.max_timeout);
    let Known::Here(job) = known else { return Ok(ToolOutput::from(known.with_preview())) };
    let ended = tokio::select! {
        biased;
        () = context.stop.cancelled() => return Err(Failure::stopped()),
        () = job.ended() => true,
        () = tokio::time::sleep(timeout) => false,
    };
    let mut answer = known.with_preview();
    if !ended {
        answer["timed_out"] = true.into();
        let text = format!("it still runs after {} s of waiting", timeout.as_secs());
        answer["hint"] = text.into();
    }
    Ok(ToolOutput::from(answer))
}

async fn type_into(known: &Known, action: &str, arguments: &Arguments<'_>) -> Result<ToolOutput, Failure> {
    let Known::Here(job) = known else { return Ok(ToolOutput::from(known.already())) };
    if job.is_over() {
        return Ok(ToolOutput::from(known.already()));
    }
    let id = &job.record.id;
    if action == "close" {
        job.close_input().await?;
        return Ok(ToolOutput::from(json!({ "session_id": id, "status": "ok" })));
    }
    let keys = Keys { id, data: arguments.text("data")?, enter: action == "submit", closes: false };
    let data = keys.text(job.record.pty);
    if data.len() > MOST_TYPED {
        return Err(Failure::invalid(format!("`data` is longer than {MOST_TYPED} bytes"))
            .hint("put it into a file with write_file"));
    }
    job.write(data.as_bytes()).await?;
    Ok(ToolOutput::from(json!({ "session_id": id, "status": "ok", "bytes_written": data.len() })))
}
