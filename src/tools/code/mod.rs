//! `execute_code`: a Python script behind the wall, with some of the agent's tools as functions.
//!
//! A call of such a function is a call of the turn: the port judges it as it judges the model's own calls, except that it
//! asks nobody. The approval that was given is for the script, not for what its calls turn out to be.

mod rpc;

use super::{
    arguments::Arguments,
    failure::Failure,
    ground::Ground,
    terminal::{self, Capture, End, Errand, Ready, Running, What},
    toolbox::CallContext,
};
use crate::domain::{ToolOutput, ToolSpec, Toolset};
use rpc::{Rpc, Tally};
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    os::{fd::AsFd, unix::net::UnixStream as StdUnixStream},
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tokio::time::Instant;

/// The other side, in Python.
const BOOT: &str = include_str!("boot.py");
const PYTHONS: [&str; 3] = ["/usr/bin/python3", "/usr/local/bin/python3", "/bin/python3"];
/// Tools that a script may call.
const TOOLS: [&str; 7] =
    ["patch", "read_file", "search_files", "terminal", "web_extract", "web_search", "write_file"];
/// Longer when the operator lets no command run for so long.
const LONGEST: Duration = Duration::from_secs(300);
const MOST_CODE: usize = 200_000;
const MOST_OUTPUT: usize = 50_000;
/// A script that has ended has said everything; it only has to be read.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Where commands find it, if it is there.
pub fn python() -> Option<&'static Path> {
    PYTHONS.iter().map(Path::new).find(|path| path.exists())
}

pub async fn call(
    ground: &Arc<Ground>,
    toolset: &Toolset,
    mut context: CallContext<'_>,
    arguments: &Arguments<'_>,
) -> Result<ToolOutput, Failure> {
    let code = arguments.filled("code")?;
    if code.len() > MOST_CODE {
        let refused = Failure::invalid(format!("`code` is longer than {MOST_CODE} bytes"));
        return Err(refused.hint("put it into a file with write_file and run that with terminal"));
    }
    let python = python().ok_or_else(|| Failure::new("not_available", "there is no python3 here"))?;
    terminal::above_floor(ground)?;
    let what = What::Program { program: PathBuf::from(python), args: vec!["-c".into(), BOOT.into()] };
    let errand = Errand { what, workdir: None, pty: false };
    let Ready { mut helper, order, seat, way_out, disk, .. } =
        terminal::ready(ground, &mut context, errand).await?;
    let failed = |error: io::Error| Failure::new("sandbox_failed", error.to_string());
    let (ours, theirs) = StdUnixStream::pair().map_err(failed)?;
    let begun = Instant::now();
    helper.send_with(&order, theirs.as_fd()).await.map_err(failed)?;
    drop(theirs);
    terminal::prepare(ground);
    way_out.open(&mut helper, context.stop).await.map_err(failed)?;

    let longest = LONGEST.min(ground.config.terminal.max_timeout);
    let told = async {
        tokio::select! {
            biased;
            () = context.stop.cancelled() => End::new(130, "the run was stopped"),
            () = tokio::time::sleep_until(begun + longest) => {
                End::new(124, format!("it ran for {} s and was killed", longest.as_secs()))
            }
        }
    };
    let (mut capture, mut printed) = (Capture::new(MOST_OUTPUT), 0);
    let tally = RefCell::new(Tally::default());
    let end = {
        let port = context.behalf.as_ref().map(|behalf| behalf.port);
        let offered = port.map(|_port| offered(toolset)).unwrap_or_default();
        let talk = Rpc::new(ours, port, &tally).map_err(failed)?;
        let mut talk = pin!(talk.serve(json!({ "code": code, "tools": offered })));
        let running = Running { helper, seat, disk, most: ground.config.terminal.limits.output };
        let mut running = pin!(running.until_its_end(told, |piece| {
            printed += piece.len();
            capture.push(piece);
        }));
        let (stop, mut talks) = (context.stop, true);
        loop {
            // A stop ends the call that the script waits for, too. It must not hear of that and go on.
            let heard =
                poll_fn(|task| if stop.is_cancelled() { Poll::Pending } else { talk.as_mut().poll(task) });
            tokio::select! {
                biased;
                end = &mut running => {
                    let end = end?;
                    if talks && (end.error.is_none() || stop.is_cancelled()) {
                        let _ = tokio::time::timeout(LAST_WORDS, &mut talk).await;
                    }
                    break end;
                }
                () = heard, if talks => talks = false,
            }
        }
    };
    let refused = way_out.refusals();
    Ok(output(&end, capture, printed, &tally.into_inner(), begun.elapsed(), &refused))
}

/// What the script is told of the tools: their names, and their parameters in order.
fn offered(toolset: &Toolset) -> Vec<Value> {
    let described = |spec: &ToolSpec| {
        let schema: Value = serde_json::from_str(&spec.parameters).unwrap_or_default();
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let others = properties.keys().map(String::as_str).filter(|name| !required.contains(name));
        let mut others: Vec<&str> = others.collect();
        // As the schema has them, not by their names.
        others.sort_by_key(|name| spec.parameters.find(&format!("\"{name}\":")));
        let parameters = [required, others].concat();
        json!({ "name": spec.name, "parameters": parameters, "text": spec.description })
    };
    TOOLS.iter().filter_map(|name| toolset.get(name)).map(described).collect()
}

fn output(
    end: &End,
    capture: Capture,
    printed: usize,
    tally: &Tally,
    took: Duration,
    network_refused: &[String],
) -> ToolOutput {
    let (mut text, omitted) = capture.finish();
    if end.code != 0 && !tally.stderr.trim().is_empty() {
        text.push_str(if text.is_empty() { "--- stderr ---\n" } else { "\n--- stderr ---\n" });
        text.push_str(tally.stderr.trim_end());
    }
    let status = match end.code {
        0 => "success",
        124 => "timeout",
        130 => "interrupted",
        _ => "error",
    };
    let omitted = usize::try_from(omitted).unwrap_or(usize::MAX);
    let mut result = json!({
        "status": status,
        "output": text,
        "exit_code": end.code,
        "error": end.error,
        "tool_calls_made": tally.calls,
        "duration_seconds": (took.as_secs_f64() * 1_000.0).round() / 1_000.0,
        "stdout_truncated": omitted > 0,
        "stdout_bytes_captured": printed.saturating_sub(omitted),
        "stdout_bytes_total": printed,
        "stdout_bytes_omitted": omitted,
    });
    if let Some(warning) = &tally.warning {
        result["warning"] = warning.as_str().into();
    }
    if !network_refused.is_empty() {
        result["network_refused"] = network_refused.into();
    }
    ToolOutput { text: result.to_string(), failed: end.code != 0 }
}
