//! The model that a session has chosen for itself, and who answers its turns.

use super::{
    request,
    resources::{body_of_known, of_path},
};
use crate::{
    actors::{ChangeSession, Scope},
    domain::{ModelLock, RouteSource, Runtime, Sampling, SessionId, Surface},
    front::{ask::ask, auth::Authorised, error::ApiError, selection::Selection},
    store::SessionChange,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

/// Who answers, as clients are told.
#[derive(Debug, Serialize)]
pub struct RuntimeView<'a> {
    provider: &'a str,
    model: &'a str,
    route_source: &'static str,
    requested: Requested<'a>,
    model_lock: &'static str,
}

#[derive(Debug, Serialize)]
struct Requested<'a> {
    provider: Option<&'a str>,
    model: Option<&'a str>,
}

impl<'a> From<&'a Runtime> for RuntimeView<'a> {
    fn from(runtime: &'a Runtime) -> Self {
        Self {
            provider: &runtime.provider,
            model: &runtime.model,
            route_source: runtime.source.wire(),
            requested: Requested {
                provider: runtime.requested_provider.as_deref(),
                model: runtime.requested_model.as_deref(),
            },
            model_lock: if runtime.source == RouteSource::SessionModelLock { "accepted" } else { "" },
        }
    }
}

#[derive(Serialize)]
struct Locked<'a> {
    object: &'static str,
    session_id: &'a SessionId,
    runtime: RuntimeView<'a>,
}

/// Locks the session to a model, or takes the lock off. On disk before it is told.
pub async fn lock(
    auth: Authorised,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Sessions)?;
    let session = of_path(&id)?;
    let lock = request::lock(body_of_known(&auth, &session, &request, payload).await?)?;
    let runtime = tried(&auth, lock.as_ref())?;
    let change = SessionChange { lock: Some(lock), ..SessionChange::default() };
    ask(&auth.tenant, ChangeSession { session: session.clone(), change }).await?;
    Ok(HttpResponse::Ok().json(Locked {
        object: "hermes.session.model_lock",
        session_id: &session,
        runtime: RuntimeView::from(&runtime),
    }))
}

/// Who answers a turn that asks for nothing, in a session with this lock.
///
/// # Errors
///
/// 409 when the lock cannot be kept.
pub fn tried(auth: &Authorised, lock: Option<&ModelLock>) -> Result<Runtime, ApiError> {
    let selection = Selection::default().locked(lock.cloned());
    let decided = selection.resolve(&auth.tenant.config(), Surface::SessionChat, &mut Sampling::default())?;
    Ok(Runtime {
        requested_provider: lock.and_then(|lock| lock.provider.clone()),
        requested_model: lock.and_then(|lock| lock.model.clone()),
        ..decided.runtime
    })
}
