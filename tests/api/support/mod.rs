//! A real gateway on port 0 over a home that is thrown away, in front of a scripted upstream.

mod blobs;
mod cable;
pub mod certificate;
pub mod client;
pub mod contract;
pub mod house;
pub mod mcp;
pub mod script;
pub mod site;
pub mod state_db;
pub mod upstream;

pub use cable::Cable;
pub use client::{Client, Frame, Frames, Opened, Reply, Sent, ask, frames_of};
pub use house::{House, Plan, called, key};
pub use upstream::{Upstream, within};

/// Waits for a file that a command makes when it is ready.
pub async fn appears(path: &std::path::Path) {
    within(async {
        while !path.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
