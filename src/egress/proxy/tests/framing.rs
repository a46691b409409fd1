//! What passes through, byte for byte, and what is made of lies.

use super::*;

#[tokio::test]
async fn a_tunnel_carries_both_ways_and_each_side_may_close_first() {
    let house = House::new();
    let server = Server::new().await;
    for early in ["", "said before the tunnel was there;"] {
        let mut client = house.client().await;
        client.say(&format!("CONNECT {} HTTP/1.1\r\n\r\n{early}", server.address)).await;
        let mut far = server.accept().await;
        let head = client.hear("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 ") && !head.to_lowercase().contains("length"), "{head}");
        client.say("ping").await;
        client.0.shutdown().await.unwrap();
        assert_eq!(far.rest().await, format!("{early}ping"));
        far.say("pong after your end").await;
        drop(far);
        assert_eq!(client.rest().await, "pong after your end");
    }
}

#[tokio::test]
async fn a_request_is_said_again_for_the_host_of_its_url_without_what_is_between_us() {
    let house = House::new();
    let server = Server::new().await;
    let mut client = house.client().await;
    let at = server.address;
    client
        .say(&format!(
            "POST http://{at}/path?q=1 HTTP/1.1\r\nHost: evil.example\r\nProxy-Connection: keep-alive\r\n\
             Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nX-Kept: 2\r\nTE: trailers\r\nContent-Length: 4\r\n\r\nbody"
        ))
        .await;
    let seen = server.answer(DONE).await.to_lowercase();
    assert!(seen.starts_with("post /path?q=1 http/1.1\r\n"), "{seen}");
    assert!(seen.contains(&format!("host: {at}\r\n")) && seen.ends_with("\r\n\r\nbody"), "{seen}");
    assert!(seen.contains("x-kept: 2") && seen.contains("via: 1.1 hermes"), "{seen}");
    for gone in ["evil", "x-hop", "te:", "proxy-"] {
        assert!(!seen.contains(gone), "{gone} in {seen}");
    }
    assert_eq!(client.message().await.1, "done");
    // The client's connection goes on, to another host if it likes.
    let second = Server::new().await;
    client.say(&format!("GET http://name.example:{}/ HTTP/1.1\r\n\r\n", second.address.port())).await;
    let seen = second.answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    assert!(seen.contains(&format!("name.example:{}", second.address.port())), "{seen}");
    assert!(client.message().await.0.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn bodies_pass_in_pieces_as_they_come() {
    let house = House::new();
    let server = Server::new().await;
    let mut client = house.client().await;
    client
        .say(&format!(
            "POST http://{}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n",
            server.address
        ))
        .await;
    let mut far = server.accept().await;
    let head = far.hear("\r\n\r\n").await.to_lowercase();
    assert!(head.contains("transfer-encoding: chunked") && !head.contains("content-length"), "{head}");
    assert_eq!(far.hear("one\r\n").await, "3\r\none\r\n", "before the second piece is said");
    client.say("3\r\ntwo\r\n0\r\n\r\n").await;
    assert_eq!(far.hear("0\r\n\r\n").await, "3\r\ntwo\r\n0\r\n\r\n");
    far.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nuno\r\n").await;
    client.hear("\r\n\r\n").await;
    assert_eq!(client.hear("uno\r\n").await, "3\r\nuno\r\n");
    far.say("3\r\ndos\r\n0\r\n\r\n").await;
    assert_eq!(client.hear("0\r\n\r\n").await, "3\r\ndos\r\n0\r\n\r\n");
}

#[tokio::test]
async fn answers_without_a_body_and_older_clients_are_understood() {
    let house = House::new();
    let server = Server::new().await;
    let cases = [
        ("HEAD", "1.1", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "content-length: 99", ""),
        ("GET", "1.1", "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", "etag: x", ""),
        ("DELETE", "1.1", "HTTP/1.1 204 No Content\r\n\r\n", "204", ""),
        (
            "GET",
            "1.0",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nold\r\n0\r\n\r\n",
            "200 ok",
            "old",
        ),
        ("GET", "1.0", "HTTP/1.0 200 OK\r\n\r\nuntil the end", "200 ok", "until the end"),
    ];
    for (method, version, answer, in_head, body) in cases {
        let mut client = house.client().await;
        client
            .say(&format!("{method} http://{}/ HTTP/{version}\r\nConnection: close\r\n\r\n", server.address))
            .await;
        server.answer(answer).await;
        let got = client.rest().await;
        let (head, got_body) = got.split_once("\r\n\r\n").unwrap();
        assert!(head.to_lowercase().contains(in_head), "{method}: {got}");
        assert_eq!(got_body, body, "{method} {version}: {got}");
    }
}

#[tokio::test]
async fn a_body_is_asked_for_where_the_client_waits_for_that() {
    let house = House::new();
    let server = Server::new().await;
    let mut client = house.client().await;
    client
        .say(&format!(
            "PUT http://{}/ HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
            server.address
        ))
        .await;
    assert!(client.hear("\r\n\r\n").await.starts_with("HTTP/1.1 100 "));
    client.say("body").await;
    assert!(server.answer(DONE).await.ends_with("body"));
    assert_eq!(client.message().await.1, "done");
}

#[tokio::test]
async fn a_request_of_two_lengths_reaches_the_server_with_one() {
    let house = House::new();
    let server = Server::new().await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    for (length, order) in [(smuggled.len() + 5, true), (smuggled.len() + 5, false), (3, true)] {
        let mut lengths =
            [format!("Content-Length: {length}\r\n"), "Transfer-Encoding: chunked\r\n".to_owned()];
        if order {
            lengths.reverse();
        }
        let mut client = house.client().await;
        let at = server.address;
        let head = format!("POST http://{at}/ HTTP/1.1\r\n{}\r\n", lengths.concat());
        client.say(&format!("{head}0\r\n\r\n{smuggled}")).await;
        client.0.shutdown().await.unwrap();
        let mut far = server.accept().await;
        let head = far.hear("\r\n\r\n").await.to_lowercase();
        assert_eq!(
            head.matches("content-length").count() + head.matches("transfer-encoding").count(),
            1,
            "{head}"
        );
        assert_eq!(far.hear("0\r\n\r\n").await, "0\r\n\r\n");
        far.say(DONE).await;
        assert_eq!(client.message().await.1, "done");
        // What follows is a request of its own to the proxy, no proxy request at that, or is never looked at.
        let after = client.rest().await;
        assert!(after.is_empty() || after.starts_with("HTTP/1.1 400 "), "{after}");
        drop(client);
        assert_eq!(far.rest().await, "");
    }
}

#[tokio::test]
async fn lies_about_a_body_end_the_connection_on_both_sides() {
    let house = House::new();
    let server = Server::new().await;
    let at = server.address;
    // By the client.
    for lie in ["zz\r\nabc\r\n", "-1\r\nabc\r\n", "ffffffffffffffffff\r\n", "3;a=b\r\nabcdef\r\n"] {
        let mut client = house.client().await;
        client
            .say(&format!("POST http://{at}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n{lie}"))
            .await;
        let mut far = server.accept().await;
        far.hear("1\r\na\r\n").await;
        let rest = far.rest().await;
        assert!(!rest.ends_with("0\r\n\r\n"), "{lie:?} was made a whole body: {rest:?}");
        client.rest().await;
    }
    for head in [
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: 1x\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding : chunked\r\n",
    ] {
        let mut client = house.client().await;
        client.say(&format!("POST http://{at}/ HTTP/1.1\r\n{head}\r\nabc")).await;
        assert!(client.rest().await.starts_with("HTTP/1.1 400 "), "{head}");
    }
    // By the server.
    for answer in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
    ] {
        let mut client = house.client().await;
        client.say(&format!("GET http://{at}/ HTTP/1.1\r\n\r\n")).await;
        server.answer(answer).await;
        let got = client.rest().await;
        assert!(got.starts_with("HTTP/1.1 200 ") && !got.ends_with("0\r\n\r\n"), "{got}");
    }
    for answer in ["garbage\r\n\r\n", "", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"] {
        let mut client = house.client().await;
        client.say(&format!("GET http://{at}/ HTTP/1.1\r\n\r\n")).await;
        server.answer(answer).await;
        assert!(client.message().await.0.starts_with("HTTP/1.1 502 "), "{answer}");
    }
}
