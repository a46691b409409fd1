//! A home that outlives its processes, the processes, and what is read of a run before and after one of them died.

// Shared with `tests/api`, which needs more of them.
#[path = "../../api/support/blobs.rs"]
mod blobs;
#[path = "../../api/support/bounded.rs"]
mod bounded;
#[allow(dead_code)]
#[path = "../../api/support/client.rs"]
mod client;
#[allow(dead_code)]
#[path = "../../api/support/contract.rs"]
mod contract;
mod disk;
mod fifo;
mod process;
#[allow(dead_code)]
#[path = "../../api/support/script.rs"]
mod script;
mod site;
mod story;
#[allow(dead_code)]
#[path = "../../api/support/upstream.rs"]
mod upstream;

pub use blobs::sled_blobs;
pub use client::{Client, Frame, PATIENCE, ask};
pub use disk::Disk;
pub use fifo::Fifo;
pub use process::Process;
pub use site::{Site, key};
pub use story::{outlives_a_kill, seqs, text};
pub use upstream::within;
