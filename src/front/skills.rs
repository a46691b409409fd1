//! The skills of the profile, and which of them a person has pinned.

use super::{auth::Authorised, error::ApiError};
use crate::actors::Scope;
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

/// By category and name.
pub async fn list(auth: Authorised) -> Result<HttpResponse, ApiError> {
    let skills = auth.tenant.skills().await;
    let row = |name: &str, description: &str, category: Option<&str>, status: &str| -> Value {
        json!({"name": name, "description": description, "category": category, "status": status})
    };
    let rows: Vec<Value> = skills
        .iter()
        .map(|skill| row(&skill.name, &skill.description, skill.category.as_deref(), skill.state.wire()))
        .collect();
    Ok(HttpResponse::Ok().json(json!({"object": "list", "data": rows})))
}

/// Pins a skill as it is now; one that has changed since it was pinned is accepted so.
pub async fn pin(auth: Authorised, name: web::Path<String>) -> Result<HttpResponse, ApiError> {
    change(&auth, &name, true).await
}

/// Takes the pin off.
pub async fn unpin(auth: Authorised, name: web::Path<String>) -> Result<HttpResponse, ApiError> {
    change(&auth, &name, false).await
}

async fn change(auth: &Authorised, name: &str, pinned: bool) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Admin)?;
    let skill = auth.tenant.pin_skill(name, pinned, &auth.caller.key_id).await?;
    Ok(HttpResponse::Ok().json(json!({
        "object": "hermes.skill",
        "name": skill.name,
        "description": skill.description,
        "category": skill.category,
        "status": skill.state.wire(),
    })))
}
