//! Who is asked when the profile's own upstream gives no answer, and with which keys.

use super::*;

/// Provider, model, address and key of each; or the error.
fn fallbacks(yaml: &str, env: &str) -> Result<Vec<String>, String> {
    let own = "model: {provider: custom, default: m, base_url: 'http://x:1', api_key: own}\n";
    let disk = Disk::profile(&format!("{own}{yaml}"), env);
    let config = disk.read().found("a").config.clone().map_err(|error| disk.short(&error.to_string()))?;
    let shown = config.selection.fallbacks.iter().map(|fallback| {
        let url = match &fallback.provider {
            Provider::Demo => "demo",
            Provider::OpenAi { base_url } | Provider::Hermes { base_url } => base_url,
        };
        let key = fallback.api_key.as_ref().map_or("-", |key| key.reveal());
        format!("{} {} {url} {key}", fallback.provider_name, fallback.default)
    });
    Ok(shown.collect())
}

#[test]
fn each_row_is_somebody_to_ask() {
    let lab = "providers: {lab: {base_url: 'http://lab:1', api_key: l, default: small}}\n";
    let cases = [
        ("none", "", "", vec![]),
        (
            "a known one",
            "fallback_providers: [{provider: openrouter, model: a}]",
            "OPENROUTER_API_KEY=k",
            vec!["openrouter a https://openrouter.ai/api/v1 k"],
        ),
        (
            "an address",
            "fallback_providers: [{provider: b, model: a, base_url: 'http://b:1/', api_key: c}]",
            "",
            vec!["b a http://b:1 c"],
        ),
        (
            "an address with a key elsewhere",
            "fallback_providers: [{provider: b, model: a, base_url: 'http://b:1'}]",
            "B_API_KEY=e",
            vec!["b a http://b:1 e"],
        ),
        (
            "another model of the same",
            "fallback_providers: [{model: a}]",
            "",
            vec!["custom a http://x:1 own"],
        ),
        (
            "of the table",
            &format!("{lab}fallback_providers: [lab, {{provider: lab, model: large}}]"),
            "",
            vec!["lab small http://lab:1 l", "lab large http://lab:1 l"],
        ),
        (
            "the older form",
            "fallback_model: {provider: ollama, model: a}",
            "",
            vec!["ollama a http://127.0.0.1:11434/v1 -"],
        ),
    ];
    for (case, yaml, env, expected) in cases {
        assert_eq!(fallbacks(yaml, env).unwrap(), expected, "{case}");
    }
}

#[test]
fn a_row_that_names_nobody_is_refused_with_its_line() {
    let cases = [
        ("fallback_providers: [{provider: nobody, model: a}]", "`nobody` is not configured"),
        ("fallback_providers:\n  - provider: openrouter", "names no model"),
        ("fallback_providers: [{modell: a}]", "`modell` is none of its members"),
        ("fallback_providers: [{provider: hermes, model: a, base_url: 'http://h:1'}]", "another gateway"),
        ("fallback_providers: [{provider: b, model: a, base_url: 'b'}]", "must be a web address"),
        ("fallback_providers: all", "a list is wanted"),
    ];
    for (yaml, expected) in cases {
        let error = fallbacks(yaml, "").unwrap_err();
        assert!(error.contains(expected) && error.contains("config.yaml:"), "{yaml}: {error}");
    }
}

#[test]
fn an_address_of_its_own_is_never_sent_the_key_of_another() {
    let yaml = "fallback_providers: [{provider: b, model: a, base_url: 'http://b:1'}]";
    assert_eq!(fallbacks(yaml, "").unwrap(), ["b a http://b:1 -"]);
}

#[test]
fn prices_are_dollars_for_a_million_tokens() {
    let prices = |yaml: &str| {
        let disk = Disk::profile(&format!("model: {{provider: ollama, default: m, {yaml}}}"), "");
        let config = disk.read().found("a").config.clone();
        config.map(|config| config.model.prices).map_err(|error| disk.short(&error.to_string()))
    };
    let usage = crate::domain::Usage {
        input_tokens: 1_000_000,
        output_tokens: 1_000_000,
        cached_tokens: 400_000,
        ..crate::domain::Usage::default()
    };
    let cost = |yaml: &str| prices(yaml).unwrap().map(|prices| prices.cost(&usage));
    assert_eq!(cost(""), None);
    assert_eq!(cost("prices: {input: 2.5, cached: 0.25, output: 10}"), Some(11_600_000_000));
    assert_eq!(cost("prices: {input: 2.5, output: 10}"), Some(12_500_000_000), "cached input is input");
    assert_eq!(cost("prices: {input: 0}"), Some(0));
    for wrong in ["free", "-1", "1e99"] {
        let error = prices(&format!("prices: {{input: {wrong}}}")).unwrap_err();
        assert!(error.contains("must be dollars") && error.contains("config.yaml:1"), "{error}");
    }
}
