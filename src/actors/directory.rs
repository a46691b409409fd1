//! The profiles that a gateway serves at this moment, for the one port through which all of them can be reached.

use super::{Tenant, keys::KeyRing};
use crate::domain::ProfileName;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// Given to the connections of the home's own port, and to no others.
pub struct Directory {
    tenants: RwLock<HashMap<ProfileName, Arc<Tenant>>>,
    /// Keys of nobody: what is asked of an unknown profile costs the same as of a known one.
    nobody: KeyRing,
}

impl Directory {
    #[must_use]
    pub fn new(home_secret: Arc<[u8; 32]>) -> Self {
        let nobody = KeyRing::new(home_secret, None);
        nobody.load(&[]);
        Self { tenants: RwLock::default(), nobody }
    }

    /// From now on the profile can be reached; in place of an earlier tenant of that name.
    pub fn enter(&self, tenant: Arc<Tenant>) {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        tenants.insert(tenant.name().clone(), tenant);
    }

    pub fn leave(&self, name: &ProfileName) {
        self.tenants.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    #[must_use]
    pub fn find(&self, name: &ProfileName) -> Option<Arc<Tenant>> {
        self.tenants.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    #[must_use]
    pub const fn nobody(&self) -> &KeyRing {
        &self.nobody
    }
}
