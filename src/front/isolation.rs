//! `GET /health/isolation`: what came of the gateway's attacks on this profile's wall.

use super::{auth::Authorised, error::ApiError, query::Params};
use crate::actors::Scope;
use actix_web::{HttpRequest, HttpResponse};

/// The last result; `?fresh=true` attacks anew, as does the first request.
pub async fn isolation(auth: Authorised, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Admin)?;
    let fresh = Params::of(&request)?.read("fresh", "`true` or `false`", |text| text.parse().ok())?;
    let examination = auth.tenant.isolation(fresh.unwrap_or(false)).await?;
    Ok(HttpResponse::Ok().json(examination.to_json()))
}
