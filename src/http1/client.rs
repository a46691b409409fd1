//! Requests over connections that are kept for the next one.

use super::{Content, Error, Response, Stream, Tls, exchange::converse};
use http::{Request, Uri, uri::Authority};
use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// A connection that nobody has used for so long is closed: servers close theirs after a minute or less.
const KEPT_FOR: Duration = Duration::from_secs(15);
/// Beyond these, what is given back is closed at once.
const MOST_KEPT: usize = 512;

/// Sends requests; belongs to the thread that made it, and to its local tasks.
pub struct Client {
    connect_timeout: Duration,
    tls: Tls,
    kept: Rc<Kept>,
}

impl Client {
    /// `connect_timeout`: for the name, the connection and the handshake of TLS together.
    #[must_use]
    pub fn new(connect_timeout: Duration) -> Self {
        Self { connect_timeout, tls: Tls::default(), kept: Rc::default() }
    }

    /// Sends a request, over a kept connection when there is one. Redirects are not followed, and nothing is tried again.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Stale`] for a kept connection alone.
    pub async fn send<'a>(&self, request: Request<impl Into<Content<'a>>>) -> Result<Response, Error> {
        let request = request.map(Into::into);
        let uri = request.uri();
        let no_host = || Error::Unsendable("its address names no host".to_owned());
        let origin = Origin::of(uri).ok_or_else(no_host)?;
        let kept = self.kept.take(&origin);
        let is_kept = kept.is_some();
        let stream = match kept {
            Some(stream) => stream,
            None => {
                let connected = Box::pin(Stream::connect(uri, &self.tls));
                timeout(self.connect_timeout, connected).await.unwrap_or(Err(Error::Late))?
            }
        };
        let home = Home { kept: Rc::downgrade(&self.kept), origin: origin.clone() };
        let answer = converse(stream, request, Some(home), is_kept).await;
        if let Err(Error::Stale) = answer {
            // Who asks again asks over a new connection: a request on which the server hangs up does not use up them all.
            self.kept.forget(&origin);
        }
        answer
    }
}

/// Whom a connection leads to.
#[derive(Clone, PartialEq, Eq)]
struct Origin {
    is_secure: bool,
    authority: Authority,
}

impl Origin {
    fn of(uri: &Uri) -> Option<Self> {
        let authority = uri.authority()?.clone();
        Some(Self { is_secure: uri.scheme_str() == Some("https"), authority })
    }
}

/// Where a connection goes when its answer was read to the end.
pub(super) struct Home {
    kept: Weak<Kept>,
    origin: Origin,
}

impl Home {
    /// Keeps it for the next request; without its client it is closed.
    pub(super) fn keep(self, stream: Stream) {
        if let Some(kept) = self.kept.upgrade() {
            kept.put(Idle { stream, origin: self.origin, since: Instant::now() });
        }
    }
}

/// Connections on which nothing is asked, the last used one at the end.
#[derive(Default)]
struct Kept {
    idle: RefCell<Vec<Idle>>,
    /// A task closes what nobody uses.
    is_swept: Cell<bool>,
}

struct Idle {
    stream: Stream,
    origin: Origin,
    since: Instant,
}

impl Kept {
    /// The one that was used last: the others may grow old and be closed.
    fn take(&self, origin: &Origin) -> Option<Stream> {
        let mut idle = self.idle.borrow_mut();
        loop {
            let at = idle.iter().rposition(|kept| kept.origin == *origin)?;
            let mut kept = idle.remove(at);
            if kept.since.elapsed() < KEPT_FOR && kept.stream.is_open() {
                return Some(kept.stream);
            }
        }
    }

    fn forget(&self, origin: &Origin) {
        self.idle.borrow_mut().retain(|kept| kept.origin != *origin);
    }

    fn put(self: &Rc<Self>, idle: Idle) {
        let mut all = self.idle.borrow_mut();
        if all.len() < MOST_KEPT {
            all.push(idle);
        }
        if !self.is_swept.replace(true) {
            tokio::task::spawn_local(Self::sweep(Rc::downgrade(self)));
        }
    }

    async fn sweep(kept: Weak<Self>) {
        loop {
            tokio::time::sleep(KEPT_FOR).await;
            let Some(kept) = kept.upgrade() else { return };
            let mut idle = kept.idle.borrow_mut();
            idle.retain(|kept| kept.since.elapsed() < KEPT_FOR);
            if idle.is_empty() {
                idle.shrink_to_fit();
                kept.is_swept.set(false);
                return;
            }
        }
    }
}
