//! Images that the upstream finds too large.

use super::drive::{Break, Driver};
use crate::{
    domain::{Event, RetryAction, Retrying},
    model::{Asked, ModelClient, ModelError},
};

impl Driver {
    /// Whether the call failed because something in it is too large, and was made smaller, so that it can be asked again.
    pub(super) async fn made_smaller(
        &mut self,
        mind: &Asked<ModelClient>,
        error: &ModelError,
    ) -> Result<bool, Break> {
        Ok(Box::pin(self.images_shrunk(mind, error)).await? || self.overflowed(mind, error).await?)
    }

    async fn images_shrunk(&mut self, mind: &Asked<ModelClient>, error: &ModelError) -> Result<bool, Break> {
        if !error.asks_for_smaller_images() {
            return Ok(false);
        }
        let mut images = std::mem::take(&mut self.images);
        let shrunk = self.unless_stopped(images.shrink(&self.shown(), &self.kit.shrinker)).await?;
        self.images = images;
        if shrunk {
            let failure = error.failure();
            let retrying = Event::RunRetrying(Box::new(Retrying {
                action: RetryAction::ShrinkImages,
                attempt: 1,
                wait: 0.0,
                error: failure.message,
                error_code: failure.code,
                provider: mind.provider.clone(),
                model: mind.model.clone(),
            }));
            // Nobody waits for the disk: the next fact brings it there.
            drop(self.log.append(retrying, std::mem::take(&mut self.changes))?);
        }
        Ok(shrunk)
    }
}
