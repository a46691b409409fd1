//! Long results, kept where the agent can read them bit by bit.

use super::{failure::Failure, toolbox::Toolbox};
use crate::domain::SessionId;
use std::sync::Arc;

impl Toolbox {
    /// Keeps a text as a file of the session, until its temporary folder is removed. Gives the path by which the file
    /// tools know it.
    ///
    /// # Errors
    ///
    /// Why it could not be kept, as the end of a sentence.
    pub async fn keep_text(&self, session: &SessionId, name: &str, text: String) -> Result<String, String> {
        let (ground, session) = (Arc::clone(&self.ground), session.clone());
        let path = format!("/tmp/results/{name}.txt");
        let kept = tokio::task::spawn_blocking(move || {
            ground.disk.admit(text.len() as u64)?;
            let written = ground.jail(&session)?.enter(|jail| {
                jail.locate(&path)?.write(text.as_bytes())?;
                Ok(path)
            });
            written
                .unwrap_or_else(|error| Err(Failure::io("the agent's rights could not be taken on", &error)))
        });
        match kept.await {
            Ok(kept) => kept.map_err(|failure| failure.to_string()),
            Err(_panic) => Err("it could not be written".to_owned()),
        }
    }
}
