//! What came of the attacks.

use crate::{
    config::SandboxLevel,
    domain::{Millis, seconds},
    sandbox::attack::{Attack, Promise, Setting},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;

/// What became of an attack. The worse the later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Contained,
    DetectedAndKilled,
    NotContained,
}

impl Outcome {
    pub const ALL: [Self; 3] = [Self::Contained, Self::DetectedAndKilled, Self::NotContained];

    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Contained => "contained",
            Self::DetectedAndKilled => "detected and killed",
            Self::NotContained => "not contained",
        }
    }
}

/// The wall that a profile's settings ask for.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub level: SandboxLevel,
    pub full_network: bool,
    pub unix_sockets: bool,
}

impl Asked {
    fn asks_for(self, attack: &Attack) -> bool {
        match attack.asked {
            Some(Setting::FullNetwork) => self.full_network,
            Some(Setting::UnixSockets) => self.unix_sockets && self.level < SandboxLevel::Strict,
            None => false,
        }
    }
}

/// What an attack is judged to have come to.
pub struct Verdict {
    pub outcome: Outcome,
    pub reason: String,
    pub known: bool,
}

impl Verdict {
    pub const fn new(outcome: Outcome, reason: String) -> Self {
        Self { outcome, reason, known: true }
    }

    /// Nobody saw its end. What is not known to be contained is not.
    pub fn unknown(reason: &str) -> Self {
        let reason = format!("nothing is known of it: {reason}");
        Self { outcome: Outcome::NotContained, reason, known: false }
    }
}

/// One attack and its end.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub attack: &'static str,
    /// The rest of a sentence that begins with "a command".
    pub tries: &'static str,
    pub outcome: Outcome,
    /// Why: the kernel's words, or what was obtained.
    pub reason: String,
    /// The level promises that it is stopped.
    pub promised: bool,
    /// Its end was seen. Else it is taken to have come through, which it may not have.
    pub known: bool,
}

impl Finding {
    pub(super) fn new(attack: &Attack, wall: Asked, verdict: Verdict) -> Self {
        let promised = !matches!(attack.promise(wall.level), Promise::Open(_)) && !wall.asks_for(attack);
        let Verdict { outcome, reason, known } = verdict;
        Self { attack: attack.id, tries: attack.tries, outcome, reason, promised, known }
    }

    /// It came through, or may have, where the level promises that it does not.
    #[must_use]
    pub fn is_breach(&self) -> bool {
        self.promised && self.outcome == Outcome::NotContained
    }
}

/// All attacks on one wall.
#[derive(Debug, Clone)]
pub struct Examination {
    pub level: SandboxLevel,
    /// Landlock ABI.
    pub abi: u32,
    pub at: Millis,
    pub took: Duration,
    pub findings: Vec<Finding>,
}

impl Examination {
    /// What came through although the level promises that it does not.
    pub fn breaches(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.is_breach())
    }

    /// One sentence, when something came through or may have: for whoever is refused a tool because of it.
    #[must_use]
    pub fn breach(&self) -> Option<String> {
        let ids = |known: bool| {
            let breaches = self.breaches().filter(|finding| finding.known == known);
            breaches.map(|finding| finding.attack).collect::<Vec<_>>().join(", ")
        };
        let (through, unknown) = (ids(true), ids(false));
        let what = match (through.is_empty(), unknown.is_empty()) {
            (true, true) => return None,
            (false, true) => format!("this came through: {through}"),
            (true, false) => format!("nothing is known of this, which counts as much: {unknown}"),
            (false, false) => format!("this came through: {through}; and nothing is known of: {unknown}"),
        };
        Some(format!("the gateway attacked its own sandbox, and {what}; `hermes doctor isolation` says more"))
    }

    /// The level in words.
    #[must_use]
    pub const fn level_name(&self) -> &'static str {
        self.level.name()
    }

    /// As `/health/isolation` and `hermes doctor isolation --json` say it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "object": "hermes.isolation",
            "level": self.level_name(),
            "abi": self.abi,
            "ran_at": seconds(self.at),
            "took_ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "counts": {
                "contained": self.count(Outcome::Contained),
                "detected_and_killed": self.count(Outcome::DetectedAndKilled),
                "not_contained": self.count(Outcome::NotContained),
            },
            "breach": self.breach(),
            "attacks": self.findings,
        })
    }

    /// How many ended in this way.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.findings.iter().filter(|finding| finding.outcome == outcome).count()
    }
}

/// Of two profiles' findings about the same attacks the worse ones.
pub fn worse_of(one: Vec<Finding>, two: Vec<Finding>) -> Vec<Finding> {
    let pairs = one.into_iter().zip(two);
    // What is known of one is worse than what may be of the other.
    let badness = |finding: &Finding| (finding.outcome, finding.known);
    pairs.map(|(one, two)| if badness(&two) > badness(&one) { two } else { one }).collect()
}
