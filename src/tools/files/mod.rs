//! Tools that touch files inside the gateway, held to the profile's folders by [`crate::sandbox::Jail`].

mod diff;
mod document;
mod patch;
mod read;
mod replace;
mod similar;
mod v4a;
mod write;

pub use patch::Patch;
pub use read::{Read, image_kind};
pub use replace::replace as replaced;
pub use write::Write;
