//! What the process says about itself on standard error.

mod log;
mod panics;

pub use log::{InvalidFilter, init};
pub use panics::log_panics;
