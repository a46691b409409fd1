//! `/v1/models`: the agent, under the name that the profile gives it.

use crate::{
    config::{ProfileConfig, Provider},
    domain::{Code, Millis},
    front::{auth::Authorised, error::ApiError},
};
use actix_web::{HttpResponse, web};
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: Millis,
    owned_by: &'static str,
    permission: [(); 0],
    root: &'a str,
    parent: Option<&'a str>,
    /// The built-in demo model says what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'static str>,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: [Model<'a>; 1],
}

fn agent(config: &ProfileConfig, started_at: Millis) -> Model<'_> {
    let demo = matches!(config.model.provider, Provider::Demo);
    Model {
        id: &config.model_name,
        object: "model",
        created: started_at / 1000,
        owned_by: "hermes",
        permission: [],
        root: &config.model_name,
        parent: None,
        description: demo.then_some("Demo model: answers by rule. Set `model.provider` to use a real one."),
    }
}

pub async fn list(auth: Authorised) -> Result<HttpResponse, ApiError> {
    let config = auth.tenant.config();
    let data = [agent(&config, auth.tenant.started_at())];
    Ok(HttpResponse::Ok().json(List { object: "list", data }))
}

pub async fn one(auth: Authorised, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let config = auth.tenant.config();
    if *id != config.model_name {
        let message =
            format!("The model `{id}` does not exist; this profile serves `{}`.", config.model_name);
        return Err(ApiError::new(Code::ModelNotFound, message).at("model"));
    }
    Ok(HttpResponse::Ok().json(agent(&config, auth.tenant.started_at())))
}
