//! Settings of the whole machine: from the home's own `config.yaml` and from nowhere else.

use super::{AccessConfig, ConfigError, TlsConfig, settings::Settings, tls};
use std::{num::NonZeroUsize, ops::RangeInclusive, path::Path, thread, time::Duration};

/// Runs at once per core where nothing is configured.
const RUNS_PER_CORE: usize = 256;

/// Above what systems and containers give out, below what some programs read as negative.
const UIDS: RangeInclusive<u32> = 2_000_000_000..=2_000_065_535;

/// What concerns the whole machine; from the home's own files only.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// `server.workers`; default: number of cores.
    pub workers: usize,
    /// `gateway.max_concurrent_runs`: runs at once on the machine; default 256 x cores, 0 = no limit.
    pub max_concurrent_runs: usize,
    /// `server.max_connections`: open connections of one profile, default 1,024.
    pub max_connections: usize,
    /// `agent.restart_drain_timeout`, default 30 s.
    pub drain_timeout: Duration,
    /// `server.allowed_hosts`, `server.trusted_proxies`: the same for every profile.
    pub access: AccessConfig,
    /// `server.tls`: for every profile without one of its own.
    pub tls: Option<TlsConfig>,
    /// `profiles.uids`: users that a root gateway keeps for its profiles; `None`: `off`.
    pub uids: Option<RangeInclusive<u32>>,
}

pub(super) fn read(settings: &Settings<'_>, home: &Path) -> Result<ServerConfig, ConfigError> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    Ok(ServerConfig {
        workers: settings.number("server.workers", 1..=256, cores)?,
        max_concurrent_runs: settings.number(
            "gateway.max_concurrent_runs",
            0..=1_000_000,
            RUNS_PER_CORE * cores,
        )?,
        max_connections: settings.number("server.max_connections", 1..=1_000_000, 1_024)?,
        drain_timeout: settings.duration("agent.restart_drain_timeout", 0..=86_400, 30)?,
        access: access(settings)?,
        tls: tls::read(settings, home)?,
        uids: uids(settings)?,
    })
}

fn uids(settings: &Settings<'_>) -> Result<Option<RangeInclusive<u32>>, ConfigError> {
    let Some(found) = settings.yaml("profiles.uids")? else { return Ok(Some(UIDS)) };
    let text = found.text.trim();
    if ["off", "false"].contains(&text.to_ascii_lowercase().as_str()) {
        return Ok(None);
    }
    let number = |text: &str| text.trim().replace('_', "").parse::<u32>().ok();
    let range = text.split_once('-').and_then(|(first, last)| Some(number(first)?..=number(last)?));
    // 65534 is nobody, and the last number means "none" to the kernel.
    let good = |range: &RangeInclusive<u32>| {
        *range.start() > 0 && !range.is_empty() && !range.contains(&65_534) && *range.end() < u32::MAX
    };
    range.filter(good).map(Some).ok_or_else(|| {
        found.place.error(
            "must be `off`, or two numbers of users that nobody else has, without 65534: `200000-200999`",
        )
    })
}

fn access(settings: &Settings<'_>) -> Result<AccessConfig, ConfigError> {
    let mut access = AccessConfig::default();
    for host in settings.yaml_list("server.allowed_hosts")?.unwrap_or_default() {
        let name = host.text.trim().to_ascii_lowercase();
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
        if name.is_empty() || !name.chars().all(plain) {
            return Err(host
                .place
                .error("must be names such as `chat.example.org`, without scheme and port"));
        }
        access.allowed_hosts.push(name);
    }
    for proxy in settings.yaml_list("server.trusted_proxies")?.unwrap_or_default() {
        let address = proxy.text.trim().parse();
        access.trusted_proxies.push(address.map_err(|_| proxy.place.error("must be IP addresses"))?);
    }
    Ok(access)
}
