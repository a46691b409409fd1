//! What tools bring from the web: pages as text, and search.
//!
//! A page goes: URL checked → name and addresses judged by the profile's network policy, again at each redirect → read
//! up to a bound → decoded → Markdown, off the threads that serve.

mod extract;
mod fetch;
mod page;
mod search;
mod text;

pub use extract::call as extract;
pub use fetch::image;
pub use search::call as search;
