//! What HTTP itself is promised on every route: spellings of paths, `HEAD`, request ids, keys.

use crate::support::{Client, House, contract, within};
use awc::http::Method;
use std::collections::BTreeSet;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Paths that `GET` answers without anything to fill in.
fn readable() -> Vec<&'static str> {
    let plain = |path: &&str| !path.contains('{');
    let found = contract::operations().filter(|(method, _, _)| method == "GET").map(|(_, path, _)| path);
    let found: Vec<&str> = found.filter(plain).collect();
    assert!(found.len() > 10, "{found:?}");
    found
}

#[actix_web::test]
async fn the_version_may_be_left_out_or_stand_twice() {
    let house = House::open().await;
    let alice = house.alice().await;
    let mut tails = BTreeSet::new();
    for (method, path, _) in contract::operations() {
        let Some(tail) = path.strip_prefix("/v1") else { continue };
        let filled = |path: &str| path.replace(['{', '}'], "");
        let method: Method = method.parse().unwrap();
        let body = (method != "GET").then(|| b"{}".to_vec());
        let right = alice.send(method.clone(), &filled(path), &[], body.clone()).await;
        assert_ne!(right.code(), "not_found", "{path}");
        for spelling in [tail.to_owned(), format!("/v1{path}"), format!("/v1/{tail}")] {
            let other = alice.send(method.clone(), &filled(&spelling), &[], body.clone()).await;
            assert_eq!(
                (other.status, other.code()),
                (right.status, right.code()),
                "{method} {spelling}: {}",
                other.text
            );
        }
        tails.insert(tail);
    }
    assert!(tails.contains("/chat/completions") && tails.len() > 8, "{tails:?}");
    house.close().await;
}

#[actix_web::test]
async fn head_says_what_get_would_say_without_the_body() {
    let house = House::open().await;
    let alice = house.alice().await;
    for path in readable() {
        let get = alice.get(path).await;
        let head = alice.send(Method::HEAD, path, &[], None).await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert!(head.text.is_empty(), "{path}: {}", head.text);
    }
    let nobody = alice.with_key(None);
    assert_eq!(nobody.send(Method::HEAD, "/v1/models", &[], None).await.status, 401);
    assert_eq!(alice.send(Method::HEAD, "/v1/models/nope", &[], None).await.status, 404);
    assert_eq!(alice.send(Method::HEAD, "/v1/chat/completions", &[], None).await.status, 405);
    house.close().await;
}

async fn request_id(client: &Client, path: &str, sent: &str) -> String {
    let reply = client.send(Method::GET, path, &[("X-Request-Id", sent)], None).await;
    reply.header("X-Request-Id").unwrap().to_owned()
}

#[actix_web::test]
async fn a_sane_request_id_is_taken_over_on_answers_errors_and_streams() {
    let house = House::open().await;
    let alice = house.alice().await;
    for path in ["/v1/models", "/v1/nope", "/v1/runs/nope"] {
        assert_eq!(request_id(&alice, path, "req-1_a.B").await, "req-1_a.B", "{path}");
        assert_eq!(request_id(&alice.with_key(None), path, "req-2").await, "req-2", "{path}, without a key");
        for odd in ["", "a b", "<script>", &"x".repeat(300)] {
            let given = request_id(&alice, path, odd).await;
            assert!(!given.is_empty() && given != odd, "{path}: {odd} became {given}");
        }
    }
    let body = crate::support::ask("hello", true);
    let stream =
        alice.stream(Method::POST, "/v1/chat/completions", &[("X-Request-Id", "req-3")], Some(body)).await;
    assert_eq!(stream.headers.get("X-Request-Id").unwrap(), "req-3");
    stream.rest().await;
    house.close().await;
}

#[actix_web::test]
async fn a_key_is_told_in_any_case_of_bearer_and_every_wrong_one_gets_the_same_answer() {
    let house = House::open().await;
    let alice = house.alice().await;
    let nobody = alice.with_key(None);
    let right = alice.key.clone().unwrap();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let header = format!("{scheme} {right}");
        let reply = nobody.send(Method::GET, "/v1/models", &[("Authorization", &header)], None).await;
        assert_eq!(reply.status, 200, "{scheme}: {}", reply.text);
    }
    let longer = format!("Bearer {right}x");
    let bob = format!("Bearer {}", house.bob().await.key.unwrap());
    let wrong = ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer hk_00000000_0", &longer, &bob, &right];
    let mut bodies = BTreeSet::new();
    for header in wrong {
        let reply = nobody.send(Method::GET, "/v1/models", &[("Authorization", header)], None).await;
        assert_eq!((reply.status, reply.code()), (401, "invalid_api_key"), "{header}");
        assert_eq!(reply.header("WWW-Authenticate"), Some("Bearer"), "{header}");
        let error = &reply.body["error"];
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error["message"].as_str().unwrap().starts_with("Incorrect API key provided"), "{error}");
        bodies.insert(reply.text);
    }
    bodies.insert(nobody.get("/v1/models").await.text);
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    house.close().await;
}

#[actix_web::test]
async fn what_is_no_sound_http_gets_the_bare_status_that_the_readme_names() {
    let house = House::open().await;
    let base = house.alice().await.base;
    let at = base.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let many = "X-A: 1\r\n".repeat(200);
    let cases = [
        ("a bad length", format!("GET /health HTTP/1.1\r\nHost: {at}\r\nContent-Length: x\r\n\r\n"), "400"),
        ("no host", "GET /health HTTP/1.1\r\n\r\n".to_owned(), "400"),
        ("no request line", "hello\r\n\r\n".to_owned(), "400"),
        ("too many headers", format!("GET /health HTTP/1.1\r\nHost: {at}\r\n{many}\r\n"), "431"),
    ];
    for (case, request, status) in cases {
        let mut stream = TcpStream::connect(&at).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        within(stream.read_to_end(&mut answer)).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{case}: {answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{case}: no body: {answer}");
    }
    house.close().await;
}
