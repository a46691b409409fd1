//! The providers that are known by name: where they listen, and which `.env` entry holds their key.

/// A provider that needs no `base_url`.
pub(super) struct Known {
    /// The first name is the one that counts; the others are read as it.
    pub names: &'static [&'static str],
    /// `None`: `model.base_url` has to say it.
    pub base_url: Option<&'static str>,
    /// Entries of `.env` that may hold the key, the first one first.
    pub keys: &'static [&'static str],
    /// Whether requests without a key are refused there.
    pub needs_key: bool,
}

/// The provider whose upstream is another gateway.
pub(super) const HERMES: &str = "hermes";

pub(super) const KNOWN: [Known; 9] = [
    Known {
        names: &["openai"],
        base_url: Some("https://api.openai.com/v1"),
        keys: &["OPENAI_API_KEY"],
        needs_key: true,
    },
    Known {
        names: &["openrouter"],
        base_url: Some("https://openrouter.ai/api/v1"),
        keys: &["OPENROUTER_API_KEY"],
        needs_key: true,
    },
    Known {
        names: &["moonshot", "kimi"],
        base_url: Some("https://api.moonshot.ai/v1"),
        keys: &["MOONSHOT_API_KEY", "KIMI_API_KEY"],
        needs_key: true,
    },
    Known {
        names: &["ollama"],
        base_url: Some("http://127.0.0.1:11434/v1"),
        keys: &["OLLAMA_API_KEY"],
        needs_key: false,
    },
    Known {
        names: &["vllm"],
        base_url: Some("http://127.0.0.1:8000/v1"),
        keys: &["VLLM_API_KEY"],
        needs_key: false,
    },
    Known {
        names: &["llamacpp", "llama.cpp", "llama-cpp"],
        base_url: Some("http://127.0.0.1:8080/v1"),
        keys: &["LLAMACPP_API_KEY"],
        needs_key: false,
    },
    Known {
        names: &["lmstudio", "lm-studio"],
        base_url: Some("http://127.0.0.1:1234/v1"),
        keys: &["LMSTUDIO_API_KEY"],
        needs_key: false,
    },
    Known { names: &[HERMES], base_url: None, keys: &["HERMES_API_KEY"], needs_key: true },
    Known {
        names: &["custom"],
        base_url: None,
        keys: &["CUSTOM_API_KEY", "OPENAI_API_KEY"],
        needs_key: false,
    },
];

pub(super) fn by_name(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.names.contains(&name))
}

/// The name that counts, of one that a person or client wrote.
pub(super) fn canonical(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    by_name(&name).map_or(name, |known| known.names[0].to_owned())
}

/// Whether a provider refuses calls of tools that come back without what its model thought before them.
pub(super) fn wants_reasoning(name: &str) -> bool {
    matches!(name, "moonshot" | "deepseek")
}

/// Every name that a person may write for `model.provider` without more.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().flat_map(|known| known.names).copied().chain(["demo"])
}

pub(super) fn key_names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().flat_map(|known| known.keys).copied()
}

pub(super) fn is_key_name(name: &str) -> bool {
    key_names().any(|key| key == name)
}
