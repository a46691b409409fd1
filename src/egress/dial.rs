//! The one way out: look up, judge every address, connect to one that was judged.

use super::{
    judge::Judge,
    listeners::Listeners,
    refusal::{Refusal, Why},
    resolve::{Resolve, System},
    target::{Name, Target},
};
use crate::config::NetworkConfig;
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

/// For everything between the question and the open connection.
const IN_ALL: Duration = Duration::from_secs(30);
const LOOKUP: Duration = Duration::from_secs(10);
/// For one address, where there are more.
const ONE: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried.
const TRIES: usize = 4;

/// Connects on behalf of one profile's agent, as far as the profile's policy goes.
///
/// Whatever fetches an address that a model or a client has chosen uses this: the proxy of the commands, and any tool of
/// the gateway itself. A caller that follows redirects asks anew for each.
pub struct Dialer {
    judge: Judge,
    resolver: Box<dyn Resolve>,
}

/// An open connection, and the address that it leads to.
#[derive(Debug)]
pub struct Dialed {
    pub stream: TcpStream,
    pub address: IpAddr,
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("judge", &self.judge).finish_non_exhaustive()
    }
}

impl Dialer {
    /// `listeners`: the gateway's own ports, which no policy opens.
    #[must_use]
    pub fn new(config: NetworkConfig, listeners: Listeners) -> Self {
        Self::with(config, listeners, Box::new(System::default()))
    }

    /// The same with a resolver of one's own.
    #[must_use]
    pub const fn with(config: NetworkConfig, listeners: Listeners, resolver: Box<dyn Resolve>) -> Self {
        Self { judge: Judge::new(config, listeners), resolver }
    }

    /// Connects to `target`. Between judging and connecting nothing is looked up again, so a name server that answers
    /// differently the second time is never asked.
    ///
    /// # Errors
    ///
    /// The policy refuses it, or the network does not have it.
    pub async fn connect(&self, target: &Target) -> Result<Dialed, Refusal> {
        let refusal = |address, why| Refusal { target: target.clone(), address, why };
        self.judge.target(target).map_err(|why| refusal(None, why))?;
        let deadline = Instant::now() + IN_ALL;
        let found = self.lookup(target).await.map_err(|why| refusal(None, why))?;
        let mut last = refusal(None, Why::Unknown);
        let mut tries = 0;
        for at in found {
            let address = at.ip().to_canonical();
            if let Err(why) = self.judge.address(target, at) {
                // Of several reasons that of the policy is told.
                last = refusal(Some(address), why);
                continue;
            }
            if tries == TRIES {
                break;
            }
            tries += 1;
            let limit = deadline.min(Instant::now() + ONE);
            let why = match timeout_at(limit, TcpStream::connect(SocketAddr::new(address, at.port()))).await {
                Ok(Ok(stream)) => {
                    // Small pieces of a conversation must not wait for each other.
                    let _ = stream.set_nodelay(true);
                    return Ok(Dialed { stream, address });
                }
                Ok(Err(_unreachable)) => Why::Unreachable,
                Err(_elapsed) => Why::ConnectTimeout,
            };
            if !last.why.is_policy() {
                last = refusal(Some(address), why);
            }
        }
        Err(last)
    }

    async fn lookup(&self, target: &Target) -> Result<Vec<SocketAddr>, Why> {
        let name = match &target.host {
            Name::Address(address) => return Ok(vec![SocketAddr::new(*address, target.port)]),
            Name::Domain(name) => name,
        };
        match timeout(LOOKUP, self.resolver.resolve(name, target.port)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(_unknown)) => Err(Why::Unknown),
            Err(_elapsed) => Err(Why::LookupTimeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::NetworkMode,
        egress::{address::Kind, testing::Answers},
    };
    use std::net::Ipv4Addr;
    use tokio::net::TcpListener;

    fn dialer(mode: NetworkMode, allow: &[&str], answers: Answers) -> Dialer {
        let allow = allow.iter().map(|text| text.parse().unwrap()).collect();
        let config = NetworkConfig { mode, allow };
        Dialer::with(config, Listeners::default(), Box::new(answers))
    }

    fn target(host: &str, port: u16) -> Target {
        Target::new(host, port).unwrap()
    }

    #[tokio::test]
    async fn the_address_that_was_judged_is_the_one_connected_to() {
        let (good, bad) = (TcpListener::bind("127.0.0.2:0").await.unwrap(), [127, 0, 0, 3]);
        let port = good.local_addr().unwrap().port();
        let _bad = TcpListener::bind((Ipv4Addr::from(bad), port)).await.unwrap();
        // The name means the listed address the first time, another one from then on.
        let answers = Answers::new([vec![[127, 0, 0, 2].into()], vec![bad.into()]]);
        let dialer = dialer(NetworkMode::Public, &["127.0.0.2/32"], answers.clone());
        let dialed = dialer.connect(&target("rebound.example", port)).await.unwrap();
        assert_eq!(dialed.stream.peer_addr().unwrap().ip(), IpAddr::from([127, 0, 0, 2]));
        assert_eq!(answers.asked(), 1);
        let refused = dialer.connect(&target("rebound.example", port)).await.unwrap_err();
        assert_eq!((refused.why, refused.address), (Why::Inside(Kind::Loopback), Some(bad.into())));
    }

    #[tokio::test]
    async fn of_several_addresses_only_those_that_pass_are_tried() {
        let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers = Answers::new([vec![[127, 0, 0, 1].into(), [127, 0, 0, 2].into()]]);
        let dialed = dialer(NetworkMode::Public, &["127.0.0.2/32"], answers);
        let dialed = dialed.connect(&target("both.example", port)).await.unwrap();
        assert_eq!(dialed.address, IpAddr::from([127, 0, 0, 2]));
    }

    #[tokio::test]
    async fn a_name_that_is_not_listed_is_not_even_looked_up() {
        let answers = Answers::new([vec![[8, 8, 8, 8].into()]]);
        for mode in [NetworkMode::Allowlist, NetworkMode::Off] {
            let dialer = dialer(mode, &["127.0.0.1/32"], answers.clone());
            let refused = dialer.connect(&target("what-i-know.evil.example", 53)).await.unwrap_err();
            assert!(refused.why.is_policy(), "{refused}");
        }
        assert_eq!(answers.asked(), 0);
    }

    #[tokio::test]
    async fn the_reason_names_host_address_and_what_to_do() {
        let answers = Answers::new([vec![[10, 1, 2, 3].into()]]);
        let dialer = dialer(NetworkMode::Public, &[], answers);
        let refused = dialer.connect(&target("intranet.example", 80)).await.unwrap_err().to_string();
        assert!(
            refused.starts_with("`intranet.example:80` is refused: 10.1.2.3 is a private address"),
            "{refused}"
        );
        assert!(refused.contains("terminal.network_allow"), "{refused}");
    }

    #[tokio::test]
    async fn a_host_that_is_not_there_is_told_apart_from_one_that_is_refused() {
        let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let answers = Answers::new([vec![[127, 0, 0, 2].into()], vec![]]);
        let dialer = dialer(NetworkMode::Public, &["127.0.0.2/32"], answers);
        let closed = dialer.connect(&target("closed.example", port)).await.unwrap_err();
        assert_eq!(closed.why, Why::Unreachable);
        let unknown = dialer.connect(&target("nosuch.example", port)).await.unwrap_err();
        assert_eq!(unknown.why, Why::Unknown);
    }
}
