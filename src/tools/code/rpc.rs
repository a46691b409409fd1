//! What a script says to the gateway, and what it is answered. All of it comes from a stranger.

use super::TOOLS;
use crate::domain::Port;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{cell::RefCell, io, os::unix::net::UnixStream as StdUnixStream};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

/// Calls of one script.
const MOST_CALLS: u32 = 50;
/// Of one line: a call may write a whole file.
const LONGEST_LINE: u64 = 4 << 20;
/// Of what it wrote to its standard error. The other side keeps as much; this side does not rely on it.
const MOST_STDERR: usize = 10_000;

/// What a script came to.
#[derive(Debug, Default)]
pub struct Tally {
    pub calls: u32,
    pub stderr: String,
    pub warning: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Call { tool: String, arguments: Value },
    Last { stderr: String },
}

/// The gateway's end of the socket.
pub struct Rpc<'a> {
    socket: BufReader<UnixStream>,
    /// `None`: nobody to call for.
    port: Option<&'a dyn Port>,
    tally: &'a RefCell<Tally>,
}

impl<'a> Rpc<'a> {
    pub fn new(
        socket: StdUnixStream,
        port: Option<&'a dyn Port>,
        tally: &'a RefCell<Tally>,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket: BufReader::new(UnixStream::from_std(socket)?), port, tally })
    }

    /// Sends the script and answers its calls, one after the other, until it is gone.
    pub async fn serve(mut self, script: Value) {
        // An error means that nobody is there any more: the end of the process says why.
        let _gone = self.converse(&script).await;
    }

    async fn converse(&mut self, script: &Value) -> io::Result<()> {
        self.say(script).await?;
        loop {
            let mut line = Vec::new();
            let got = (&mut self.socket).take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
            if got == 0 {
                return Ok(());
            }
            if !line.ends_with(b"\n") {
                let answer = refusal("invalid_arguments", "the arguments are longer than 4 MiB");
                // What follows cannot be told from the rest of it.
                return self.say(&answer).await;
            }
            let answer = match serde_json::from_slice(&line) {
                Ok(Said::Call { tool, arguments }) => self.call(&tool, arguments).await,
                Ok(Said::Last { stderr }) => {
                    let skipped = stderr.chars().count().saturating_sub(MOST_STDERR);
                    self.tally.borrow_mut().stderr = stderr.chars().skip(skipped).collect();
                    continue;
                }
                Err(error) => refusal("invalid_arguments", &format!("the call is no JSON: {error}")),
            };
            self.say(&answer).await?;
        }
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        let Some(port) = self.port.filter(|_| TOOLS.contains(&tool)) else {
            return refusal("unknown_tool", &format!("a script has no tool `{tool}`"));
        };
        let leaves = |name: &str| arguments.get(name).is_some_and(|value| value != false && !value.is_null());
        if tool == "terminal" && (leaves("background") || leaves("pty")) {
            let why = "in a script a command has no terminal and does not go on in the background";
            return refusal("invalid_arguments", why);
        }
        {
            let mut tally = self.tally.borrow_mut();
            if tally.calls >= MOST_CALLS {
                let why = format!("a script may make {MOST_CALLS} calls of tools");
                tally.warning = Some(format!("{why}; later ones were refused"));
                return refusal("too_many_calls", &why);
            }
            tally.calls += 1;
        }
        let output = port.call(tool, arguments).await;
        serde_json::from_str(&output.text).unwrap_or(Value::String(output.text))
    }

    async fn say(&mut self, message: &Value) -> io::Result<()> {
        let mut line = message.to_string();
        line.push('\n');
        self.socket.get_mut().write_all(line.as_bytes()).await
    }
}

fn refusal(code: &str, why: &str) -> Value {
    json!({ "error": why, "code": code, "hint": null })
}
