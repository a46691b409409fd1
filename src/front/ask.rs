//! One message to the profile, and its answer or an error that a client may see.

use super::error::ApiError;
use crate::actors::{ProfileActor, ProfileError, Tenant};
use actix::{Handler, Message, dev::ToEnvelope};
use std::time::Duration;

/// Longest wait for a profile's answer. A turn that queues is answered when its place is certain, so nothing takes
/// this long unless the profile is in trouble.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends `message` to the tenant's actor.
///
/// # Errors
///
/// What the profile answered, or `profile_unavailable` when it cannot answer.
pub async fn ask<M, T>(tenant: &Tenant, message: M) -> Result<T, ApiError>
where
    M: Message<Result = Result<T, ProfileError>> + Send + 'static,
    T: Send + 'static,
    ProfileActor: Handler<M>,
    <ProfileActor as actix::Actor>::Context: ToEnvelope<ProfileActor, M>,
{
    let profile = tenant.profile().await?;
    Ok(profile.send(message).timeout(PATIENCE).await??)
}
