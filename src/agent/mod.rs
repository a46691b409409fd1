//! Decisions of the agent, without I/O: what comes next in a turn, what a command may do, what the model is told.

mod history;
mod offer;
mod policy;
#[cfg(test)]
mod policy_tests;
mod prompt;
mod rules;
mod shell;
mod turn;

pub use history::{INTERRUPTED, NO_RESULT, Stray, is_whole, mended};
pub use offer::Offer;
pub use policy::{Ask, Policy, Verdict, digest};
pub use prompt::{Prompt, day};
pub use turn::{Answered, Step, Turn};
