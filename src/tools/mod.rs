//! The agent's tools and the registry of them.
//!
//! CONTRACT STUB. The helper on sandbox and tools replaces this; signatures are what others use.

use crate::{
    config::ProfileConfig,
    domain::{RunId, SessionId, ToolOutput, ToolSpec},
    sandbox::Sandbox,
};
use std::{rc::Rc, sync::Arc};
use tokio_util::sync::CancellationToken;

/// The tools of one profile, with what they need. Cheap to clone; belongs to one thread.
#[derive(Clone)]
pub struct Toolbox(Rc<()>);

/// Where a call happens.
pub struct CallContext<'a> {
    pub session: &'a SessionId,
    pub run: RunId,
    /// Cancelled by a stop: the tool and its whole process tree end at once.
    pub stop: &'a CancellationToken,
    /// Resolves when the tool may act: a helper process is started meanwhile, so that the start of the process and
    /// the flush of `tool.started` overlap.
    pub cleared: std::pin::Pin<Box<dyn Future<Output = bool> + 'a>>,
}

impl Toolbox {
    #[must_use]
    pub fn new(config: Arc<ProfileConfig>, sandbox: Sandbox) -> Self {
        let _ = (config, sandbox);
        unimplemented!()
    }

    /// Sorted by name. Only tools that would work here: below the sandbox floor `terminal` is still listed, and refuses
    /// with the reason.
    #[must_use]
    pub fn specs(&self) -> &'static [ToolSpec] {
        unimplemented!()
    }

    /// The `tools` member of a chat completion, as JSON text.
    #[must_use]
    pub fn schema(&self) -> &str {
        unimplemented!()
    }

    /// Runs a call. Never panics, never errs: what goes wrong is in the output (`{"error", "code", "hint"}`).
    pub async fn call(
        &self,
        context: CallContext<'_>,
        name: &str,
        arguments: &serde_json::Value,
    ) -> ToolOutput {
        let _ = (context, name, arguments);
        unimplemented!()
    }
}

/// The main argument of a call, short: the command, the path, the pattern.
#[must_use]
pub fn preview(name: &str, arguments: &serde_json::Value) -> Option<String> {
    let _ = (name, arguments);
    unimplemented!()
}

/// Parses what a model wrote as arguments, mending small mistakes (a trailing comma).
///
/// # Errors
/// A sentence for the model.
pub fn parse_arguments(text: &str) -> Result<serde_json::Value, String> {
    let _ = text;
    unimplemented!()
}

pub fn specs() -> &'static [ToolSpec] { unimplemented!() }
