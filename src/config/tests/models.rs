//! Providers, addresses and keys of models.

use super::*;

/// Provider, address and key; or the error.
fn model(yaml: &str, env: &str) -> Result<(String, String, Option<String>), String> {
    let disk = Disk::profile(yaml, env);
    let config = disk.read().found("a").config.clone().map_err(|error| disk.short(&error.to_string()))?;
    let url = match config.model.provider {
        Provider::Demo => "demo".to_owned(),
        Provider::OpenAi { base_url } | Provider::Hermes { base_url } => base_url,
    };
    Ok((config.model.provider_name, url, config.model.api_key.map(|key| key.reveal().to_owned())))
}

#[test]
fn providers_bring_their_address_and_the_name_of_their_key() {
    let cases = [
        ("nothing", "", "", ("demo", "demo", None)),
        (
            "openai",
            "model: {provider: openai, default: m}",
            "OPENAI_API_KEY=k",
            ("openai", "https://api.openai.com/v1", Some("k")),
        ),
        (
            "kimi",
            "model: {provider: Kimi, default: m}",
            "KIMI_API_KEY=k",
            ("moonshot", "https://api.moonshot.ai/v1", Some("k")),
        ),
        (
            "ollama",
            "model: {provider: ollama, default: m}",
            "OPENAI_API_KEY=k",
            ("ollama", "http://127.0.0.1:11434/v1", None),
        ),
        (
            "custom",
            "model: {provider: custom, default: m, base_url: 'http://x:1', api_key: c}",
            "OPENAI_API_KEY=k",
            ("custom", "http://x:1", Some("c")),
        ),
        (
            "address alone",
            "model: {default: m, base_url: 'http://x:1/v2/'}",
            "",
            ("custom", "http://x:1/v2", None),
        ),
        (
            "key alone decides",
            "model: m",
            "OPENROUTER_API_KEY=k",
            ("openrouter", "https://openrouter.ai/api/v1", Some("k")),
        ),
        (
            "auto",
            "model: {provider: auto, default: m}",
            "OPENROUTER_API_KEY=k",
            ("openrouter", "https://openrouter.ai/api/v1", Some("k")),
        ),
        (
            "of one's own",
            "model: {provider: lab, default: m}\nproviders: {lab: {base_url: 'http://lab', key_env: LAB}}",
            "LAB=k",
            ("lab", "http://lab", Some("k")),
        ),
        (
            "by name",
            "model: {provider: my-lab, default: m, base_url: 'http://lab'}",
            "MY_LAB_API_KEY=k",
            ("my-lab", "http://lab", Some("k")),
        ),
        (
            "from env",
            "model: {provider: custom, default: m, base_url: 'http://x', api_key: '${K}'}",
            "K=k",
            ("custom", "http://x", Some("k")),
        ),
    ];
    for (case, yaml, env, (name, url, key)) in cases {
        let expected = (name.to_owned(), url.to_owned(), key.map(str::to_owned));
        assert_eq!(model(yaml, env), Ok(expected), "{case}");
    }
}

#[test]
fn what_is_missing_or_wrong_is_told_with_the_fix() {
    let cases = [
        (
            "slip",
            "model:\n  provider: opnai\n  default: m",
            "profiles/a/config.yaml:2: `model.provider`: is not a known provider; did you mean `openai`?",
        ),
        (
            "no address",
            "model: {provider: custom, default: m}",
            "profiles/a/config.yaml: `model.base_url`: is missing",
        ),
        ("no model", "model: {provider: openai}", "profiles/a/config.yaml: `model.default`: is missing"),
        (
            "nobody serves it",
            "model:\n  default: m",
            "profiles/a/config.yaml:2: `model.default`: is set, but not who serves it",
        ),
        (
            "no scheme",
            "model: {default: m, base_url: 'localhost:1'}",
            "profiles/a/config.yaml:1: `model.base_url`: must begin with",
        ),
        (
            "no url",
            "model: {default: m, base_url: 'x y'}",
            "profiles/a/config.yaml:1: `model.base_url`: must be a web address",
        ),
        (
            "file",
            "model: {default: m, base_url: 'file:///etc'}",
            "profiles/a/config.yaml:1: `model.base_url`: must begin with",
        ),
        (
            "credentials",
            "model: {default: m, base_url: 'http://u:hunter2@x'}",
            "profiles/a/config.yaml:1: `model.base_url`: must hold no credentials",
        ),
        (
            "query",
            "model: {default: m, base_url: 'http://x?k=1'}",
            "profiles/a/config.yaml:1: `model.base_url`: must end before",
        ),
        (
            "key with a break",
            "model: {default: m, base_url: 'http://x', api_key: \"a\\nb\"}",
            "profiles/a/config.yaml:1: `model.api_key`: cannot be sent",
        ),
        (
            "not set",
            "model: {default: m, base_url: 'http://x', api_key: '${K}'}",
            "profiles/a/config.yaml:1: `model.api_key`: `${K}` is not set",
        ),
        (
            "map",
            "model: {default: {a: 1}}",
            "profiles/a/config.yaml:1: `model.default`: is a map of settings",
        ),
    ];
    for (case, yaml, start) in cases {
        let error = model(yaml, "").unwrap_err();
        assert!(error.starts_with(start), "{case}: {error}");
        assert!(!error.contains("hunter2"), "{case}: {error}");
    }
}

#[test]
fn a_key_that_nothing_uses_or_a_missing_one_is_a_warning() {
    for (yaml, env, part) in [
        ("", "OPENAI_API_KEY=k", "no model is configured, so the demo answers"),
        ("model: {provider: openai, default: m}", "", "`OPENAI_API_KEY`: is not set"),
    ] {
        let home = Disk::profile(yaml, env).read();
        let warnings = &home.found("a").warnings;
        assert!(warnings.len() == 1 && warnings[0].contains(part), "{warnings:?}");
    }
}

#[test]
fn the_references_proxy_mode_is_refused_with_the_lines_to_write() {
    let url = "http://10.0.0.7:8642";
    let yaml = format!("gateway:\n  proxy_url: {url}\n  proxy_key: k\n");
    for (yaml, env, key) in [
        (yaml.as_str(), String::new(), "gateway.proxy_url"),
        ("", format!("GATEWAY_PROXY_URL={url}\n"), "GATEWAY_PROXY_URL"),
    ] {
        let home = Disk::profile(yaml, &env).read();
        let error = home.found("a").config.as_ref().unwrap_err().to_string();
        assert!(error.contains(key) && error.contains("provider: hermes"), "{error}");
        assert!(error.contains(&format!("base_url: {url}")), "{error}");
    }
    let moved = format!("{yaml}model:\n  provider: hermes\n  base_url: {url}\n");
    let home = Disk::profile(&moved, "HERMES_API_KEY=k\n").read();
    assert!(home.found("a").config.is_ok(), "both are there: the one that counts is read");
}
