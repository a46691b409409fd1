//! How long a wrong key waits for its refusal.
//!
//! Failures are counted by the address that they come from and by the token that they bring; the longer of the two delays
//! counts. A key that is right never waits, whoever else tries wrong ones from its address.

use crate::domain::Millis;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

/// Failures are forgotten after this much peace.
const WINDOW: Millis = 60_000;
/// So many a slip of the pen, or a client with an old key, may make without being held up.
const FREE: u32 = 10;
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);
/// Addresses and tokens that are remembered, each.
const REMEMBERED: usize = 1_024;

#[derive(Default)]
pub(super) struct Failures {
    by_address: Counts<IpAddr>,
    by_token: Counts<[u8; 32]>,
}

impl Failures {
    /// Counts a failure, and says how long its refusal is to wait.
    pub fn count(&mut self, address: Option<IpAddr>, token: [u8; 32], at: Millis) -> Duration {
        let by_address = address.map_or(0, |address| self.by_address.count(network(address), at));
        delay(by_address.max(self.by_token.count(token, at)))
    }
}

fn delay(failures: u32) -> Duration {
    match failures.saturating_sub(FREE) {
        0 => Duration::ZERO,
        over => FIRST.saturating_mul(1 << (over - 1).min(16)).min(LONGEST),
    }
}

/// One subscriber has a whole /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// Failures and the time of the last one.
struct Counts<K>(HashMap<K, (u32, Millis)>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: std::hash::Hash + Eq> Counts<K> {
    fn count(&mut self, key: K, at: Millis) -> u32 {
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&key) {
            self.0.retain(|_, (_, last)| at - *last < WINDOW);
            if self.0.len() >= REMEMBERED {
                // Whoever can fill this has the addresses not to be held up; memory counts more.
                self.0.clear();
            }
        }
        let (failures, last) = self.0.entry(key).or_insert((0, at));
        *failures = if at - *last < WINDOW { failures.saturating_add(1) } else { 1 };
        *last = at;
        *failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn token(number: u32) -> [u8; 32] {
        *blake3::hash(&number.to_be_bytes()).as_bytes()
    }

    #[test]
    fn the_delay_grows_by_address_and_by_token_and_is_forgotten() {
        let mut failures = Failures::default();
        let guesses: Vec<Duration> =
            (0..20).map(|guess| failures.count(address("192.0.2.1"), token(guess), 0)).collect();
        assert!(guesses[..10].iter().all(Duration::is_zero), "{guesses:?}");
        assert_eq!(guesses[10..13], [50, 100, 200].map(Duration::from_millis));
        assert_eq!(guesses[19], LONGEST);
        assert_eq!(failures.count(address("192.0.2.2"), token(99), 0), Duration::ZERO, "somebody else");
        assert_eq!(failures.count(address("192.0.2.1"), token(99), 60_000), Duration::ZERO, "long ago");
        let spread: Vec<Duration> =
            (0..20).map(|host| failures.count(address(&format!("198.51.100.{host}")), token(7), 0)).collect();
        assert_eq!(spread[19], LONGEST, "one token from many addresses");
        let one_net: Vec<Duration> = (0..20_u32)
            .map(|host| failures.count(address(&format!("2001:db8::{host:x}")), token(1_000 + host), 0))
            .collect();
        assert_eq!(one_net[19], LONGEST, "one subscriber of IPv6");
    }

    #[test]
    fn a_flood_of_addresses_and_tokens_takes_no_more_memory() {
        let mut failures = Failures::default();
        for number in 0..10_000_u32 {
            failures.count(Some(IpAddr::from(number.to_be_bytes())), token(number), 0);
        }
        assert!(failures.by_address.0.len() <= REMEMBERED && failures.by_token.0.len() <= REMEMBERED);
    }
}
