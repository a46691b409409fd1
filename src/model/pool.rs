//! The keys of one provider: which one is used next, and which are left alone for a while.

use crate::config::{PoolStrategy, Secret};
use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// How long a key rests that was refused …
const REFUSED: Duration = Duration::from_mins(5);
/// … and one that is used up.
const USED_UP: Duration = Duration::from_hours(1);

/// Belongs to the thread that made it.
pub(super) struct Pool {
    keys: Vec<Held>,
    strategy: PoolStrategy,
    next: Cell<usize>,
}

struct Held {
    key: Secret,
    rests_until: Cell<Option<Instant>>,
    used: Cell<u64>,
}

impl Pool {
    pub(super) fn new(keys: impl Iterator<Item = Secret>, strategy: PoolStrategy) -> Self {
        let held = |key| Held { key, rests_until: Cell::new(None), used: Cell::new(0) };
        Self { keys: keys.map(held).collect(), strategy, next: Cell::new(0) }
    }

    /// The key for the next call, with its place; `None` without any. When all rest, the one that has rested longest: a
    /// refusal says more than we know.
    pub(super) fn pick(&self, now: Instant, random: impl Fn() -> u32) -> Option<(usize, &Secret)> {
        let all = 0..self.keys.len();
        let usable = || all.clone().filter(|&at| self.is_usable(at, now));
        let chosen = match self.strategy {
            PoolStrategy::FillFirst => usable().next(),
            PoolStrategy::RoundRobin => {
                let from = self.next.get();
                usable().find(|&at| at >= from).or_else(|| usable().next())
            }
            PoolStrategy::Random => {
                usable().count().checked_sub(1).and_then(|last| usable().nth(random() as usize % (last + 1)))
            }
            PoolStrategy::LeastUsed => usable().min_by_key(|&at| self.keys[at].used.get()),
        };
        let longest = || all.clone().min_by_key(|&at| self.keys[at].rests_until.get());
        let at = chosen.or_else(longest)?;
        self.next.set(at + 1);
        let held = &self.keys[at];
        held.used.set(held.used.get() + 1);
        Some((at, &held.key))
    }

    /// A call with this key was answered with `status`. Whether another key is worth a try.
    pub(super) fn refused(&self, at: usize, status: u16, now: Instant) -> bool {
        let rest = match status {
            401 | 403 => REFUSED,
            402 | 429 => USED_UP,
            _ => return false,
        };
        if let Some(held) = self.keys.get(at) {
            held.rests_until.set(Some(now + rest));
        }
        (0..self.keys.len()).any(|other| self.is_usable(other, now))
    }

    fn is_usable(&self, at: usize, now: Instant) -> bool {
        self.keys[at].rests_until.get().is_none_or(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(count: usize, strategy: PoolStrategy) -> Pool {
        Pool::new((0..count).map(|n| Secret::new(format!("key-{n}"))), strategy)
    }

    fn picks(pool: &Pool, now: Instant, times: usize) -> Vec<usize> {
        (0..times).map(|n| pool.pick(now, || u32::try_from(n).unwrap()).unwrap().0).collect()
    }

    #[test]
    fn each_strategy_has_its_order() {
        let now = Instant::now();
        let cases = [
            (PoolStrategy::FillFirst, [0, 0, 0, 0, 0]),
            (PoolStrategy::RoundRobin, [0, 1, 2, 0, 1]),
            (PoolStrategy::Random, [0, 1, 2, 0, 1]),
            (PoolStrategy::LeastUsed, [0, 1, 2, 0, 1]),
        ];
        for (strategy, expected) in cases {
            assert_eq!(picks(&pool(3, strategy), now, 5), expected, "{strategy:?}");
        }
        assert!(pool(0, PoolStrategy::FillFirst).pick(now, || 0).is_none());
    }

    #[test]
    fn a_refused_key_rests_and_comes_back() {
        let now = Instant::now();
        let pool = pool(2, PoolStrategy::FillFirst);
        assert!(!pool.refused(0, 500, now), "a server's trouble is not the key's");
        assert!(pool.refused(0, 401, now));
        assert_eq!(picks(&pool, now, 2), [1, 1]);
        assert!(!pool.refused(1, 429, now), "no other is left");
        assert_eq!(picks(&pool, now, 1), [0], "the one that may be used again first");
        assert_eq!(picks(&pool, now + REFUSED, 1), [0]);
        assert!(pool.refused(0, 402, now + USED_UP), "the other one is back");
    }
}
