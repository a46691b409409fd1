//! HTTP behaviour, over real sockets. One binary, since each would link the whole program again.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod model;
mod support;
