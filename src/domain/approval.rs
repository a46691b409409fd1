//! Approvals: durable questions to a person, answered once.

use super::{ApprovalId, Clarification, KeyId, Millis, RunId, SessionId};
use serde::{Deserialize, Serialize};

/// What a person may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// This call only.
    Once,
    /// Everything like it in this session.
    Session,
    /// Everything like it in this profile, as a stored [`Rule`].
    Always,
    Deny,
}

impl Choice {
    pub const ALL: [Self; 4] = [Self::Once, Self::Session, Self::Always, Self::Deny];

    /// Reads a choice as clients write it: any case, blanks around, `approve` and its forms for `once`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "once" | "approve" | "approved" | "allow" => Some(Self::Once),
            "session" => Some(Self::Session),
            "always" => Some(Self::Always),
            "deny" => Some(Self::Deny),
            _ => None,
        }
    }

    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Session => "session",
            Self::Always => "always",
            Self::Deny => "deny",
        }
    }

    #[must_use]
    pub const fn allows(self) -> bool {
        !matches!(self, Self::Deny)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalStatus {
    Pending,
    Decided,
    /// Nobody answered in time; counts as a denial.
    Expired,
    /// The run was stopped while it waited; counts as a denial.
    Withdrawn,
}

/// One thing that a rule found in a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable id of the rule.
    pub rule: String,
    /// What the rule is about: `deletion`, `code` …; empty when another gateway asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub category: String,
    pub description: String,
}

/// What an allowing decision covers: a finding of a rule, for commands of one shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ApprovalScope {
    pub rule: String,
    /// The command's words with what varies left out.
    pub shape: String,
}

/// A question that waits, or was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    pub id: ApprovalId,
    pub run_id: RunId,
    pub session_id: SessionId,
    pub call_id: String,
    pub tool: String,
    /// What would run, fit to be shown.
    pub command: String,
    /// blake3 of tool name and exact arguments, hexadecimal: the decision holds for these bytes only.
    pub arguments_digest: String,
    pub findings: Vec<Finding>,
    pub scopes: Vec<ApprovalScope>,
    pub description: String,
    pub choices: Vec<Choice>,
    pub status: ApprovalStatus,
    pub created_at: Millis,
    /// `None`: waits for ever.
    pub expires_at: Option<Millis>,
    #[serde(default)]
    pub decision: Option<Choice>,
    #[serde(default)]
    pub decided_at: Option<Millis>,
    /// The key that answered; `None` for the clock and for a stop.
    #[serde(default)]
    pub decided_by: Option<KeyId>,
    /// Of an answer to the agent's own question: the answer.
    #[serde(default)]
    pub reason: Option<String>,
    /// The agent asks this itself; then nothing is to be allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Clarification>,
}

impl Approval {
    /// As it is once its run has ended: nobody is to be asked any more.
    #[must_use]
    pub fn withdrawn(self, at: Millis) -> Self {
        Self { status: ApprovalStatus::Withdrawn, decided_at: Some(at), ..self }
    }
}

/// A standing permission of a profile, made by an `always`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// `rule_<16 hex>`, derived from what it covers.
    pub id: String,
    pub scope: ApprovalScope,
    pub description: String,
    pub created_at: Millis,
    pub approval_id: ApprovalId,
}

/// What happens to a question on a surface that cannot ask (`approvals.unattended`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unattended {
    /// Denied at once; the tool result says why.
    #[default]
    Deny,
    /// The run waits until somebody decides elsewhere.
    Wait,
}
