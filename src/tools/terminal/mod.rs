//! `terminal`: one shell command behind the wall.

mod bounds;
mod capture;
mod plain;
mod shell;
mod way_out;

use super::{arguments::Arguments, disk, failure::Failure, ground::Ground, toolbox::CallContext};
use crate::{
    config::SandboxLevel,
    domain::{RunId, SessionId, ToolOutput},
    sandbox::{Helper, Jail, Limits, Order, Report, Seat, World},
};
use capture::Capture;
use serde_json::{Value, json};
use std::{io, sync::Arc, time::Duration};
use tokio::{io::AsyncReadExt, time::Instant};
use tokio_util::sync::CancellationToken;
use way_out::WayOut;

/// The kernel takes at most 128 KiB in one argument.
const LONGEST_COMMAND: usize = 120_000;
/// What is still in the pipe after a kill is read for so long at most.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// A command that floods its output is slowed to this much per pause: it shares the thread with streams of others.
const BURST: usize = 256 << 10;
const PAUSE: Duration = Duration::from_millis(2);

/// A checked call.
struct Call {
    command: String,
    workdir: Option<String>,
    timeout: Duration,
}

/// Everything that could be made ready before the call was cleared.
struct Ready {
    helper: Helper,
    order: Order,
    /// Held for as long as the command runs.
    seat: Seat,
    /// The same.
    way_out: WayOut,
    disk: disk::Watch,
}

/// Why reading stopped.
enum Stopped {
    Ended,
    /// By us, and how that is told.
    Killed(End),
}

pub async fn call(
    ground: &Arc<Ground>,
    mut context: CallContext<'_>,
    arguments: &Arguments<'_>,
) -> Result<ToolOutput, Failure> {
    let call = Call::parse(ground, arguments).map_err(as_result)?;
    let timeout = call.timeout;
    let (task_ground, session, run) = (Arc::clone(ground), context.session.clone(), context.run);
    // Runs at once, beside the wait for clearance. If that fails, `ready` is dropped, and the helper with it.
    let ready = tokio::task::spawn_blocking(move || make_ready(&task_ground, &session, run, &call));
    context.clearance().await.map_err(as_result)?;
    let ready =
        ready.await.unwrap_or_else(|_panic| Err(Failure::internal("the sandbox failed unexpectedly")));
    let Ready { mut helper, order, seat, way_out, disk } = ready.map_err(as_result)?;
    let deadline = Instant::now() + timeout;
    let sent = helper.send(&order).await;
    sent.map_err(|error| as_result(Failure::io("the sandbox helper", &error)))?;
    // Until it is served, connections wait in its queue.
    let opened = way_out.open(&mut helper, context.stop).await;
    opened.map_err(|error| as_result(Failure::new("sandbox_failed", error.to_string())))?;

    let mut capture = Capture::new(ground.config.terminal.max_output);
    let watch = Watch { seat: &seat, disk: &disk, ground, stop: context.stop, timeout, deadline };
    let end = match watch.read(&mut helper, &mut capture).await {
        Stopped::Ended => End::reported(helper.report().await, seat.limits())?,
        Stopped::Killed(end) => {
            let mut rest = helper.kill().await;
            let drain = async { while capture.read_from(&mut rest).await.is_ok_and(|got| got > 0) {} };
            let _ = tokio::time::timeout(LAST_WORDS, drain).await;
            end
        }
    };
    Ok(end.output(capture, &way_out.refusals()))
}

/// How it ended, as the model is told.
struct End {
    code: i32,
    error: Option<String>,
}

impl End {
    fn new(code: i32, error: impl Into<String>) -> Self {
        Self { code, error: Some(error.into()) }
    }

    /// By its helper.
    fn reported(report: io::Result<Report>, limits: &Limits) -> Result<Self, Failure> {
        match report {
            Ok(Report::Exited(code)) => Ok(Self { code, error: bounds::by_kernel(code, limits) }),
            Ok(Report::Signalled(signal)) => {
                let code = 128 + signal;
                Ok(Self { code, error: bounds::by_kernel(code, limits) })
            }
            Ok(Report::Over(breach)) => Ok(Self::new(137, bounds::breach(breach, limits))),
            Ok(Report::NotStarted(reason)) => Err(as_result(Failure::new("sandbox_failed", reason))),
            Err(error) => Ok(Self::new(137, format!("its sandbox ended: {error}"))),
        }
    }

    fn output(self, capture: Capture, refused: &[String]) -> ToolOutput {
        let (mut text, omitted) = capture.finish();
        if let Some(error) = &self.error {
            text.push_str(if text.is_empty() { "[" } else { "\n[" });
            text.push_str(error);
            text.push(']');
        }
        let mut result = json!({ "output": text, "exit_code": self.code, "error": self.error });
        if !refused.is_empty() {
            // Programs show little of what a proxy says.
            result["network_refused"] = refused.into();
        }
        if omitted > 0 {
            result["truncated"] = Value::Bool(true);
            result["omitted_bytes"] = omitted.into();
        }
        ToolOutput { text: result.to_string(), failed: self.code != 0 }
    }
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
        for name in ["background", "pty", "notify_on_complete"] {
            if arguments.flag(name)? {
                return Err(Failure::new("not_available", format!("`{name}: true` is not available yet"))
                    .hint("run the command in the foreground"));
            }
        }
        let workdir = arguments.opt_text("workdir")?.map(str::to_owned);
        // The operator's own default may be longer than what a call may ask for.
        let (default, most) = (config.timeout.as_secs(), config.max_timeout.as_secs());
        let timeout = arguments.number("timeout", default, 1)?;
        if timeout > most.max(default) {
            return Err(Failure::invalid(format!("`timeout` is {timeout} s; the most is {most} s")));
        }
        if let Some(why) = ground.sandbox.below(config.sandbox) {
            let refused = Failure::new("sandbox_below_floor", format!("commands are refused: {why}"));
            return Err(refused.hint("the file tools work; the operator can lower terminal.sandbox"));
        }
        Ok(Self { command, workdir, timeout: Duration::from_secs(timeout) })
    }
}

/// Folders, the shell's state, and a helper that waits. Blocking.
fn make_ready(ground: &Ground, session: &SessionId, run: RunId, call: &Call) -> Result<Ready, Failure> {
    let config = &ground.config;
    let (roots, jail) = (ground.roots()?, ground.jail(session)?);
    if let Some(moved) = roots.moved() {
        let text = format!("`{}` is not the folder that it was at the start", moved.path().display());
        return Err(Failure::new("workspace_moved", text)
            .hint("tell the user to look what happened, and then to type `hermes profile reload`"));
    }
    let known = jail.known();
    let workspace = jail.locate(".")?.path();
    let tmp = jail.locate("/tmp")?.path();
    let extra = |writable: bool| {
        let chosen = roots.extra().iter().filter(move |root| root.is_writable() == writable);
        chosen.map(|root| root.path().to_owned())
    };
    let mut readable = ground.view().paths().to_vec();
    readable.extend(extra(false));
    let seat = ground.sandbox.machine.sit(&config.name, &config.terminal.limits);
    let seat = seat.map_err(|error| Failure::io("the command's control group could not be made", &error))?;
    let way_out = WayOut::new(ground, run)?;
    let world = World {
        level: ground.sandbox.level,
        readable,
        links: ground.view().links().to_vec(),
        writable: extra(true).collect(),
        known: known.map_err(|error| Failure::io("the profile's folders", &error))?,
        workspace: workspace.clone(),
        tmp: tmp.clone(),
        owner: roots.owner(),
        user: config.name.as_str().to_owned(),
        network: way_out.network,
        limits: seat.limits().clone(),
        unix_sockets: config.terminal.unix_sockets,
        omit: ground.sandbox.omit.clone(),
    };
    let helper = ground.sandbox.start(&world);
    let helper = helper.map_err(|error| Failure::io("the sandbox helper could not be started", &error))?;
    // At that level the session's folder is `/tmp` itself.
    let strict = ground.sandbox.level >= SandboxLevel::Strict;
    let tmp = if strict { "/tmp".into() } else { tmp };
    let look = |jail: &Jail| {
        let state = shell::State::read(jail);
        let dir = match &call.workdir {
            Some(asked) => (shell::workdir(jail, asked, strict)?, false),
            None => (state.dir(jail, strict), true),
        };
        Ok::<_, Failure>((state, dir))
    };
    let looked = jail.enter(look);
    let (state, (dir, keep_dir)) =
        looked.map_err(|error| Failure::io("the agent's rights could not be taken on", &error))??;
    let shell = shell::program();
    let mut env = shell::environment(config, &workspace, &tmp);
    way_out.tell(&mut env);
    let order = Order {
        args: shell::arguments(
            &shell,
            &call.command,
            &tmp,
            &state,
            keep_dir,
            &config.terminal.env_passthrough,
            way_out.own_variables(),
        ),
        program: shell,
        env,
        dir,
    };
    Ok(Ready { helper, order, seat, way_out, disk: disk::Watch::new(&ground.disk) })
}

/// What may end a command beside itself.
struct Watch<'a> {
    seat: &'a Seat,
    disk: &'a disk::Watch,
    ground: &'a Ground,
    stop: &'a CancellationToken,
    timeout: Duration,
    deadline: Instant,
}

impl Watch<'_> {
    /// Reads until the last process has closed its output, or somebody ends it.
    async fn read(&self, helper: &mut Helper, capture: &mut Capture) -> Stopped {
        let most = self.ground.config.terminal.limits.output;
        let pump = async {
            let (mut burst, mut all) = (0, 0);
            // A read error means that nothing more will come, like an end.
            while let Ok(got @ 1..) = capture.read_from(&mut helper.output).await {
                burst += got;
                all += got as u64;
                if all > most {
                    return Stopped::Killed(End::new(137, bounds::too_long(most)));
                }
                if burst >= BURST {
                    burst = 0;
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Stopped::Ended
        };
        let talk = &mut helper.talk;
        let count = async {
            loop {
                self.seat.update(talk.usage().await);
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Stopped::Killed(End::new(130, "the run was stopped")),
            () = tokio::time::sleep_until(self.deadline) => {
                let text = format!("timed out after {} s and was killed", self.timeout.as_secs());
                Stopped::Killed(End::new(124, text))
            }
            excess = self.seat.evicted() => Stopped::Killed(End::new(137, bounds::excess(excess))),
            why = self.disk.exceeded() => Stopped::Killed(End::new(137, why)),
            never = count => never,
            stopped = pump => stopped,
        }
    }
}

impl Capture {
    async fn read_from(&mut self, source: &mut (impl AsyncReadExt + Unpin)) -> std::io::Result<usize> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let got = source.read(&mut buffer).await;
        if let Ok(got) = &got {
            self.push(&buffer[..*got]);
        }
        self.buffer = buffer;
        got
    }
}
