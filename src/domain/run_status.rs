//! How a run stands, and which steps are legal.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    Queued,
    Running,
    WaitingForApproval,
    /// The agent has asked something itself, and nothing waits to be allowed.
    WaitingForClarify,
    Stopping,
    Completed,
    Failed,
    Cancelled,
}

impl RunStatus {
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Running,
        Self::WaitingForApproval,
        Self::WaitingForClarify,
        Self::Stopping,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::WaitingForApproval => "waiting_for_approval",
            Self::WaitingForClarify => "waiting_for_clarify",
            Self::Stopping => "stopping",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.wire() == text)
    }

    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    #[must_use]
    pub const fn waits_for_a_person(self) -> bool {
        matches!(self, Self::WaitingForApproval | Self::WaitingForClarify)
    }

    /// The one table of legal steps.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use RunStatus::{
            Cancelled, Completed, Failed, Queued, Running, Stopping, WaitingForApproval, WaitingForClarify,
        };
        match self {
            Queued => matches!(next, Running | Stopping | Failed | Cancelled),
            Running => matches!(
                next,
                WaitingForApproval | WaitingForClarify | Stopping | Completed | Failed | Cancelled
            ),
            WaitingForApproval | WaitingForClarify => {
                matches!(
                    next,
                    Running | WaitingForApproval | WaitingForClarify | Stopping | Failed | Cancelled
                )
            }
            Stopping => matches!(next, Stopping | Completed | Failed | Cancelled),
            Completed | Failed | Cancelled => false,
        }
    }
}

/// A step that the table does not have: a bug of ours, refused before it reaches the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IllegalTransition {
    pub from: RunStatus,
    pub to: RunStatus,
}

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a run cannot go from `{}` to `{}`", self.from.wire(), self.to.wire())
    }
}

impl std::error::Error for IllegalTransition {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_run_stays_as_it_is() {
        for from in RunStatus::ALL.into_iter().filter(|status| status.is_terminal()) {
            for to in RunStatus::ALL {
                assert!(!from.may_become(to), "{} -> {}", from.wire(), to.wire());
            }
        }
    }
}
