//! A server over HTTP (the protocol's "streamable HTTP"): its session, a request, and what it says of its own accord.

use super::{
    super::failure::Failure,
    News,
    events::Events,
    live::INITIALIZE,
    message::{Said, VERSION, failed, hello, notification, request, said},
};
use crate::{
    config::Secret,
    http1::{self, Response, Stream, Tls, exchange},
};
use http::{Method, Request, StatusCode, Uri, header};
use serde_json::Value;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use tokio::task::AbortHandle;
use url::Url;

pub struct Http {
    wire: Arc<Wire>,
    next: AtomicU64,
    session: Mutex<Session>,
}

/// Where the server is, and what it is told with every request.
struct Wire {
    url: Url,
    headers: Vec<(String, Secret)>,
    news: News,
}

/// What the server has agreed to.
#[derive(Clone, Default)]
struct Session {
    open: bool,
    id: Option<String>,
    version: Option<String>,
    /// Ends with the last copy of this.
    _listening: Option<Arc<Listening>>,
}

struct Listening(AbortHandle);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

enum Answer {
    Result(Value),
    /// A notification was taken.
    Accepted,
    /// 404: the session is no more.
    NoSession,
}

impl Http {
    pub fn new(url: &Url, headers: &[(String, Secret)], news: News) -> Self {
        let wire = Arc::new(Wire { url: url.clone(), headers: headers.to_vec(), news });
        Self { wire, next: AtomicU64::new(1), session: Mutex::default() }
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        // Replaced whole, so a panic leaves nothing half done.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request, in a session that is opened when there is none.
    pub async fn request(&self, method: &str, params: &Value) -> Result<Value, Failure> {
        let known = self.open().await?;
        match self.within(method, params, &known).await? {
            Some(result) => Ok(result),
            // It has forgotten the session, and so has not looked at the request.
            None => {
                *self.session() = Session::default();
                let fresh = self.open().await?;
                let again = self.within(method, params, &fresh).await?;
                again.ok_or_else(|| failed("the server ends every session at once"))
            }
        }
    }

    async fn open(&self) -> Result<Session, Failure> {
        let known = self.session().clone();
        if known.open {
            return Ok(known);
        }
        let (answer, id) = self.ask(INITIALIZE, &hello(), &Session::default()).await?;
        let Answer::Result(result) = answer else {
            return Err(failed("the server does not know the protocol's greeting"));
        };
        let version = result.get("protocolVersion").and_then(Value::as_str).unwrap_or(VERSION).to_owned();
        let mut session = Session { open: true, id, version: Some(version), _listening: None };
        self.wire.post(&notification("notifications/initialized"), &session).await?;
        let tells = result.pointer("/capabilities/tools/listChanged").and_then(Value::as_bool);
        if tells.unwrap_or_default() {
            let listening = tokio::task::spawn_local(Arc::clone(&self.wire).listen(session.clone()));
            session._listening = Some(Arc::new(Listening(listening.abort_handle())));
        }
        *self.session() = session.clone();
        Ok(session)
    }

    /// `None`: the server does not know the session.
    async fn within(
        &self,
        method: &str,
        params: &Value,
        session: &Session,
    ) -> Result<Option<Value>, Failure> {
        match self.ask(method, params, session).await?.0 {
            Answer::Result(result) => Ok(Some(result)),
            Answer::NoSession if session.id.is_some() => Ok(None),
            Answer::NoSession => Err(failed("the server answered 404")),
            Answer::Accepted => Err(failed("the server gave no answer")),
        }
    }

    /// Gives the answer, and the session that the server names.
    async fn ask(
        &self,
        method: &str,
        params: &Value,
        session: &Session,
    ) -> Result<(Answer, Option<String>), Failure> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let response = self.wire.post(&request(id, method, params), session).await?;
        let Some(response) = response else { return Ok((Answer::NoSession, None)) };
        if response.status == StatusCode::ACCEPTED {
            return Ok((Answer::Accepted, None));
        }
        let named = text_of(&response, "Mcp-Session-Id");
        let mut said = Events::of(response);
        while let Some(message) = said.next().await? {
            if let Some(outcome) = self.wire.hear(message, session, id).await {
                return Ok((Answer::Result(outcome?), named));
            }
        }
        Err(failed("the server's stream ended without an answer"))
    }
}

impl Wire {
    /// `None`: 404.
    async fn post(&self, message: &Value, session: &Session) -> Result<Option<Response>, Failure> {
        let message = message.to_string().into_bytes();
        let accepted = "application/json, text/event-stream";
        let response = Box::pin(self.send(Method::POST, accepted, message, session)).await;
        let response = response.map_err(|error| failed(format!("the server: {error}")))?;
        match response.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(response)),
            status => Err(failed(format!("the server: it answered {status}"))),
        }
    }

    /// Follows no redirect, which would carry the headers to another host.
    async fn send(
        &self,
        method: Method,
        accepted: &str,
        body: Vec<u8>,
        session: &Session,
    ) -> Result<Response, http1::Error> {
        let unsendable = |why: http::Error| http1::Error::Unsendable(why.to_string());
        let uri: Uri =
            self.url.as_str().parse().map_err(|why: http::uri::InvalidUri| unsendable(why.into()))?;
        let mut request = Request::builder()
            .method(method)
            .uri(uri.clone())
            .header(header::ACCEPT, accepted)
            .header(header::ACCEPT_ENCODING, "identity");
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in self.headers(session) {
            request = request.header(name, value);
        }
        let request = request.body(body).map_err(unsendable)?;
        exchange(Stream::connect(&uri, &Tls::default()).await?, request).await
    }

    /// What a message means; the outcome of the request `id` is given back.
    async fn hear(&self, message: Value, session: &Session, id: u64) -> Option<Result<Value, Failure>> {
        match said(message) {
            Said::Answer(of, outcome) if of == id => return Some(outcome),
            Said::Answer(..) | Said::Other => {}
            Said::ListChanged => self.news.note(),
            // A server that does not take the reply has asked in vain.
            Said::Asked(reply) => drop(self.post(&reply, session).await),
        }
        None
    }

    /// Hears what the server says of its own accord, if it does: 405 is for "no". When that has ended, another list of
    /// tools is noticed by asking for it.
    async fn listen(self: Arc<Self>, session: Session) {
        let asked = Box::pin(self.send(Method::GET, "text/event-stream", Vec::new(), &session)).await;
        let Ok(response) = asked else { return };
        let mut events = Events::without_end(response);
        while let Ok(Some(message)) = events.next().await {
            // No request has this number.
            let _no_outcome = self.hear(message, &session, 0).await;
        }
    }

    fn headers<'a>(&'a self, session: &'a Session) -> impl Iterator<Item = (&'a str, &'a str)> {
        let own =
            [("Mcp-Session-Id", session.id.as_deref()), ("MCP-Protocol-Version", session.version.as_deref())];
        let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
        own.chain(self.headers.iter().map(|(name, value)| (name.as_str(), value.reveal())))
    }
}

fn text_of(response: &Response, header: &str) -> Option<String> {
    response.headers.get(header).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
