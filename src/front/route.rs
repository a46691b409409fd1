//! One path of the table of routes: its methods, each with a handler and a description.

use super::{
    error::ApiError,
    once,
    openapi::{Operation, Retry},
};
use actix_web::{
    FromRequest, Handler, HttpRequest, Resource, Responder, Route, guard,
    http::Method,
    middleware::from_fn,
    web::{self, ServiceConfig},
};

/// A path with its methods. What it does not know is answered 405 with `Allow`.
pub struct Path {
    pattern: &'static str,
    resource: Resource,
    operations: Vec<(&'static str, Operation)>,
}

pub fn at(pattern: &'static str) -> Path {
    Path { pattern, resource: web::resource(pattern), operations: Vec::new() }
}

impl Path {
    /// `HEAD` works wherever `GET` does; the connection leaves the body out.
    pub fn get<F, Args>(self, handler: F, operation: Operation) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let either = guard::fn_guard(|request| [Method::GET, Method::HEAD].contains(&request.head().method));
        self.route("GET", web::route().guard(either), handler, operation)
    }

    pub fn post<F, Args>(self, handler: F, operation: Operation) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route("POST", only(Method::POST), handler, operation)
    }

    pub fn patch<F, Args>(self, handler: F, operation: Operation) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route("PATCH", only(Method::PATCH), handler, operation)
    }

    pub fn delete<F, Args>(self, handler: F, operation: Operation) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route("DELETE", only(Method::DELETE), handler, operation)
    }

    fn route<F, Args>(mut self, method: &'static str, route: Route, handler: F, operation: Operation) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let route = route.to(handler);
        let route = match operation.retry {
            Retry::KeepsTheAnswer => route.wrap(from_fn(once::once)),
            // A run's own record is what its retries find.
            Retry::Harmless | Retry::JoinsTheRun => route,
        };
        self.resource = self.resource.route(route);
        self.operations.push((method, operation));
        self
    }

    /// As the router knows it, patterns included.
    pub const fn pattern(&self) -> &'static str {
        self.pattern
    }

    pub fn operations(&self) -> impl Iterator<Item = (&'static str, &Operation)> {
        self.operations.iter().map(|(method, operation)| (*method, operation))
    }

    /// The value of `Allow`.
    fn allow(&self) -> String {
        let methods = self.operations.iter().flat_map(|(method, _)| match *method {
            "GET" => vec!["GET", "HEAD"],
            other => vec![other],
        });
        methods.collect::<Vec<_>>().join(", ")
    }

    pub fn register(self, cfg: &mut ServiceConfig) {
        let allow = self.allow();
        let refuse = web::to(move |request: HttpRequest| {
            let error = ApiError::method_not_allowed(request.method(), allow.clone());
            async move { Err::<String, ApiError>(error) }
        });
        cfg.service(self.resource.default_service(refuse));
    }
}

/// The library's own guards note each method for an answer 405, which [`Path::register`] gives here.
fn only(method: Method) -> Route {
    web::route().guard(guard::fn_guard(move |request| request.head().method == method))
}
