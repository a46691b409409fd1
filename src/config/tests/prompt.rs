//! What an operator says about the prompt.

use super::*;
use crate::config::{Personality, PromptConfig};

const PERSONALITIES: &str = "agent:\n  personalities:\n    pirate: Speak like a pirate.\n    calm: {description: d, system_prompt: Speak calmly.}\n";

fn prompt(yaml: &str) -> PromptConfig {
    Disk::profile(yaml, "").read().config("a").prompt.clone()
}

#[test]
fn a_hint_replaces_or_is_added() {
    let cases = [
        ("", (None, None)),
        ("platform_hints: {api_server: Short.}", (Some("Short."), None)),
        ("platform_hints: {api_server: {append: Short.}}", (None, Some("Short."))),
        ("platform_hints: {api_server: {replace: Short., append: Very.}}", (Some("Short."), Some("Very."))),
        ("platform_hints: {telegram: {append: Elsewhere.}}", (None, None)),
    ];
    for (yaml, (hint, more)) in cases {
        let found = prompt(yaml);
        assert_eq!((found.hint.as_deref(), found.more_hint.as_deref()), (hint, more), "{yaml}");
    }
    let error = Disk::profile("platform_hints:\n  api_server:\n    apend: Short.\n", "").error();
    assert!(error.contains(":3: `platform_hints.api_server.apend`: is not known"), "{error}");
}

#[test]
fn a_personality_is_chosen_by_its_name() {
    let chosen = |name: &str| {
        let home = Disk::profile(&format!("{PERSONALITIES}display: {{personality: {name}}}\n"), "").read();
        (home.config("a").prompt.personality.clone(), home.found("a").warnings.len())
    };
    let of = |name: &str, text: &str| Some(Personality { name: name.to_owned(), text: text.to_owned() });
    assert_eq!(prompt(PERSONALITIES).personality, None);
    assert_eq!(chosen("pirate"), (of("pirate", "Speak like a pirate."), 0));
    assert_eq!(chosen("calm"), (of("calm", "Speak calmly."), 0));
    assert_eq!(chosen("none"), (None, 0));
    assert_eq!(chosen("kawaii"), (None, 1), "one of the reference's own is no mistake");
    let disk = Disk::profile(&format!("{PERSONALITIES}display: {{personality: prate}}\n"), "");
    let home = disk.read();
    let warning = disk.short(&home.found("a").warnings[0]);
    assert!(warning.starts_with("profiles/a/config.yaml:5: `display.personality`: names none"), "{warning}");
    assert!(warning.ends_with("`pirate`, `calm`"), "{warning}");
}

#[test]
fn a_personality_without_a_text_or_with_too_long_a_one_is_an_error() {
    let long = format!("agent:\n  personalities:\n    x: {}\n", "y".repeat(4_001));
    for (yaml, expected) in [
        ("agent:\n  personalities:\n    x: ''\n", ":3: `agent.personalities.x`: has no text"),
        ("agent:\n  personalities:\n    x: {tone: dry}\n", ":3: `agent.personalities.x`: has no text"),
        ("agent:\n  personalities:\n    x: [a]\n", ":3: `agent.personalities.x`: is a list"),
        ("agent:\n  personalities:\n    x.y: z\n", ":3: `agent.personalities.x.y`: must not hold a dot"),
        (&long, "`agent.personalities.x`: is longer than 4000 characters"),
    ] {
        let error = Disk::profile(yaml, "").error();
        assert!(error.contains(expected), "{yaml}\n{error}");
    }
}

#[test]
fn a_profile_has_the_homes_personalities_beside_its_own() {
    let disk = Disk::profile("agent: {personalities: {own: Mine.}}\ndisplay: {personality: pirate}\n", "");
    disk.write("config.yaml", PERSONALITIES);
    let found = disk.read().config("a").prompt.personality.clone();
    assert_eq!(found.map(|one| one.text).as_deref(), Some("Speak like a pirate."));
}
