//! How the agent thinks with its model.

mod answers;
mod calls;
mod failover;
mod reasoning;
mod sent;
mod usage;
