//! One turn at a time goes on in a session; this is what becomes of the next.

/// What a turn does that finds another one of its session at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBusy {
    /// It waits for those before it.
    #[default]
    Queue,
    /// It is refused.
    Reject,
    /// It stops the one that runs, and comes when those before it are through.
    Interrupt,
    /// Its words are said to the one that runs, and it becomes part of that one; it waits when they cannot be.
    Steer,
}

impl OnBusy {
    /// By the names on the wire and in the configuration.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("queue", Self::Queue),
        ("reject", Self::Reject),
        ("interrupt", Self::Interrupt),
        ("steer", Self::Steer),
    ];

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name)).map(|(_, on_busy)| on_busy)
    }

    /// The names, for errors.
    #[must_use]
    pub fn expected() -> String {
        format!("one of: {}", Self::NAMES.map(|(name, _)| name).join(", "))
    }
}
