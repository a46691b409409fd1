//! Kill and restart: the real binary over a real directory, ended by signals that it cannot or can answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::wildcard_enum_match_arm)]

mod audited;
mod background;
mod blobs;
mod children;
mod compressed;
mod damage;
mod descriptors;
mod full;
mod imported;
mod kept;
mod killed;
mod logged;
mod memory;
mod parked;
mod ports;
mod queued;
mod relayed;
mod remembered;
mod responses;
mod served;
mod spent;
// Shared with `tests/api` and `tests/cli`.
#[path = "../api/support/state_db.rs"]
mod state_db;
mod stopped;
mod support;
