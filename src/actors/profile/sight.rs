//! Images that a model cannot see: turned away before anything begins.

use super::ProfileActor;
use crate::{
    actors::{NewRun, ProfileError},
    domain::{Code, Message},
    store::StoreError,
};

impl ProfileActor {
    /// Looks whether the session that the turn goes on with holds images, where its model takes none. `None`: there is
    /// nothing to look for.
    pub(super) fn look(
        &self,
        new: &NewRun,
    ) -> Option<impl Future<Output = Result<(), ProfileError>> + use<>> {
        let session = new.session.as_ref().filter(|session| session.named && new.load_history)?;
        let retried = new.idempotency.as_ref().is_some_and(|key| !matches!(self.earlier(key), Ok(None)));
        if retried || self.kit.upstreams.takes_images(new.upstream.as_ref()) {
            return None;
        }
        let (store, session) = (self.store.clone(), session.id.clone());
        Some(async move {
            let looked = tokio::task::spawn_blocking(move || {
                Ok::<_, StoreError>(store.session_history(&session)?.iter().any(Message::has_image))
            });
            let failed =
                |error| ProfileError::new(Code::Internal, format!("a session could not be read: {error}"));
            if !looked.await.map_err(failed)?? {
                return Ok(());
            }
            let text = "This session holds images, and the model takes none (`model.vision: false`); use another session, \
                        or choose a model that sees.";
            Err(ProfileError::new(Code::VisionUnsupported, text))
        })
    }
}
