//! What holds on every route: the table of routes is walked, not a list of our own.

use crate::support::{Client, House, Plan, contract};
use awc::http::Method;
use std::collections::{BTreeMap, BTreeSet};

const SECURITY: [&str; 7] = [
    "content-security-policy",
    "permissions-policy",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "x-xss-protection",
    "referrer-policy",
];
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// A path with something in each place that a client fills in.
fn filled(template: &str) -> String {
    let place =
        |segment: &str| if segment.starts_with('{') { "none-such".to_owned() } else { segment.to_owned() };
    template.split('/').map(place).collect::<Vec<_>>().join("/")
}

fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).unwrap()
}

/// Paths with the methods that they know.
fn paths() -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut paths: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (method, path, _) in contract::operations() {
        paths.entry(path).or_default().insert(method);
    }
    assert!(paths.len() > 15, "the document is nearly empty");
    paths
}

async fn send(client: &Client, name: &str, path: &str, headers: &[(&str, &str)]) -> crate::support::Reply {
    let body = (name == "POST" || name == "PATCH").then(|| b"{}".to_vec());
    client.send(method(name), path, headers, body).await
}

#[actix_web::test]
async fn the_document_and_the_router_name_the_same_routes() {
    let house = House::open().await;
    let alice = house.alice().await;
    let served = alice.get("/openapi.json").await;
    assert_eq!(served.body, hermes_gateway::front::document());
    for (path, known) in paths() {
        let url = filled(path);
        for name in METHODS {
            let reply = send(&alice, name, &url, &[]).await;
            if known.contains(name) {
                assert!(
                    !["not_found", "method_not_allowed"].contains(&reply.code()),
                    "{name} {path}: {}",
                    reply.text
                );
                continue;
            }
            assert_eq!((reply.status, reply.code()), (405, "method_not_allowed"), "{name} {path}");
            let mut allowed: BTreeSet<String> =
                reply.header("Allow").unwrap().split(", ").map(str::to_owned).collect();
            assert_eq!(allowed.remove("HEAD"), known.contains("GET"), "{path}");
            assert_eq!(allowed, known, "{path}");
        }
    }
    let endpoints = alice.get("/v1/capabilities").await.body["endpoints"].clone();
    let named: BTreeSet<(String, String)> = endpoints
        .as_object()
        .unwrap()
        .values()
        .map(|at| (at["method"].as_str().unwrap().to_owned(), at["path"].as_str().unwrap().to_owned()))
        .collect();
    let documented: BTreeSet<(String, String)> =
        contract::operations().map(|(method, path, _)| (method, path.to_owned())).collect();
    assert_eq!(named, documented);
    house.close().await;
}

#[test]
fn routes_are_registered_in_the_table_alone() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/front");
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for call in ["web::resource(", "web::scope(", ".service(", ".route("] {
                let is_table = path.ends_with("front/route.rs");
                assert!(
                    is_table || !code.contains(call),
                    "{}: `{call}` hides a route from the document",
                    path.display()
                );
            }
        }
    }
}

#[actix_web::test]
async fn without_a_key_only_the_open_routes_answer() {
    let house = House::open().await;
    let nobody = house.alice().await.with_key(None);
    let mut open = BTreeSet::new();
    for (name, path, operation) in contract::operations() {
        let reply = send(&nobody, &name, &filled(path), &[]).await;
        if operation["security"].as_array().unwrap().is_empty() {
            open.insert(path);
            assert_eq!(reply.status, 200, "{name} {path}: {}", reply.text);
            continue;
        }
        assert_eq!((reply.status, reply.code()), (401, "invalid_api_key"), "{name} {path}: {}", reply.text);
        assert_eq!(reply.header("WWW-Authenticate"), Some("Bearer"), "{name} {path}");
    }
    assert_eq!(
        open,
        BTreeSet::from(["/health", "/ready", "/openapi.json", "/docs", "/docs/page.js", "/docs/page.css"])
    );
    house.close().await;
}

#[actix_web::test]
async fn every_answer_has_the_common_headers_and_every_error_the_one_shape() {
    let origin = "https://app.example";
    let mut house = House::with(Plan::default()).await;
    let env = house.profile_dir("alice").join(".env");
    let text = std::fs::read_to_string(&env).unwrap();
    std::fs::write(&env, format!("{text}API_SERVER_CORS_ORIGINS={origin}\n")).unwrap();
    house.stop(std::time::Duration::ZERO).await;
    house.start().await;
    let alice = house.alice().await;
    let nobody = alice.with_key(None);
    for (path, known) in paths() {
        let url = filled(path);
        let names = known.iter().map(String::as_str).chain(["HEAD", "OPTIONS", "PUT"]);
        for name in names.collect::<BTreeSet<_>>() {
            for (client, page) in [
                (&alice, None),
                (&alice, Some(origin)),
                (&nobody, Some(origin)),
                (&alice, Some("https://evil.example")),
            ] {
                let headers: Vec<(&str, &str)> = page.map(|page| ("Origin", page)).into_iter().collect();
                let reply = send(client, name, &url, &headers).await;
                let case = format!("{name} {path} from {page:?}: {} {}", reply.status, reply.text);
                for header in SECURITY.iter().chain(&["x-request-id"]) {
                    assert!(reply.header(header).is_some(), "{case}: no {header}");
                }
                assert!(reply.status < 500, "{case}");
                let allowed = page.filter(|page| *page == origin);
                assert_eq!(reply.header("access-control-allow-origin"), allowed, "{case}");
                if page.is_some() && allowed.is_none() {
                    assert_eq!(reply.status, 403, "{case}");
                }
                if name == "HEAD" {
                    assert!(reply.text.is_empty(), "{case}");
                } else if reply.status >= 400 {
                    let members: BTreeSet<&String> =
                        reply.body["error"].as_object().expect(&case).keys().collect();
                    let wanted = ["code", "message", "param", "type"].map(str::to_owned);
                    assert_eq!(members, wanted.iter().collect(), "{case}");
                    assert_eq!(reply.header("content-type"), Some("application/json"), "{case}");
                }
                if name == "OPTIONS" && allowed.is_some() {
                    assert_eq!(reply.status, 200, "{case}");
                    assert!(
                        reply.header("access-control-allow-methods").unwrap().contains("PATCH"),
                        "{case}"
                    );
                }
            }
        }
    }
    house.close().await;
}

#[actix_web::test]
async fn a_stream_can_be_read_by_a_page_of_an_allowed_origin() {
    let origin = "https://app.example";
    let mut house = House::open().await;
    let env = house.profile_dir("alice").join(".env");
    let text = std::fs::read_to_string(&env).unwrap();
    std::fs::write(&env, format!("{text}API_SERVER_CORS_ORIGINS={origin}\n")).unwrap();
    house.stop(std::time::Duration::ZERO).await;
    house.start().await;
    let alice = house.alice().await;
    let run = alice.run("hello").await;
    alice.finished(&run).await;
    let body = crate::support::ask("hello", true);
    let streams = [
        (Method::GET, format!("/v1/runs/{run}/events"), None),
        (Method::POST, "/v1/chat/completions".to_owned(), Some(body)),
    ];
    for (method, path, body) in streams {
        let frames = alice.stream(method, &path, &[("Origin", origin)], body).await;
        assert_eq!(frames.headers.get("access-control-allow-origin").unwrap(), origin, "{path}");
        let exposed = frames.headers.get("access-control-expose-headers").unwrap().to_str().unwrap();
        assert!(exposed.contains("X-Hermes-Run-Id"), "{path}");
        for header in SECURITY {
            assert!(frames.headers.contains_key(header), "{path}: no {header}");
        }
        assert!(!frames.rest().await.is_empty());
    }
    house.close().await;
}

#[actix_web::test]
async fn scopes_are_those_that_the_document_names() {
    use hermes_gateway::actors::{Rights, Scope};
    let house = House::open().await;
    for scope in Scope::ALL.into_iter().filter(|scope| *scope != Scope::Admin) {
        let holder = house.holder("alice", Rights::of(&[scope])).await;
        for (name, path, operation) in contract::operations() {
            let text = operation["description"].as_str().unwrap_or_default();
            let needed = text.rsplit_once("with the scope `").map(|(_, rest)| rest.trim_end_matches("`."));
            let reply = send(&holder, &name, &filled(path), &[]).await;
            let refused = reply.code() == "insufficient_scope";
            let wanted = needed.is_some_and(|needed| needed != scope.wire());
            assert_eq!(refused, wanted, "{name} {path} with `{}`: {}", scope.wire(), reply.text);
        }
    }
    house.close().await;
}

#[actix_web::test]
async fn a_body_that_is_no_json_is_told_what_was_expected() {
    let house = House::open().await;
    let alice = house.alice().await;
    let form = "application/x-www-form-urlencoded";
    let json = br#"{"messages": [{"role": "user", "content": "hello"}]}"#;
    let cases: [(&str, &str, &[u8], u16, &str); 5] = [
        ("a form", form, b"a=b", 415, "unsupported_media_type"),
        ("XML", "text/xml; charset=utf-8", b"<a/>", 415, "unsupported_media_type"),
        ("JSON that is broken", "application/json", b"{", 400, "invalid_json"),
        ("JSON that says it is a form, as curl -d says", form, json, 200, ""),
        ("JSON of a kind of its own", "application/vnd.x+json", json, 200, ""),
    ];
    for (case, media, body, status, code) in cases {
        let request =
            alice.request(Method::POST, "/v1/chat/completions").insert_header(("Content-Type", media));
        let mut response = request.send_body(body).await.unwrap();
        let text = response.body().await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(response.status().as_u16(), status, "{case}: {body}");
        assert_eq!(body["error"]["code"].as_str().unwrap_or_default(), code, "{case}");
    }
    let zipped =
        alice.send(Method::POST, "/v1/runs", &[("Content-Encoding", "gzip")], Some(vec![31, 139])).await;
    assert_eq!((zipped.status, zipped.code()), (415, "unsupported_media_type"), "{}", zipped.text);
    house.close().await;
}
