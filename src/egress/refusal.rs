//! Why nothing was connected, in words for the one who asked.

use super::{address::Kind, target::Target};
use std::{fmt, net::IpAddr};

/// A connection that was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub target: Target,
    /// The address that decided, where it came to that.
    pub address: Option<IpAddr>,
    pub why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// `terminal.network: off`.
    Off,
    /// `terminal.network: allowlist`, and no entry names the host.
    NotListed,
    /// An address that only an entry of its own opens.
    Inside(Kind),
    /// An address that nothing opens.
    Never(Kind),
    /// A port of this gateway: an agent that may call its own API could answer its own approvals.
    Gateway,
    /// Mail to strangers.
    Mail,
    /// No such host.
    Unknown,
    /// Names are looked up too slowly, or too many at once.
    LookupTimeout,
    /// The host does not accept.
    Unreachable,
    /// The host does not answer.
    ConnectTimeout,
}

impl Why {
    /// Whether the policy decided, and not the state of the network.
    pub const fn is_policy(self) -> bool {
        match self {
            Self::Off | Self::NotListed | Self::Inside(_) | Self::Never(_) | Self::Gateway | Self::Mail => {
                true
            }
            Self::Unknown | Self::LookupTimeout | Self::Unreachable | Self::ConnectTimeout => false,
        }
    }
}

impl Why {
    /// A few words for a table of decisions.
    pub const fn described(self) -> &'static str {
        match self {
            Self::Off => "no network",
            Self::NotListed => "not listed",
            Self::Inside(kind) | Self::Never(kind) => kind.described(),
            Self::Gateway => "a port of this gateway",
            Self::Mail => "mail",
            Self::Unknown => "no such host",
            Self::LookupTimeout => "not looked up in time",
            Self::Unreachable => "does not accept",
            Self::ConnectTimeout => "does not answer",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, address, why } = self;
        write!(f, "`{target}` ")?;
        let at = |f: &mut fmt::Formatter<'_>, kind: Kind| match address {
            Some(address) => write!(f, "{address} is {}", kind.described()),
            None => write!(f, "it is {}", kind.described()),
        };
        match why {
            Why::Off => f.write_str("is refused: this profile has no network (terminal.network: off)"),
            Why::NotListed => f.write_str(
                "is refused: terminal.network is `allowlist` and terminal.network_allow does not name this host",
            ),
            Why::Inside(kind) => {
                f.write_str("is refused: ")?;
                at(f, *kind)?;
                f.write_str(
                    ", which only an entry of its own in terminal.network_allow opens; a server inside this sandbox \
                     is `localhost`",
                )
            }
            Why::Never(kind) => {
                f.write_str("is refused: ")?;
                at(f, *kind)
            }
            Why::Gateway => f.write_str("is refused: it is a port of this gateway, which no setting opens"),
            Why::Mail => f.write_str(
                "is refused: port 25 is open only to hosts that terminal.network_allow names with that port",
            ),
            Why::Unknown => f.write_str("is not known: its name has no address"),
            Why::LookupTimeout => f.write_str("could not be looked up in time; try again"),
            Why::Unreachable => f.write_str("cannot be reached: it does not accept the connection"),
            Why::ConnectTimeout => f.write_str("cannot be reached: it does not answer in time"),
        }
    }
}
