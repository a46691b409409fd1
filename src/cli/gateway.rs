//! `hermes gateway`, `hermes gateway status`, `hermes gateway stop`.

use super::{
    args::{GatewayArgs, GatewayCommand},
    context::{Context, OWN_PROGRAM},
    error::CliError,
    output::{Cell, Output, clip},
    profile::style_of,
    start_table,
};
use crate::{
    domain::ProfileName,
    gateway::{
        Client, ClientError, Gateway, GatewayOptions, Selection, State, block_on, log_panics, log_to_stderr,
    },
    redact::Redactors,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

pub fn run(context: &Context, args: &GatewayArgs, output: &Output) -> Result<(), CliError> {
    match &args.command {
        None => serve(context, output),
        Some(GatewayCommand::Status { json }) => status(context, *json, output),
        Some(GatewayCommand::Stop) => stop(context, output),
    }
}

/// Serves until a signal or `hermes gateway stop`.
fn serve(context: &Context, output: &Output) -> Result<(), CliError> {
    let filter = context.env.0.get("RUST_LOG").map(String::as_str);
    let redactors = Redactors::default();
    log_to_stderr(filter, output.colour_on_stderr(), redactors.clone())
        .map_err(|error| CliError::usage(format!("RUST_LOG: {error}")))?;
    log_panics();
    let options = GatewayOptions {
        home: context.home.clone(),
        selection: context.profile.clone().map_or(Selection::All, Selection::One),
        env: context.env.clone(),
        sandbox_helper: OWN_PROGRAM.into(),
        workers: None,
        redactors,
    };
    std::fs::create_dir_all(&options.home)
        .map_err(|error| CliError::failed(format!("{}: {error}", options.home.display())))?;
    block_on(async {
        // Before the start: a signal during it is not lost, nor does it kill half a start.
        let mut signals = Signals::new()?;
        let gateway = tokio::select! {
            started = Gateway::start(options) => started?,
            () = signals.next() => return Ok(()),
        };
        gateway.examine(&context.home).await;
        start_table::print(&gateway, context, output).await;
        if gateway.is_idle().await {
            gateway.stop(std::time::Duration::ZERO).await;
            return Err(CliError::failed("no profile could be started"));
        }
        tokio::select! {
            () = signals.next() => {}
            () = gateway.stop_requested() => {}
        }
        let grace = gateway.drain_timeout();
        output.note(format_args!(
            "\nstopping: running turns have {} s; a second signal ends at once",
            grace.as_secs()
        ));
        tokio::select! {
            () = gateway.stop(grace) => Ok(()),
            () = signals.next() => Err(CliError::failed("ended at once; turns under way were cut off")),
        }
    })
}

/// The signals that mean "end".
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, CliError> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn status(context: &Context, json: bool, output: &Output) -> Result<(), CliError> {
    let mut running = Client::all(&context.home)?;
    let any = !running.is_empty();
    running.retain(|client| {
        let serves = |name: &ProfileName| client.status.profiles.iter().any(|status| status.name == *name);
        context.profile.as_ref().is_none_or(serves)
    });
    if json {
        output.json(&running.iter().map(|client| &client.status).collect::<Vec<_>>())?;
    }
    if running.is_empty() {
        return Err(nobody(context, any));
    }
    if json {
        return Ok(());
    }
    for client in &running {
        let status = &client.status;
        let doing = if status.draining { ", ending" } else { "" };
        output.line(format_args!("gateway {} (hermes {}{doing})", status.pid, status.version));
        let rows: Vec<_> = status
            .profiles
            .iter()
            .map(|profile| {
                vec![
                    Cell::plain(profile.name.as_str()),
                    Cell::new(style_of(profile.state), profile.state.name()),
                    Cell::plain(profile.url().unwrap_or_else(|| "-".to_owned())),
                    Cell::plain(clip(&profile.model, 24)),
                    Cell::plain(profile.sandbox.clone()),
                    Cell::plain(profile.network.clone()),
                ]
            })
            .collect();
        output.table(&["PROFILE", "STATE", "URL", "MODEL", "SANDBOX", "NETWORK"], &rows);
        for profile in status.profiles.iter().filter(|profile| profile.state != State::Serving) {
            if let Some(reason) = &profile.reason {
                output.hint(format_args!("{}: {reason}", profile.name));
            }
        }
        start_table::tell_breaches(&status.profiles, output);
    }
    Ok(())
}

/// Why there is no gateway to speak of. `any`: some run, but none that has the profile of `-p`.
fn nobody(context: &Context, any: bool) -> CliError {
    match &context.profile {
        Some(name) if any => match context.find(name) {
            Ok(_) => CliError::failed(format!(
                "no gateway of this home serves `{name}`; `hermes profile start {name}` or `hermes -p {name} gateway` \
                 starts it"
            )),
            Err(error) => error,
        },
        Some(_) | None => CliError::failed(format!("no gateway runs for {}", context.home.display())),
    }
}

/// Ends what `hermes gateway` (with the same `-p`) would have started.
fn stop(context: &Context, output: &Output) -> Result<(), CliError> {
    let mut running = Client::all(&context.home)?;
    let any = !running.is_empty();
    if let Some(name) = &context.profile {
        running.retain(|client| {
            let mut served = client.status.profiles.iter().filter(|status| status.state != State::Stopped);
            served.any(|status| status.name == *name) && client.serves(name)
        });
        if let [client] = running.as_slice()
            && client.status.only.is_none()
            && client.status.profiles.len() > 1
        {
            return Err(CliError::usage(format!(
                "that gateway serves other profiles too; type `hermes profile stop {name}`, or `hermes gateway stop`"
            )));
        }
    }
    if running.is_empty() {
        return Err(nobody(context, any));
    }
    let mut failed: Option<ClientError> = None;
    for client in running {
        match client.stop() {
            Ok(()) => output.line(format_args!("gateway {} has ended", client.status.pid)),
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}
