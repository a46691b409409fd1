//! The model behind the agent: OpenAI-compatible chat completions, always streamed, and the built-in demo model.
//!
//! ```text
//! ask ─► attempts (retry) ─► request body ─► connection ─► reader ─► sse ─► chunk ─► answer ─► deltas
//! ```
//!
//! One read of the socket is parsed as a whole and handed out as one delta, so that a flood of tokens costs one
//! wake-up, while a slow stream never waits for a second token.

mod answer;
mod base_url;
mod calls;
mod chunk;
mod client;
mod connection;
mod demo;
mod error;
mod halves;
mod hermes;
mod images;
mod members;
mod pool;
mod reader;
mod refusal;
mod request;
mod retry;
mod rules;
mod sse;
mod think;
mod upstreams;
mod window;

pub use self::{
    answer::{Again, Delta, ModelAnswer},
    client::ModelClient,
    error::ModelError,
    hermes::{HermesClient, RemoteEvents, RemoteTurn},
    images::{Images, Shrinker},
    request::ModelRequest,
    retry::Backoff,
    upstreams::{Asked, Mind, Upstreams},
    window::SeenWindows,
};
