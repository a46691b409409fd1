//! Who gets where.

use super::*;
use base64::{Engine as _, prelude::BASE64_STANDARD};

#[tokio::test]
async fn what_is_not_listed_is_refused_with_the_reason_on_both_ways() {
    let house = House::with(&[], Bounds::default());
    for (request, status) in [
        ("CONNECT 10.0.0.1:443 HTTP/1.1\r\n\r\n", "403"),
        ("CONNECT printer.example:443 HTTP/1.1\r\n\r\n", "403"),
        ("GET http://169.254.169.254/latest HTTP/1.1\r\n\r\n", "403"),
        ("GET http://[::ffff:169.254.169.254]/latest HTTP/1.1\r\n\r\n", "403"),
        ("GET http://0x7f.1/ HTTP/1.1\r\n\r\n", "403"),
        ("GET http://2130706433/ HTTP/1.1\r\nHost: example.org\r\n\r\n", "403"),
    ] {
        let mut client = house.client().await;
        client.say(request).await;
        let (head, body) = client.message().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {head}");
        assert!(
            body.starts_with("hermes: `") && body.contains("terminal.network_allow"),
            "{request}: {body}"
        );
    }
    let told = house.grant.refusals();
    assert_eq!(told.len(), 4, "each once, however it was written: {told:?}");
    assert!(told.iter().any(|said| said.contains("127.0.0.1 is the loopback of the machine")), "{told:?}");
}

#[tokio::test]
async fn what_is_no_request_for_a_proxy_is_told_so() {
    let house = House::new();
    for (request, said) in [
        ("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "this is a proxy"),
        ("GET https://example.org/ HTTP/1.1\r\n\r\n", "only `http:`"),
        ("GET ftp://example.org/ HTTP/1.1\r\n\r\n", "only `http:`"),
        ("GET http://good.org@127.0.0.1/ HTTP/1.1\r\n\r\n", "user name before the host"),
        ("GET http://127.0.0.1:0/ HTTP/1.1\r\n\r\n", "no port"),
        ("CONNECT good.org@127.0.0.1:443 HTTP/1.1\r\n\r\n", "user name before the host"),
        ("CONNECT good.org:80@127.0.0.1:443 HTTP/1.1\r\n\r\n", "user name before the host"),
        ("CONNECT example.org HTTP/1.1\r\n\r\n", "needs HOST:PORT"),
        ("CONNECT a..b:80 HTTP/1.1\r\n\r\n", "no host name"),
    ] {
        let mut client = house.client().await;
        client.say(request).await;
        let (head, body) = client.message().await;
        assert!(head.starts_with("HTTP/1.1 400 ") && body.contains(said), "{request}: {head}{body}");
    }
}

#[tokio::test]
async fn a_port_of_the_gateway_is_refused_although_its_address_is_listed() {
    let house = House::new();
    let server = Server::new().await;
    let port = server.address.port();
    let listening = house.listeners.enter(port);
    for request in [
        format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n"),
        format!("CONNECT api.example:{port} HTTP/1.1\r\n\r\n"),
        format!("CONNECT [::ffff:127.0.0.1]:{port} HTTP/1.1\r\n\r\n"),
        format!("POST http://127.0.0.1:{port}/v1/approvals/apr_1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
        format!("GET http://localhost.:{port}/ HTTP/1.1\r\n\r\n"),
        format!("CONNECT 0.0.0.0:{port} HTTP/1.1\r\n\r\n"),
    ] {
        let mut client = house.client().await;
        client.say(&request).await;
        let (head, _) = client.message().await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{request}: {head}");
    }
    // The refusals were about the gateway: once the port is somebody else's, it is reached.
    drop(listening);
    let mut client = house.client().await;
    client.say(&format!("GET http://127.0.0.1:{port}/ HTTP/1.1\r\n\r\n")).await;
    server.answer(DONE).await;
    assert_eq!(client.message().await.1, "done");
}

#[tokio::test]
async fn a_shared_listener_asks_for_the_token_of_a_command_that_runs() {
    let (alice, bob) = (House::new(), House::new());
    let server = Server::new().await;
    let port = alice.egress.shared_port().unwrap();
    assert_eq!(alice.egress.shared_port().unwrap(), port, "one listener for the whole profile");
    let header = |grant: &Grant| {
        let url = grant.url(port);
        let (_, user) = url.split_once("//").unwrap();
        let (user, _) = user.split_once('@').unwrap();
        format!("Proxy-Authorization: Basic {}\r\n", BASE64_STANDARD.encode(user))
    };
    let second = alice.egress.grant(RunId::new()).unwrap();
    let gone = alice.egress.grant(RunId::new()).unwrap();
    let (own, others, bobs, past) =
        (header(&alice.grant), header(&second), header(&bob.grant), header(&gone));
    drop(gone);
    assert_ne!(own, others);
    let ask = async |wire: &mut Wire, header: &str| {
        wire.say(&format!("GET http://{}/ HTTP/1.1\r\n{header}\r\n", server.address)).await;
    };
    for wrong in
        ["", &bobs, &past, "Proxy-Authorization: Basic cnVuOg==\r\n", "Proxy-Authorization: Bearer x\r\n"]
    {
        let mut wire = Wire(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
        ask(&mut wire, wrong).await;
        let (head, _) = wire.message().await;
        assert!(head.starts_with("HTTP/1.1 407 "), "{wrong:?}: {head}");
        assert!(head.to_lowercase().contains("proxy-authenticate: basic"), "{head}");
    }
    let mut wire = Wire(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    ask(&mut wire, &own).await;
    let seen = server.answer(DONE).await;
    assert!(!seen.to_lowercase().contains("proxy-"), "the server learns no token: {seen}");
    assert_eq!(wire.message().await.1, "done");
    // The connection is that command's for good.
    ask(&mut wire, &others).await;
    assert!(wire.message().await.0.starts_with("HTTP/1.1 407 "));
}

#[tokio::test]
async fn the_end_of_a_command_ends_its_connections_and_no_others() {
    let house = House::new();
    let server = Server::new().await;
    let port = house.egress.shared_port().unwrap();
    let other = house.egress.grant(RunId::new()).unwrap();
    let tunnel = async |at: SocketAddr, url: Option<String>| {
        let token = url.map(|url| url[7..url.find('@').unwrap()].to_owned());
        let header = token.map_or(String::new(), |user| {
            format!("Proxy-Authorization: Basic {}\r\n", BASE64_STANDARD.encode(user))
        });
        let mut wire = Wire(TcpStream::connect(at).await.unwrap());
        wire.say(&format!("CONNECT {} HTTP/1.1\r\n{header}\r\n", server.address)).await;
        let far = server.accept().await;
        assert!(wire.hear("\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
        (wire, far)
    };
    let shared = SocketAddr::from(([127, 0, 0, 1], port));
    let (mut first, mut first_far) = tunnel(house.proxy, None).await;
    let (mut second, mut second_far) = tunnel(shared, Some(house.grant.url(port))).await;
    let (mut third, mut third_far) = tunnel(shared, Some(other.url(port))).await;
    drop(house.grant);
    for wire in [&mut first, &mut first_far, &mut second, &mut second_far] {
        assert_eq!(wire.rest().await, "");
    }
    assert!(TcpStream::connect(house.proxy).await.is_err(), "its own listener is closed");
    third.say("still here").await;
    assert_eq!(third_far.hear("here").await, "still here");
}
