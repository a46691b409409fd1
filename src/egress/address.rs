//! What an IP address stands for, by the registries of special-purpose addresses (RFC 6890 and its successors).

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of place an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An address of the internet.
    Public,
    Private,
    Loopback,
    /// An address of this machine that others may know, too: its services trust whoever comes from inside.
    ThisMachine,
    LinkLocal,
    /// Where clouds hand out the machine's credentials.
    Metadata,
    /// Behind a provider's address translation.
    Shared,
    Documentation,
    Benchmarking,
    Reserved,
    /// Means "this machine" to the kernel, and nothing to anyone else.
    Unspecified,
    Multicast,
}

impl Kind {
    /// After "it is": half a sentence for whoever was refused.
    pub const fn described(self) -> &'static str {
        match self {
            Self::Public => "a public address",
            Self::Private => "a private address",
            Self::Loopback => "the loopback of the machine outside of the sandbox",
            Self::ThisMachine => "an address of the machine itself",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "the metadata service of a cloud",
            Self::Shared => "an address of a provider's inner network",
            Self::Documentation => "an address for documentation only",
            Self::Benchmarking => "an address for benchmarks only",
            Self::Reserved => "a reserved address",
            Self::Unspecified => "no address to connect to",
            Self::Multicast => "a multicast address",
        }
    }
}

/// Services that a network wide enough to hold them does not open: they need an entry of their own. Some of them are
/// public addresses by the registries.
const METADATA: [IpAddr; 7] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// IPv4 addresses that are not public. The first that holds an address counts.
const FOUR: [(Ipv4Net, Kind); 15] = [
    four([0, 0, 0, 0], 8, Kind::Unspecified),
    four([10, 0, 0, 0], 8, Kind::Private),
    four([100, 64, 0, 0], 10, Kind::Shared),
    four([127, 0, 0, 0], 8, Kind::Loopback),
    four([169, 254, 0, 0], 16, Kind::LinkLocal),
    four([172, 16, 0, 0], 12, Kind::Private),
    four([192, 0, 0, 0], 24, Kind::Reserved),
    four([192, 0, 2, 0], 24, Kind::Documentation),
    four([192, 88, 99, 0], 24, Kind::Reserved),
    four([192, 168, 0, 0], 16, Kind::Private),
    four([198, 18, 0, 0], 15, Kind::Benchmarking),
    four([198, 51, 100, 0], 24, Kind::Documentation),
    four([203, 0, 113, 0], 24, Kind::Documentation),
    four([224, 0, 0, 0], 4, Kind::Multicast),
    four([240, 0, 0, 0], 4, Kind::Reserved),
];

/// The same for IPv6; beyond this table only `2000::/3` is public.
const SIX: [(Ipv6Net, Kind); 11] = [
    six([0, 0], 128, Kind::Unspecified),
    six([0x64, 0xff9b], 32, Kind::Private),
    six([0x2001, 0x2], 48, Kind::Benchmarking),
    six([0x2001, 0xdb8], 32, Kind::Documentation),
    // Teredo, ORCHID and other assignments of the protocol itself.
    six([0x2001, 0], 23, Kind::Reserved),
    six([0x3fff, 0], 20, Kind::Documentation),
    six([0xfc00, 0], 7, Kind::Private),
    six([0xfe80, 0], 10, Kind::LinkLocal),
    // Site-local: withdrawn, and still somebody's inner network.
    six([0xfec0, 0], 10, Kind::Private),
    six([0xff00, 0], 8, Kind::Multicast),
    six([0x5f00, 0], 16, Kind::Reserved),
];

const fn four([a, b, c, d]: [u8; 4], prefix: u8, kind: Kind) -> (Ipv4Net, Kind) {
    (Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix), kind)
}

const fn six([a, b]: [u16; 2], prefix: u8, kind: Kind) -> (Ipv6Net, Kind) {
    (Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix), kind)
}

/// What an address is; one that carries an IPv4 address inside is what that one is.
pub fn kind(address: IpAddr) -> Kind {
    let address = address.to_canonical();
    if is_metadata(address) {
        return Kind::Metadata;
    }
    match (address, carried(address)) {
        (_, Some(inner)) => kind(IpAddr::V4(inner)),
        (IpAddr::V4(address), None) => {
            let found = FOUR.iter().find(|(net, _)| net.contains(&address));
            found.map_or(Kind::Public, |(_, kind)| *kind)
        }
        (IpAddr::V6(Ipv6Addr::LOCALHOST), None) => Kind::Loopback,
        (IpAddr::V6(address), None) => {
            let found = SIX.iter().find(|(net, _)| net.contains(&address)).map(|(_, kind)| *kind);
            let global = address.segments()[0] & 0xe000 == 0x2000;
            found.unwrap_or(if global { Kind::Public } else { Kind::Reserved })
        }
    }
}

/// The IPv4 address at which a translator or a tunnel lets a packet to this IPv6 address out: NAT64 (RFC 6052), 6to4
/// (RFC 3056), ISATAP (RFC 5214).
fn carried(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let inner = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inner(high, low),
        [0x2002, high, low, ..] => inner(high, low),
        [_, _, _, _, 0 | 0x0200, 0x5efe, high, low] => inner(high, low),
        _ => None,
    }
}

fn is_metadata(address: IpAddr) -> bool {
    METADATA.contains(&address)
}

/// Whether an entry of the operator's list names this address, itself or by the IPv4 address that it carries.
pub fn is_named_by(net: &IpNet, address: IpAddr) -> bool {
    let address = address.to_canonical();
    let exact = net.prefix_len() == net.max_prefix_len();
    [Some(address), carried(address).map(IpAddr::V4)]
        .into_iter()
        .flatten()
        .any(|form| net.contains(&form) && (exact || kind(form) != Kind::Metadata))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_special_address_is_known_in_each_of_its_forms() {
        let cases = [
            ("8.8.8.8", Kind::Public),
            ("1.1.1.1", Kind::Public),
            ("172.15.255.255", Kind::Public),
            ("172.32.0.0", Kind::Public),
            ("100.63.255.255", Kind::Public),
            ("100.128.0.0", Kind::Public),
            ("192.0.1.0", Kind::Public),
            ("223.255.255.255", Kind::Public),
            ("0.0.0.0", Kind::Unspecified),
            ("0.1.2.3", Kind::Unspecified),
            ("10.255.255.255", Kind::Private),
            ("172.16.0.1", Kind::Private),
            ("172.31.255.255", Kind::Private),
            ("192.168.1.1", Kind::Private),
            ("100.64.0.1", Kind::Shared),
            ("127.0.0.1", Kind::Loopback),
            ("127.255.255.254", Kind::Loopback),
            ("169.254.1.1", Kind::LinkLocal),
            ("169.254.169.254", Kind::Metadata),
            ("100.100.100.200", Kind::Metadata),
            ("168.63.129.16", Kind::Metadata),
            ("192.0.0.192", Kind::Metadata),
            ("192.0.0.1", Kind::Reserved),
            ("192.0.2.1", Kind::Documentation),
            ("198.51.100.1", Kind::Documentation),
            ("203.0.113.1", Kind::Documentation),
            ("198.18.0.1", Kind::Benchmarking),
            ("198.19.255.255", Kind::Benchmarking),
            ("224.0.0.1", Kind::Multicast),
            ("239.255.255.255", Kind::Multicast),
            ("240.0.0.1", Kind::Reserved),
            ("255.255.255.255", Kind::Reserved),
            ("2606:4700::1111", Kind::Public),
            ("2001:4860:4860::8888", Kind::Public),
            ("::", Kind::Unspecified),
            ("::1", Kind::Loopback),
            ("::ffff:127.0.0.1", Kind::Loopback),
            ("::ffff:10.0.0.1", Kind::Private),
            ("::ffff:8.8.8.8", Kind::Public),
            ("::ffff:169.254.169.254", Kind::Metadata),
            ("::127.0.0.1", Kind::Reserved),
            ("::8.8.8.8", Kind::Reserved),
            ("64:ff9b::127.0.0.1", Kind::Loopback),
            ("64:ff9b::169.254.169.254", Kind::Metadata),
            ("64:ff9b::8.8.8.8", Kind::Public),
            ("64:ff9b:1::8.8.8.8", Kind::Private),
            ("2002:7f00:1::", Kind::Loopback),
            ("2002:a00:1::1", Kind::Private),
            ("2002:808:808::", Kind::Public),
            ("2001:470::5efe:10.0.0.1", Kind::Private),
            ("2001:0:1234::1", Kind::Reserved),
            ("2001:10::1", Kind::Reserved),
            ("2001:2::1", Kind::Benchmarking),
            ("2001:db8::1", Kind::Documentation),
            ("3fff::1", Kind::Documentation),
            ("5f00::1", Kind::Reserved),
            ("100::1", Kind::Reserved),
            ("4000::1", Kind::Reserved),
            ("fc00::1", Kind::Private),
            ("fd12:3456::1", Kind::Private),
            ("fd00:ec2::254", Kind::Metadata),
            ("fe80::1", Kind::LinkLocal),
            ("fec0::1", Kind::Private),
            ("ff02::1", Kind::Multicast),
        ];
        for (text, expected) in cases {
            assert_eq!(kind(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn an_entry_names_an_address_in_all_its_forms_but_a_metadata_service_only_alone() {
        let cases = [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "64:ff9b::10.1.2.3", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "192.168.1.1", true),
            ("0.0.0.0/0", "::1", false),
            ("0.0.0.0/0", "169.254.169.254", false),
            ("169.254.0.0/16", "169.254.169.254", false),
            ("169.254.169.254/32", "169.254.169.254", true),
            ("::/0", "fd00:ec2::254", false),
            ("::/0", "64:ff9b::169.254.169.254", false),
        ];
        for (net, address, expected) in cases {
            let named = is_named_by(&net.parse().unwrap(), address.parse().unwrap());
            assert_eq!(named, expected, "{net} {address}");
        }
    }
}
