//! Skills: texts that say how a thing is done, for the agent to read when it needs them.
//!
//! `skills/[CATEGORY/]NAME/SKILL.md`, with more files beside it. People write them, and the agent does; what a person has
//! pinned the agent does not change, and what has changed since it was pinned is not used.

mod folder;
mod lock;
mod look;
mod manage;
mod readiness;
mod successors;
mod view;

pub use lock::SkillLock;
use lock::digest;
/// As [`digest`], for one look.
///
/// # Errors
///
/// As there.
pub fn folder_digest(folder: &std::path::Path) -> std::io::Result<String> {
    digest(&mut super::parts::Watch::default(), folder)
}

pub use look::{Skill, State, look};
pub use manage::{SPEC as MANAGE, call as manage};
pub use view::{LIST, VIEW, list, view};
