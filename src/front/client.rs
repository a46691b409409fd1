//! What a request's head says of where it comes from and whom it means, and what of that is believed.

use super::error::ApiError;
use crate::{
    config::{AccessConfig, ProfileConfig},
    domain::Code,
};
use actix_web::http::header::{self, HeaderMap, HeaderName};
use std::net::IpAddr;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of the client: the peer's, unless that is a proxy of ours. Then it is the last one of `X-Forwarded-For` that
/// is none; what stands before that anybody may have written.
pub fn address(access: &AccessConfig, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
    let ours = |address: IpAddr| access.trusted_proxies.contains(&address.to_canonical());
    let peer = peer?;
    if !ours(peer) {
        return Some(peer);
    }
    let lines = headers.get_all(FORWARDED_FOR).filter_map(|line| line.to_str().ok());
    let hops: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    let mut client = peer;
    for hop in hops.into_iter().rev() {
        let Ok(address) = hop.parse::<IpAddr>() else { break };
        client = address;
        if !ours(address) {
            break;
        }
    }
    Some(client)
}

/// Refuses a name under which a loopback listener is not known: a page of a stranger may have had its own name point here
/// (DNS rebinding), and then counts as this port's own page. An address, or `localhost`, is no such name.
///
/// # Errors
///
/// 421 `host_not_allowed`.
pub fn check_host(config: &ProfileConfig, headers: &HeaderMap) -> Result<(), ApiError> {
    if !config.listen.ip().is_loopback() {
        return Ok(());
    }
    // Programs may leave it out, browsers never do. Of several all must be good.
    let good = headers
        .get_all(header::HOST)
        .all(|host| host.to_str().is_ok_and(|host| is_known(&config.access.allowed_hosts, host.trim())));
    if good {
        return Ok(());
    }
    let text = "This listener is not known by that name. If it is yours, add it to `server.allowed_hosts` in the home's \
                config.yaml and restart the gateway.";
    Err(ApiError::new(Code::HostNotAllowed, text).at("Host"))
}

fn is_known(allowed: &[String], host: &str) -> bool {
    let name = if let Some(rest) = host.strip_prefix('[') {
        rest.split_once(']').map_or(rest, |(address, _port)| address)
    } else {
        host.split_once(':').map_or(host, |(name, _port)| name)
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.parse::<IpAddr>().is_ok() || name == "localhost" || allowed.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn names_are_known_or_not_and_addresses_always_are() {
        let allowed = ["chat.example.org".to_owned()];
        let cases = [
            ("localhost", true),
            ("LOCALHOST:8643", true),
            ("localhost.", true),
            ("127.0.0.1:8643", true),
            ("[::1]:8643", true),
            ("192.0.2.7", true),
            ("chat.example.org:443", true),
            ("evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example:8643", false),
            ("xchat.example.org", false),
            ("", false),
        ];
        for (host, known) in cases {
            assert_eq!(is_known(&allowed, host), known, "{host}");
        }
    }

    #[test]
    fn forwarded_addresses_are_believed_from_proxies_of_ours_alone() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let access = AccessConfig {
            trusted_proxies: vec![ip("127.0.0.1"), ip("10.0.0.2")],
            ..AccessConfig::default()
        };
        let cases = [
            ("nobody between", "192.0.2.9", None, "192.0.2.9"),
            ("a stranger says so", "192.0.2.9", Some("1.1.1.1"), "192.0.2.9"),
            ("our proxy", "127.0.0.1", Some("192.0.2.9"), "192.0.2.9"),
            ("the client wrote some itself", "127.0.0.1", Some("1.1.1.1, 192.0.2.9"), "192.0.2.9"),
            ("two proxies of ours", "127.0.0.1", Some("1.1.1.1, 192.0.2.9, 10.0.0.2"), "192.0.2.9"),
            ("our proxy itself", "127.0.0.1", None, "127.0.0.1"),
            ("garbage", "127.0.0.1", Some("192.0.2.9, x"), "127.0.0.1"),
        ];
        for (case, peer, said, expected) in cases {
            let mut request = TestRequest::get();
            if let Some(said) = said {
                request = request.insert_header((FORWARDED_FOR, said));
            }
            let request = request.to_http_request();
            assert_eq!(address(&access, Some(ip(peer)), request.headers()), Some(ip(expected)), "{case}");
        }
    }
}
