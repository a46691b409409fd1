//! HTTP/1.1 as a client speaks it: connections, requests, and bodies as they come. The only user of ureq-proto.
//!
//! ```text
//! client ─► kept connection, or a new stream (TCP, TLS) ─► exchange: request out, head in ─► body
//! ```
//!
//! The protocol is a state machine without I/O; sockets are read on the stack of whoever polls. So a stream that waits
//! for its next bytes holds no buffer, and there is neither a task nor a channel between a socket and its reader:
//! dropping a body, or a future, closes its connection at once.

mod body;
mod client;
mod error;
mod exchange;
mod stream;

pub use self::{
    body::Body,
    client::Client,
    error::Error,
    exchange::{Content, Response, exchange},
    stream::{Stream, Tls},
};
