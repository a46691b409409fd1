//! At the start: does the wall hold what it promises? Asked by attacking it.

use super::{Gateway, RunDir, State};
use crate::{
    actors::Tenant,
    isolation::{Depth, fingerprint},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

/// What is not known by then is not waited for.
const PATIENCE: Duration = Duration::from_secs(20);
const FILE: &str = "isolation.json";

/// What earlier starts of this home have shown. What is in it names program, kernel, level and settings, so that a change
/// of any of them is a new question.
#[derive(Default, Serialize, Deserialize)]
struct Known(BTreeMap<String, Option<String>>);

impl Gateway {
    /// Tries the quick attacks on the walls of all profiles, each kind of settings once. A profile whose wall lets through
    /// what it should stop gets no commands; the others are not concerned.
    pub async fn examine(&self, home: &Path) {
        let run = RunDir::at(home).path().to_owned();
        let known = Known::read(&run.join(FILE));
        let mut kinds: BTreeMap<String, Vec<Arc<Tenant>>> = BTreeMap::new();
        for status in self.profiles().await.iter().filter(|status| status.state == State::Serving) {
            let Some(tenant) = self.tenant(&status.name).await else { continue };
            let config = tenant.config();
            if tenant.sandbox().below(config.terminal.sandbox).is_none() {
                kinds.entry(fingerprint(&config, tenant.sandbox())).or_default().push(tenant);
            }
        }
        let mut now = Known::default();
        for (kind, tenants) in kinds {
            let breach = match known.0.get(&kind) {
                // A wall that was found broken is looked at again: it may have been mended from outside.
                Some(None) => Ok(None),
                Some(Some(_)) | None => of_one(&tenants).await,
            };
            match breach {
                Ok(breach) => {
                    for tenant in &tenants {
                        tenant.note(breach.clone());
                    }
                    now.0.insert(kind, breach);
                }
                Err(reason) => tracing::warn!("the sandbox could not be put to the test: {reason}"),
            }
        }
        now.write(&run.join(FILE));
    }
}

/// Profiles of one kind have the same wall.
async fn of_one(tenants: &[Arc<Tenant>]) -> Result<Option<String>, String> {
    let Some(tenant) = tenants.first() else { return Ok(None) };
    match tokio::time::timeout(PATIENCE, tenant.attack(Depth::Quick)).await {
        Ok(Ok(examination)) => Ok(examination.breach()),
        Ok(Err(error)) => Err(error.message),
        Err(_late) => Err("the attacks did not end in time".to_owned()),
    }
}

impl Known {
    fn read(path: &Path) -> Self {
        std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Without it the next start asks again.
    fn write(&self, path: &Path) {
        if let Ok(text) = serde_json::to_vec(self) {
            let _ = std::fs::write(path, text);
        }
    }
}
