//! `/docs`: the API for people. A page of our own that reads `/openapi.json`; it asks nothing of any other place.

use actix_web::{HttpResponse, http::header};

/// The page may use what this port serves, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

pub async fn page() -> HttpResponse {
    asset("text/html; charset=utf-8", include_str!("page.html"))
}

pub async fn script() -> HttpResponse {
    asset("text/javascript; charset=utf-8", include_str!("page.js"))
}

pub async fn style() -> HttpResponse {
    asset("text/css; charset=utf-8", include_str!("page.css"))
}

fn asset(media: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, media))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(text)
}
