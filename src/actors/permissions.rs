//! Standing permissions: `session` grants and `always` rules.

use crate::{
    domain::{Approval, ApprovalScope, ApprovalStatus, Choice, Millis, Rule, SessionId},
    store::{Store, StoreError},
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What people have allowed beyond a single call. Kept in memory, read back from the store at its opening.
#[derive(Default)]
pub struct Permissions(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    rules: Vec<Rule>,
    grants: HashMap<SessionId, HashSet<ApprovalScope>>,
}

impl Permissions {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    ///
    /// The store's.
    pub fn load(&self, store: &Store) -> Result<(), StoreError> {
        let rules = store.rules()?;
        let mut inner = Inner { rules, grants: HashMap::new() };
        for approval in store.approvals(Some(ApprovalStatus::Decided), None, usize::MAX)? {
            inner.grant(&approval);
        }
        *self.lock() = inner;
        Ok(())
    }

    /// Whether everything that `scopes` name is allowed in this session.
    #[must_use]
    pub fn allow(&self, session: &SessionId, scopes: &[ApprovalScope]) -> bool {
        let inner = self.lock();
        let granted = inner.grants.get(session);
        let allowed = |scope: &ApprovalScope| {
            granted.is_some_and(|granted| granted.contains(scope))
                || inner.rules.iter().any(|rule| rule.scope == *scope)
        };
        !scopes.is_empty() && scopes.iter().all(allowed)
    }

    /// Takes a committed decision in.
    pub fn decided(&self, approval: &Approval, rules: Vec<Rule>) {
        let mut inner = self.lock();
        inner.grant(approval);
        for rule in rules {
            if !inner.rules.iter().any(|known| known.id == rule.id) {
                inner.rules.push(rule);
            }
        }
    }

    #[must_use]
    pub fn rules(&self) -> Vec<Rule> {
        self.lock().rules.clone()
    }

    /// `false`: there is no such rule.
    pub fn remove(&self, id: &str) -> bool {
        let mut inner = self.lock();
        let before = inner.rules.len();
        inner.rules.retain(|rule| rule.id != id);
        inner.rules.len() != before
    }
}

impl Inner {
    fn grant(&mut self, approval: &Approval) {
        if approval.decision == Some(Choice::Session) {
            self.grants
                .entry(approval.session_id.clone())
                .or_default()
                .extend(approval.scopes.iter().cloned());
        }
    }
}

/// The rules that an `always` on `approval` makes.
#[must_use]
pub fn rules_of(approval: &Approval, at: Millis) -> Vec<Rule> {
    let rule = |scope: &ApprovalScope| {
        let hash = blake3::hash(format!("{}\0{}", scope.rule, scope.shape).as_bytes()).to_hex();
        let finding = approval.findings.iter().find(|finding| finding.rule == scope.rule);
        Rule {
            id: format!("rule_{}", &hash[..16]),
            scope: scope.clone(),
            description: finding.map(|finding| finding.description.clone()).unwrap_or_default(),
            created_at: at,
            approval_id: approval.id,
        }
    };
    approval.scopes.iter().map(rule).collect()
}
