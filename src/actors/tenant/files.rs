//! What of the profile's own folder is shown to its clients.

use super::Tenant;
use crate::{
    actors::ProfileError,
    domain::Code,
    tools::{Skill, skills},
};
use std::io;

impl Tenant {
    /// The skills of the profile.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub async fn skills(&self) -> Result<Vec<Skill>, ProfileError> {
        let folder = self.config().skills_dir.clone();
        read(move || skills(&folder)).await
    }
}

async fn read<T: Send + 'static>(
    read: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ProfileError> {
    let internal = |what: String| ProfileError::new(Code::Internal, what);
    let read = tokio::task::spawn_blocking(read).await.map_err(|error| internal(error.to_string()))?;
    read.map_err(|error| internal(error.to_string()))
}
