//! What the model is told about itself. Built once per profile and day, so that the prefix of all calls is the same
//! bytes and an upstream's prompt cache holds.

use crate::domain::Millis;

const IDENTITY: &str =
    "You are Hermes, a careful and capable assistant that works for one person on their own machine.";

const WORK: &str = "Use tools when they get the user closer to what they asked for, and finish the job before you answer: \
check what you claim. When several calls do not depend on each other, make them together. If a call is denied, do not \
look for a way around the denial: say what was denied and what you would need. Markdown is fine in answers.";

/// The parts of the system prompt.
#[derive(Debug)]
pub struct Prompt<'a> {
    /// `SOUL.md` of the profile, if it has one.
    pub soul: Option<&'a str>,
    pub profile: &'a str,
    pub workspace: &'a str,
    pub model: &'a str,
    pub now: Millis,
}

impl Prompt<'_> {
    #[must_use]
    pub fn render(&self) -> String {
        let identity = self.soul.map(str::trim).filter(|soul| !soul.is_empty()).unwrap_or(IDENTITY);
        format!(
            "{identity}\n\n{WORK}\n\nWorking directory: {} (it is also your home directory; relative paths of all tools \
             start there). Temporary files: `$TMPDIR` in commands; file tools call that same folder `/tmp` (their \
             `/tmp/x` is `$TMPDIR/x`). In commands write `$TMPDIR`, not `/tmp`.\nProfile: {}. Other profiles of this machine are other people's; \
             they are closed to you.\nModel: {}. Date: {}.",
            self.workspace,
            self.profile,
            self.model,
            day(self.now),
        )
    }
}

/// The day in UTC, `2026-11-22`: coarse on purpose, see the module's doc.
#[must_use]
pub fn day(now: Millis) -> String {
    chrono::DateTime::from_timestamp_millis(now)
        .map_or_else(String::new, |at| at.format("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prompt_is_the_same_all_day_and_carries_the_soul() {
        let prompt = |now| {
            Prompt { soul: Some("I am Ada.\n"), profile: "alice", workspace: "/w", model: "m", now }.render()
        };
        assert_eq!(prompt(1_795_299_161_000), prompt(1_795_299_999_000));
        assert!(prompt(0).starts_with("I am Ada.\n\n"), "{}", prompt(0));
        assert!(prompt(0).contains("`/tmp/x` is `$TMPDIR/x`"), "{}", prompt(0));
        assert!(prompt(0).ends_with("Date: 1970-01-01."), "{}", prompt(0));
    }
}
