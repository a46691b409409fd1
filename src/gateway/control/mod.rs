//! The control socket: how the command line reaches a running gateway.
//!
//! One socket per gateway process at `HOME/run/<pid>.sock`, one request and one answer per connection, each one line of
//! JSON; the records of an import follow its request. Two locks are on it: the peer must be the same user (or root), and must know the token of the home, since a
//! sandboxed tool of a tenant is the same user but cannot read that file.

mod answers;
mod import;
pub mod protocol;
mod server;
pub mod socket;

pub(super) use answers::Answers;
pub(super) use import::write as write_record;
pub(super) use server::{ControlSocket, serve};
