//! The actors: one per profile, one per run, and what the front may say to them.
//!
//! `Tenant` is what a connection carries; everything else a handler needs it gets by a message to the profile.

pub mod keys;
mod messages;
mod tenant;

pub use messages::*;
pub use tenant::{
    AuthError, Caller, GoneReason, MachineSlots, ProfileActor, ProfileGone, Scope, Tenant, TenantOptions,
    TenantState, Unavailable,
};
