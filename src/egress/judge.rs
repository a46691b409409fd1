//! The policy of one profile, applied: first to the name, before anybody is asked for its address, then to each address.

use super::{
    address::{self, Kind},
    listeners::Listeners,
    refusal::Why,
    target::{Name, Target},
};
use crate::config::{AllowedHost, AllowedPlace, NetworkConfig, NetworkMode};
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Mail servers accept from whoever knows the port.
const SMTP: u16 = 25;

/// The policy, and what of this machine it never opens.
#[derive(Debug)]
pub struct Judge {
    config: NetworkConfig,
    listeners: Listeners,
}

impl Judge {
    pub const fn new(config: NetworkConfig, listeners: Listeners) -> Self {
        Self { config, listeners }
    }

    /// Judges the target as it was written. A name that is refused here is not looked up: a question to a name server
    /// carries its name out.
    pub fn target(&self, target: &Target) -> Result<(), Why> {
        let named = || self.names(target);
        match (self.config.mode, &target.host) {
            (NetworkMode::Off, _) => Err(Why::Off),
            (NetworkMode::Allowlist, Name::Domain(_)) if !named() => Err(Why::NotListed),
            (NetworkMode::Public, Name::Domain(_)) if target.port == SMTP && !named() => Err(Why::Mail),
            (NetworkMode::Allowlist | NetworkMode::Public | NetworkMode::Full, _) => Ok(()),
        }
    }

    /// Judges one address of a target that [`Judge::target`] let through.
    pub fn address(&self, target: &Target, at: SocketAddr) -> Result<(), Why> {
        let address = at.ip().to_canonical();
        let kind = address::kind(address);
        let inside = kind == Kind::Loopback || is_of_this_machine(address);
        let kind = if kind == Kind::Public && inside { Kind::ThisMachine } else { kind };
        if let Kind::Unspecified | Kind::Multicast = kind {
            return Err(Why::Never(kind));
        }
        if inside && self.listeners.has(at.port()) {
            return Err(Why::Gateway);
        }
        if self.config.mode == NetworkMode::Full || self.lists(address, at.port()) {
            return Ok(());
        }
        if kind != Kind::Public {
            return Err(Why::Inside(kind));
        }
        match (self.config.mode, &target.host) {
            (NetworkMode::Off, _) => Err(Why::Off),
            (NetworkMode::Allowlist, Name::Address(_)) => Err(Why::NotListed),
            (NetworkMode::Public, Name::Address(_)) if at.port() == SMTP => Err(Why::Mail),
            (NetworkMode::Allowlist | NetworkMode::Public | NetworkMode::Full, _) => Ok(()),
        }
    }

    /// Whether an entry names the target's name. For mail the port has to be said.
    fn names(&self, target: &Target) -> bool {
        let Name::Domain(name) = &target.host else { return false };
        self.entries(target.port).any(|host| match host {
            AllowedHost::Name(listed) => listed == name,
            AllowedHost::Below(domain) => {
                name.strip_suffix(domain.as_str()).is_some_and(|before| before.ends_with('.'))
            }
            AllowedHost::Net(_) => false,
        })
    }

    fn lists(&self, address: IpAddr, port: u16) -> bool {
        self.entries(port).any(|host| match host {
            AllowedHost::Net(net) => address::is_named_by(net, address),
            AllowedHost::Name(_) | AllowedHost::Below(_) => false,
        })
    }

    fn entries(&self, port: u16) -> impl Iterator<Item = &AllowedHost> {
        let counts = move |place: &&AllowedPlace| match place.port {
            Some(listed) => listed == port,
            None => port != SMTP,
        };
        self.config.allow.iter().filter(counts).map(|place| &place.host)
    }
}

/// Whether packets to this address stay on this machine: then the kernel sends them from the same address. Nothing is
/// sent for the answer.
fn is_of_this_machine(address: IpAddr) -> bool {
    let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let local = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    // Where there is no way to it at all, there is nothing to protect.
    local.is_ok_and(|local| local.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use NetworkMode::{Allowlist, Full, Off, Public};

    /// What comes of a target with this address under a policy.
    fn verdict(mode: NetworkMode, allow: &[&str], host: &str, address: &str, port: u16) -> Result<(), Why> {
        let listeners = Listeners::default();
        std::mem::forget(listeners.enter(8643));
        let config = NetworkConfig { mode, allow: allow.iter().map(|text| text.parse().unwrap()).collect() };
        let judge = Judge::new(config, listeners);
        let target = Target::new(host, port).unwrap();
        judge.target(&target)?;
        judge.address(&target, SocketAddr::new(address.parse().unwrap(), port))
    }

    #[test]
    fn each_mode_opens_what_it_says() {
        let private = Err(Why::Inside(Kind::Private));
        let cases = [
            (Off, vec!["example.org"], "example.org", "8.8.8.8", 443, Err(Why::Off)),
            (Full, vec![], "printer", "192.168.1.5", 631, Ok(())),
            (Public, vec![], "example.org", "8.8.8.8", 443, Ok(())),
            (Public, vec![], "8.8.8.8", "8.8.8.8", 8080, Ok(())),
            (Public, vec![], "rebound.example", "10.0.0.1", 443, private),
            (Public, vec!["rebound.example"], "rebound.example", "10.0.0.1", 443, private),
            (Public, vec!["10.0.0.0/8"], "rebound.example", "10.0.0.1", 443, Ok(())),
            (Public, vec!["10.0.0.0/8:443"], "10.0.0.1", "10.0.0.1", 443, Ok(())),
            (Public, vec!["10.0.0.0/8:443"], "10.0.0.1", "10.0.0.1", 80, private),
            (Public, vec![], "example.org", "8.8.8.8", 25, Err(Why::Mail)),
            (Public, vec![], "8.8.8.8", "8.8.8.8", 25, Err(Why::Mail)),
            (Public, vec!["example.org"], "example.org", "8.8.8.8", 25, Err(Why::Mail)),
            (Public, vec!["example.org:25"], "example.org", "8.8.8.8", 25, Ok(())),
            (Allowlist, vec![], "example.org", "8.8.8.8", 443, Err(Why::NotListed)),
            (Allowlist, vec!["example.org"], "example.org", "8.8.8.8", 443, Ok(())),
            (Allowlist, vec!["example.org"], "example.org.", "8.8.8.8", 443, Ok(())),
            (Allowlist, vec!["example.org"], "www.example.org", "8.8.8.8", 443, Err(Why::NotListed)),
            (Allowlist, vec!["example.org"], "8.8.8.8", "8.8.8.8", 443, Err(Why::NotListed)),
            (Allowlist, vec!["example.org:443"], "example.org", "8.8.8.8", 80, Err(Why::NotListed)),
            (Allowlist, vec!["*.example.org"], "www.example.org", "8.8.8.8", 443, Ok(())),
            (Allowlist, vec!["*.example.org"], "example.org", "8.8.8.8", 443, Err(Why::NotListed)),
            (Allowlist, vec!["*.example.org"], "notexample.org", "8.8.8.8", 443, Err(Why::NotListed)),
            (
                Allowlist,
                vec!["example.org"],
                "example.org",
                "127.0.0.1",
                443,
                Err(Why::Inside(Kind::Loopback)),
            ),
            (Allowlist, vec!["localhost", "127.0.0.1"], "localhost", "127.0.0.1", 3000, Ok(())),
            // An address entry does not let names be looked up that nobody listed.
            (Allowlist, vec!["127.0.0.1"], "localhost", "127.0.0.1", 3000, Err(Why::NotListed)),
            (Allowlist, vec!["8.8.8.0/24"], "8.8.8.8", "8.8.8.8", 443, Ok(())),
        ];
        for (mode, allow, host, address, port, expected) in cases {
            assert_eq!(
                verdict(mode, &allow, host, address, port),
                expected,
                "{mode:?} {allow:?} {host}:{port}"
            );
        }
    }

    #[test]
    fn no_entry_opens_the_gateway_itself_or_an_address_that_is_none() {
        let everything = ["0.0.0.0/0", "::/0", "127.0.0.1", "localhost"];
        for mode in [Allowlist, Public, Full] {
            for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1"] {
                assert_eq!(
                    verdict(mode, &everything, "localhost", address, 8643),
                    Err(Why::Gateway),
                    "{address}"
                );
            }
            assert_eq!(verdict(mode, &everything, "localhost", "127.0.0.1", 8000), Ok(()));
            for address in ["0.0.0.0", "::", "::ffff:0.0.0.0", "224.0.0.1", "ff02::1"] {
                let refused = verdict(mode, &everything, "localhost", address, 80);
                assert!(matches!(refused, Err(Why::Never(_))), "{address}: {refused:?}");
            }
        }
        let metadata = verdict(Public, &everything, "x.example", "169.254.169.254", 80);
        assert_eq!(metadata, Err(Why::Inside(Kind::Metadata)));
    }

    #[test]
    fn the_machines_own_addresses_are_known_as_such() {
        assert!(is_of_this_machine([127, 0, 0, 1].into()));
        assert!(!is_of_this_machine([192, 0, 2, 1].into()));
    }
}
