//! Sessions that the owner of the machine brings from elsewhere.

use super::Tenant;
use crate::{
    actors::ProfileError,
    audit::{Act, Actor},
    domain::{Code, ImportRecord, ImportReport},
    store,
};
use std::sync::Arc;

impl Tenant {
    /// Takes over what is told, up to the last record; a `dry_run` only tells what would come of it.
    ///
    /// # Errors
    ///
    /// The profile is unavailable. What stops an import is in its report.
    pub async fn import_sessions(
        self: &Arc<Self>,
        records: impl Iterator<Item = Result<ImportRecord, String>> + Send + 'static,
        dry_run: bool,
    ) -> Result<ImportReport, ProfileError> {
        let store = self.store().await?;
        let work = move || store::import_sessions(Some(&store), records, dry_run);
        let report = tokio::task::spawn_blocking(work).await;
        let report = report.map_err(|error| ProfileError::new(Code::Internal, error.to_string()))?;
        if let Some(act) = Act::of_import(&report) {
            self.audit.note(Actor::Operator, act);
        }
        Ok(report)
    }
}
