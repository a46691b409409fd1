//! What the agent takes from the web: `web`.

use super::{ConfigError, Secret, settings::Settings};
use std::time::Duration;
use url::Url;

#[derive(Debug, Clone)]
pub struct WebConfig {
    /// `web.timeout`: for one page, redirects included, 30 s.
    pub timeout: Duration,
    /// `web.search`; without it the agent has no search.
    pub search: Option<SearchConfig>,
}

impl Default for WebConfig {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), search: None }
    }
}

/// Where the agent searches. The operator has named the host, so no network policy is asked.
#[derive(Debug, Clone)]
pub struct SearchConfig {
    /// `web.search.provider`
    pub engine: SearchEngine,
    /// `web.search.base_url`; the service's own where it has one. No query, no slash at its end.
    pub base_url: Url,
    /// `web.search.api_key`
    pub api_key: Option<Secret>,
}

/// Whose way of asking and answering it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchEngine {
    Searxng,
    Brave,
    Tavily,
}

impl SearchEngine {
    /// By the names in the configuration.
    pub const NAMES: [(&'static str, Self); 3] =
        [("searxng", Self::Searxng), ("brave", Self::Brave), ("tavily", Self::Tavily)];

    const fn usual_address(self) -> Option<&'static str> {
        match self {
            Self::Searxng => None,
            Self::Brave => Some("https://api.search.brave.com/res/v1"),
            Self::Tavily => Some("https://api.tavily.com"),
        }
    }
}

pub(super) fn read(settings: &Settings<'_>) -> Result<WebConfig, ConfigError> {
    let usual = WebConfig::default();
    Ok(WebConfig {
        timeout: settings.duration("web.timeout", 1..=600, usual.timeout.as_secs())?,
        search: search(settings)?,
    })
}

fn search(settings: &Settings<'_>) -> Result<Option<SearchConfig>, ConfigError> {
    let Some(named) = settings.yaml("web.search.provider")? else {
        return match settings.yaml("web.search.base_url")? {
            Some(found) => {
                Err(found.place.error("needs `web.search.provider` beside it: searxng, brave or tavily"))
            }
            None => Ok(None),
        };
    };
    let engine = named.choice(&SearchEngine::NAMES)?;
    let given = settings.yaml("web.search.base_url")?;
    let address = given.as_ref().map(|found| found.text.trim()).or_else(|| engine.usual_address());
    let Some(address) = address else {
        return Err(named.place.error("`searxng` needs `web.search.base_url`: the address of your server"));
    };
    let place = given.as_ref().map_or(&named.place, |found| &found.place);
    let base_url = Url::parse(address.trim_end_matches('/')).ok();
    let base_url = base_url.filter(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none());
    let api_key =
        settings.yaml("web.search.api_key")?.map(|found| found.text).filter(|key| !key.trim().is_empty());
    if api_key.is_none() && engine != SearchEngine::Searxng {
        return Err(named.place.error("needs `web.search.api_key`, for example `${SEARCH_API_KEY}`"));
    }
    Ok(Some(SearchConfig {
        engine,
        base_url: base_url
            .ok_or_else(|| place.error("must be an address such as https://search.example.org"))?,
        api_key: api_key.map(Secret::new),
    }))
}
