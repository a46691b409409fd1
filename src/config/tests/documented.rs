//! The examples of docs/PROVIDERS.md, read from the page itself.

use super::*;

const PAGE: &str = include_str!("../../../docs/PROVIDERS.md");

/// The fenced YAML blocks of the page, each with what stands before it.
fn examples() -> Vec<(String, String)> {
    let mut examples = Vec::new();
    let mut before = "";
    for (at, piece) in PAGE.split("```").enumerate() {
        if let Some(yaml) = piece.strip_prefix("yaml\n").filter(|_| at % 2 == 1) {
            let title = before.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            examples.push((title.to_owned(), yaml.to_owned()));
        } else {
            before = piece;
        }
    }
    examples
}

#[test]
fn every_example_is_a_configuration_without_a_mistake() {
    let env = "MOONSHOT_API_KEY=k\nOPENROUTER_API_KEY=k\nOPENAI_API_KEY=k\nHERMES_API_KEY=k\nLAB_KEY=k\n";
    let mut providers = Vec::new();
    for (title, yaml) in examples() {
        let home = Disk::profile(&yaml, env).read();
        let found = home.found("a");
        let config = found.config.as_ref().unwrap_or_else(|error| panic!("{title}: {error}"));
        assert!(found.warnings.is_empty(), "{title}: {:?}", found.warnings);
        assert!(!config.model.default.is_empty(), "{title}");
        providers.push(config.model.provider_name.clone());
    }
    let documented = [
        "moonshot",
        "openrouter",
        "openai",
        "ollama",
        "vllm",
        "llamacpp",
        "my-llm",
        "moonshot",
        "openai",
        "hermes",
    ];
    assert_eq!(providers, documented);
}

#[test]
fn the_table_names_the_known_addresses_and_keys() {
    for known in &provider::KNOWN {
        for text in known.base_url.iter().chain(known.keys).chain([&known.names[0]]) {
            assert!(PAGE.contains(&format!("`{text}`")), "{text}");
        }
    }
}

#[test]
fn the_example_of_several_upstreams_chooses_as_it_says() {
    let (_, yaml) = examples().into_iter().find(|(_, yaml)| yaml.contains("model_routes")).unwrap();
    let home = Disk::profile(&yaml, "MOONSHOT_API_KEY=k\nOPENROUTER_API_KEY=r\nLAB_KEY=l\n").read();
    let config = home.config("a");
    let answers = |model: &str| {
        let chosen =
            config.choose(crate::config::Wanted { model: Some(model), ..Default::default() }).unwrap();
        chosen.upstream.map(|choice| (choice.provider, choice.model))
    };
    assert_eq!(answers("fast"), Some(("moonshot".to_owned(), "kimi-k2-turbo-preview".to_owned())));
    assert_eq!(answers("big"), Some(("lab".to_owned(), "large".to_owned())));
    let keys: Vec<_> =
        config.upstreams().filter_map(|one| one.api_key.as_ref().map(Secret::reveal)).collect();
    assert_eq!(keys, ["k", "l", "r"]);
}
