//! The gateway's proxy, as the one road out: to places where it must not lead.

use super::{Attack, Attempt, Scene, canary, files::drain, sys::brief};
use crate::sandbox::Wall::{self, Addresses};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

const JUDGED: &[Wall] = &[Addresses];

pub const ATTACKS: &[Attack] = &[
    judged("proxy-own-port", "has the proxy connect to the gateway's own port", |scene| {
        tunnel_home(scene, "127.0.0.1")
    }),
    judged("proxy-by-name", "does that with a name for the address", |scene| tunnel_home(scene, "localhost")),
    judged("proxy-trailing-dot", "does that with a name that ends with a dot", |scene| {
        tunnel_home(scene, "localhost.")
    }),
    judged("proxy-mapped", "does that with an IPv6 form of the address", |scene| {
        tunnel_home(scene, "[::ffff:127.0.0.1]")
    }),
    judged("proxy-number", "does that with the address as one number", |scene| {
        tunnel_home(scene, "2130706433")
    }),
    judged("proxy-short", "does that with the address in hexadecimal and short", |scene| {
        tunnel_home(scene, "0x7f.1")
    }),
    judged("proxy-any-address", "does that with the address 0.0.0.0", |scene| tunnel_home(scene, "0.0.0.0")),
    judged("proxy-forward", "has the proxy fetch a page of the gateway's own port", |scene| {
        forward(scene, &format!("http://127.0.0.1:{}/", scene.addresses.own_port))
    }),
    judged("proxy-user-in-address", "hides the address behind a user's name", |scene| {
        forward(scene, &format!("http://example.com@127.0.0.1:{}/", scene.addresses.own_port))
    }),
    judged("proxy-metadata", "has the proxy ask the cloud's metadata address", |scene| {
        tunnel(scene, "169.254.169.254:80")
    }),
    Attack::together("proxy-guessed-token", "shows the proxy a token that no run has", |scene| {
        let guessed =
            Proxy::own(scene).map(|own| Proxy { login: Some(format!("run:{}", "0".repeat(32))), ..own });
        beyond(scene, guessed.as_ref())
    }),
    Attack::together("proxy-no-token", "shows the proxy no token at all", |scene| {
        let bare = Proxy::own(scene).map(|own| Proxy { login: None, ..own });
        beyond(scene, bare.as_ref())
    }),
    Attack::together("proxy-past-token", "shows the proxy the token of a command that has ended", |scene| {
        let past = Proxy::with_token_of(scene, scene.addresses.past_proxy.as_deref());
        beyond(scene, past.as_ref())
    }),
    Attack::together(
        "proxy-other-token",
        "shows the proxy the token of another profile's command",
        |scene| {
            let others = Proxy::with_token_of(scene, scene.addresses.other_proxy.as_deref());
            beyond(scene, others.as_ref())
        },
    ),
    Attack::together("proxy-of-other", "uses another profile's proxy, with a token that it takes", |scene| {
        let other = scene.addresses.other_proxy.as_deref().and_then(Proxy::parse);
        beyond(scene, other.as_ref())
    })
    .held(&[Wall::NetNamespace, Wall::Landlock], &[Wall::Landlock]),
];

/// What the proxy's judgement of addresses is to hold.
const fn judged(id: &'static str, does: &'static str, run: fn(&Scene) -> Attempt) -> Attack {
    Attack::together(id, does, run).held(JUDGED, JUDGED)
}

/// To the gateway's own port, by one of the names that its machine has.
fn tunnel_home(scene: &Scene, host: &str) -> Attempt {
    tunnel(scene, &format!("{host}:{}", scene.addresses.own_port))
}

/// Where one proxy serves many runs the token says which one asks. Where the socket itself says it, none is needed.
fn beyond(scene: &Scene, other: Option<&Proxy>) -> Attempt {
    if Proxy::own(scene).is_some_and(|own| own.login.is_none()) {
        return Attempt::Refused("this proxy serves no other run".to_owned());
    }
    match other.map(|other| other.ask(&connect_to("192.0.2.1:443"))) {
        None => Attempt::Refused("there is no such proxy".to_owned()),
        Some(Ok(answer)) if answer.starts_with(b"HTTP/1.1 407") => Attempt::Refused(first_line(&answer)),
        // Whatever it says of the address: it took the token.
        Some(Ok(answer)) if answer.starts_with(b"HTTP/1.1 ") => Attempt::Succeeded(first_line(&answer)),
        Some(Ok(_)) => Attempt::Refused("no answer".to_owned()),
        Some(Err(error)) => Attempt::Refused(brief(&error)),
    }
}

/// A proxy's address as the environment has it: `http://user:token@host:port`.
struct Proxy {
    address: String,
    /// `user:token`
    login: Option<String>,
}

impl Proxy {
    fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("http://")?.trim_end_matches('/');
        Some(match rest.rsplit_once('@') {
            Some((login, address)) => Self { address: address.to_owned(), login: Some(login.to_owned()) },
            None => Self { address: rest.to_owned(), login: None },
        })
    }

    fn own(scene: &Scene) -> Option<Self> {
        let value = scene.environment.iter().find(|(name, _)| name == "http_proxy")?;
        Self::parse(&value.1)
    }

    /// The own proxy, asked with the token of another command.
    fn with_token_of(scene: &Scene, url: Option<&str>) -> Option<Self> {
        let login = Self::parse(url?)?.login;
        Some(Self { login, ..Self::own(scene)? })
    }

    /// Sends the head of a request and reads what comes.
    fn ask(&self, head: &str) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let login = self
            .login
            .as_ref()
            .map(|login| format!("Proxy-Authorization: Basic {}\r\n", base64(login.as_bytes())));
        write!(stream, "{head}{}\r\n", login.unwrap_or_default())?;
        let mut answer = vec![0; 4_096];
        let got = stream.read(&mut answer)?;
        answer.truncate(got);
        if is_open(&answer) {
            // Through the tunnel, whoever is there is asked.
            write!(stream, "GET / HTTP/1.0\r\n\r\n")?;
            answer.extend(drain(&mut stream).unwrap_or_default());
        }
        Ok(answer)
    }
}

const PATIENCE: Duration = Duration::from_millis(1_500);

fn tunnel(scene: &Scene, target: &str) -> Attempt {
    ask(Proxy::own(scene).as_ref(), &connect_to(target))
}

fn forward(scene: &Scene, address: &str) -> Attempt {
    let head = format!("GET {address} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n");
    ask(Proxy::own(scene).as_ref(), &head)
}

fn connect_to(target: &str) -> String {
    format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n")
}

fn first_line(answer: &[u8]) -> String {
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    String::from_utf8_lossy(line).into_owned()
}

fn is_open(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.1 200") || answer.starts_with(b"HTTP/1.0 200")
}

fn ask(proxy: Option<&Proxy>, head: &str) -> Attempt {
    let Some(proxy) = proxy else {
        return Attempt::Refused("there is no proxy: no network at all".to_owned());
    };
    match proxy.ask(head) {
        Ok(answer) if canary(&answer) || is_open(&answer) => Attempt::Succeeded("it led there".to_owned()),
        Ok(answer) => Attempt::Refused(first_line(&answer)),
        Err(error) => Attempt::Refused(brief(&error)),
    }
}

/// The letters of RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for piece in bytes.chunks(3) {
        let word = piece.iter().fold(0_usize, |word, byte| word << 8 | usize::from(*byte))
            << (8 * (3 - piece.len()));
        for place in 0..4 {
            let letter = LETTERS[word >> (18 - 6 * place) & 63];
            text.push(if place > piece.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_written_as_the_standard_says() {
        for (text, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("run:ab", "cnVuOmFi")]
        {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }

    #[test]
    fn a_proxy_is_read_out_of_its_variable() {
        let proxy = Proxy::parse("http://run:token@127.0.0.1:3128/").unwrap();
        assert_eq!((proxy.address.as_str(), proxy.login.as_deref()), ("127.0.0.1:3128", Some("run:token")));
        assert_eq!(Proxy::parse("http://127.0.0.1:3128").unwrap().login, None);
    }
}
