//! The real binary: what it says, and with which exit code it ends.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod attacks;
mod doctor;
mod records;
mod running;
mod servers;
mod support;
mod usage;
mod users;
