//! The wall as a whole: the real helper binary, real processes, real attacks.

// Tests that need a privilege say so where they cannot have it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod ahead;
mod background;
mod disk;
mod escapes;
mod files;
mod groups;
mod installers;
mod isolation;
mod lifetime;
mod limits;
mod mcp;
mod network;
mod owner;
mod roots;
mod scripts;
mod shell;
mod site;
mod speed;
mod strict;
mod support;
mod takeaway;
mod warm;
