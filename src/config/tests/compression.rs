//! `compression`, its helper, and what bounds an answer: forms, defaults, errors with their lines.

use super::*;
use crate::config::{CompressionConfig, HelperConfig};
use std::time::Duration;

#[test]
fn long_conversations_have_their_defaults_and_all_forms() {
    let home = Disk::profile("", "").read();
    assert_eq!(home.config("a").compression, CompressionConfig::default());
    assert_eq!(home.config("a").model.max_tokens, None);
    let yaml = "compression:\n  enabled: false\n  threshold: 0.8\n  target_ratio: 0.1\n  protect_first_n: 0\n  \
                protect_last_n: 4\nauxiliary:\n  compression: {model: small, timeout: 30s}\n";
    let helper = Some(HelperConfig { provider: None, model: Some("small".to_owned()) });
    let read = CompressionConfig {
        enabled: false,
        threshold: 0.8,
        target_ratio: 0.1,
        protect_first: 0,
        protect_last: 4,
        helper,
        timeout: Duration::from_secs(30),
    };
    assert_eq!(Disk::profile(yaml, "").read().config("a").compression, read);
    let home = Disk::profile("compression:\n  in_place: false\n", "").read();
    let [warning] = &home.found("a").warnings[..] else { panic!("{:?}", home.found("a").warnings) };
    assert!(warning.contains("config.yaml:2: `compression.in_place`"), "{warning}");
}

#[test]
fn mistakes_name_their_line() {
    let share = "must be a part of one, from 0.05 to 0.95";
    let cases = [
        ("compression:\n  threshold: 75", "2: `compression.threshold`", share),
        ("compression:\n  threshold: nan", "2: `compression.threshold`", share),
        ("compression:\n  enabled: true\n  target_ratio: 0", "3: `compression.target_ratio`", share),
        ("compression:\n  protect_first_n: -1", "2: `compression.protect_first_n`", "from 0 to 100"),
        ("compression:\n  protect_last_n: 0", "2: `compression.protect_last_n`", "from 1 to 1000"),
        ("compression:\n  enabled: perhaps", "2: `compression.enabled`", "`true` or `false`"),
        ("compression:\n  treshold: 0.5", "2: `compression.treshold`", "threshold"),
        ("auxiliary:\n  compression:\n    timeout: soon", "3: `auxiliary.compression.timeout`", "must be"),
        (
            "auxiliary:\n  compression:\n    provider: nobody",
            "3: `auxiliary.compression.provider`",
            "is not there",
        ),
        ("model:\n  max_tokens: 0", "2: `model.max_tokens`", "from 1 to"),
        ("model:\n  context_length: 12", "2: `model.context_length`", "from 1024 to"),
    ];
    for (yaml, place, said) in cases {
        let disk = Disk::profile(yaml, "");
        let read = disk.read();
        let told = match &read.found("a").config {
            Err(error) => disk.short(&error.to_string()),
            // An unknown name is a warning.
            Ok(_) => disk.short(&read.found("a").warnings.concat()),
        };
        assert!(
            told.contains(&format!("profiles/a/config.yaml:{place}")) && told.contains(said),
            "{yaml}: {told}"
        );
    }
}
