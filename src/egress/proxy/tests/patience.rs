//! Those who flood, stall or never come back.

use super::*;
use tokio::time::Instant;

fn bounds(head: u64, idle: u64) -> Bounds {
    let millis = Duration::from_millis;
    Bounds { connections: 8, in_all: 16, head: millis(head), idle: millis(idle) }
}

#[tokio::test]
async fn a_flood_of_headers_is_cut_off() {
    let house = House::new();
    let many = "X: 1\r\n".repeat(1_000);
    let long = format!("X: {}\r\n", "x".repeat(1 << 20));
    for headers in [many, long] {
        let mut client = house.client().await;
        let request = format!("GET http://127.0.0.1:9/ HTTP/1.1\r\n{headers}\r\n");
        // It may break off before everything was said.
        let _ = client.0.write_all(request.as_bytes()).await;
        let got = client.rest().await;
        assert!(got.is_empty() || got.starts_with("HTTP/1.1 431 "), "{got}");
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let house = House::bounded(bounds(200, 60_000));
    for beginning in ["", "GET http://127.0", "GET http://127.0.0.1:9/ HTTP/1.1\r\nX: "] {
        let begun = Instant::now();
        let mut client = house.client().await;
        client.say(beginning).await;
        client.rest().await;
        assert!(begun.elapsed() < LONG / 2, "{beginning:?}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_told_of_and_left() {
    let house = House::bounded(bounds(10_000, 300));
    let server = Server::new().await;
    let mut client = house.client().await;
    client.say(&format!("GET http://{}/ HTTP/1.1\r\n\r\n", server.address)).await;
    let mut far = server.accept().await;
    let (head, body) = client.message().await;
    assert!(head.starts_with("HTTP/1.1 504 ") && body.contains("does not answer"), "{head}{body}");
    far.rest().await;
    // In a tunnel nobody can be told; it ends.
    let mut client = house.client().await;
    client.say(&format!("CONNECT {} HTTP/1.1\r\n\r\n", server.address)).await;
    let mut far = server.accept().await;
    client.hear("\r\n\r\n").await;
    client.rest().await;
    far.rest().await;
}

#[tokio::test]
async fn what_moves_slowly_is_not_idle() {
    let house = House::bounded(bounds(10_000, 400));
    let server = Server::new().await;
    let mut client = house.client().await;
    client.say(&format!("CONNECT {} HTTP/1.1\r\n\r\n", server.address)).await;
    let mut far = server.accept().await;
    client.hear("\r\n\r\n").await;
    // One side speaks, the other is silent for longer than the limit.
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        far.say(".").await;
    }
    assert_eq!(client.hear("........").await, "........");
}

#[tokio::test]
async fn who_does_not_read_holds_the_server_up_and_no_memory() {
    let house = House::bounded(bounds(10_000, 500));
    let server = Server::new().await;
    for request in [
        format!("CONNECT {} HTTP/1.1\r\n\r\n", server.address),
        format!("GET http://{}/ HTTP/1.1\r\n\r\n", server.address),
    ] {
        let mut client = house.client().await;
        client.say(&request).await;
        let mut far = server.accept().await;
        if request.starts_with("GET") {
            far.hear("\r\n\r\n").await;
            far.say("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
        }
        client.hear("\r\n\r\n").await;
        let (piece, mut taken) = (vec![b'x'; 1 << 16], 0);
        // Ends by the idle limit: the client still reads nothing.
        while let Ok(written) = timeout(LONG, far.0.write(&piece)).await.expect("it is never given up") {
            taken += written;
            assert!(taken < 64 << 20, "it is all held somewhere");
        }
    }
}

#[tokio::test]
async fn more_connections_than_allowed_wait_and_then_are_served() {
    let house = House::bounded(bounds(300, 60_000));
    let server = Server::new().await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(house.client().await);
    }
    // Behind eight silent ones at a time, each of which is given up after 300 ms.
    let mut client = house.client().await;
    client.say(&format!("GET http://{}/ HTTP/1.1\r\n\r\n", server.address)).await;
    silent.truncate(40);
    server.answer(DONE).await;
    assert_eq!(client.message().await.1, "done");
}

#[tokio::test]
async fn a_command_on_a_shared_listener_has_so_many_places_and_is_told_so() {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let house = House::bounded(bounds(10_000, 60_000));
    let server = Server::new().await;
    let port = house.egress.shared_port().unwrap();
    let url = house.grant.url(port);
    let user = BASE64_STANDARD.encode(&url[7..url.find('@').unwrap()]);
    let request = format!("CONNECT {} HTTP/1.1\r\nProxy-Authorization: basic {user}\r\n\r\n", server.address);
    let mut open = Vec::new();
    for _ in 0..8 {
        let mut wire = Wire(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
        wire.say(&request).await;
        assert!(wire.hear("\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
        open.push(wire);
    }
    let mut wire = Wire(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    wire.say(&request).await;
    assert!(wire.message().await.0.starts_with("HTTP/1.1 503 "));
    // Another command of the profile has places of its own.
    let other = house.egress.grant(RunId::new()).unwrap().url(port);
    assert_ne!(other, url);
}
