//! What goes wrong between a request and the end of its answer.

use std::{fmt, io};

/// Why there is no answer, or no more of it.
#[derive(Debug)]
pub enum Error {
    /// The host's name has no address.
    Unresolved,
    /// There was no connection within the client's limit.
    Late,
    /// Nobody listens there, or the two do not agree on TLS: then the cause is a `rustls::Error`.
    Unconnected(io::Error),
    /// A kept connection had been closed: nothing of an answer came, and most likely nobody has seen the request.
    Stale,
    /// The connection ended before the answer did.
    Cut,
    /// What came is no HTTP/1.1.
    Garbage(String),
    /// The request cannot be sent as it is.
    Unsendable(String),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved => out.write_str("the host name could not be resolved"),
            Self::Late => out.write_str("there was no connection in time"),
            Self::Unconnected(cause) => write!(out, "no connection: {cause}"),
            Self::Stale | Self::Cut => out.write_str("the connection was closed before the answer was whole"),
            Self::Garbage(what) => write!(out, "the answer is no HTTP/1.1: {what}"),
            Self::Unsendable(why) => write!(out, "the request cannot be sent: {why}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unconnected(cause) => Some(cause),
            Self::Unresolved
            | Self::Late
            | Self::Stale
            | Self::Cut
            | Self::Garbage(_)
            | Self::Unsendable(_) => None,
        }
    }
}
