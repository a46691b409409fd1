//! The events of a run over there, in order and without a hole, over as many connections as it takes.

use super::{
    HermesClient,
    client::{Patience, cut, garbage},
};
use crate::{
    domain::{Code, Event, Seq, UpstreamRun, Usage},
    http1::Body,
    model::{
        ModelError,
        retry::{Failed, Repeat},
        sse::EventParser,
    },
};
use serde::Deserialize;
use serde_json::Value;
use std::{collections::VecDeque, time::Duration};
use tokio::time::{Instant, sleep_until, timeout};

/// A terminal event carries the whole answer.
const MAX_EVENT: usize = 32 * 1024 * 1024;

/// A connection that held this long and breaks is no sign of a server in trouble: a run may wait for hours.
const STEADY: Duration = Duration::from_secs(30);

/// A reader of a run's events that comes back after a cut by itself.
pub struct RemoteEvents {
    client: HermesClient,
    run: String,
    seen: Seq,
    body: Option<Body>,
    parser: EventParser,
    /// Parsed and not handed out yet.
    ready: VecDeque<(Seq, Event)>,
    patience: Patience,
    /// When the next connection may be made.
    next_attempt: Instant,
    connected_at: Instant,
}

/// What every event has, whatever it tells.
#[derive(Deserialize)]
struct Head {
    seq: Seq,
    event: String,
}

impl RemoteEvents {
    pub(super) fn new(client: HermesClient, run: &UpstreamRun) -> Self {
        Self {
            client,
            run: run.id.clone(),
            seen: run.seen,
            body: None,
            parser: EventParser::with_limit(MAX_EVENT),
            ready: VecDeque::new(),
            patience: Patience::default(),
            next_attempt: Instant::now(),
            connected_at: Instant::now(),
        }
    }

    /// The next event that we know, with its number. May be dropped and called again: nothing is lost.
    ///
    /// # Errors
    /// [`ModelError`] when the other side could not be reached any more, or sends what is no event.
    pub async fn next(&mut self) -> Result<(Seq, Event), ModelError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            if let Err(failed) = self.read().await {
                if self.body.take().is_some() && self.connected_at.elapsed() > STEADY {
                    self.patience = Patience::default();
                }
                self.parser = EventParser::with_limit(MAX_EVENT);
                self.next_attempt = Instant::now() + self.client.wait(&mut self.patience, failed)?;
            }
        }
    }

    /// One read of the socket, connecting first if need be.
    async fn read(&mut self) -> Result<(), Failed> {
        let limit = self.client.idle_timeout();
        let Some(body) = &mut self.body else {
            sleep_until(self.next_attempt).await;
            self.body = Some(self.client.open(&self.run, self.seen.0).await?);
            self.connected_at = Instant::now();
            return Ok(());
        };
        match timeout(limit, body.next()).await {
            Ok(Some(Ok(bytes))) => self.parse(&bytes),
            Ok(Some(Err(_)) | None) => Err(lost("The upstream's stream of events broke off.")),
            Err(_elapsed) => Err(silent(limit)),
        }
    }

    fn parse(&mut self, mut bytes: &[u8]) -> Result<(), Failed> {
        loop {
            match self.parser.next(&mut bytes) {
                Ok(None) => return Ok(()),
                Ok(Some(data)) => {
                    let Some((seq, event)) = read(data) else {
                        return Err(garbage("an event that is none of a run").into());
                    };
                    if seq > self.seen {
                        self.seen = seq;
                        self.patience = Patience::default();
                        self.ready.extend(event.map(|event| (seq, event)));
                    }
                }
                Err(error) => return Err(garbage(&error.to_string()).into()),
            }
        }
    }
}

/// The number of an event and, when we know its kind, the event. A newer gateway may tell more than we understand.
fn read(data: &[u8]) -> Option<(Seq, Option<Event>)> {
    let Head { seq, event: name } = serde_json::from_slice(data).ok()?;
    if let Ok(event) = serde_json::from_slice::<Event>(data) {
        return Some((seq, Some(event)));
    }
    // Its end must not be missed, even if it is told in words that we do not know.
    let end = match name.as_str() {
        "run.completed" | "run.failed" | "run.cancelled" => {
            let value: Value = serde_json::from_slice(data).ok()?;
            let said = value["error"]
                .as_str()
                .unwrap_or("The run over there ended in a way that is not known here.");
            Some(Event::RunFailed {
                error: said.to_owned(),
                error_code: Code::UpstreamError,
                retryable: false,
                retry_after: None,
                partial_output: String::new(),
                usage: serde_json::from_value::<Usage>(value["usage"].clone()).unwrap_or_default(),
                pending_steer: value["pending_steer"].as_str().map(str::to_owned),
            })
        }
        _ => None,
    };
    Some((seq, end))
}

fn lost(message: &str) -> Failed {
    Failed::new(cut(message), Repeat::Later)
}

fn silent(limit: Duration) -> Failed {
    let error = ModelError::Timeout {
        message: format!("The upstream sent nothing for {limit:?}, not even a sign of life."),
        partial: false,
    };
    Failed::new(error, Repeat::Later)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_understood_and_strangers_passed_over() {
        let cases = [
            (
                "known",
                r#"{"event":"message.delta","delta":"a","run_id":"r","timestamp":1.5,"seq":3}"#,
                Some("message.delta"),
            ),
            ("new kind", r#"{"event":"weather","sun":true,"seq":3}"#, None),
            (
                "a code of a newer table",
                r#"{"event":"run.failed","error":"no","error_code":"brand_new","seq":3}"#,
                Some("run.failed"),
            ),
        ];
        for (case, data, kind) in cases {
            let (seq, event) = read(data.as_bytes()).unwrap();
            assert_eq!((seq, event.as_ref().map(Event::name)), (Seq(3), kind), "{case}");
        }
        for data in ["", "{}", "[]", r#"{"event":"message.delta","delta":"a"}"#] {
            assert!(read(data.as_bytes()).is_none(), "{data}");
        }
    }
}
