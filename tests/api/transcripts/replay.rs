//! Takes the recorded steps again, against a gateway of ours.

use super::{
    recording::{Body, Recording, Step},
    shape::{Comparison, Got, Ids, kind_of},
};
use crate::support::{Client, Frame, Opened, Sent};
use actix_web::rt;
use awc::http::header::HeaderMap;
use std::{cell::RefCell, rc::Rc, time::Duration};
use tokio::sync::watch;

/// Longest wait for one answer; more is a difference of its own.
const PATIENCE: Duration = Duration::from_secs(20);

/// Routes that are not there yet. Their steps are held to `404 not_found`, so that a route that lands strikes its row.
pub type Pending = [(&'static str, &'static str)];

/// One recording at work.
pub struct Replay<'a> {
    client: &'a Client,
    pending: &'a Pending,
    ids: Ids,
    running: Vec<Running<'a>>,
    /// About how many commands the newest run will ask. We ask about all of a batch at once, so all must be there
    /// before one is answered.
    questions: usize,
    /// The runs whose approvals were answered so far.
    decided: Vec<String>,
    differences: Vec<String>,
}

/// A step that runs in the background, what it has brought, and its end.
type Running<'a> = (&'a Step, Rc<Listener>, rt::task::JoinHandle<Option<Answered>>);

/// A step, ready to be sent.
struct Request {
    request: awc::ClientRequest,
    body: Option<String>,
    chunked: bool,
    /// How many frames are read of a stream.
    enough: usize,
}

struct Answered {
    status: u16,
    headers: HeaderMap,
    got: Got,
}

impl Answered {
    fn ambiguous(&self) -> bool {
        match &self.got {
            Got::Whole(reply) => reply.code() == "approval_ambiguous",
            Got::Stream(_) => false,
        }
    }
}

/// What a stream has brought so far.
#[derive(Default)]
struct Listener {
    /// The kind of the first recorded event.
    first: Option<String>,
    /// How many questions belong together.
    questions: usize,
    frames: RefCell<Vec<Frame>>,
    heard: watch::Sender<Heard>,
}

#[derive(Default)]
struct Heard {
    /// The first event of the recording is there.
    begun: bool,
    asked: usize,
    decided: usize,
    ended: bool,
}

impl<'a> Replay<'a> {
    /// The differences of this recording, each `NUMBER METHOD ROUTE: place: recorded -> ours`.
    pub async fn differences(
        recording: &'a Recording,
        client: &'a Client,
        pending: &'a Pending,
    ) -> Vec<String> {
        let mut replay = Self {
            client,
            pending,
            ids: Ids::new(),
            running: Vec::new(),
            questions: 0,
            decided: Vec::new(),
            differences: Vec::new(),
        };
        let mut there = true;
        for step in &recording.steps {
            // What goes on behind a route that is not there yet has nothing to go on with; what runs has to end.
            if there || step.path.ends_with("/stop") {
                there &= replay.take(recording, step).await;
            }
        }
        for (step, _, task) in std::mem::take(&mut replay.running) {
            let answered = tokio::time::timeout(PATIENCE, task).await.ok().and_then(Result::ok).flatten();
            replay.compare(recording, step, answered);
        }
        replay.differences.sort();
        replay.differences.dedup();
        replay.differences
    }

    /// One step; `false` when it leads to a route that is not there yet.
    async fn take(&mut self, recording: &Recording, step: &'a Step) -> bool {
        self.learn();
        self.wait_for(step).await;
        self.learn();
        if step.path == "/v1/runs" {
            self.questions = step.body.as_deref().unwrap_or("").matches("rm -rf").count();
        }
        let pending = self.pending.iter().find(|(prefix, _)| step.path.starts_with(prefix));
        let listener = Rc::<Listener>::new(Listener {
            first: first(step),
            questions: self.questions,
            ..Listener::default()
        });
        let mut sent = self.request(step);
        sent.chunked = recording.name.ends_with("chunked");
        let sending = send(self.client.clone(), sent, Rc::clone(&listener));
        if step.background && pending.is_none() {
            self.running.push((step, listener, rt::spawn(sending)));
            return true;
        }
        let mut answered = tokio::time::timeout(PATIENCE, sending).await.ok().flatten();
        if let Some((prefix, _)) = pending {
            let absent = answered.as_ref().is_some_and(|answered| match &answered.got {
                Got::Whole(reply) => reply.code() == "not_found",
                Got::Stream(_) => false,
            });
            if absent {
                return false;
            }
            self.differences
                .push(format!("{prefix} answers now: strike it from the list of what is pending"));
        }
        if answered.as_ref().is_some_and(Answered::ambiguous) {
            // The recording goes on, so the run has to.
            self.compare(recording, step, answered);
            let mut all = self.request(step);
            all.body = all.body.map(|body| body.replacen('{', r#"{"all": true, "#, 1));
            answered = send(self.client.clone(), all, Rc::default()).await;
        }
        if step.path.ends_with("/approval") && step.answer.status == 200 {
            self.decided.push(of_run(&step.path));
        }
        self.compare(recording, step, answered);
        true
    }

    /// Follows the events of what runs in the background until the moment at which the recording took this step.
    async fn wait_for(&self, step: &Step) {
        let status = match &step.answer.body {
            Body::Json(body) => body["status"].as_str().unwrap_or(""),
            Body::Text | Body::Empty | Body::Stream { .. } => "",
        };
        let ended = ["completed", "failed", "cancelled"].contains(&status) && step.method == "GET";
        let asked = status == "waiting_for_approval"
            || (step.path.ends_with("/approval") && [200, 400].contains(&step.answer.status));
        let timed_out = step.note.contains("timed out");
        let mut listened = false;
        for (begun, listener, _) in &self.running {
            if step.background || !matches!(begun.answer.body, Body::Stream { .. }) {
                continue;
            }
            listened = true;
            let run = of_run(&begun.path);
            let decided = self.decided.iter().filter(|answered| **answered == run).count();
            let wanted = |heard: &Heard| {
                heard.ended
                    || if timed_out {
                        heard.decided > decided
                    } else if asked {
                        heard.asked >= (decided + 1).max(listener.questions)
                    } else {
                        heard.begun && !ended
                    }
            };
            let _ = tokio::time::timeout(PATIENCE, listener.heard.subscribe().wait_for(wanted)).await;
        }
        if ended && !listened && step.path.starts_with("/v1/runs/") {
            let run = step.path.trim_start_matches("/v1/runs/");
            if let Some(run) = self.ids.get(run) {
                self.client.finished(run).await;
            }
        }
    }

    /// Learns the ids that streams in the background have told so far.
    fn learn(&mut self) {
        for (step, listener, _) in &self.running {
            let got = Got::Stream(listener.frames.borrow().clone());
            self.ids.extend(Comparison::of(&step.answer, step.answer.status, &HeaderMap::new(), &got).ids);
        }
    }

    fn request(&self, step: &Step) -> Request {
        let client = match step.auth.as_str() {
            "key" => self.client.clone(),
            _ => self.client.with_key(None),
        };
        let mut request = client.request(step.method.clone(), &self.renamed(&step.path));
        if !["key", "none"].contains(&step.auth.as_str()) {
            let key = self.client.key.as_deref().unwrap();
            request = request.insert_header(("Authorization", step.auth.replace("<key>", key)));
        }
        for (name, value) in &step.headers {
            request = request.insert_header((name.as_str(), self.renamed(value)));
        }
        let body = step.body.as_deref().map(|body| self.renamed(body));
        Request { request, body, chunked: false, enough: enough(step) }
    }

    /// The text with the ids that its things have here.
    fn renamed(&self, text: &str) -> String {
        self.ids.iter().fold(text.to_owned(), |text, (recorded, ours)| text.replace(recorded, ours))
    }

    fn compare(&mut self, recording: &Recording, step: &Step, answered: Option<Answered>) {
        let place = format!("{:03} {} {}", recording.number, step.method, route(&step.path));
        let Some(Answered { status, headers, got }) = answered else {
            return self.differences.push(format!("{place}: no end of the answer within {PATIENCE:?}"));
        };
        if let Got::Whole(reply) = &got {
            assert!(status != 500, "{place}: {}", reply.text);
            if status >= 400 && step.method != "HEAD" {
                let error = reply.body["error"].as_object();
                let whole = error.is_some_and(|error| {
                    ["message", "type", "param", "code"].iter().all(|name| error.contains_key(*name))
                        && error["code"].is_string()
                });
                assert!(whole, "{place}: every error has one shape: {}", reply.text);
            }
        }
        let Comparison { mut differences, ids } = Comparison::of(&step.answer, status, &headers, &got);
        self.ids.extend(ids);
        // What stops has often stopped before anyone can look. That it still runs would be a difference.
        differences.retain(|difference| difference != r#"body.status: "stopping" -> "cancelled""#);
        self.differences.extend(differences.iter().map(|difference| format!("{place}: {difference}")));
    }
}

/// The kind of the first recorded event.
fn first(step: &Step) -> Option<String> {
    match &step.answer.body {
        Body::Stream { frames, .. } => frames.first().map(kind_of),
        Body::Json(_) | Body::Text | Body::Empty => None,
    }
}

/// How many frames the recorder read before it hung up.
fn enough(step: &Step) -> usize {
    match step.answer.body {
        // Enough to see each kind: a response tells of four things before its first text.
        Body::Stream { left: true, .. } => 5,
        Body::Stream { left: false, .. } | Body::Json(_) | Body::Text | Body::Empty => usize::MAX,
    }
}

async fn send(
    client: Client,
    Request { request, body, chunked, enough }: Request,
    listener: Rc<Listener>,
) -> Option<Answered> {
    let body = body.map(String::into_bytes);
    let body = body.map(if chunked { Sent::Chunked } else { Sent::Whole });
    let mut frames = match client.open(request, body).await {
        Opened::Whole(reply) => {
            listener.heard.send_modify(|heard| heard.ended = true);
            let (status, headers) = (reply.status, reply.headers.clone());
            return Some(Answered { status, headers, got: Got::Whole(reply) });
        }
        Opened::Stream(frames) => frames,
    };
    while listener.frames.borrow().len() < enough
        && let Some(frame) = frames.data().await
    {
        let event = kind_of(&frame);
        listener.frames.borrow_mut().push(frame);
        listener.heard.send_modify(|heard| {
            // A question comes before the tool that it is about, so nothing else may come for long.
            heard.begun |=
                event == "approval.request" || listener.first.as_ref().is_none_or(|first| *first == event);
            heard.asked += usize::from(event == "approval.request");
            heard.decided += usize::from(event == "approval.responded");
        });
    }
    listener.heard.send_modify(|heard| heard.ended = true);
    let got = Got::Stream(listener.frames.borrow().clone());
    Some(Answered { status: 200, headers: frames.headers.clone(), got })
}

/// The run that a path below `/v1/runs/` speaks of.
fn of_run(path: &str) -> String {
    path.split('/').nth(3).unwrap_or("").to_owned()
}

/// The path without its query and with `{id}` in the place of an id.
fn route(path: &str) -> String {
    let path = path.split('?').next().unwrap_or(path);
    let mut parts: Vec<&str> = path.split('/').collect();
    if let Some(at) = parts.iter().position(|part| ["runs", "responses", "sessions", "jobs"].contains(part))
        && let Some(id) = parts.get_mut(at + 1)
    {
        *id = "{id}";
    }
    parts.join("/")
}
