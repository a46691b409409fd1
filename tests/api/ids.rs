//! An id that names nothing of this profile is 404, whatever it looks like, on every route that takes one.

use crate::support::{Client, House, contract};
use awc::http::Method;
use serde_json::json;

/// What every route below that takes a body accepts.
fn body(path: &str) -> serde_json::Value {
    if path.contains("/approval") {
        json!({ "choice": "once" })
    } else if path.starts_with("/api/sessions/{session_id}") && path.matches('/').count() == 3 {
        json!({ "title": "a title" })
    } else {
        json!({ "input": "hello", "message": "hello" })
    }
}

/// Sends the operation with this id, and leaves the id out of what came back.
async fn asked(client: &Client, method: &str, path: &str, (sent, meant): (&str, &str)) -> (u16, String) {
    let (begin, rest) = path.split_once('{').unwrap();
    let end = rest.split_once('}').unwrap().1;
    let method: Method = method.parse().unwrap();
    let body = (method != "GET").then(|| body(path).to_string().into_bytes());
    let reply = client.send(method, &format!("{begin}{sent}{end}"), &[], body).await;
    // A message cuts an id that is too long to be one.
    let said =
        (20..=meant.len()).rev().find_map(|length| meant.get(..length).filter(|id| reply.text.contains(id)));
    (reply.status, reply.text.replace(said.unwrap_or(meant), "ID"))
}

#[actix_web::test]
async fn an_id_that_names_nothing_here_is_unknown_whatever_it_looks_like() {
    let house = House::open().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let run = alice.run(r#"@@tool terminal {"command":"rm -rf ./none"}"#).await;
    let asks = alice.events(&run, None).await.until("approval.request").await.json();
    let approval = asks["approval_id"].as_str().unwrap();
    let long = "x".repeat(300);
    // As it is sent, and as it is meant.
    let ids = [
        (run.as_str(), run.as_str()),
        (approval, approval),
        ("run_0198c2f000007000", "run_0198c2f000007000"),
        ("resp_nope", "resp_nope"),
        (&long, &long),
        ("..%2F..%2Fetc%2Fpasswd", "../../etc/passwd"),
        ("%2E%2E", ".."),
        ("a%20b", "a b"),
        ("%C3%A4", "ä"),
    ];

    let mut walked = 0;
    for (method, path, _) in contract::operations().filter(|(_, path, _)| path.contains('{')) {
        let (status, unknown) = asked(&bob, &method, path, ("nope", "nope")).await;
        assert_eq!(status, 404, "{method} {path}: {unknown}");
        for id in ids {
            let reply = asked(&bob, &method, path, id).await;
            assert_eq!(reply, (404, unknown.clone()), "{method} {path} with `{}`", id.0);
        }
        walked += 1;
    }
    assert!(walked >= 8, "only {walked} operations take an id");
    assert_eq!(alice.get(&format!("/v1/runs/{run}")).await.body["status"], "waiting_for_approval");
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    house.close().await;
}
