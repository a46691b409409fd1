//! The agent's tools and the registry of them.
//!
//! A call goes: arguments checked by type ([`arguments`]) → `cleared` awaited (the log has `tool.started`) → the tool
//! works, on the blocking pool or in a sandboxed process → JSON text. Whatever goes wrong on the way is a
//! [`failure::Failure`], which the model reads as `{"error", "code", "hint"}`.

mod arguments;
mod clarify;
mod code;
mod delegate;
mod disk;
mod failure;
mod files;
mod ground;
mod mcp;
mod memory;
mod mend;
mod own_file;
mod parts;
mod preview;
mod process;
mod search;
mod session_search;
mod skills;
mod specs;
mod spill;
mod terminal;
mod todo;
mod toolbox;
mod units;
mod verbose;
mod vision;
mod web;

pub use clarify::{clarification, clarified, nobody_to_ask};
pub use ground::Footing;
pub use memory::{Edit, EditError, Edited, MemoryBook, Page, Wanted, threat_in, usage};
pub use mend::parse_arguments;
pub use parts::{Instructions, PromptParts, Recalled, folders_of};
pub use preview::preview;
pub use process::{Keys, Typist};
pub use skills::{Skill, SkillLock, State as SkillState, folder_digest as skill_digest};
pub use toolbox::{Behalf, CallContext, Toolbox};

/// The tools that come with the product, sorted by name. What of them an agent has: [`Toolbox::toolset`].
#[must_use]
pub fn built_in() -> &'static [crate::domain::ToolSpec] {
    specs::ALL
}
