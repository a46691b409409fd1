//! The network of one command: none, the machine's own, or a proxy for as long as it runs.

use crate::{
    config::NetworkMode,
    egress::{Grant, VARIABLES, Whose},
    sandbox::{Helper, Network},
    tools::{failure::Failure, ground::Ground},
};
use std::io;
use tokio_util::sync::CancellationToken;

/// Where the proxy answers inside a sandbox of its own. What many proxies use, so that it looks like one.
const PORT_INSIDE: u16 = 3128;

/// The network of one command.
pub struct WayOut {
    pub network: Network,
    proxy: Option<Proxy>,
}

struct Proxy {
    /// Dropping it ends the command's connections.
    grant: Grant,
    variables: Vec<(&'static str, String)>,
    /// It has a listener that nobody else reaches; the helper brings it.
    inside: bool,
}

impl WayOut {
    /// Blocking only as far as a socket is made; inside a runtime.
    pub fn new(ground: &Ground, whose: impl Into<Whose>) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::io("the way out could not be opened", &error);
        match ground.sandbox.network(ground.config.terminal.network.mode) {
            NetworkMode::Off => Ok(Self { network: Network::Off, proxy: None }),
            NetworkMode::Full => Ok(Self { network: Network::Full, proxy: None }),
            NetworkMode::Allowlist | NetworkMode::Public => {
                let grant = ground.egress.grant(whose).map_err(failed)?;
                let inside = ground.sandbox.has_own_network();
                let (port, url) = if inside {
                    (PORT_INSIDE, format!("http://127.0.0.1:{PORT_INSIDE}"))
                } else {
                    let port = ground.egress.shared_port().map_err(failed)?;
                    (port, grant.url(port))
                };
                let variables = ground.egress.environment(&url);
                let proxy = Proxy { grant, variables, inside };
                Ok(Self { network: Network::Bridge { port }, proxy: Some(proxy) })
            }
        }
    }

    /// Adds what programs need to know of the proxy; whatever was said of one before does not count.
    pub fn tell(&self, environment: &mut Vec<(String, String)>) {
        if let Some(Proxy { variables, .. }) = &self.proxy {
            environment.retain(|(name, _)| !VARIABLES.contains(&name.as_str()));
            environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        }
    }

    /// Names of variables that mean this command's proxy and no other's.
    pub const fn own_variables(&self) -> &'static [&'static str] {
        if self.proxy.is_some() { &VARIABLES } else { &[] }
    }

    /// Begins to serve the proxy where the helper brings its listener; after a stop there is nobody to serve.
    pub async fn open(&self, helper: &mut Helper, stop: &CancellationToken) -> io::Result<()> {
        let Some(Proxy { grant, inside: true, .. }) = &self.proxy else { return Ok(()) };
        tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            brought = helper.listener() => match brought? {
                Some(listener) => grant.serve(listener),
                None => Err(io::Error::other("the helper brought no listener for the proxy")),
            },
        }
    }

    /// Connections that were refused, a sentence each.
    pub fn refusals(&self) -> Vec<String> {
        self.proxy.as_ref().map(|proxy| proxy.grant.refusals()).unwrap_or_default()
    }
}
