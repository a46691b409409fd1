//! What of the profile's own folder is shown to its clients, their pins, and whether there is room in it.

use super::Tenant;
use crate::{
    actors::{ProfileError, Prompts},
    audit::{Act, Actor},
    domain::{Code, KeyId},
    store::Store,
    tools::{Skill, SkillLock, SkillState, skill_digest},
};
use std::{sync::Arc, time::Instant};

impl Tenant {
    /// The prompts of its sessions, as far as they are held in memory.
    #[must_use]
    pub const fn prompts(&self) -> &Prompts {
        &self.prompts
    }

    /// The skills of the profile, by category and name.
    pub async fn skills(&self) -> Arc<Vec<Skill>> {
        self.toolbox().prompt_parts(None, Instant::now()).await.skills.clone()
    }

    /// Whether the disk is so full that new turns are refused. Touches no store.
    pub async fn is_disk_low(&self) -> bool {
        let root = self.config().root.clone();
        tokio::task::spawn_blocking(move || Store::would_be_low(&root)).await.unwrap_or_default()
    }

    /// Pins a skill as it is now (also one that has changed since it was pinned: that accepts it), or takes the pin off.
    ///
    /// # Errors
    ///
    /// There is no such skill, it cannot be read, or the pin cannot be written.
    pub async fn pin_skill(&self, name: &str, pinned: bool, key: &KeyId) -> Result<Skill, ProfileError> {
        let skills = self.skills().await;
        let skill = skills.iter().find(|skill| skill.name == name).cloned();
        let not_found = || ProfileError::new(Code::SkillNotFound, format!("Skill not found: {name}"));
        let skill = skill.ok_or_else(not_found)?;
        let (lock, folder, of) =
            (self.config().root.join("skills.lock"), skill.folder.clone(), name.to_owned());
        let change = move || {
            let digest = pinned.then(|| skill_digest(&folder)).transpose()?;
            SkillLock::change(&lock, &of, digest.as_deref())
        };
        let failed = |error: String| ProfileError::new(Code::StorageFailed, format!("the pin: {error}"));
        let done = tokio::task::spawn_blocking(change).await;
        done.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
        self.audit.note(Actor::from(key), Act::SkillPinned { skill: name.to_owned(), pinned });
        Ok(Skill { state: if pinned { SkillState::Pinned } else { SkillState::Free }, ..skill })
    }
}
