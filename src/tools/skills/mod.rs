//! Skills: texts that say how a thing is done, for the agent to read when it needs them.

mod look;

pub use look::{Skill, look};
