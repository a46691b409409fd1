//! One message to the profile, and its answer or an error that a client may see.

use super::error::ApiError;
use crate::actors::{ProfileActor, ProfileError, Tenant};
use actix::{Handler, Message, dev::ToEnvelope};
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for a profile's answer, waiting for a slot not counted: nothing takes this long unless the profile is
/// in trouble.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Sends `message` to the tenant's actor.
///
/// # Errors
///
/// What the profile answered, or `profile_unavailable` when it cannot answer.
pub async fn ask<M, T>(tenant: &Arc<Tenant>, message: M) -> Result<T, ApiError>
where
    M: Message<Result = Result<T, ProfileError>> + Send + 'static,
    T: Send + 'static,
    ProfileActor: Handler<M>,
    <ProfileActor as actix::Actor>::Context: ToEnvelope<ProfileActor, M>,
{
    let profile = tenant.profile().await?;
    Ok(profile.send(message).timeout(PATIENCE).await??)
}

/// How long a new turn may take to be taken on: it may stand in the queue first.
pub fn patience_for_a_turn(tenant: &Tenant) -> Duration {
    tenant.config().api.queue_timeout.saturating_add(PATIENCE)
}
