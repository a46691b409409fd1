//! The wall between a profile's commands and everything else. The only module with `unsafe`.
//!
//! ```text
//! ForkServer     ── socket, output ───► `hermes sandbox-exec` forks, for each command:
//!
//! gateway                                   helper                                  command
//! Sandbox::start ── World ────────────────► build it, fork ──────────────────────► confines itself, waits
//!      ◄──────────── Ready ────────────────
//! Helper::send ──── Order + real stdin ───► hand it on ───────────────────────────► exec, runs
//!      ◄──────────── output (one pipe) ──────────────────────────────────────────── writes
//!      ◄──────────── Report ─────────────── main child ended: kill what is left
//! drop / kill ────── end of the socket ───► kill the whole tree, exit
//! ```
//!
//! Nothing of a command is known before its order, so a helper can be started long before there is one. It may also be told
//! of a [`Shell`] that the command's process is to become at once: then only an order for that shell goes to it.
//!
//! What helpers are forked from knows nothing but how to fork. The gateway itself never runs code between `fork` and
//! `exec` (its heap is large, and other threads hold locks); all that must happen there happens in the helper, which is
//! small and has one thread. The helper itself stays outside the wall, since it must be able to find and kill whatever
//! the command left behind.
//!
//! [`Jail`] is the same wall for tools that touch files inside the gateway.

#![allow(unsafe_code)]

pub mod attack;
mod below;
mod fork_server;
mod guise;
mod handover;
mod helper;
mod jail;
mod landlock;
mod launch;
mod limits;
mod link;
mod network;
mod probe;
mod quota;
mod remove;
mod seccomp;
mod short_path;
mod standing;
mod tmp;
mod view;
mod world;

pub use fork_server::ForkServer;
pub use guise::{close_to_others, may_take};
pub use handover::Handover;
pub use helper::helper_main;
pub use jail::{Jail, JailError, Member, Place, Root, Roots, Written};
pub use launch::Helper;
pub use limits::{Breach, Excess, Limits, Machine, Seat, Usage};
pub use link::Report;
pub use probe::Sandbox;
pub use quota::{PROJECT_QUOTA, Project, Room, disk_holder, disk_of};
pub use remove::remove_folder;
pub use short_path::ShortPath;
pub use standing::Standing;
pub use tmp::{clean_tmp, profile_tmp, remove_tmp, session_tmp};
pub use view::View;
pub use world::{Known, Network, Order, Owner, Shell, Wall, Way, Window, World};
