//! The real binary: what it says, and with which exit code it ends.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod approvals;
mod attacks;
#[path = "../api/support/blobs.rs"]
mod blobs;
#[path = "../api/support/bounded.rs"]
mod bounded;
mod doctor;
mod home_files;
mod import;
mod records;
mod running;
mod servers;
#[path = "../api/support/state_db.rs"]
mod state_db;
mod support;
mod usage;
mod users;
