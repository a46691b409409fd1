//! Decisions of the agent, without I/O: what comes next in a turn, what a command may do, what the model is told.

mod beside;
mod caps;
pub mod context;
mod exit;
mod guard;
mod history;
mod mishap;
mod names;
mod offer;
mod policy;
#[cfg(test)]
mod policy_tests;
mod prompt;
mod review;
mod rules;
mod shell;
mod turn;
#[cfg(test)]
mod turn_tests;
mod typing;

pub use beside::{Reach, beside};
pub use caps::{Caps, cut};
pub use exit::exit_code_meaning;
pub use guard::{Alarm, Guard};
pub use history::{INTERRUPTED, NO_RESULT, Stray, is_whole, mended};
pub use mishap::Nudge;
pub use names::meant;
pub use offer::Offer;
pub use policy::{Ask, Policy, Verdict, digest};
pub use prompt::{Prompt, Remembered, SkillLine};
pub use review::{Opinion, REVIEWER, question};
pub use turn::{Answered, Asking, Bounds, Step, Turn};
pub use typing::{Keyboard, Typed};
