//! What the tests stand on.

pub mod script;
pub mod upstream;
