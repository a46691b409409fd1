//! What a request may choose: the table of providers, routes, and the order in which they count.

use super::*;
use crate::{
    config::{ChoiceError, Wanted},
    domain::ModelChoice,
};
use serde_json::json;

const CONFIG: &str = "
model: {provider: custom, base_url: 'http://own/v1', default: own-model, api_key: own-key}
providers:
  custom: {models: [own-model, own-large], context_length: 9000}
  Lab:
    base_url: http://lab:1/v1
    key_env: LAB
    models: [small, large]
    options: {temperature: 0.5, tag: '1', deep: {on: true, list: [1, a]}}
  kimi:
  far: {base_url: 'http://far/v1', api_mode: hermes}
gateway:
  api_server:
    model_name: agent
    model_routes:
      fast: own-large
      cheap: {provider: lab, model: tiny, options: {seed: 7}}
      usual: {provider: lab}
";

fn config(yaml: &str, env: &str) -> ProfileConfig {
    let disk = Disk::profile(yaml, env);
    disk.read().found("a").config.clone().map_err(|error| disk.short(&error.to_string())).unwrap()
}

fn choose(
    config: &ProfileConfig,
    model: &'static str,
    provider: &'static str,
    bare: bool,
) -> Result<String, (String, String)> {
    let given = |text: &'static str| (!text.is_empty()).then_some(text);
    let wanted = Wanted { model: given(model), provider: given(provider), bare_model_counts: bare };
    let told = |error: ChoiceError| (error.param.to_owned(), error.to_string());
    let chosen = config.choose(wanted).map_err(told)?;
    Ok(match chosen.upstream {
        None => "own".to_owned(),
        Some(ModelChoice { provider, model }) => format!("{provider} {model}"),
    })
}

#[test]
fn an_entry_brings_address_key_models_and_options() {
    let config = config(CONFIG, "LAB=lab-key\nMOONSHOT_API_KEY=moon-key");
    assert_eq!((config.model.models.len(), config.model.context_length), (2, Some(9000)));
    let lab = config.upstream("lab").unwrap();
    assert_eq!(lab.provider, Provider::OpenAi { base_url: "http://lab:1/v1".to_owned() });
    assert_eq!(
        (lab.default.as_str(), lab.models.len()),
        ("small", 2),
        "the first of the list is the default"
    );
    assert_eq!(lab.api_key.as_ref().map(Secret::reveal), Some("lab-key"));
    let options = json!({"temperature": 0.5, "tag": "1", "deep": {"on": true, "list": [1, "a"]}});
    assert_eq!(serde_json::Value::Object(lab.options.clone()), options);
    let kimi = config.upstream("moonshot").unwrap();
    assert_eq!(kimi.provider, Provider::OpenAi { base_url: "https://api.moonshot.ai/v1".to_owned() });
    assert_eq!((kimi.default.as_str(), kimi.api_key.as_ref().map(Secret::reveal)), ("", Some("moon-key")));
    let far = config.upstream("far").unwrap();
    assert_eq!(far.provider, Provider::Hermes { base_url: "http://far/v1".to_owned() });
    assert_eq!(far.default, "hermes-agent");
}

#[test]
fn each_row_of_the_precedence_counts_before_the_next() {
    let config = config(CONFIG, "LAB=k\nMOONSHOT_API_KEY=k");
    let direct = self::config(&format!("{CONFIG}direct_model_requests: true\n"), "LAB=k\nMOONSHOT_API_KEY=k");
    // Case, model, provider, whether a bare model counts, who answers.
    let cases = [
        ("nothing", "", "", true, "own"),
        ("a route", "fast", "", false, "custom own-large"),
        ("a route elsewhere", "cheap", "", false, "lab tiny"),
        ("a route to a default", "usual", "", true, "lab small"),
        ("a provider", "", "lab", false, "lab small"),
        ("a provider and the agent's name", "agent", "lab", false, "lab small"),
        ("a provider and its model", "large", "lab", false, "lab large"),
        ("a provider by its other name", "k2", "Kimi", false, "moonshot k2"),
        ("the own provider", "", "custom", false, "own"),
        ("the own provider with another model", "own-large", "custom", false, "custom own-large"),
        ("the agent", "agent", "", true, "own"),
        ("the agent as the reference calls it", "hermes-agent", "", true, "own"),
        ("the profile", "a", "", true, "own"),
        ("the own model", "own-model", "", true, "own"),
        ("a bare model that does not count", "own-large", "", false, "own"),
        ("a bare stranger that does not count", "gpt-4o", "", false, "own"),
        ("a bare model that counts", "own-large", "", true, "custom own-large"),
    ];
    for (case, model, provider, bare, expected) in cases {
        assert_eq!(choose(&config, model, provider, bare).as_deref(), Ok(expected), "{case}");
    }
    assert_eq!(choose(&direct, "own-large", "", false).as_deref(), Ok("custom own-large"), "switched on");
    assert_eq!(choose(&direct, "agent", "", false).as_deref(), Ok("own"), "the agent's name stays its own");
}

#[test]
fn a_wish_that_cannot_be_met_names_the_member() {
    let config = config(CONFIG, "LAB=k\nMOONSHOT_API_KEY=k");
    let cases = [
        (
            "unknown provider",
            "",
            "nope",
            "provider",
            "The provider `nope` is not configured; this profile has `custom`",
        ),
        ("provider beside a route", "fast", "lab", "provider", "`fast` is a route of this profile"),
        (
            "not on the list",
            "huge",
            "lab",
            "model",
            "The model `huge` is not among those of `lab`: small, large.",
        ),
        ("no default", "", "kimi", "model", "The provider `moonshot` has no default model"),
        (
            "bare and not on the list",
            "gpt-4o",
            "",
            "model",
            "The model `gpt-4o` is not among those of `custom`",
        ),
    ];
    for (case, model, provider, param, start) in cases {
        let (at, message) = choose(&config, model, provider, true).unwrap_err();
        assert_eq!(at, param, "{case}");
        assert!(message.starts_with(start), "{case}: {message}");
    }
}

#[test]
fn mistakes_are_told_with_their_line() {
    let with = |rest: &str| format!("model: {{default: m, base_url: 'http://own'}}\n{rest}");
    let cases = [
        ("no address", "providers:\n  lab: {models: [a]}", "3: `providers.lab`: `base_url` is missing"),
        (
            "wrong address",
            "providers:\n  lab:\n    base_url: lab",
            "4: `providers.lab.base_url`: must be a web address",
        ),
        (
            "wrong mode",
            "providers:\n  lab: {base_url: 'http://x', api_mode: soap}",
            "3: `providers.lab.api_mode`: must be one of",
        ),
        ("dotted name", "providers:\n  a.b: {}", "3: `providers.a.b`: is no name for a provider"),
        (
            "two names of one",
            "providers:\n  kimi:\n  moonshot:",
            "4: `providers.moonshot`: is the same provider as",
        ),
        (
            "options no map",
            "providers:\n  lab: {base_url: 'http://x', options: 5}",
            ": `providers.lab.options`: must be a map",
        ),
        (
            "an option of ours",
            "providers:\n  lab:\n    base_url: http://x\n    options:\n      seed: 1\n      stream: false",
            "7: `providers.lab.options.stream`: is written by the gateway itself",
        ),
        (
            "route to nowhere",
            "gateway:\n  api_server:\n    model_routes:\n      r: {provider: lab, model: m}",
            "5: `gateway.api_server.model_routes.r.provider`: is not configured",
        ),
        (
            "empty route",
            "gateway:\n  api_server:\n    model_routes:\n      r:",
            "5: `gateway.api_server.model_routes.r`: names no model",
        ),
        ("switch", "direct_model_requests: perhaps", "2: `direct_model_requests`: must be `true` or `false`"),
    ];
    for (case, rest, part) in cases {
        let error = Disk::profile(&with(rest), "").error();
        let place = format!("profiles/a/config.yaml{}{part}", if part.starts_with(':') { "" } else { ":" });
        assert!(error.starts_with(&place), "{case}: {error}");
    }
}

#[test]
fn unknown_keys_are_warned_of_with_the_nearest() {
    let yaml = "providers:\n  lab:\n    base_ulr: x\n    base_url: http://x\nplatforms:\n  api_server:\n    extra:\n      \
                model_routes:\n        r:\n          model: m\n          provder: lab\n";
    let home = Disk::profile(yaml, "").read();
    let warnings = &home.found("a").warnings;
    let expected = [
        "3: `providers.lab.base_ulr`: is not known and has no effect: did you mean `base_url`?",
        "11: `platforms.api_server.extra.model_routes.r.provder`: is not known and has no effect: did you mean `provider`?",
    ];
    for (warning, expected) in warnings.iter().zip(expected) {
        assert!(warning.ends_with(expected), "{warning}");
    }
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

#[test]
fn a_profile_inherits_providers_and_never_their_keys() {
    let home = "
providers:
  lab: {base_url: 'http://home-lab/v1', api_key: home-key, models: [a]}
  two: {base_url: 'http://home-two/v1', api_key: home-two-key}
profiles: {inherit_secrets: [providers.two.api_key]}
gateway: {api_server: {model_routes: {r: a}}}
direct_model_requests: true
";
    let read = |a: &str| {
        let disk = Disk::with(&[
            ("config.yaml", home),
            ("profiles/a/config.yaml", a),
            ("profiles/a/.env", "API_SERVER_PORT=8643\n"),
        ]);
        disk.read().config("a").clone()
    };
    let key = |config: &ProfileConfig, name: &str| {
        config.upstream(name).unwrap().api_key.as_ref().map(|key| key.reveal().to_owned())
    };
    let a = read("");
    assert_eq!(a.upstream("lab").unwrap().models, ["a"]);
    assert_eq!((key(&a, "lab"), key(&a, "two").as_deref()), (None, Some("home-two-key")));
    assert!(a.selection.routes.is_empty() && !a.selection.direct_model_requests, "of the listener nothing");

    // An entry of the profile's own takes nothing of the home's: the shared key stays with the home's address.
    let a = read("providers: {two: {base_url: 'http://mine/v1'}}");
    assert_eq!((key(&a, "two"), a.upstream("two").unwrap().models.len()), (None, 0));
    let a = read("model: {provider: two, default: m, base_url: 'http://mine/v1'}");
    assert_eq!(key(&a, "two"), None, "nor does it follow the profile to an address of its own");
}
