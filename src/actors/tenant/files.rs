//! What of the profile's own folder is shown to its clients.

use super::Tenant;
use crate::tools::Skill;
use std::sync::Arc;

impl Tenant {
    /// The skills of the profile, by category and name.
    pub async fn skills(&self) -> Arc<Vec<Skill>> {
        self.toolbox().prompt_parts(None).await.skills.clone()
    }
}
