//! The gateway's own ports: nobody is ever connected to one on behalf of an agent.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Ports on which this gateway listens, for whichever profile. Cheap to clone; all clones are one list.
#[derive(Debug, Clone, Default)]
pub struct Listeners(Arc<Mutex<BTreeMap<u16, usize>>>);

impl Listeners {
    /// Puts a port on the list for as long as the guard lives. One port may be there several times.
    #[must_use]
    pub fn enter(&self, port: u16) -> Listening {
        *self.ports().entry(port).or_default() += 1;
        Listening { of: self.clone(), port }
    }

    pub(super) fn has(&self, port: u16) -> bool {
        self.ports().contains_key(&port)
    }

    fn ports(&self) -> MutexGuard<'_, BTreeMap<u16, usize>> {
        // Each change is one call, so a panic leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A port that is listened on. Dropping it takes the port off the list.
#[derive(Debug)]
pub struct Listening {
    of: Listeners,
    port: u16,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut ports = self.of.ports();
        if let Some(count) = ports.get_mut(&self.port) {
            *count -= 1;
            if *count == 0 {
                ports.remove(&self.port);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_on_the_list_until_its_last_listener_has_gone() {
        let listeners = Listeners::default();
        let first = listeners.enter(80);
        let second = listeners.clone().enter(80);
        drop(first);
        assert!(listeners.has(80) && !listeners.has(81));
        drop(second);
        assert!(!listeners.has(80));
    }
}
