//! The wall: policy, probe, helper (`hermes sandbox-exec`), path jail. The only module with `unsafe`.
//!
//! CONTRACT STUB. The helper on sandbox and tools replaces this; signatures are what others use.

use crate::config::SandboxLevel;
use std::{path::PathBuf, sync::Arc};

/// What this machine can enforce, found by running a whole sandbox once.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// The level in force.
    pub level: SandboxLevel,
    /// Landlock ABI; 0 = none.
    pub abi: u32,
    /// Why a higher level is not in force.
    pub reason: Option<String>,
    /// The program that is started as `PROGRAM sandbox-exec`.
    pub helper: Arc<PathBuf>,
}

impl Sandbox {
    /// Blocking, some milliseconds.
    #[must_use]
    pub fn probe(helper: PathBuf) -> Self {
        let _ = helper;
        unimplemented!()
    }
}

/// `hermes sandbox-exec`: reads its policy from descriptor 0, confines itself, runs the command. Returns the exit code.
#[must_use]
pub fn helper_main() -> i32 {
    unimplemented!()
}
