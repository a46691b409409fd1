//! What the process says about itself on standard error.

#[cfg(test)]
mod lines;
mod log;
mod panics;

#[cfg(test)]
pub use lines::Lines;
pub use log::{InvalidFilter, init};
pub use panics::log_panics;
