//! The one way in: a bearer token becomes a [`Authorised`]. Nothing else reads `Authorization`.

use super::{client, error::ApiError};
use crate::{
    actors::{AuthError, Caller, Directory, Scope, Tenant},
    domain::{Code, ProfileName},
};
use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderMap},
};
use futures_util::future::{Either, LocalBoxFuture, Ready, ready};
use std::{net::IpAddr, sync::Arc};
use tokio::time::{Duration, Instant, sleep_until};

/// When a refusal that must not tell why is given. Checking a wrong key may take as long as opening a store; this is
/// longer than that takes.
const REFUSAL: Duration = Duration::from_millis(250);

/// A request with a valid key of the profile that it is for.
#[derive(Clone)]
pub struct Authorised {
    pub tenant: Arc<Tenant>,
    pub caller: Caller,
}

impl Authorised {
    /// # Errors
    ///
    /// `insufficient_scope` when the key may not do this.
    pub fn require(&self, scope: Scope) -> Result<(), ApiError> {
        if self.caller.rights.may(scope) {
            return Ok(());
        }
        let message = format!("This key does not have the scope `{}`.", scope.wire());
        Err(ApiError::new(Code::InsufficientScope, message))
    }
}

impl FromRequest for Authorised {
    type Error = ApiError;
    type Future = Either<Ready<Result<Self, ApiError>>, LocalBoxFuture<'static, Result<Self, ApiError>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        if let Some(proven) = request.extensions().get::<Self>() {
            return Either::Left(ready(Ok(proven.clone())));
        }
        let tenant = tenant(request);
        if let (Ok(tenant), Some(token)) = (&tenant, bearer(request.headers()))
            && let Some(caller) = tenant.recognise(token)
        {
            return Either::Left(ready(Ok(Self { tenant: tenant.clone(), caller })));
        }
        let from = tenant.as_ref().ok().and_then(|tenant| {
            let access = &tenant.config().access;
            client::address(access, request.peer_addr().map(|peer| peer.ip()), request.headers())
        });
        let token = bearer(request.headers()).map(str::to_owned);
        Either::Right(Box::pin(async move {
            let tenant = tenant?;
            let token = token.ok_or_else(ApiError::unauthorised)?;
            match tenant.authenticate(&token).await {
                Ok(caller) => Ok(Self { tenant, caller }),
                Err(AuthError::Invalid) => {
                    tenant.hold_up(from, &token).await;
                    Err(ApiError::unauthorised())
                }
                Err(AuthError::Unavailable(unavailable)) => Err(unavailable.into()),
            }
        }))
    }
}

/// Checks the key of a request that names its profile in the path. Whether there is no such profile, whether it
/// cannot be asked, or whether the key is wrong: `None`, after the same time.
pub async fn through_directory(
    directory: &Directory,
    profile: &str,
    from: Option<IpAddr>,
    headers: &HeaderMap,
) -> Option<Authorised> {
    let begun = Instant::now();
    let token = bearer(headers).unwrap_or_default();
    let tenant = ProfileName::parse(profile).ok().and_then(|name| directory.find(&name));
    let caller = match &tenant {
        Some(tenant) => tenant.authenticate(token).await.ok(),
        None => directory.nobody().check(token).await.ok().flatten(),
    };
    if let (Some(tenant), Some(caller)) = (tenant, caller) {
        return Some(Authorised { tenant, caller });
    }
    sleep_until(begun + REFUSAL).await;
    if !token.is_empty() {
        // Counted in one place for all, or who is held up would tell which profiles there are.
        directory.nobody().hold_up(from, token).await;
    }
    None
}

/// The profile that a request is for: the one that its path named and whose key it has shown, else the connection's.
///
/// # Errors
///
/// `profile_unavailable`, when the listener attached none: a bug of the gateway, not of the client.
pub fn tenant(request: &HttpRequest) -> Result<Arc<Tenant>, ApiError> {
    if let Some(proven) = request.extensions().get::<Authorised>() {
        return Ok(proven.tenant.clone());
    }
    request.conn_data::<Arc<Tenant>>().cloned().ok_or_else(|| {
        tracing::error!("a connection has no profile");
        ApiError::new(Code::ProfileUnavailable, "No profile listens here.")
    })
}

/// The token of `Authorization: Bearer <token>`; the scheme in any case, blanks around the token dropped.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.trim_start().split_once([' ', '\t'])?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn only_a_bearer_is_read() {
        let cases: [(&str, &[u8], Option<&str>); 8] = [
            ("plain", b"Bearer k", Some("k")),
            ("lower case", b"bearer k", Some("k")),
            ("upper case", b"BEARER k", Some("k")),
            ("blanks", b"Bearer   k  ", Some("k")),
            ("basic", b"Basic k", None),
            ("no token", b"Bearer ", None),
            ("no scheme", b"k", None),
            ("not ascii", b"Bearer \xc3\xa4", None),
        ];
        for (case, value, token) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
            assert_eq!(bearer(&headers), token, "{case}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
