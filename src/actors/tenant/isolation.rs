//! The gateway's attacks on this profile's wall, and what follows from them.

use super::Tenant;
use crate::{
    actors::ProfileError,
    domain::Code,
    isolation::{Depth, Examination, Inquiry},
};
use std::{path::Path, sync::Arc};

impl Tenant {
    /// What came of all attacks: the last result, or a new one. Several that ask for a new one share it.
    ///
    /// # Errors
    ///
    /// Commands are refused anyway; what the attacks need could not be prepared.
    pub async fn isolation(self: &Arc<Self>, fresh: bool) -> Result<Arc<Examination>, ProfileError> {
        let asked = crate::domain::now();
        let mut last = self.examined.lock().await;
        if let Some(known) = last.as_ref()
            && (!fresh || known.at > asked)
        {
            return Ok(known.clone());
        }
        let done = Arc::new(self.attack(Depth::Whole).await?);
        *last = Some(done.clone());
        Ok(done)
    }

    /// Attacks this profile's wall. One that lets something through which it should stop is not used from then on.
    ///
    /// # Errors
    ///
    /// As [`Tenant::isolation`].
    pub async fn attack(self: &Arc<Self>, depth: Depth) -> Result<Examination, ProfileError> {
        let (settings, sandbox) = (self.config(), self.sandbox().clone());
        // A wall that let something through is put to the test again, whatever it may be used for.
        if let Some(why) = sandbox.lacks(settings.terminal.sandbox) {
            let text = format!("Commands are refused, so there is no wall to be attacked: {why}.");
            return Err(ProfileError::new(Code::ProfileUnavailable, text));
        }
        let folder = home_of(&settings.root).join("run");
        let user = self.toolbox().owner();
        let inquiry = Inquiry { settings, sandbox, user, folder, depth };
        let attacked = tokio::task::spawn_blocking(move || inquiry.run()).await;
        let internal = |text: String| ProfileError::new(Code::Internal, text);
        let examination = attacked
            .map_err(|error| internal(error.to_string()))?
            .map_err(|error| internal(format!("the attacks could not be prepared: {error}")))?;
        self.note(examination.breach());
        Ok(examination)
    }

    /// Takes note of what attacks on a wall like this one's have shown.
    pub fn note(&self, breach: Option<String>) {
        if let Some(breach) = &breach {
            tracing::error!(profile = %self.name, "commands are refused from now on: {breach}");
        }
        self.sandbox.standing.set_breach(breach);
    }
}

/// The home of a profile: its own folder for `default`.
fn home_of(root: &Path) -> &Path {
    let profiles = root.parent().filter(|above| above.ends_with("profiles"));
    profiles.and_then(Path::parent).unwrap_or(root)
}
