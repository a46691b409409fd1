//! `/api/keys`: the keys of the profile, for holders of one with the scope `admin`. Nobody gives more than they have.

mod request;
mod view;

use super::{approvals_view::Page, auth::Authorised, body, error::ApiError, once::KeepInstead};
use crate::actors::{Editor, NewKey, Scope};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use request::{change, create, overlap};
use view::{KeyView, Shown};

/// The caller as one who edits keys; their profile is there.
async fn editor(auth: &Authorised) -> Result<Editor, ApiError> {
    auth.require(Scope::Admin)?;
    auth.tenant.profile().await?;
    Ok(Editor::Holder(auth.caller.clone()))
}

/// An id of the path. A key's name is none: who calls a program's route knows the id.
async fn id_of(auth: &Authorised, id: web::Path<String>) -> Result<String, ApiError> {
    let id = id.into_inner();
    let known = auth.tenant.keys().await?.iter().any(|key| key.record.id.as_str() == id);
    if known { Ok(id) } else { Err(crate::actors::keys::not_found(&id).into()) }
}

/// All keys, oldest first, revoked ones included.
pub async fn list(auth: Authorised) -> Result<HttpResponse, ApiError> {
    editor(&auth).await?;
    let keys = auth.tenant.keys().await?;
    Ok(HttpResponse::Ok().json(Page::whole(keys.iter().map(KeyView::new).collect())))
}

pub async fn show(auth: Authorised, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    editor(&auth).await?;
    let key = auth.tenant.key(&id_of(&auth, id).await?).await?;
    Ok(HttpResponse::Ok().json(KeyView::new(&key)))
}

pub async fn make(
    auth: Authorised,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let editor = editor(&auth).await?;
    let spec = create(body::json(&request, payload, &auth.tenant).await?)?;
    let made = auth.tenant.create_key(spec, &editor).await?;
    shown_once(HttpResponse::Created(), &auth, &made).await
}

pub async fn patch(
    auth: Authorised,
    request: HttpRequest,
    payload: web::Payload,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let editor = editor(&auth).await?;
    let id = id_of(&auth, id).await?;
    let change = change(body::json(&request, payload, &auth.tenant).await?)?;
    let key = auth.tenant.change_key(&id, change, &editor).await?;
    Ok(HttpResponse::Ok().json(KeyView::new(&key)))
}

pub async fn rotate(
    auth: Authorised,
    request: HttpRequest,
    payload: web::Payload,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let editor = editor(&auth).await?;
    let id = id_of(&auth, id).await?;
    let overlap = overlap(body::json(&request, payload, &auth.tenant).await?)?;
    let made = auth.tenant.rotate_key(&id, overlap, editor).await?;
    shown_once(HttpResponse::Ok(), &auth, &made).await
}

pub async fn revoke(auth: Authorised, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let editor = editor(&auth).await?;
    let key = auth.tenant.revoke_key(&id_of(&auth, id).await?, &editor).await?;
    Ok(HttpResponse::Ok().json(KeyView::new(&key)))
}

/// The one answer that has the token. What is kept for a retry has it not: a secret is on no disk.
async fn shown_once(
    mut head: HttpResponseBuilder,
    auth: &Authorised,
    made: &NewKey,
) -> Result<HttpResponse, ApiError> {
    let key = auth.tenant.key(made.record.id.as_str()).await?;
    let kept = Shown { key: KeyView::new(&key), token: None };
    let kept = serde_json::to_string(&kept).map_err(ApiError::internal)?;
    let mut response = head.json(Shown { key: KeyView::new(&key), token: Some(made.token.reveal()) });
    response.extensions_mut().insert(KeepInstead(kept));
    Ok(response)
}
