//! The log: one compact line an event, on standard error.

use crate::redact::Redactors;
use std::{fmt, io};
use tracing_subscriber::{EnvFilter, filter::ParseError};

/// Our own doings from `info` on, and of the libraries only what went wrong.
const DEFAULT_FILTER: &str = "warn,hermes=info,hermes_gateway=info";

/// A log filter that cannot be read.
#[derive(Debug)]
pub struct InvalidFilter {
    filter: String,
    cause: ParseError,
}

impl fmt::Display for InvalidFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filter, cause } = self;
        write!(
            f,
            "`{filter}` is no log filter ({cause}): write such as `debug` or `warn,hermes_gateway=debug`"
        )
    }
}

impl std::error::Error for InvalidFilter {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// Sends this process's log to standard error; with `None` the default level. `colour` is the caller's to know. What
/// `redactors` know as a secret does not show in it.
///
/// A second call changes nothing: tests and embedders may have set a subscriber of their own.
///
/// # Errors
///
/// The filter's text is no list of directives.
pub fn init(filter: Option<&str>, colour: bool, redactors: Redactors) -> Result<(), InvalidFilter> {
    let filter = read_filter(filter.unwrap_or(DEFAULT_FILTER))?;
    let clean = move || Clean { redactors: redactors.clone(), to: io::stderr() };
    let log =
        tracing_subscriber::fmt().compact().with_env_filter(filter).with_writer(clean).with_ansi(colour);
    // The only failure is that one is set already.
    let _ = log.try_init();
    Ok(())
}

/// A line of the log on its way out.
struct Clean<W> {
    redactors: Redactors,
    to: W,
}

impl<W: io::Write> io::Write for Clean<W> {
    /// Gets whole lines: the subscriber formats an event before it writes it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.to.write_all(self.redactors.clean(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn read_filter(text: &str) -> Result<EnvFilter, InvalidFilter> {
    // The builder's `parse` reads this text alone; the environment stays with `config`.
    EnvFilter::builder().parse(text).map_err(|cause| InvalidFilter { filter: text.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Redactor;
    use io::Write as _;

    #[test]
    fn a_secret_does_not_get_into_the_log() {
        let redactor = Redactor::new([("SOME_KEY", "canary-\"12345")].into_iter().collect());
        let redactors = Redactors::default();
        redactors.add(&redactor);
        let written = |text: &str| {
            let mut to = Vec::new();
            write!(Clean { redactors: redactors.clone(), to: &mut to }, "{text}").unwrap();
            String::from_utf8(to).unwrap()
        };
        assert_eq!(redactor.clean("canary-\"12345"), "[redacted:SOME_KEY]");
        assert_eq!(written("upstream said canary-\\\"12345\n"), "upstream said [redacted:SOME_KEY]\n");
        drop(redactor);
        assert_eq!(written("canary-\"12345"), "canary-\"12345", "the profile is gone");
    }

    #[test]
    fn filters_are_read_or_refused_with_an_example() {
        for good in [DEFAULT_FILTER, "debug", "off", "warn,hermes_gateway::store=trace"] {
            assert!(read_filter(good).is_ok(), "{good}");
        }
        let error = read_filter("hermes=loud").unwrap_err().to_string();
        assert!(error.starts_with("`hermes=loud` is no log filter"), "{error}");
    }
}
