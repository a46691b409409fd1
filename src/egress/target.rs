//! What a client asks to be connected to: a host and a port, in one spelling.

use std::{fmt, net::IpAddr};
use url::Host;

/// A host and a port as everything behind this line compares them: names in lower case and ASCII without a dot at the
/// end, addresses as addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub host: Name,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    Domain(String),
    Address(IpAddr),
}

/// Half a sentence about a target that is none.
#[derive(Debug, PartialEq, Eq)]
pub struct BadTarget(pub &'static str);

impl Target {
    /// Reads a host as browsers do. `0x7f.1`, `127.1` and `2130706433` are what they are to a browser and to the C
    /// library: 127.0.0.1.
    ///
    /// # Errors
    ///
    /// Not a host. User and password before it are refused too: `good.org@evil.org` means evil.org, and was written to
    /// be read otherwise.
    pub fn new(host: &str, port: u16) -> Result<Self, BadTarget> {
        if host.contains('@') {
            return Err(BadTarget("has a user name before the host; credentials belong into a header"));
        }
        if port == 0 {
            return Err(BadTarget("has no port that can be connected to"));
        }
        let host = match Host::parse(host) {
            Ok(Host::Domain(name)) => {
                // One dot at the end says "from the root", which is where names are looked up anyway.
                let name = name.strip_suffix('.').unwrap_or(&name);
                let label = |label: &str| !label.is_empty() && label.len() <= 63;
                if name.len() > 253 || !name.split('.').all(label) {
                    return Err(BadTarget("is no host name"));
                }
                Name::Domain(name.to_owned())
            }
            Ok(Host::Ipv4(address)) => Name::Address(address.into()),
            Ok(Host::Ipv6(address)) => Name::Address(IpAddr::V6(address).to_canonical()),
            Err(_) => return Err(BadTarget("is no host name")),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Name::Domain(name) => write!(f, "{name}:{}", self.port),
            Name::Address(IpAddr::V4(address)) => write!(f, "{address}:{}", self.port),
            Name::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_spelling() {
        let cases = [
            ("Example.ORG", "example.org:80"),
            ("example.org.", "example.org:80"),
            ("bücher.example", "xn--bcher-kva.example:80"),
            ("ｅxample.org", "example.org:80"),
            ("127.0.0.1", "127.0.0.1:80"),
            ("127.1", "127.0.0.1:80"),
            ("0x7f.1", "127.0.0.1:80"),
            ("0177.0.0.1", "127.0.0.1:80"),
            ("2130706433", "127.0.0.1:80"),
            ("127.0.0.1.", "127.0.0.1:80"),
            ("①②⑦.0.0.1", "127.0.0.1:80"),
            ("[::1]", "[::1]:80"),
            ("[::ffff:127.0.0.1]", "127.0.0.1:80"),
            ("[0:0:0:0:0:ffff:7f00:1]", "127.0.0.1:80"),
        ];
        for (host, expected) in cases {
            assert_eq!(Target::new(host, 80).unwrap().to_string(), expected, "{host}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = "a".repeat(64) + ".org";
        let longer = ["a"; 200].join(".");
        for host in [
            "",
            ".",
            "..",
            "a..b",
            "example.org..",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "a\0b",
            "a\r\nb",
            "good.org@evil.org",
            "256.0.0.1",
            "1.2.3.4.5",
            "::1",
            "[::1",
            "[fe80::1%eth0]",
            &long,
            &longer,
        ] {
            assert!(Target::new(host, 80).is_err(), "{host:?}");
        }
        assert!(Target::new("example.org", 0).is_err());
    }
}
