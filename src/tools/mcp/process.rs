//! The process of a server: started behind the wall of the profile's commands, greeted, listened to until it ends.

use super::{
    super::{
        failure::Failure,
        ground::Ground,
        terminal::{End, Errand, Ready, Running, What, make_ready},
    },
    lines::{Line, Lines},
    live::{INITIALIZE, Live},
    message::{Said, hello, notification, said},
    stderr::{Last, Stderr},
    stdio::Keeper,
};
use crate::{domain::SessionId, egress::Whose};
use serde_json::Value;
use std::{
    io,
    os::{fd::AsFd, unix::net::UnixStream as StdUnixStream},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::UnixStream,
    sync::mpsc,
    task::spawn_blocking,
    time::{sleep, timeout},
};

/// Bytes of one message.
const LARGEST: usize = 4 << 20;
/// More is not taken apart on a thread that serves.
const LARGE: usize = 64 << 10;
/// Arguments: the program, and its own. Its standard input is one end of a socket; what it prints goes the same way.
const SHELL: &str = r#"exec "$@" >&0"#;
/// Between the end of its input and the end of its life.
const PARTING: Duration = Duration::from_secs(2);
/// Between the end of its output and that of its life, so that its own end can be told.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Folders that nobody has used for a day are removed.
const TOUCH: Duration = Duration::from_hours(6);

/// To be spawned. Whatever becomes of the task, the callers are told.
pub async fn live(keeper: Arc<Keeper>, live: Arc<Live>, to_write: mpsc::Receiver<String>) {
    let mut last_word = LastWord { keeper: &keeper, live: &live, why: String::new() };
    let last = Last::default();
    let started = tokio::select! {
        biased;
        () = keeper.closing.cancelled() => return,
        started = start(&keeper) => started,
    };
    last_word.why = match started {
        Ok(started) => started.run(&keeper, &live, to_write, &last).await,
        Err(failure) => failure.to_string(),
    };
}

struct LastWord<'a> {
    keeper: &'a Keeper,
    live: &'a Live,
    why: String,
}

impl Drop for LastWord<'_> {
    fn drop(&mut self) {
        let why = std::mem::take(&mut self.why);
        let why = if why.is_empty() { "it was ended with the profile".to_owned() } else { why };
        self.keeper.note_end(self.live, why);
    }
}

/// A process that runs, and the way to it.
struct Started {
    running: Running,
    /// Held for as long as it runs.
    way_out: super::super::terminal::WayOut,
    socket: UnixStream,
}

async fn start(keeper: &Arc<Keeper>) -> Result<Started, Failure> {
    let failed = |error: io::Error| Failure::new("sandbox_failed", error.to_string());
    let made = {
        let keeper = Arc::clone(keeper);
        spawn_blocking(move || prepare(&keeper)).await
    };
    let ready = made.unwrap_or_else(|_panic| Err(Failure::internal("the sandbox failed unexpectedly")))?;
    let Ready { mut helper, mut order, seat, way_out, disk, .. } = ready;
    let own = &keeper.command.env;
    order.env.retain(|(name, _)| own.iter().all(|(theirs, _)| theirs != name));
    order.env.extend(own.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())));
    let (ours, theirs) = StdUnixStream::pair().map_err(failed)?;
    helper.send_with(&order, theirs.as_fd()).await.map_err(failed)?;
    drop(theirs);
    way_out.open(&mut helper, &keeper.closing).await.map_err(failed)?;
    ours.set_nonblocking(true).map_err(failed)?;
    let socket = UnixStream::from_std(ours).map_err(failed)?;
    // What it writes to its standard error goes on for as long as it lives.
    let running = Running { helper, seat, disk, most: u64::MAX };
    Ok(Started { running, way_out, socket })
}

/// Blocking.
fn prepare(keeper: &Keeper) -> Result<Ready, Failure> {
    let Keeper { ground, command, name, .. } = keeper;
    if let Some(why) = ground.sandbox.below(ground.config.terminal.sandbox) {
        let refused =
            Failure::new("sandbox_below_floor", format!("servers that are commands are not run: {why}"));
        return Err(refused.hint("the operator can lower terminal.sandbox"));
    }
    // It lives long: what it adds in its first moments may not pass for what was there before.
    ground.disk.count();
    let mut args: Vec<String> = ["-c", SHELL, "sh", &command.program].map(str::to_owned).to_vec();
    args.extend(command.args.iter().cloned());
    let errand = Errand {
        what: What::Program { program: "/bin/sh".into(), args },
        workdir: Some(command.cwd.clone().unwrap_or_else(|| ".".to_owned())),
        pty: false,
    };
    make_ready(ground, &SessionId::of_mcp_server(name), Whose::McpServer(name.clone()), &errand)
}

impl Started {
    /// Until it has ended, whoever brings that about; says how.
    async fn run(
        self,
        keeper: &Keeper,
        live: &Live,
        to_write: mpsc::Receiver<String>,
        last: &Last,
    ) -> String {
        let Self { running, way_out, socket } = self;
        let (output, input) = socket.into_split();
        let talk = async {
            tokio::select! {
                why = listen(output, keeper, live) => why,
                why = write(input, to_write) => why,
                why = greet(keeper, live) => why,
                never = keep_folder(&keeper.ground, &keeper.name) => never,
            }
        };
        let told = async {
            let closing = tokio::select! {
                biased;
                () = keeper.closing.cancelled() => true,
                why = talk => return End::new(137, why),
            };
            if closing {
                // Its input has ended with the talk: who understands that goes by itself.
                sleep(PARTING).await;
            }
            End::new(137, "it was ended with the profile")
        };
        let mut stderr = Stderr::new(keeper.label.clone(), last.clone());
        let ended = Box::pin(running.until_its_end(told, |piece| stderr.push(piece))).await;
        drop((stderr, way_out));
        let how = match ended {
            Ok(End { error: Some(error), .. }) => error,
            Ok(End { code, error: None }) => format!("it ended by itself, with exit code {code}"),
            Err(failure) => failure.to_string(),
        };
        let line = last.text();
        if line.is_empty() {
            how
        } else {
            format!("{how}; the last that it wrote to its standard error: {line}")
        }
    }
}

/// Says hello; returns only if that leads to nothing.
async fn greet(keeper: &Keeper, live: &Live) -> String {
    let greeting = hello();
    let answer = timeout(keeper.connect_timeout, live.ask(INITIALIZE, &greeting)).await;
    match answer {
        Ok(Some(Ok(_capabilities))) => {
            live.say(&notification("notifications/initialized")).await;
            live.greeted.cancel();
            std::future::pending().await
        }
        Ok(Some(Err(failure))) => format!("it did not take the protocol's greeting: {failure}"),
        Ok(None) => std::future::pending().await,
        Err(_late) => {
            let seconds = keeper.connect_timeout.as_secs();
            format!(
                "it did not answer the protocol's greeting in {seconds} s (connect_timeout) and was killed"
            )
        }
    }
}

async fn write(mut input: impl AsyncWrite + Unpin, mut messages: mpsc::Receiver<String>) -> String {
    while let Some(mut message) = messages.recv().await {
        message.push('\n');
        if input.write_all(message.as_bytes()).await.is_err() {
            break;
        }
    }
    sleep(LAST_WORDS).await;
    "it closed its standard input and was killed".to_owned()
}

/// Takes in what it says.
async fn listen(output: impl AsyncRead + Unpin, keeper: &Keeper, live: &Live) -> String {
    let (mut lines, mut is_known_to_chat) = (Lines::new(output, LARGEST), false);
    while let Ok(Some(line)) = lines.next().await {
        let Line::Whole(line) = line else {
            let most = LARGEST >> 20;
            live.fail_all(&format!("the server wrote a line of more than {most} MiB, which is not read"));
            tracing::warn!(server = keeper.label, "an MCP server wrote a line of more than {most} MiB");
            continue;
        };
        match parse(line).await {
            Some(Value::Array(batch)) => batch.into_iter().for_each(|message| hear(message, keeper, live)),
            Some(message) => hear(message, keeper, live),
            None if is_known_to_chat => {}
            None => {
                is_known_to_chat = true;
                tracing::warn!(server = keeper.label, "an MCP server prints lines that are no messages");
            }
        }
    }
    sleep(LAST_WORDS).await;
    "it closed its standard output and was killed".to_owned()
}

async fn parse(line: Vec<u8>) -> Option<Value> {
    if line.len() <= LARGE {
        return serde_json::from_slice(&line).ok();
    }
    spawn_blocking(move || serde_json::from_slice(&line).ok()).await.ok().flatten()
}

fn hear(message: Value, keeper: &Keeper, live: &Live) {
    match said(message) {
        Said::Answer(id, outcome) => live.answered(id, outcome),
        Said::Asked(reply) => live.try_say(&reply),
        Said::ListChanged => keeper.news.note(),
        Said::Other => {}
    }
}

/// Its temporary folder is in use for as long as it lives.
async fn keep_folder(ground: &Arc<Ground>, name: &str) -> String {
    loop {
        sleep(TOUCH).await;
        let (ground, session) = (Arc::clone(ground), SessionId::of_mcp_server(name));
        // Where that fails, the process goes on without it.
        let _opened = spawn_blocking(move || ground.jail(&session).is_ok()).await;
    }
}
