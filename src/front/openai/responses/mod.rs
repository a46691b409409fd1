//! The Responses API: a turn as a response that can be asked for again, gone on from, followed and cancelled.

mod create;
mod fold;
mod frames;
mod input;
mod items;
mod object;
mod request;
mod stored;
mod stream;
mod tools;
mod whole;

pub use create::create;
pub use request::previous;
pub use stored::{cancel, delete, input_items, show};
