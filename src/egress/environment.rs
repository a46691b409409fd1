//! How programs learn of the proxy.

use super::address;
use crate::config::{AllowedHost, NetworkConfig};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Names that stand for the proxy's URL. Some programs know the small letters only, some the large ones.
const PROXY: [&str; 6] = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];
/// Node's own `fetch` and `http` look at the proxy variables only when they are told to (from version 24 on).
const NODE: &str = "NODE_USE_ENV_PROXY";
/// Git runs this in place of `ssh`, which knows no HTTP proxy.
const GIT_SSH: &str = "GIT_SSH_COMMAND";
const NO_SSH: &str = "echo 'hermes: ssh has no way out of this sandbox; use the https:// address of the repository \
                      (git config --global url.https://HOST/.insteadOf git@HOST: does it for all)' >&2; exit 128; :";

/// Every name that [`variables`] may set. They belong to one command: one that is kept for the next would name a proxy
/// that is gone.
pub const NAMES: [&str; 10] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    NODE,
    GIT_SSH,
];

/// What a command needs in its environment to find the proxy.
pub(super) fn variables(proxy: &str, config: &NetworkConfig) -> Vec<(&'static str, String)> {
    // `localhost` is the sandbox's own. So are the loopback addresses, unless the operator means the machine's.
    let mut direct = vec!["localhost"];
    for (name, address) in
        [("127.0.0.1", IpAddr::V4(Ipv4Addr::LOCALHOST)), ("::1", IpAddr::V6(Ipv6Addr::LOCALHOST))]
    {
        let listed = config.allow.iter().any(|place| match &place.host {
            AllowedHost::Net(net) => address::is_named_by(net, address),
            AllowedHost::Name(_) | AllowedHost::Below(_) => false,
        });
        if !listed {
            direct.push(name);
        }
    }
    let direct = direct.join(",");
    let proxies = PROXY.iter().map(|name| (*name, proxy.to_owned()));
    let exceptions = NO_PROXY.iter().map(|name| (*name, direct.clone()));
    let others = [(NODE, "1".to_owned()), (GIT_SSH, NO_SSH.to_owned())];
    proxies.chain(exceptions).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn set(allow: &[&str]) -> Vec<(&'static str, String)> {
        let allow = allow.iter().map(|text| text.parse().unwrap()).collect();
        variables("http://p:1", &NetworkConfig { allow, ..NetworkConfig::default() })
    }

    #[test]
    fn every_variable_is_among_the_names_that_are_not_kept() {
        let set: BTreeSet<_> = set(&[]).into_iter().map(|(name, _)| name).collect();
        assert_eq!(set, BTreeSet::from(NAMES));
    }

    #[test]
    fn loopback_is_the_sandboxs_own_unless_the_machines_is_listed() {
        let direct = |allow: &[&str]| {
            let found = set(allow).into_iter().find(|(name, _)| *name == "no_proxy");
            found.unwrap().1
        };
        assert_eq!(direct(&[]), "localhost,127.0.0.1,::1");
        assert_eq!(direct(&["127.0.0.1:8080"]), "localhost,::1");
        assert_eq!(direct(&["127.0.0.0/8", "::1"]), "localhost");
    }
}
