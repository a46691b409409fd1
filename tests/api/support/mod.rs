//! A real gateway on port 0 over a home that is thrown away, in front of a scripted upstream.

mod client;
mod house;
mod script;
mod upstream;

pub use client::{Client, Frame, Frames, Reply};
pub use house::{House, Plan};
pub use upstream::Upstream;
