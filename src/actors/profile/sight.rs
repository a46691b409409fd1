//! Images that a model cannot see: turned away before anything begins.

use super::{ProfileActor, idempotency::Earlier};
use crate::{
    actors::{
        NewRun, ProfileError,
        run::{Broken, conversation, told},
    },
    domain::{Code, Message, RunId, SessionId},
    store::{Store, StoreError},
};

/// Where the conversation before a turn is kept.
enum Kept {
    Session(SessionId),
    /// The chain of responses that ends with this run.
    Chain(RunId),
}

impl Kept {
    /// What the model is going to be shown; `None` when the request brings all of it.
    fn of(new: &NewRun) -> Option<Self> {
        if let Some(previous) = new.previous {
            return Some(Self::Chain(previous.into()));
        }
        let session = new.session.as_ref().filter(|session| session.named && new.load_history)?;
        Some(Self::Session(session.id.clone()))
    }

    /// Blocking.
    fn has_image(&self, store: &Store) -> Result<bool, StoreError> {
        let said = match self {
            Self::Session(id) => store.session_context(id, None)?.map_or_else(Vec::new, told),
            Self::Chain(run) => match conversation(store, *run) {
                Ok(said) => said,
                Err(Broken::Store(error)) => return Err(error),
                // That a link is not there is told when the turn is taken on.
                Err(Broken::Missing(_)) => Vec::new(),
            },
        };
        Ok(said.iter().any(Message::has_image))
    }
}

impl ProfileActor {
    /// Looks whether what was said before the turn holds images, where its model takes none. `None`: there is nothing to
    /// look for.
    pub(super) fn look(
        &self,
        new: &NewRun,
    ) -> Option<impl Future<Output = Result<(), ProfileError>> + use<>> {
        let kept = Kept::of(new)?;
        let retried =
            new.idempotency.as_ref().is_some_and(|key| !matches!(self.earlier(key), Ok(Earlier::None)));
        if retried || self.kit.upstreams.takes_images(new.upstream.as_ref()) {
            return None;
        }
        let store = self.store.clone();
        Some(async move {
            let looked = tokio::task::spawn_blocking(move || kept.has_image(&store));
            let failed = |error| {
                ProfileError::new(Code::Internal, format!("the conversation could not be read: {error}"))
            };
            if !looked.await.map_err(failed)?? {
                return Ok(());
            }
            let text = "This conversation holds images, and the model takes none (`model.vision: false`); begin another, \
                        or choose a model that sees.";
            Err(ProfileError::new(Code::VisionUnsupported, text))
        })
    }
}
