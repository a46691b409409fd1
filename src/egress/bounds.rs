//! What a proxy gives a client at the most.

use std::time::Duration;

/// Bounds of a proxy. The defaults are meant for all; tests take shorter ones.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections of one command at once; more have to wait, or are told so.
    pub connections: usize,
    /// Connections of one profile's shared listener, those without a token included.
    pub in_all: usize,
    /// For the head of a request.
    pub head: Duration,
    /// A connection on which nothing moves ends after this.
    pub idle: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 64,
            in_all: 256,
            head: Duration::from_secs(10),
            // Long enough for a server that computes an answer; a command ends sooner by its own limit.
            idle: Duration::from_secs(300),
        }
    }
}
