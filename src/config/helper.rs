//! `auxiliary`: models for work beside the turns.

use super::{
    ConfigError,
    settings::{Found, Settings},
};

/// A model for one kind of work beside the turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelperConfig {
    /// One of `providers`; `None`: the profile's own.
    pub provider: Option<String>,
    /// `None`: the turn's.
    pub model: Option<String>,
}

/// What `auxiliary.<work>` says; `None`: the turn's own model does it.
///
/// # Errors
///
/// A provider that is not there.
pub(super) fn read(
    settings: &Settings<'_>,
    work: &str,
    providers: &[&str],
    warnings: &mut Vec<String>,
) -> Result<Option<HelperConfig>, ConfigError> {
    let named =
        |found: Option<Found>| found.filter(|found| !matches!(found.text.trim(), "" | "auto" | "main"));
    let member = |name: &str| settings.yaml(&format!("auxiliary.{work}.{name}"));
    let (provider, model) = (named(member("provider")?), named(member("model")?));
    if let Some(found) = named(member("base_url")?) {
        warnings.push(
            found.place.warning("is not read: write an entry below `providers`, and its name as `provider`"),
        );
    }
    if let Some(found) = provider.as_ref().filter(|found| !providers.contains(&found.text.trim())) {
        let message = format!("is not there; there are {}", providers.join(", "));
        return Err(found.place.error(message));
    }
    if provider.is_none() && model.is_none() {
        return Ok(None);
    }
    let text = |found: Found| found.text.trim().to_owned();
    Ok(Some(HelperConfig { provider: provider.map(text), model: model.map(text) }))
}
