//! The way in: by which name, how often with a wrong key.

use crate::support::{Client, House, Plan, contract};
use awc::http::Method;
use futures_util::future::join_all;
use hermes_gateway::actors::Rights;
use std::time::{Duration, Instant};

async fn named(client: &Client, host: &str, headers: &[(&str, &str)]) -> crate::support::Reply {
    let headers = [&[("Host", host)], headers].concat();
    client.send(Method::GET, "/v1/models", &headers, None).await
}

#[actix_web::test]
async fn a_page_that_had_its_name_point_here_is_told_nothing() {
    let plan = || Plan {
        home_config: "server:\n  allowed_hosts: [chat.example.org]\n".to_owned(),
        home_env: "API_SERVER_KEY=home-key-0123456789abcdef\nAPI_SERVER_PORT=0\n".to_owned(),
        ..Plan::default()
    };
    let house = House::with(plan()).await;
    let alice = house.alice().await;
    let mut shared = alice.clone();
    shared.base = format!("{}/p/alice", house.base("default").await);
    for client in [&alice, &shared] {
        for host in [
            "localhost",
            "127.0.0.1:1",
            "[::1]:8643",
            "192.0.2.1",
            "chat.example.org",
            "CHAT.example.org:443",
        ] {
            assert_eq!(named(client, host, &[]).await.status, 200, "{host}");
        }
        for host in ["evil.example", "evil.example:8643", "127.0.0.1.evil.example", "xchat.example.org"] {
            let own_page = format!("http://{host}");
            for headers in [&[][..], &[("Origin", own_page.as_str())]] {
                let reply = named(client, host, headers).await;
                assert_eq!((reply.status, reply.code()), (421, "host_not_allowed"), "{host}: {}", reply.text);
                assert!(reply.text.contains("server.allowed_hosts"), "{}", reply.text);
                assert_eq!(reply.header("access-control-allow-origin"), None, "{host}");
                assert!(reply.header("x-request-id").is_some());
            }
        }
    }
    let open = alice.with_key(None).send(Method::GET, "/health", &[("Host", "evil.example")], None).await;
    assert_eq!(open.status, 421, "the open routes, too");
    house.close().await;
}

#[actix_web::test]
async fn guesses_wait_longer_and_longer_and_the_right_key_never_does() {
    let house = House::open().await;
    let alice = house.alice().await;
    let holder = house.holder("alice", Rights::all()).await;
    holder.get("/v1/models").await;
    let begun = Instant::now();
    let guess = async |number: u32| {
        let begun = Instant::now();
        let reply = alice.with_key(Some(&format!("hk_00000000_{number:040}"))).get("/v1/models").await;
        assert_eq!((reply.status, reply.code()), (401, "invalid_api_key"));
        begun.elapsed()
    };
    for number in 0..10 {
        guess(number).await;
    }
    let free = begun.elapsed();
    let held = [guess(10).await, guess(11).await, guess(12).await, guess(13).await];
    assert!(held[3] >= Duration::from_millis(400) && held[0] >= Duration::from_millis(50), "{held:?}");
    assert!(free < Duration::from_secs(20), "the first ones are not held up: {free:?}");
    // At the same moment and from the same address: the keys that are right.
    let (late, both) = futures_util::join!(guess(14), async {
        let begun = Instant::now();
        assert_eq!(alice.get("/v1/models").await.status, 200);
        assert_eq!(holder.get("/v1/models").await.status, 200);
        begun.elapsed()
    });
    assert!(late >= Duration::from_millis(800) && both < late, "{late:?} {both:?}");
    // A header that anybody can write moves nobody to another address.
    let elsewhere = [("X-Forwarded-For", "192.0.2.77")];
    let begun = Instant::now();
    let client = alice.with_key(Some("hk_00000000_elsewhere"));
    client.send(Method::GET, "/v1/models", &elsewhere, None).await;
    assert!(begun.elapsed() >= Duration::from_millis(1_600), "{:?}", begun.elapsed());
    assert_eq!(house.bob().await.get("/v1/models").await.status, 200);
    house.close().await;
}

#[actix_web::test]
async fn a_proxy_that_is_trusted_tells_who_it_was() {
    let home_config = "server:\n  trusted_proxies: 127.0.0.1\n".to_owned();
    let house = House::with(Plan { home_config, ..Plan::default() }).await;
    let alice = house.alice().await;
    let guess = async |from: &str, number: u32| {
        let begun = Instant::now();
        let client = alice.with_key(Some(&format!("hk_00000000_{number:040}")));
        client.send(Method::GET, "/v1/models", &[("X-Forwarded-For", from)], None).await;
        begun.elapsed()
    };
    for number in 0..13 {
        guess("198.51.100.1, 192.0.2.1", number).await;
    }
    assert!(guess("198.51.100.2, 192.0.2.1", 20).await >= Duration::from_millis(400), "what it saw counts");
    assert!(
        guess("192.0.2.1, 192.0.2.2", 21).await < Duration::from_millis(400),
        "somebody else is not held up"
    );
    house.close().await;
}

/// What "tenancy" means at the door: alice's keys, of `.env` and stored, on every route that bob's port has.
#[actix_web::test]
async fn alices_keys_open_no_route_of_bobs_port() {
    let house = House::open().await;
    let (bob, stored) = (house.bob().await, house.holder("alice", Rights::all()).await);
    let alice = house.alice().await;
    let nobody = bob.with_key(None).get("/v1/models").await;
    let keys = [alice.key.clone(), stored.key.clone()];
    let closed = contract::operations().filter(|(_, _, operation)| {
        operation["security"].as_array().is_none_or(|security| !security.is_empty())
    });
    let asked: Vec<_> =
        closed.flat_map(|(method, path, _)| keys.clone().map(|key| (method.clone(), path, key))).collect();
    assert!(asked.len() > 80, "only {} requests", asked.len());
    join_all(asked.into_iter().map(async |(name, path, key)| {
        let method = Method::from_bytes(name.as_bytes()).unwrap();
        let body = (name != "GET").then(|| b"{}".to_vec());
        let reply = bob.with_key(key.as_deref()).send(method, path, &[], body).await;
        assert_eq!((reply.status, &reply.text), (401, &nobody.text), "{name} {path}");
    }))
    .await;
    house.close().await;
}
