//! The HTTP surface of one profile.
//!
//! A handler is a short story: prove the caller ([`auth`]), read and check the body ([`body`], [`json`]), send one
//! typed message to the profile's actor, and render. What happened in a run is always read from its event log by a
//! [`sse::Presenter`]; nothing here keeps state between requests.
//!
//! [`app`] gives the whole App. It belongs to one worker thread and serves every profile of that thread: which
//! profile a request means is a property of its connection (`conn_data::<Arc<Tenant>>()`), never of a header.

mod approvals;
mod approvals_view;
mod ask;
mod auth;
mod body;
mod clarify;
mod client;
mod cors;
mod discovery;
mod docs;
mod error;
mod frame;
mod health;
mod idempotency;
mod isolation;
mod json;
mod keys;
mod memory;
mod metrics;
mod once;
mod openai;
mod openapi;
pub mod operator;
mod options;
mod path;
mod query;
mod reader;
mod route;
mod routes;
mod runs;
mod runs_request;
mod runs_stream;
mod runs_view;
mod selection;
mod sessions;
mod settings;
mod shared;
mod skills;
mod sse;
mod steer;
mod tool_choice;
mod trace;
mod usage;

pub use openapi::document;
pub use routes::{app, routes};
