//! The table of routes, and the App around it.

use super::{
    approvals,
    body::ParseSlots,
    clarify, discovery, docs,
    error::ApiError,
    frame, health, isolation, keys, memory, metrics, openai, openapi,
    route::{Path, at},
    runs, sessions, settings, skills, steer, usage,
};
use crate::domain::Code;
use actix_web::{
    App, Error, HttpRequest,
    body::BoxBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::from_fn,
    web::{self, ServiceConfig},
};

/// The whole HTTP front, one per worker thread; it serves every profile of that thread.
///
/// The listener plane must put `Arc<actors::Tenant>` into the data of each connection (`on_connect_ext`).
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
    // The last one wraps the others: a panic anywhere still becomes a whole answer.
    App::new().configure(routes).wrap(from_fn(frame::frame))
}

/// Registers every route. [`app`] adds what must surround them.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.app_data(web::Data::new(ParseSlots::default()));
    for path in table() {
        path.register(cfg);
    }
    cfg.default_service(web::to(not_found));
}

/// Every route, with its description: the router and `/openapi.json` are both made of this.
pub fn table() -> Vec<Path> {
    use super::openapi as of;
    vec![
        // The router goes through them in this order: what is asked most stands first.
        at("/v1/chat/completions").post(openai::chat::complete, of::chat::complete()),
        at("/health").get(health::health, of::discovery::health()),
        at("/health/detailed").get(health::detailed, of::discovery::detailed()),
        at("/health/isolation").get(isolation::isolation, of::discovery::isolation()),
        at("/metrics").get(metrics::metrics, of::discovery::metrics()),
        at("/ready").get(health::ready, of::discovery::ready()),
        at("/openapi.json").get(openapi::openapi, of::discovery::openapi()),
        at("/docs").get(docs::page, of::discovery::docs()),
        at("/docs/page.js").get(docs::script, of::discovery::docs_script()),
        at("/docs/page.css").get(docs::style, of::discovery::docs_style()),
        at("/v1/models").get(openai::models::list, of::discovery::models()),
        at("/v1/models/{id:.+}").get(openai::models::one, of::discovery::model()),
        at("/api/model/options").get(openai::models::options, of::models::options()),
        at("/v1/capabilities").get(discovery::capabilities, of::discovery::capabilities()),
        at("/v1/toolsets").get(discovery::toolsets, of::discovery::toolsets()),
        at("/v1/skills").get(skills::list, of::skills::list_all()),
        at("/api/skills").get(skills::list, of::skills::api_list()),
        at("/api/skills/{name}/pin")
            .post(skills::pin, of::skills::pin())
            .delete(skills::unpin, of::skills::unpin()),
        at("/api/memory")
            .get(memory::show, of::memory::show())
            .post(memory::add, of::memory::add())
            .patch(memory::replace, of::memory::replace())
            .delete(memory::remove, of::memory::remove()),
        at("/api/memory/history").get(memory::history, of::memory::history()),
        at("/api/memory/history/{number}/undo").post(memory::undo, of::memory::undo()),
        at("/api/config").get(settings::show, of::settings::config()),
        at("/v1/responses").post(openai::responses::create, of::responses::create()),
        at("/v1/responses/{response_id}")
            .get(openai::responses::show, of::responses::show())
            .delete(openai::responses::delete, of::responses::delete()),
        at("/v1/responses/{response_id}/cancel").post(openai::responses::cancel, of::responses::cancel()),
        at("/v1/responses/{response_id}/input_items")
            .get(openai::responses::input_items, of::responses::input_items()),
        at("/v1/runs").get(runs::list, of::runs::list_all()).post(runs::start, of::runs::start()),
        at("/v1/runs/{run_id}").get(runs::show, of::runs::show()),
        at("/v1/runs/{run_id}/events").get(runs::events, of::runs::events()),
        at("/v1/runs/{run_id}/stop").post(runs::stop, of::runs::stop()),
        at("/v1/runs/{run_id}/steer").post(steer::steer, of::runs::steer()),
        at("/v1/runs/{run_id}/approval").post(approvals::answer_run, of::approvals::answer_run()),
        at("/v1/runs/{run_id}/clarify").post(clarify::answer, of::runs::clarify()),
        at("/api/usage").get(usage::usage, of::usage::show()),
        at("/api/sessions")
            .get(sessions::resources::list, of::sessions::list_all())
            .post(sessions::resources::create, of::sessions::create()),
        // Before the ids: a session of such a name can be used, but not looked at.
        at("/api/sessions/search").get(sessions::search::search, of::session_search::search()),
        at("/api/sessions/waiting").get(sessions::clarify::waiting, of::session_clarify::waiting()),
        at("/api/sessions/{session_id}")
            .get(sessions::resources::show, of::sessions::show())
            .patch(sessions::resources::change, of::sessions::change())
            .delete(sessions::resources::delete, of::sessions::delete()),
        at("/api/sessions/{session_id}/messages")
            .get(sessions::resources::messages, of::sessions::messages()),
        at("/api/sessions/{session_id}/model").post(sessions::model::lock, of::sessions::lock_model()),
        at("/api/sessions/{session_id}/fork").post(sessions::resources::fork, of::sessions::fork()),
        at("/api/sessions/{session_id}/chat").post(sessions::chat::chat, of::sessions::chat()),
        at("/api/sessions/{session_id}/chat/stream").post(sessions::chat::stream, of::sessions::stream()),
        at("/api/sessions/{session_id}/compress")
            .post(sessions::compress::compress, of::session_compress::compress()),
        at("/api/sessions/{session_id}/clarify")
            .get(sessions::clarify::list, of::session_clarify::list_all())
            .post(sessions::clarify::answer, of::session_clarify::answer()),
        at("/v1/approvals").get(approvals::list, of::approvals::list_all()),
        at("/v1/approvals/rules").get(approvals::rules, of::approvals::rules()),
        at("/v1/approvals/rules/{rule_id}").delete(approvals::remove_rule, of::approvals::remove_rule()),
        at("/v1/approvals/{approval_id}")
            .get(approvals::show, of::approvals::show())
            .post(approvals::answer, of::approvals::answer()),
        at("/api/keys").get(keys::list, of::keys::list_all()).post(keys::make, of::keys::create()),
        at("/api/keys/{key_id}")
            .get(keys::show, of::keys::show())
            .patch(keys::patch, of::keys::change())
            .delete(keys::revoke, of::keys::revoke()),
        at("/api/keys/{key_id}/rotate").post(keys::rotate, of::keys::rotate()),
    ]
}

async fn not_found(request: HttpRequest) -> Result<String, ApiError> {
    let message = format!("There is nothing at {}.", request.path());
    Err(ApiError::new(Code::NotFound, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::{
        body::to_bytes,
        http::Method,
        test::{self, TestRequest},
    };
    use serde_json::Value;

    /// What comes back for a request on a connection without a profile: enough for all that needs none.
    async fn answer(request: TestRequest) -> (u16, actix_web::http::header::HeaderMap, Value) {
        let service = test::init_service(app()).await;
        let response = test::call_service(&service, request.to_request()).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let Ok(bytes) = to_bytes(response.into_body()).await else {
            panic!("no body");
        };
        (status, headers, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    #[actix_web::test]
    async fn every_answer_has_the_one_shape_and_the_common_headers() {
        let cases = [
            ("GET", "/health", 200, None),
            ("HEAD", "/health", 200, None),
            ("GET", "/v1/health", 200, None),
            ("GET", "/v1/v1/health?x=1", 200, None),
            ("GET", "/nope", 404, Some("not_found")),
            ("GET", "/v1/nope", 404, Some("not_found")),
            ("GET", "/health/", 404, Some("not_found")),
            ("POST", "/health", 405, Some("method_not_allowed")),
            ("DELETE", "/v1/chat/completions", 405, Some("method_not_allowed")),
            ("PUT", "/runs/run_x", 405, Some("method_not_allowed")),
            ("OPTIONS", "/v1/models", 405, Some("method_not_allowed")),
            ("GET", "/v1/models", 503, Some("profile_unavailable")),
            ("POST", "/chat/completions", 503, Some("profile_unavailable")),
            ("GET", "/v1/v1/approvals/rules", 503, Some("profile_unavailable")),
            ("GET", "/ready", 503, Some("profile_unavailable")),
        ];
        for (method, uri, status, code) in cases {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let case = format!("{method} {uri}");
            let request = TestRequest::with_uri(uri).method(method).insert_header(("x-request-id", "mine-1"));
            let (got, headers, body) = answer(request).await;
            assert_eq!((got, body["error"]["code"].as_str()), (status, code), "{case}");
            for (name, value) in [
                ("x-request-id", "mine-1"),
                ("x-content-type-options", "nosniff"),
                ("content-type", "application/json"),
            ] {
                assert_eq!(headers.get(name).unwrap(), value, "{case}: {name}");
            }
            assert_eq!(headers.contains_key("allow"), status == 405, "{case}");
        }
    }

    #[actix_web::test]
    async fn a_wrong_method_is_told_the_right_ones() {
        let cases = [
            ("/v1/runs", "GET, HEAD, POST"),
            ("/v1/chat/completions", "POST"),
            ("/v1/approvals/rules/x", "DELETE"),
            ("/v1/models/a/b", "GET, HEAD"),
        ];
        for (uri, allow) in cases {
            let (status, headers, _) = answer(TestRequest::patch().uri(uri)).await;
            assert_eq!((status, headers.get("allow").unwrap().to_str().unwrap()), (405, allow), "{uri}");
        }
    }

    #[actix_web::test]
    async fn pages_of_strangers_are_refused_and_own_pages_served() {
        let page = |method: Method, origin| {
            TestRequest::with_uri("/health")
                .method(method)
                .insert_header(("host", "localhost:8643"))
                .insert_header(("origin", origin))
        };
        let own = "http://localhost:8643";
        let (status, headers, body) = answer(page(Method::GET, "https://evil.example")).await;
        assert_eq!((status, body["error"]["code"].as_str()), (403, Some("origin_not_allowed")));
        assert!(headers.contains_key("x-request-id") && !headers.contains_key("access-control-allow-origin"));
        for (method, methods) in [(Method::GET, false), (Method::OPTIONS, true)] {
            let (status, headers, _) = answer(page(method.clone(), own)).await;
            assert_eq!(status, 200, "{method}");
            assert_eq!(headers.get("access-control-allow-origin").unwrap(), own, "{method}");
            assert_eq!(headers.contains_key("access-control-allow-methods"), methods, "{method}");
        }
    }

    #[actix_web::test]
    async fn a_panic_is_a_500_with_all_headers() {
        async fn panics() -> String {
            panic!("at the disco")
        }
        let app = App::new().route("/health", web::get().to(panics)).wrap(from_fn(frame::frame));
        let service = test::init_service(app).await;
        let error = test::try_call_service(&service, TestRequest::with_uri("/health").to_request()).await;
        let response = error.err().unwrap().error_response();
        assert_eq!(response.status().as_u16(), 500);
        assert!(
            response.headers().contains_key("x-request-id")
                && response.headers().contains_key("x-frame-options")
        );
        let bytes = to_bytes(response.into_body()).await.unwrap();
        let body: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(body["error"]["code"], "internal_error");
        assert!(!body.to_string().contains("disco"));
    }
}
