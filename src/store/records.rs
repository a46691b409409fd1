//! The small records: approvals, rules, idempotency keys, credentials.

use super::{
    ClientCall, IdempotencyEntry, KeyRecord, KeyUse, Store, StoreError, codec,
    keyspace::{Key, Table},
};
use crate::domain::{Approval, ApprovalId, ApprovalStatus, KeyId, Rule};
use serde::de::DeserializeOwned;

impl Store {
    pub fn approval(&self, id: ApprovalId) -> Result<Option<Approval>, StoreError> {
        self.0.read(|db| db.read(Key::approval(Table::Approval, id)))
    }

    /// Newest first; pending ones come from an index of their own.
    pub fn approvals(
        &self,
        status: Option<ApprovalStatus>,
        after: Option<ApprovalId>,
        limit: usize,
    ) -> Result<Vec<Approval>, StoreError> {
        let pending = status == Some(ApprovalStatus::Pending);
        let table = if pending { Table::Pending } else { Table::Approval };
        let all = Key::table(table);
        let mut until = after.map_or(all.end(), |after| Key::approval(table, after));
        let mut found = Vec::new();
        while found.len() < limit {
            let Some(key) = self.0.read(|db| db.last_key(table, all, until))? else {
                break;
            };
            until = key;
            let approval = self.approval(ApprovalId::from_bytes(key.id()))?;
            found.extend(approval.filter(|approval| status.is_none_or(|status| approval.status == status)));
        }
        Ok(found)
    }

    pub fn rules(&self) -> Result<Vec<Rule>, StoreError> {
        let mut rules: Vec<Rule> = self.all(Table::Rule)?;
        rules.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(rules)
    }

    pub fn idempotency(&self, scope: &[u8; 32]) -> Result<Option<IdempotencyEntry>, StoreError> {
        self.0.read(|db| db.read(Key::idempotency(scope)))
    }

    /// The call of this id that a turn left to a client with this key.
    pub fn client_call(&self, key: &KeyId, call_id: &str) -> Result<Option<ClientCall>, StoreError> {
        self.0.read(|db| db.read(Key::client_call(key, call_id)))
    }

    /// Oldest first, revoked ones included.
    pub fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let mut keys: Vec<KeyRecord> = self.all(Table::Key)?;
        keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(keys)
    }

    /// When each key was last used, as far as that was written down.
    pub fn key_uses(&self) -> Result<Vec<KeyUse>, StoreError> {
        self.all(Table::KeyUse)
    }

    fn all<T: DeserializeOwned>(&self, table: Table) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        self.0.read(|db| {
            db.scan_all(table, Key::table(table), |_, json| {
                found.push(codec::from_json(&json)?);
                Ok(true)
            })
        })?;
        Ok(found)
    }
}
