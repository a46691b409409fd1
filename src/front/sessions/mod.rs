//! `/api/sessions`: transcripts that people see, name, fork and go on with; and the one place that says which session a
//! turn belongs to.

pub mod chat;
pub mod clarify;
pub mod compress;
pub mod model;
pub mod request;
pub mod resolve;
pub mod resources;
pub mod search;
mod stream;
mod view;
