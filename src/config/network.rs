//! `terminal.network` and `terminal.network_allow`: what the commands of a profile may reach.

use super::{
    ConfigError,
    settings::{Found, Settings},
};
use ipnet::IpNet;
use std::{fmt, net::IpAddr, str::FromStr};
use url::Host;

/// How far the commands of a profile reach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NetworkMode {
    /// Nothing.
    Off,
    /// What `terminal.network_allow` names.
    Allowlist,
    /// Public addresses, and what `terminal.network_allow` names.
    #[default]
    Public,
    /// Whatever the machine reaches, without a proxy in between.
    Full,
}

impl NetworkMode {
    /// By the names in the configuration.
    pub const NAMES: [(&'static str, Self); 4] =
        [("off", Self::Off), ("allowlist", Self::Allowlist), ("public", Self::Public), ("full", Self::Full)];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Allowlist => "allowlist",
            Self::Public => "public",
            Self::Full => "full",
        }
    }
}

/// The network policy of a profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkConfig {
    pub mode: NetworkMode,
    /// `terminal.network_allow`.
    pub allow: Vec<AllowedPlace>,
}

/// One entry of `terminal.network_allow`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedPlace {
    pub host: AllowedHost,
    /// `None`: every port.
    pub port: Option<u16>,
}

/// Which hosts an entry means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedHost {
    /// This name, in lower case and ASCII. Its addresses must be public, or be named by an entry of their own: else
    /// whoever owns the name could point it to the neighbour's printer.
    Name(String),
    /// Every name below this one.
    Below(String),
    /// These addresses, private ones too.
    Net(IpNet),
}

/// As it is written in the configuration.
impl fmt::Display for AllowedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            AllowedHost::Name(name) => f.write_str(name)?,
            AllowedHost::Below(domain) => write!(f, "*.{domain}")?,
            AllowedHost::Net(IpNet::V6(net)) if self.port.is_some() => write!(f, "[{net}]")?,
            AllowedHost::Net(net) => write!(f, "{net}")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

pub(super) fn read(
    settings: &Settings<'_>,
    warnings: &mut Vec<String>,
) -> Result<NetworkConfig, ConfigError> {
    let found = settings.yaml("terminal.network")?;
    let mode = match &found {
        // YAML's older rules read a bare `off` as `false`.
        Some(found) if found.text.trim().eq_ignore_ascii_case("false") => NetworkMode::Off,
        Some(found) => found.choice(&NetworkMode::NAMES)?,
        None => NetworkMode::default(),
    };
    let listed = settings.yaml_list("terminal.network_allow")?.unwrap_or_default();
    let allow = listed.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    match (mode, listed.first(), found) {
        (NetworkMode::Off | NetworkMode::Full, Some(first), _) => {
            let name = mode.name();
            warnings.push(first.place.warning(format!("has no effect beside `terminal.network: {name}`")));
        }
        (NetworkMode::Allowlist, None, Some(found)) => {
            warnings.push(found.place.warning(
                "allows nothing, since `terminal.network_allow` is empty; list hosts there, or write `off`",
            ));
        }
        (NetworkMode::Allowlist, None, None)
        | (NetworkMode::Allowlist, Some(_), _)
        | (NetworkMode::Public, _, _)
        | (NetworkMode::Off | NetworkMode::Full, None, _) => {}
    }
    Ok(NetworkConfig { mode, allow })
}

fn entry(found: &Found) -> Result<AllowedPlace, ConfigError> {
    found.text.trim().parse().map_err(|why| found.place.error(format!("{why}; {FORMS}")))
}

impl FromStr for AllowedPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text)
    }
}

const FORMS: &str = "an entry is `example.org`, `*.example.org`, `10.0.0.0/8`, `127.0.0.1` or `[fd00::1]`, with `:PORT` or without";

fn parse(text: &str) -> Result<AllowedPlace, String> {
    if text.is_empty() {
        return Err("holds an empty entry".to_owned());
    }
    let shown: String = text.chars().take(64).collect();
    if text.contains("://") {
        return Err(format!("holds `{shown}`, which is a URL and not a host"));
    }
    // An IPv6 address has colons of its own: with a port it stands in brackets.
    if let Some(net) = net(text)? {
        return Ok(AllowedPlace { host: AllowedHost::Net(net), port: None });
    }
    let (host, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((inside, rest)) => {
            let net = net(inside)?.filter(|net| net.addr().is_ipv6());
            let net = net.ok_or_else(|| format!("holds `{shown}`, with no IPv6 address in the brackets"))?;
            let port = match rest {
                "" => None,
                rest => Some(rest.strip_prefix(':').unwrap_or(rest)),
            };
            (AllowedHost::Net(net), port)
        }
        None => match text.rsplit_once(':') {
            Some((host, port)) => (self::host(host)?, Some(port)),
            None => (self::host(text)?, None),
        },
    };
    let wrong = || format!("holds `{shown}`, whose port is no number from 1 to 65535");
    let port = port.map(|port| port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)).transpose()?;
    Ok(AllowedPlace { host, port })
}

fn host(text: &str) -> Result<AllowedHost, String> {
    if let Some(net) = net(text)? {
        return Ok(AllowedHost::Net(net));
    }
    if text == "*" {
        return Err("holds `*`: for every public host write `terminal.network: public`".to_owned());
    }
    match text.strip_prefix("*.") {
        Some(domain) => name(domain).map(AllowedHost::Below),
        None => name(text).map(AllowedHost::Name),
    }
}

/// A name as the proxy compares it.
fn name(text: &str) -> Result<String, String> {
    let shown: String = text.chars().take(64).collect();
    let wrong = || format!("holds `{shown}`, which is no host name");
    // `*` is a letter to the parser of URLs.
    if text.contains(['*', '%']) {
        return Err(wrong());
    }
    match Host::parse(text) {
        Ok(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            if name.is_empty() { Err(wrong()) } else { Ok(name.to_owned()) }
        }
        Ok(Host::Ipv4(address)) => {
            Err(format!("holds `{shown}`, an unusual form of `{address}`: write that"))
        }
        Ok(Host::Ipv6(_)) | Err(_) => Err(wrong()),
    }
}

/// `None`: the text is no address and no network.
fn net(text: &str) -> Result<Option<IpNet>, String> {
    let net = match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(net), _) => net,
        (Err(_), Ok(address)) => IpNet::from(address),
        (Err(_), Err(_)) => return Ok(None),
    };
    let address = net.addr();
    if net.network() != address {
        return Err(format!("holds `{net}`, whose address goes beyond its prefix: write `{}`", net.trunc()));
    }
    if let IpAddr::V6(six) = address
        && let Some(four) = six.to_ipv4_mapped()
    {
        return Err(format!("holds `{net}`, an IPv4 address in the form of an IPv6 one: write `{four}`"));
    }
    if net.prefix_len() == net.max_prefix_len() && (address.is_unspecified() || address.is_multicast()) {
        return Err(format!("holds `{address}`, which nobody can connect to"));
    }
    Ok(Some(net))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match text.parse::<AllowedPlace>() {
            Ok(place) => place.to_string(),
            Err(why) => format!("error: {why}"),
        }
    }

    #[test]
    fn an_entry_is_a_name_a_domain_or_addresses_each_with_a_port_or_without() {
        let cases = [
            ("example.org", "example.org"),
            ("EXAMPLE.org.", "example.org"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("example.org:8443", "example.org:8443"),
            ("*.example.org", "*.example.org"),
            ("*.example.org:443", "*.example.org:443"),
            ("localhost:3000", "localhost:3000"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("127.0.0.1:8080", "127.0.0.1/32:8080"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.0/8:443", "10.0.0.0/8:443"),
            ("::1", "::1/128"),
            ("[::1]", "::1/128"),
            ("[::1]:80", "[::1/128]:80"),
            ("fd00::/8", "fd00::/8"),
            ("[fd00::/8]:443", "[fd00::/8]:443"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text}");
            assert_eq!(shown(expected), expected, "what is shown can be written");
        }
    }

    #[test]
    fn a_wrong_entry_says_what_is_wrong_with_it() {
        let cases = [
            ("", "empty"),
            ("https://example.org", "is a URL"),
            ("*", "terminal.network: public"),
            ("ex*mple.org", "no host name"),
            ("*.*.org", "no host name"),
            ("a b", "no host name"),
            ("a/b", "no host name"),
            ("user@example.org", "no host name"),
            (".", "no host name"),
            ("example.org:0", "port"),
            ("example.org:99999", "port"),
            ("example.org:http", "port"),
            ("[example.org]:80", "in the brackets"),
            ("[::1]80x", "port"),
            ("0x7f.1", "unusual form of `127.0.0.1`"),
            ("2130706433", "unusual form of `127.0.0.1`"),
            ("10.0.0.1/8", "write `10.0.0.0/8`"),
            ("10.0.0.0/33", "no host name"),
            ("::ffff:10.0.0.1", "write `10.0.0.1`"),
            ("0.0.0.0", "nobody can connect to"),
            ("224.0.0.1", "nobody can connect to"),
        ];
        for (text, expected) in cases {
            let shown = shown(text);
            assert!(shown.starts_with("error: ") && shown.contains(expected), "{text}: {shown}");
        }
    }
}
