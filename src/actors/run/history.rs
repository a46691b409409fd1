//! What a turn is told of the conversation before it.

use super::{
    drive::{Break, Driver},
    transcript::{self, Broken},
};
use crate::{
    agent::{self, NO_RESULT},
    domain::{Code, Failure, Message},
    store::StoreError,
};

impl From<Broken> for Break {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Store(error) => error.into(),
            Broken::Missing(run) => Self::Failed(Failure::new(
                Code::PreviousResponseNotFound,
                format!("An earlier turn of this conversation is no longer kept: {run}"),
            )),
        }
    }
}

impl Driver {
    /// All that was said up to this turn's own messages, one slice after the other.
    pub(super) fn conversation(&self) -> [&[Message]; 3] {
        said(self.mended.as_deref(), [&self.loaded, &self.spec.history, &self.opening])
    }

    /// Fetches the chain that this turn goes on with; for others, notes how much of the session's transcript it read.
    pub(super) async fn load_chain(&mut self) -> Result<(), Break> {
        if let Some(run) = self.spec.after {
            let store = self.store.clone();
            let chain = tokio::task::spawn_blocking(move || transcript::conversation(&store, run)).await;
            self.loaded = chain.map_err(|error| StoreError::Io(error.to_string()))??;
        } else if self.spec.load_history {
            self.log.set_loaded(usize::try_from(self.room.total).unwrap_or(usize::MAX));
        }
        Ok(())
    }

    /// Leaves out what the client does not want shown, and mends the rest: an upstream takes no call without a result,
    /// and no result without a call.
    pub(super) fn mend_history(&mut self) -> Result<(), Break> {
        if let Some(limit) = self.spec.history_limit {
            self.loaded.extend_from_slice(&self.spec.history);
            let newest = transcript::newest(std::mem::take(&mut self.loaded), limit);
            self.mended = Some([&newest[..], &self.opening].concat());
            self.room.forget_places();
        }
        let parts = [&self.loaded[..], &self.spec.history, &self.opening];
        let parts = self.mended.as_ref().map_or(parts, |all| [all, &[], &[]]);
        if !agent::is_whole(&parts) {
            let mended = agent::mended(parts.concat(), NO_RESULT)
                .map_err(|stray| Break::Failed(Failure::new(Code::InvalidRequest, stray.to_string())))?;
            self.loaded = Vec::new();
            self.mended = Some(mended);
            self.room.forget_places();
        }
        Ok(())
    }
}

/// The conversation in its parts, or in one where it had to be mended.
pub(super) fn said<'a>(mended: Option<&'a [Message]>, parts: [&'a [Message]; 3]) -> [&'a [Message]; 3] {
    mended.map_or(parts, |all| [all, &[], &[]])
}
