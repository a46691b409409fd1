//! Another gateway's agent as the upstream: its runs are started, followed, answered and stopped over its own API.
//!
//! ```text
//! start ─► run id ─► events (again after a cut, from the last one seen) ─► terminal event
//!             └────► decide, stop
//! ```
//!
//! Starting carries an idempotency key, answering and stopping twice is doing it once, and events are numbered: so every
//! call here can be repeated when its connection breaks, and nothing is done twice.

mod client;
mod events;
mod turn;

pub use self::{client::HermesClient, events::RemoteEvents, turn::RemoteTurn};
