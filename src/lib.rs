//! Many isolated agents behind the OpenAI and Hermes APIs, from one process.

pub mod actors;
pub mod agent;
pub mod audit;
pub mod cli;
pub mod config;
pub mod domain;
pub mod egress;
pub mod front;
pub mod gateway;
pub mod guard;
pub mod http1;
pub mod isolation;
pub mod model;
pub mod redact;
pub mod sandbox;
pub mod state_db;
pub mod store;
pub mod telemetry;
pub mod tools;
