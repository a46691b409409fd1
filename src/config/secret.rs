//! A value that must not be seen.

use std::{fmt, sync::Arc};

/// A value that never shows itself: `Debug` prints `[secret]`, there is no `Display`; wiped when the last copy goes.
#[derive(Clone)]
pub struct Secret(Arc<secrecy::SecretString>);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::new(secrecy::SecretString::from(text.into())))
    }

    /// The text itself. Grep for callers: each is a place where a secret leaves its box.
    #[must_use]
    pub fn reveal(&self) -> &str {
        secrecy::ExposeSecret::expose_secret(&*self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_in_debug_output() {
        let boxed = Secret::new("hunter2");
        assert_eq!(format!("{:?}", Some(&boxed)), "Some([secret])");
        assert_eq!(boxed.reveal(), "hunter2");
    }
}
