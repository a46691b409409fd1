//! Ports that speak TLS.

use crate::support::{
    Client, House, Plan, ask,
    certificate::{Certificate, setting, shake, shown, trusting},
    client::PATIENCE,
    key, within,
};
use awc::http::Method;
use hermes_gateway::{
    domain::ProfileName,
    gateway::{Action, ProfileStatus, State},
};
use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

fn name(profile: &str) -> ProfileName {
    ProfileName::parse(profile).unwrap()
}

async fn address(house: &House, profile: &str) -> SocketAddr {
    house.gateway().addr(&name(profile)).await.unwrap()
}

async fn status(house: &House, profile: &str) -> ProfileStatus {
    let profiles = house.gateway().profiles().await;
    profiles.into_iter().find(|status| status.name.as_str() == profile).unwrap()
}

/// A client of the profile that trusts one certificate.
async fn client(house: &House, profile: &str, certificate: &Certificate) -> Client {
    let base = format!("https://{}", address(house, profile).await);
    Client::over_tls(base, Some(key(profile)), trusting(&[certificate]))
}

/// A house whose every port shows the certificate in that folder.
async fn house(folder: &TempDir, more: &str) -> House {
    let home_config = format!("{}{more}", setting(folder.path()));
    let home_env = "API_SERVER_KEY=home-key-0123456789abcdef\nAPI_SERVER_PORT=0\n".to_owned();
    House::with(Plan { home_config, home_env, ..Plan::default() }).await
}

#[actix_web::test]
async fn every_port_speaks_tls_with_the_homes_certificate() {
    let (folder, certificate) = (TempDir::new().unwrap(), Certificate::new());
    certificate.write(folder.path());
    let house = house(&folder, "").await;
    let url = status(&house, "alice").await.url().unwrap();
    assert_eq!(url, format!("https://{}/v1", address(&house, "alice").await));

    let alice = client(&house, "alice", &certificate).await;
    assert_eq!(alice.chat("hello").await.status, 200);
    let stream = alice.chat_stream("@@stream 5 0").await.rest().await;
    assert_eq!(stream.last().unwrap().data.as_deref(), Some("[DONE]"));
    assert_eq!(client(&house, "bob", &certificate).await.chat("hello").await.status, 200);

    let mut shared = client(&house, "default", &certificate).await.with_key(alice.key.as_deref());
    shared.base += "/p/alice";
    assert_eq!(shared.chat("hello").await.status, 200);

    // HTTP/1.1 is all there is behind it.
    let mut newer = trusting(&[&certificate]);
    newer.alpn_protocols = vec![b"h2".to_vec()];
    assert!(shake(address(&house, "alice").await, newer).await.is_err());
    let stranger = Certificate::new();
    assert!(shake(address(&house, "alice").await, trusting(&[&stranger])).await.is_err());
    house.close().await;
}

#[actix_web::test]
async fn a_new_certificate_is_shown_to_new_connections_while_old_ones_go_on() {
    let (folder, first, second, third) =
        (TempDir::new().unwrap(), Certificate::new(), Certificate::new(), Certificate::new());
    first.write(folder.path());
    let house = house(&folder, "").await;
    let alice = address(&house, "alice").await;
    let any = || trusting(&[&first, &second, &third]);
    let until_shown = async |wanted: &Certificate| {
        while shown(alice, any()).await != wanted.der {}
    };
    let mut stream = client(&house, "alice", &first).await.chat_stream("@@gate all").await;
    within(house.upstream.reached("all")).await;
    assert!(stream.data().await.is_some());

    second.write(folder.path());
    within(until_shown(&second)).await;
    assert_eq!(client(&house, "alice", &second).await.chat("hello").await.status, 200);
    assert!(shake(alice, trusting(&[&first])).await.is_err());

    // A key that is not this certificate's: what was good goes on being shown.
    fs::write(folder.path().join("key.pem"), &first.key_pem).unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        assert_eq!(shown(alice, any()).await, second.der);
    }
    let told = house.gateway().act(&name("alice"), Action::Reload).await.unwrap_err();
    assert!(told.contains("is not the key") && told.contains("goes on"), "{told}");
    assert_eq!(shown(alice, any()).await, second.der);
    third.write(folder.path());
    within(until_shown(&third)).await;

    house.upstream.open("all");
    let rest = stream.rest().await;
    assert_eq!(rest.last().unwrap().data.as_deref(), Some("[DONE]"), "nobody cut the first connection");
    house.close().await;
}

#[actix_web::test]
async fn wrong_files_fail_their_own_profile_with_the_line_to_mend() {
    let mut house = House::open().await;
    let (folder, certificate, other) = (TempDir::new().unwrap(), Certificate::new(), Certificate::new());
    let at = |file: &str| folder.path().join(file);
    let config = house.profile_dir("bob").join("config.yaml");
    let before = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{before}{}", setting(folder.path()))).unwrap();
    let (cert_line, key_line) = (before.lines().count() + 3, before.lines().count() + 4);
    let cases = [
        (None, Some(&certificate.key_pem), cert_line, "cannot be read"),
        (Some("no pem"), Some(&certificate.key_pem), cert_line, "no certificate"),
        (Some(certificate.cert_pem.as_str()), None, key_line, "cannot be read"),
        (Some(&certificate.cert_pem), Some(&certificate.cert_pem), key_line, "no private key"),
        (Some(&certificate.cert_pem), Some(&other.key_pem), key_line, "is not the key"),
    ];
    for (cert, key, line, why) in cases {
        for (file, text) in [("cert.pem", cert), ("key.pem", key.map(String::as_str))] {
            match text {
                Some(text) => fs::write(at(file), text).unwrap(),
                None => drop(fs::remove_file(at(file))),
            }
        }
        let told = house.gateway().act(&name("bob"), Action::Reload).await.unwrap_err();
        let place = format!("bob/config.yaml:{line}: `server.tls.");
        assert!(told.contains(&place) && told.contains(why), "{told}");
        assert!(!told.contains("PRIVATE KEY"), "{told}");
        assert_eq!(house.bob().await.get("/v1/models").await.status, 200, "it goes on without TLS");
    }

    house.stop(Duration::ZERO).await;
    house.start().await;
    let failed = status(&house, "bob").await;
    assert_eq!((failed.state, failed.address), (State::Failed, None));
    assert!(failed.reason.as_ref().unwrap().contains("is not the key"), "{failed:?}");
    assert_eq!(house.alice().await.chat("hello").await.status, 200);

    certificate.write(folder.path());
    house.gateway().act(&name("bob"), Action::Start).await.unwrap();
    let bob = client(&house, "bob", &certificate).await;
    assert_eq!(bob.get("/v1/models").await.status, 200);
    // Its port is not left to others, nor to plain HTTP, when it cannot come up again.
    fs::remove_file(at("key.pem")).unwrap();
    house.gateway().act(&name("bob"), Action::Restart).await.unwrap_err();
    assert_eq!(bob.chat("hello").await.status, 503);
    assert!(status(&house, "bob").await.url().unwrap().starts_with("https://"));
    house.close().await;
}

#[actix_web::test]
async fn who_never_ends_the_handshake_holds_up_nobody_and_is_let_go() {
    let (folder, certificate) = (TempDir::new().unwrap(), Certificate::new());
    certificate.write(folder.path());
    let house = house(&folder, "  max_connections: 3\n").await;
    let at = address(&house, "alice").await;
    let mut silent = TcpStream::connect(at).await.unwrap();
    let mut slow = TcpStream::connect(at).await.unwrap();
    // The head of a record that never comes.
    slow.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
    assert_eq!(client(&house, "alice", &certificate).await.chat("hello").await.status, 200);

    // They count as connections: with one more the port is full.
    let held = within(async {
        loop {
            if let Ok(held) = shake(at, trusting(&[&certificate])).await {
                return held;
            }
        }
    })
    .await;
    assert!(shake(at, trusting(&[&certificate])).await.is_err());
    assert_eq!(client(&house, "bob", &certificate).await.chat("hello").await.status, 200);
    drop(held);

    let gone = async {
        for stream in [&mut silent, &mut slow] {
            // An end or a reset; an alert may come before it.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("a handshake without end was not ended");
    assert_eq!(client(&house, "alice", &certificate).await.chat("hello").await.status, 200);
    house.close().await;
}

#[actix_web::test]
async fn plain_http_is_told_to_use_https() {
    let (folder, certificate) = (TempDir::new().unwrap(), Certificate::new());
    certificate.write(folder.path());
    let house = house(&folder, "").await;
    let base = format!("http://{}", address(&house, "alice").await);
    let plain = Client::new(base, Some(key("alice")));
    let mut reply =
        plain.request(Method::POST, "/v1/chat/completions").send_json(&ask("hi", false)).await.unwrap();
    let text = String::from_utf8(reply.body().await.unwrap().to_vec()).unwrap();
    assert_eq!(reply.status(), 400);
    assert!(text.contains("https://"), "{text}");
    assert!(house.upstream.requests().is_empty());
    house.close().await;
}
