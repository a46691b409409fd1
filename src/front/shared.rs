//! `/p/<profile>/…` on the home's own port: every profile of the gateway behind one address, each with its own key.
//!
//! The key is checked before anything else is said, on every path below `/p/` and for every method: whether a profile of
//! that name is served, which origins it allows and which routes it has is told to holders of its key alone. A preflight
//! has no key, so it is granted to every page; the request after it is then judged by the profile's own origins.

use super::{auth, client, error::ApiError, path};
use crate::actors::{Directory, Tenant};
use actix_web::{HttpMessage as _, dev::ServiceRequest, http::Method, http::header};
use std::sync::Arc;

/// What a request through the shared port comes to.
pub enum Entry {
    /// Another kind of request: nothing was done.
    None,
    /// It may go on; the path is now the profile's own.
    Proven,
    Preflight,
    /// Unknown profile, or a wrong key: nobody is to learn which.
    Refused(ApiError),
}

/// Proves a request whose path names a profile, and takes the name off its path.
pub async fn enter(request: &mut ServiceRequest) -> Entry {
    let Some(directory) = request.conn_data::<Arc<Directory>>().cloned() else {
        return Entry::None;
    };
    let whole = path::merge_slashes(request.path()).into_owned();
    let Some(named) = whole.strip_prefix("/p/") else {
        return Entry::None;
    };
    let headers = request.headers();
    let asks = headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() == Method::OPTIONS && asks && headers.contains_key(header::ORIGIN) {
        return Entry::Preflight;
    }
    let (profile, rest) = named.split_at(named.find('/').unwrap_or(named.len()));
    let own = request.conn_data::<Arc<Tenant>>().map(|tenant| tenant.config());
    let peer = request.peer_addr().map(|peer| peer.ip());
    let from = own.and_then(|own| client::address(&own.access, peer, headers));
    // Boxed: few requests come by this road, and each would hold room for it.
    let proven = Box::pin(auth::through_directory(&directory, profile, from, headers));
    let Some(proven) = proven.await else {
        return Entry::Refused(ApiError::new(
            crate::domain::Code::InvalidApiKey,
            "Incorrect API key provided. Send a key of the profile that the path names as \
             `Authorization: Bearer <key>`; a profile that is not served has none.",
        ));
    };
    request.extensions_mut().insert(proven);
    path::replace(request, if rest.is_empty() { "/" } else { rest });
    Entry::Proven
}
