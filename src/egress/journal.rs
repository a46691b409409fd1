//! What was decided about a command's connections: for the operator's log, and for the agent that wonders.

use super::{
    Whose,
    refusal::Refusal,
    target::{Name, Target},
};
use crate::{
    audit::{Act, AuditLog},
    domain::ProfileName,
};
use std::{
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Decisions of one command that are written down; of the rest only the number. A command can cause thousands a second.
const MOST_ROWS: usize = 200;
/// Refusals that the agent is told of.
const MOST_TOLD: usize = 8;

/// The decisions of one command.
pub struct Journal {
    profile: ProfileName,
    whose: Whose,
    audit: AuditLog,
    kept: Mutex<Kept>,
}

struct Kept {
    rows: usize,
    told: Vec<String>,
}

impl Journal {
    pub const fn new(profile: ProfileName, whose: Whose, audit: AuditLog) -> Self {
        Self { profile, whose, audit, kept: Mutex::new(Kept { rows: 0, told: Vec::new() }) }
    }

    pub fn allowed(&self, target: &Target, address: IpAddr) {
        self.decided(target, Some(address), true, "connected");
    }

    pub fn refused(&self, refusal: &Refusal) {
        let Refusal { target, address, why } = refusal;
        let said = refusal.to_string();
        // What the policy let through and the network then had not, was allowed.
        self.decided(target, *address, !why.is_policy(), why.described());
        let mut kept = self.kept();
        if kept.told.len() < MOST_TOLD && !kept.told.contains(&said) {
            kept.told.push(said);
        }
    }

    /// What was refused, a sentence each, without repetitions.
    pub fn told(&self) -> Vec<String> {
        self.kept().told.clone()
    }

    /// The one place that hears of every decision.
    fn decided(&self, target: &Target, address: Option<IpAddr>, allowed: bool, why: &str) {
        let rows = {
            let mut kept = self.kept();
            kept.rows += 1;
            kept.rows
        };
        if rows <= MOST_ROWS {
            let Self { profile, whose, .. } = self;
            tracing::info!(%profile, %whose, %target, address = ?address, allowed, why, "network");
        }
        let host = match &target.host {
            Name::Domain(name) => name.clone(),
            Name::Address(address) => address.to_string(),
        };
        let (run, mcp_server) = match &self.whose {
            Whose::Run(run) => (Some(*run), None),
            Whose::McpServer(name) => (None, Some(name.clone())),
        };
        self.audit.network_decided(Act::NetworkDecided {
            run,
            mcp_server,
            host,
            port: target.port,
            address: address.map(|address| address.to_string()),
            allowed,
            why: why.to_owned(),
        });
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Each change is one call, so a panic leaves nothing half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let rows = self.kept().rows;
        if let Some(more) = rows.checked_sub(MOST_ROWS).filter(|more| *more > 0) {
            let Self { profile, whose, .. } = self;
            tracing::info!(%profile, %whose, more, "network: further decisions of one command, not shown one by one");
        }
    }
}
