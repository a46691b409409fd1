//! Panics in the log: a panic in one tenant's actor is caught by the framework, and must not pass unseen.

use std::{
    any::Any,
    panic::{self, PanicHookInfo},
    thread,
};

/// Logs every panic once, with its place. Where nobody listens to the log, the hook from before speaks instead.
pub fn log_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if tracing::enabled!(tracing::Level::ERROR) {
            log(info);
        } else {
            before(info);
        }
    }));
}

fn log(info: &PanicHookInfo<'_>) {
    let location = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let thread = thread::current().name().unwrap_or("unnamed").to_owned();
    tracing::error!(%location, %thread, "panic: {}", message(info.payload()));
}

/// What `panic!` was given; other payloads have no text.
fn message(payload: &dyn Any) -> &str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Lines;

    #[test]
    fn a_panic_is_logged_once_with_its_place() {
        let lines = Lines::default();
        log_panics();
        let caught =
            tracing::subscriber::with_default(lines.log(), || panic::catch_unwind(|| panic!("boom {}", 7)));
        assert!(caught.is_err());
        // Back to the standard hook, for the other tests of this process.
        let _ = panic::take_hook();
        let text = lines.text();
        assert_eq!(text.matches("panic: boom 7").count(), 1, "{text}");
        assert!(text.contains("src/telemetry/panics.rs:"), "{text}");
    }
}
