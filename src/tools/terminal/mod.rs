//! `terminal`: one shell command behind the wall, waited for or left to go on.

mod bounds;
mod capture;
mod follow;
mod left;
mod plain;
mod ready;
mod shell;
mod spare;
mod way_out;

use super::{arguments::Arguments, failure::Failure, ground::Ground, process, toolbox::CallContext};
use crate::domain::{SessionId, ToolOutput};
use left::Left;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

pub(super) use capture::Capture;
pub(super) use follow::{End, Running};
pub(super) use plain::Plain;
pub(super) use ready::{Errand, Ready, What, make_ready};
pub(super) use shell::{PATH, has_variable};
pub(super) use spare::{Spare, prepare};
pub(super) use way_out::WayOut;

/// The kernel takes at most 128 KiB in one argument.
const LONGEST_COMMAND: usize = 120_000;

/// A checked call.
struct Call {
    errand: Errand,
    timeout: Duration,
}

pub async fn call(
    ground: &Arc<Ground>,
    context: CallContext<'_>,
    arguments: &Arguments<'_>,
) -> Result<ToolOutput, Failure> {
    let Call { errand, timeout } = Call::parse(ground, arguments).map_err(as_result)?;
    match &errand.what {
        What::Job(command) => {
            let command = command.clone();
            process::start(ground, context, command, errand).await
        }
        What::Command(_) | What::Program { .. } => {
            in_front(ground, context, errand, timeout).await.map_err(as_result)
        }
    }
}

async fn in_front(
    ground: &Arc<Ground>,
    mut context: CallContext<'_>,
    errand: Errand,
    timeout: Duration,
) -> Result<ToolOutput, Failure> {
    let pty = errand.pty;
    let Ready { mut helper, order, seat, way_out, disk, world, left } =
        ready(ground, &mut context, errand).await?;
    let deadline = Instant::now() + timeout;
    // The next one is prepared beside the command, not before it.
    let sent = match spare::following(ground, &world).filter(|_| !pty) {
        Some(shell) => helper.send_first_of_many(&order, &shell).await,
        None => {
            let sent = helper.send(&order).await;
            spare::prepare(ground);
            sent
        }
    };
    sent.map_err(|error| Failure::io("the sandbox helper", &error))?;
    // Until it is served, connections wait in its queue.
    let opened = way_out.open(&mut helper, context.stop).await;
    opened.map_err(|error| Failure::new("sandbox_failed", error.to_string()))?;
    if pty {
        // Nobody types here: a program that asks waits until its time is up.
        let typing = helper.terminal().await;
        typing.map_err(|error| Failure::new("sandbox_failed", error.to_string()))?;
    }
    let told = async {
        tokio::select! {
            biased;
            () = context.stop.cancelled() => End::new(130, "the run was stopped"),
            () = tokio::time::sleep_until(deadline) => {
                End::new(124, format!("timed out after {} s and was killed", timeout.as_secs()))
            }
        }
    };
    let mut capture = Capture::new(ground.config.terminal.max_output);
    let running = Running { helper, seat, disk, most: ground.config.terminal.limits.output };
    let (end, next) = running.until_the_next(told, |piece| capture.push(piece)).await?;
    if let Some(left) = left {
        take_over(ground, context.session, left).await;
    }
    if let Some((helper, seat)) = next {
        spare::give_back(ground, helper, seat, world);
    }
    // None may have been left, and the one from its beginning may have waited too long.
    spare::prepare(ground);
    let (mut text, omitted) = capture.finish();
    if pty {
        text = text.replace("\r\n", "\n");
    }
    Ok(output(&end, text, omitted, &way_out.refusals()))
}

/// The next command finds it, beside which nobody waits for it. What cannot be taken over is lost, and nothing else.
async fn take_over(ground: &Arc<Ground>, session: &SessionId, left: Left) {
    let (ground, session) = (Arc::clone(ground), session.clone());
    let alone = Arc::clone(&ground.carrying).lock_owned().await;
    drop(tokio::task::spawn_blocking(move || {
        if let Ok(jail) = ground.jail(&session) {
            let _ = jail.enter(|jail| left.take_over(jail));
        }
        drop(alone);
    }));
}

/// Makes everything ready beside the wait for clearance. When that fails, what was made is dropped, and the helper with it.
pub(super) async fn ready(
    ground: &Arc<Ground>,
    context: &mut CallContext<'_>,
    errand: Errand,
) -> Result<Ready, Failure> {
    let (task_ground, session, run) = (Arc::clone(ground), context.session.clone(), context.run);
    // What the command before has left may be on its way.
    drop(ground.carrying.lock().await);
    let ready = tokio::task::spawn_blocking(move || make_ready(&task_ground, &session, run, &errand));
    context.clearance().await?;
    ready.await.unwrap_or_else(|_panic| Err(Failure::internal("the sandbox failed unexpectedly")))
}

/// Whether this machine's wall is what the profile asks for.
pub(super) fn above_floor(ground: &Ground) -> Result<(), Failure> {
    let Some(why) = ground.sandbox.below(ground.config.terminal.sandbox) else { return Ok(()) };
    let refused = Failure::new("sandbox_below_floor", format!("commands are refused: {why}"));
    Err(refused.hint("the file tools work; the operator can lower terminal.sandbox"))
}

fn output(end: &End, mut text: String, omitted: u64, refused: &[String]) -> ToolOutput {
    if let Some(error) = &end.error {
        text.push_str(if text.is_empty() { "[" } else { "\n[" });
        text.push_str(error);
        text.push(']');
    }
    let mut result = json!({ "output": text, "exit_code": end.code, "error": end.error });
    if !refused.is_empty() {
        // Programs show little of what a proxy says.
        result["network_refused"] = refused.into();
    }
    if omitted > 0 {
        result["truncated"] = Value::Bool(true);
        result["omitted_bytes"] = omitted.into();
    }
    ToolOutput { text: result.to_string(), failed: end.code != 0 }
}

/// Refusals keep the members of a result: callers look for `exit_code` first.
fn as_result(failure: Failure) -> Failure {
    failure.with("output", "").with("exit_code", -1)
}

impl Call {
    fn parse(ground: &Ground, arguments: &Arguments<'_>) -> Result<Self, Failure> {
        let config = &ground.config.terminal;
        let command = arguments.filled("command")?.to_owned();
        if command.len() > LONGEST_COMMAND || command.contains('\0') {
            return Err(Failure::invalid("`command` is longer than 120,000 bytes, or has a zero byte in it")
                .hint("write a script with write_file and run that"));
        }
        let workdir = arguments.opt_text("workdir")?.map(str::to_owned);
        let (background, pty) = (arguments.flag("background")?, arguments.flag("pty")?);
        // The operator's own default may be longer than what a call may ask for.
        let (default, most) = (config.timeout.as_secs(), config.max_timeout.as_secs());
        let timeout = arguments.number("timeout", default, 1)?;
        if timeout > most.max(default) {
            let refused = Failure::invalid(format!("`timeout` is {timeout} s; the most is {most} s"));
            return Err(refused.hint("with background: true a command goes on, and `process` asks for it"));
        }
        above_floor(ground)?;
        let what = if background { What::Job(command) } else { What::Command(command) };
        Ok(Self { errand: Errand { what, workdir, pty }, timeout: Duration::from_secs(timeout) })
    }
}
