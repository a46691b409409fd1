//! The composition root: home → stores → actors → listeners → shutdown.
//!
//! ```text
//! Gateway ─┬─ Plane      worker threads, ports, connections        (plane/)
//!          ├─ Roster     one keeper task per profile               (roster/)
//!          │    keeper ── lock, port, Tenant; crash and back-off
//!          └─ control socket, one per process                      (control/, client, offline)
//! ```
//!
//! [`Gateway`] is a value: tests start several of them in one process. Signals, tables and exit codes are the command
//! line's business.

mod at_rest;
mod client;
mod control;
mod examination;
mod offline;
pub mod plane;
mod roster;
mod run_dir;
mod running;
mod status;
mod users;

pub use crate::actors::keys::MAX_OVERLAP;
pub use crate::front::operator::Question;
pub use crate::telemetry::{init as log_to_stderr, log_panics};
pub use client::{Client, ClientError};
pub use control::protocol::{Command, GatewayStatus, KeyInfo, KeyWish, ProfileAnswer, Reply};
pub use offline::{Offline, OfflineError};
pub use roster::{Action, Selection};
pub use run_dir::RunDir;
pub use running::{Gateway, GatewayOptions, StartError, block_on};
pub use status::{KeyState, ProfileStatus, State, base_url, floor_warning, upstream};
pub use users::Users;

#[cfg(test)]
mod tests;
