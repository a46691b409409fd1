//! The composition root: home, stores, actors, listeners, shutdown.

pub mod plane;
