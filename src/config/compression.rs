//! `compression`: when the older part of a long conversation gives way to a summary, and who writes it.

use super::{
    ConfigError,
    helper::{self, HelperConfig},
    settings::Settings,
};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq)]
pub struct CompressionConfig {
    /// `compression.enabled`, default on. Off: a conversation that is too long is an error.
    pub enabled: bool,
    /// `compression.threshold`: the part of the window from which on it happens, 0.5; of windows under 512,000 tokens
    /// never less than 0.75.
    pub threshold: f64,
    /// `compression.target_ratio`: the part of that threshold which the last messages may take, 0.2.
    pub target_ratio: f64,
    /// `compression.protect_first_n`: messages at the beginning that stay, 3; fewer at each further time.
    pub protect_first: usize,
    /// `compression.protect_last_n`: messages at the end that stay if they are short, 20.
    pub protect_last: usize,
    /// `auxiliary.compression`; `None`: the model of the turn writes the summary.
    pub helper: Option<HelperConfig>,
    /// `auxiliary.compression.timeout`: how long it may take, 120 s.
    pub timeout: Duration,
}

impl Default for CompressionConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            threshold: 0.5,
            target_ratio: 0.2,
            protect_first: 3,
            protect_last: 20,
            helper: None,
            timeout: Duration::from_secs(120),
        }
    }
}

impl CompressionConfig {
    /// Tokens of the last messages that stay.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share"
    )]
    pub fn tail(&self, threshold: u64) -> u64 {
        (threshold as f64 * self.target_ratio) as u64
    }
}

/// `providers`: the names that there are.
///
/// # Errors
///
/// A share that is none, or a helper whose provider is not there.
pub(super) fn read(
    settings: &Settings<'_>,
    providers: &[&str],
    warnings: &mut Vec<String>,
) -> Result<CompressionConfig, ConfigError> {
    if let Some(found) =
        settings.yaml("compression.in_place")?.filter(|found| found.bool().is_ok_and(|on| !on))
    {
        warnings
            .push(found.place.warning("has no effect: a session keeps its id, and its messages stay in it"));
    }
    let usual = CompressionConfig::default();
    Ok(CompressionConfig {
        enabled: settings.bool("compression.enabled", usual.enabled)?,
        threshold: share(settings, "compression.threshold", usual.threshold)?,
        target_ratio: share(settings, "compression.target_ratio", usual.target_ratio)?,
        protect_first: settings.number("compression.protect_first_n", 0..=100, usual.protect_first)?,
        protect_last: settings.number("compression.protect_last_n", 1..=1_000, usual.protect_last)?,
        helper: helper::read(settings, "compression", providers, warnings)?,
        timeout: settings.duration("auxiliary.compression.timeout", 1..=3_600, usual.timeout.as_secs())?,
    })
}

fn share(settings: &Settings<'_>, path: &str, default: f64) -> Result<f64, ConfigError> {
    let Some(found) = settings.yaml(path)? else { return Ok(default) };
    let share = found.text.trim().parse().ok().filter(|share| (0.05..=0.95).contains(share));
    share.ok_or_else(|| found.place.error("must be a part of one, from 0.05 to 0.95"))
}
