//! The wall as a whole: the real helper binary, real processes, real attacks.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod escapes;
mod files;
mod installers;
mod lifetime;
mod limits;
mod network;
mod shell;
mod site;
mod support;
