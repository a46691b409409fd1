//! LOCAL STUB of the gateway branch, replaced at the merge.

use actix_web::{
    App, Error, HttpRequest, HttpResponse,
    body::BoxBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    web,
};

#[must_use]
pub fn app() -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new().route("/health", web::get().to(health))
}

async fn health(request: HttpRequest) -> HttpResponse {
    let tenant = request.conn_data::<std::sync::Arc<crate::actors::Tenant>>();
    HttpResponse::Ok().json(serde_json::json!({ "status": "ok", "tenant": tenant.is_some() }))
}
