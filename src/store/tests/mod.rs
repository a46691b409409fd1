//! Tests of the store as a whole.

// A held bench is how a test keeps the writer from committing; each runtime here has a single thread.
#![allow(clippy::await_holding_lock)]

mod backup;
mod crash;
mod housekeeping;
mod journal;
mod log;
mod records;
mod search;
mod sessions;
mod trouble;
mod usage;
mod values;
mod whole;
