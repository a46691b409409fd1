//! Sees when a turn goes in circles, and says so to the model.

use crate::domain::{ToolCall, ToolOutput};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

/// One way to go in circles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Circle {
    /// The same call fails again.
    SameFailure,
    /// One tool fails, whatever it is called with.
    ToolFails,
    /// The same look finds the same.
    NothingNew,
}

struct Rule {
    circle: Circle,
    /// From this many on the model is warned …
    warn: u32,
    /// … and from this many on the turn is brought to its end, where that is set.
    stop: u32,
    advice: &'static str,
}

const RULES: [Rule; 3] = [
    Rule {
        circle: Circle::SameFailure,
        warn: 2,
        stop: 5,
        advice: "this very call has failed {n} times; change it, or go another way",
    },
    Rule {
        circle: Circle::ToolFails,
        warn: 3,
        stop: 8,
        advice: "`{tool}` has failed {n} times in a row; look at the errors before you call it again",
    },
    Rule {
        circle: Circle::NothingNew,
        warn: 2,
        stop: 5,
        advice: "this very call has been repeated {n} times and found nothing new; use what you have",
    },
];

/// What is to be done about a call that has run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// To be read with the result.
    Warn(String),
    /// The same, and the turn is to end.
    Stop(String),
}

/// Watches the calls of one turn.
#[derive(Debug, Default)]
pub struct Guard {
    /// Failures of each call, by its hash.
    failures: HashMap<u64, u32>,
    /// Failures in a row of each tool.
    tools: HashMap<String, u32>,
    /// Hash of what a call found last, and how often it has found that again.
    found: HashMap<u64, (u64, u32)>,
}

impl Guard {
    /// Takes a call in that has run. `only_reads`: it changes nothing, so it finds the same until something else does.
    pub fn saw(&mut self, call: &ToolCall, output: &ToolOutput, only_reads: bool) -> Option<Alarm> {
        let this = hash(&(&call.name, &call.arguments));
        if output.failed {
            let same = self.failures.entry(this).or_default();
            *same += 1;
            let tool = self.tools.entry(call.name.clone()).or_default();
            *tool += 1;
            let (same, tool) = (*same, *tool);
            return alarm(Circle::SameFailure, same, call).or_else(|| alarm(Circle::ToolFails, tool, call));
        }
        self.failures.remove(&this);
        self.tools.remove(&call.name);
        if !only_reads {
            self.found.clear();
            return None;
        }
        let outcome = hash(&output.text);
        let (last, again) = self.found.entry(this).or_insert((outcome, 0));
        if *last == outcome {
            *again += 1;
        } else {
            (*last, *again) = (outcome, 1);
        }
        // The first time is no repetition.
        alarm(Circle::NothingNew, *again - 1, call)
    }
}

fn alarm(circle: Circle, count: u32, call: &ToolCall) -> Option<Alarm> {
    let rule = RULES.iter().find(|rule| rule.circle == circle).filter(|rule| count >= rule.warn)?;
    let advice = rule.advice.replace("{n}", &count.to_string()).replace("{tool}", &call.name);
    let text = format!("\n\n[note of the gateway: {advice}]");
    Some(if count >= rule.stop { Alarm::Stop(text) } else { Alarm::Warn(text) })
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the guard says to each: tool, arguments, text, whether it failed.
    fn said(calls: &[(&str, &str, &str, bool)]) -> String {
        let mut guard = Guard::default();
        let letters = calls.iter().map(|(name, arguments, text, failed)| {
            let call =
                ToolCall { id: "c".to_owned(), name: (*name).to_owned(), arguments: (*arguments).to_owned() };
            let output = ToolOutput { text: (*text).to_owned(), failed: *failed };
            match guard.saw(&call, &output, name.starts_with("read")) {
                None => '.',
                Some(Alarm::Warn(_)) => 'w',
                Some(Alarm::Stop(_)) => 's',
            }
        });
        letters.collect()
    }

    #[test]
    fn circles_are_warned_of_and_then_stopped() {
        let fail = |arguments| ("terminal", arguments, "no", true);
        let ok = ("terminal", "x", "ok", false);
        let read = |text| ("read_file", "a", text, false);
        assert_eq!(said(&[fail("a"); 6]), ".wwwss");
        assert_eq!(said(&[fail("a"), fail("b"), fail("c"), fail("d")]), "..ww");
        assert_eq!(said(&[fail("a"), fail("b"), ok, fail("c"), fail("d")]), ".....", "a success ends a row");
        assert_eq!(said(&[read("1"); 7]), "..wwwss");
        assert_eq!(said(&[read("1"), read("2"), read("3"), read("4")]), "....", "each found something new");
        assert_eq!(said(&[read("1"), ok, read("1"), ok, read("1")]), ".....", "something was done between");
        assert_eq!(said(&[ok; 5]), ".....", "a legal call may be repeated");
    }
}
