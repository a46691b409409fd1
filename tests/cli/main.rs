//! The real binary: what it says, and with which exit code it ends.
#![allow(clippy::unwrap_used)]

mod attacks;
mod doctor;
mod running;
mod support;
mod usage;
