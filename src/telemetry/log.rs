//! The log: one compact line an event, on standard error.

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

/// Sends this process's log to standard error; with `None` the default level. `colour` is the caller's to know.
///
/// A second call changes nothing: tests and embedders may have set a subscriber of their own.
///
/// # Errors
///
/// The filter's text is no list of directives.
pub fn init(filter: Option<&str>, colour: bool) -> Result<(), InvalidFilter> {
    let filter = read_filter(filter.unwrap_or(DEFAULT_FILTER))?;
    let log =
        tracing_subscriber::fmt().compact().with_env_filter(filter).with_writer(io::stderr).with_ansi(colour);
    // The only failure is that one is set already.
    let _ = log.try_init();
    Ok(())
}

fn read_filter(text: &str) -> Result<EnvFilter, InvalidFilter> {
    // The builder's `parse` reads this text alone; the environment stays with `config`.
    EnvFilter::builder().parse(text).map_err(|cause| InvalidFilter { filter: text.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_or_refused_with_an_example() {
        for good in [DEFAULT_FILTER, "debug", "off", "warn,hermes_gateway::store=trace"] {
            assert!(read_filter(good).is_ok(), "{good}");
        }
        let error = read_filter("hermes=loud").unwrap_err().to_string();
        assert!(error.starts_with("`hermes=loud` is no log filter"), "{error}");
    }
}
