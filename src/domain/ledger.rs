//! What model calls cost: one row for each, and sums of rows.

use super::{Code, Millis, Usage};
use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// What a model call was for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// A step of a turn.
    #[default]
    Main,
    /// A step of a task that a turn handed to a child.
    Child,
    /// To make a long conversation shorter.
    #[serde(rename = "compression", alias = "summary")]
    Summary,
    /// To look at a picture.
    Vision,
    /// To judge a command before a person is asked.
    Review,
}

impl CallKind {
    /// As the wire calls it.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Child => "child",
            Self::Summary => "compression",
            Self::Vision => "vision",
            Self::Review => "review",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    pub(crate) const fn is_main(&self) -> bool {
        matches!(self, Self::Main)
    }
}

/// One call of an upstream: every attempt is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamCall {
    /// When it ended.
    pub at: Millis,
    #[serde(default, skip_serializing_if = "CallKind::is_main")]
    pub kind: CallKind,
    pub provider: String,
    pub model: String,
    /// How long it took, in milliseconds.
    pub ms: u64,
    pub usage: Usage,
    /// Why it failed; `None`: it was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Code>,
    /// In billionths of a dollar; `None` where no prices are configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u64>,
}

/// Calls, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageSums {
    pub calls: u64,
    /// Of these: how many failed.
    pub failed: u64,
    pub usage: Usage,
    pub ms: u64,
    /// As in [`UpstreamCall`], of those calls that have a price.
    pub cost: Option<u64>,
}

impl AddAssign<&UpstreamCall> for UsageSums {
    fn add_assign(&mut self, call: &UpstreamCall) {
        *self += Self {
            calls: 1,
            failed: u64::from(call.error.is_some()),
            usage: call.usage,
            ms: call.ms,
            cost: call.cost,
        };
    }
}

impl AddAssign for UsageSums {
    fn add_assign(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failed = self.failed.saturating_add(other.failed);
        self.usage += other.usage;
        self.ms = self.ms.saturating_add(other.ms);
        self.cost = both(self.cost, other.cost);
    }
}

/// What sums are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageBy {
    Day,
    Session,
    Key,
    Model,
    Kind,
}

impl UsageBy {
    pub const NAMED: [(&'static str, Self); 5] = [
        ("day", Self::Day),
        ("session", Self::Session),
        ("key", Self::Key),
        ("model", Self::Model),
        ("kind", Self::Kind),
    ];

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, by)| *by)
    }
}

/// Whom or what a sum is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UsageGroup {
    /// Days since 1970-01-01, in UTC.
    Day(i64),
    /// `None`: of runs that are no longer kept.
    Session(Option<String>),
    Key(String),
    Model {
        provider: String,
        model: String,
    },
    Kind(CallKind),
}

/// Two costs together, where there is one.
#[must_use]
pub fn both(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    }
}

/// Dollars of a sum in billionths.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "fifteen digits of a sum of money are enough")]
pub fn dollars(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}
