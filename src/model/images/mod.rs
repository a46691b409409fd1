//! Images that an upstream finds too large, and what is sent in their place.
//!
//! What a user sent is what is kept and shown. Only the calls of the run that was refused have the smaller images.

mod shrink;

use crate::domain::{Content, Message, Part};
use std::collections::HashMap;
use tokio::sync::Semaphore;

/// Makes images smaller: one of a profile at a time, since an image takes far more memory than its file.
pub struct Shrinker(Semaphore);

impl Default for Shrinker {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

impl Shrinker {
    /// `None`: it is no image that could be made smaller.
    async fn smaller(&self, url: String) -> Option<String> {
        let _turn = self.0.acquire().await.ok()?;
        let (before, made) =
            tokio::task::spawn_blocking(move || (url.len(), shrink::smaller(&url))).await.ok()?;
        if let Some(made) = &made {
            tracing::info!(before, after = made.len(), "an image was made smaller for the upstream");
        }
        made
    }
}

/// The images of a run that were found too large.
#[derive(Default)]
pub struct Images(HashMap<blake3::Hash, Option<String>>);

impl Images {
    /// Makes the images of these messages smaller that were not looked at before. Whether there was one: if not, asking
    /// again is no use.
    pub async fn shrink(&mut self, messages: &[&[Message]], shrinker: &Shrinker) -> bool {
        let mut some = false;
        for url in messages.iter().copied().flatten().flat_map(urls).filter(|url| is_data(url)) {
            let hash = blake3::hash(url.as_bytes());
            if !self.0.contains_key(&hash) {
                let made = shrinker.smaller(url.to_owned()).await;
                some |= made.is_some();
                self.0.insert(hash, made);
            }
        }
        some
    }

    /// Whether any image is sent in another form.
    pub(super) fn are_changed(&self) -> bool {
        self.0.values().any(Option::is_some)
    }

    /// What is sent for this URL.
    pub(super) fn sent<'a>(&'a self, url: &'a str) -> &'a str {
        if !is_data(url) {
            return url;
        }
        let made = self.0.get(&blake3::hash(url.as_bytes()));
        made.and_then(Option::as_deref).unwrap_or(url)
    }
}

/// Images that lie elsewhere are not ours to change.
fn is_data(url: &str) -> bool {
    url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

fn urls(message: &Message) -> Vec<&str> {
    let parts = match message {
        Message::User { content: Content::Parts(parts) } => parts.as_slice(),
        Message::User { content: Content::Text(_) }
        | Message::System { .. }
        | Message::Assistant { .. }
        | Message::Tool { .. } => &[],
    };
    parts
        .iter()
        .filter_map(|part| match part {
            Part::ImageUrl { image_url } => Some(image_url.url.as_str()),
            Part::Text { .. } => None,
        })
        .collect()
}
