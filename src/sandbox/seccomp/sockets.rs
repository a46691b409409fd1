//! Which sockets a world's commands get.
//!
//! At level `strict` the network namespace is the wall, and this only keeps rare families away from the kernel. At
//! level `landlock` this is most of the wall: Landlock knows TCP by `connect` and `bind` alone, so that UDP, fast-open,
//! multipath TCP and the Unix sockets of the machine's daemons (one of them may be docker's) would be free.

use crate::{
    config::SandboxLevel,
    sandbox::{Network, World, landlock},
};
use seccompiler::{BackendError, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

type Rules = Vec<(libc::c_long, Vec<SeccompRule>)>;

/// Landlock knows ports from this version on.
const ABI_OF_PORTS: u32 = 4;
/// The bits of a socket's type beside its flags.
const TYPE: u64 = 0xf;
const TCP_ULP: libc::c_int = 31;

const LOCAL: u64 = libc::AF_UNIX as u64;
const INET: [u64; 2] = [libc::AF_INET as u64, libc::AF_INET6 as u64];
const NETLINK: u64 = libc::AF_NETLINK as u64;

/// Calls that are refused, with the arguments that make them so; none: always.
pub fn refused(world: &World) -> Result<Rules, BackendError> {
    if world.level >= SandboxLevel::Strict {
        return ordinary(true);
    }
    match world.network {
        Network::Full => ordinary(world.unix_sockets),
        Network::Bridge { .. } if landlock::abi() >= ABI_OF_PORTS => one_port(world.unix_sockets),
        // Without a rule for ports there is no bridge that could be held.
        Network::Bridge { .. } | Network::Off if world.unix_sockets => {
            Ok(vec![(libc::SYS_socket, vec![rule([not(0, LOCAL)])?])])
        }
        Network::Bridge { .. } | Network::Off => Ok(vec![(libc::SYS_socket, Vec::new())]),
    }
}

/// What ordinary programs open: TCP, UDP, and the questions to the kernel about interfaces and routes.
fn ordinary(unix: bool) -> Result<Rules, BackendError> {
    let mut families = vec![not(0, INET[0]), not(0, INET[1]), not(0, NETLINK)];
    if unix {
        families.push(not(0, LOCAL));
    }
    let mut rules = vec![rule(families)?];
    for family in INET {
        rules.push(rule([is(0, family), masked(1, TYPE, libc::SOCK_RAW as u64)])?);
    }
    rules.push(rule([is(0, NETLINK), not(2, libc::NETLINK_ROUTE as u64)])?);
    Ok(vec![(libc::SYS_socket, rules)])
}

/// Plain TCP, so that Landlock sees every connection.
fn one_port(unix: bool) -> Result<Rules, BackendError> {
    let mut families = vec![not(0, INET[0]), not(0, INET[1])];
    if unix {
        families.push(not(0, LOCAL));
    }
    let mut socket = vec![rule(families)?];
    for family in INET {
        // `SOCK_STREAM` is the type with the lowest bit alone.
        socket.push(rule([is(0, family), masked(1, 1, 0)])?);
        for bit in [2, 4, 8] {
            socket.push(rule([is(0, family), masked(1, bit, bit)])?);
        }
        socket.push(rule([is(0, family), not(2, 0), not(2, libc::IPPROTO_TCP as u64)])?);
    }
    let fast_open = libc::MSG_FASTOPEN as u64;
    let flags = |argument| rule([masked(argument, fast_open, fast_open)]);
    // A protocol above TCP could connect by itself, past Landlock.
    let option = |name: libc::c_int| rule([is(1, libc::SOL_TCP as u64), is(2, name as u64)]);
    let mut rules = vec![
        (libc::SYS_socket, socket),
        (libc::SYS_sendto, vec![flags(3)?]),
        (libc::SYS_sendmsg, vec![flags(2)?]),
        (libc::SYS_sendmmsg, vec![flags(3)?]),
        (libc::SYS_setsockopt, vec![option(libc::TCP_FASTOPEN_CONNECT)?, option(TCP_ULP)?]),
    ];
    if !unix {
        // An unbound socket that listens gets a port without asking Landlock.
        rules.push((libc::SYS_listen, Vec::new()));
    }
    Ok(rules)
}

type Condition = Result<SeccompCondition, BackendError>;

/// The kernel takes these arguments as `int`: what stands in the upper half of the register does not count.
fn is(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn not(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
}

fn masked(argument: u8, mask: u64, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), value)
}

/// Refuses when all conditions hold.
fn rule(conditions: impl IntoIterator<Item = Condition>) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into_iter().collect::<Result<_, _>>()?)
}
