//! The actors: one per profile, one per run, and what the front may say to them.
//!
//! [`Tenant`] is what a connection carries; everything else a handler needs it gets by a message to [`ProfileActor`].
//!
//! | state | sole writer |
//! |---|---|
//! | slots, session turns, live runs | [`Board`], whose guards give back what ended |
//! | one run's phase and log | its [`run::RunActor`] |
//! | keys in memory | [`keys::KeyRing`] |
//! | standing permissions | [`permissions::Permissions`] |

mod board;
mod caller;
mod directory;
pub mod keys;
mod machine;
mod messages;
mod model_calls;
mod permissions;
mod profile;
mod prompts;
mod recovery;
mod responses;
mod rights;
pub mod run;
mod sessions;
mod tenant;
mod under_way;

pub use crate::model::SeenWindows;
pub use board::Board;
pub use caller::{AuthError, Caller, KEY_REVOKED, Unavailable};
pub use directory::Directory;
pub use keys::{Editor, KeyChange, KeySpec, NewKey};
pub use machine::MachineSlots;
pub use messages::*;
pub use model_calls::{ModelCall, ModelCalls};
pub use permissions::Permissions;
pub use profile::ProfileActor;
pub use prompts::Prompts;
pub use responses::*;
pub use rights::{Rights, Scope};
pub use sessions::*;
pub use tenant::{GoneReason, KeyState, ProfileGone, Tenant, TenantOptions, TenantState};
pub use under_way::UnderWay;
