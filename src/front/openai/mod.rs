//! OpenAI's API: chat completions, responses and models.

pub mod chat;
pub mod chat_answer;
mod chat_request;
mod chat_stream;
pub mod content;
pub mod messages;
pub mod models;
pub mod responses;
pub mod sampling;
pub mod tools;
pub mod turn_end;
