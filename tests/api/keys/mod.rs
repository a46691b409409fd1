//! Keys: what each one may do, how they are made, and how they end.

mod approving;
mod ending;
mod tools;

use crate::support::{Client, House, Plan, Reply, key};
use awc::http::Method;
use hermes_gateway::actors::{Rights, Scope};
use serde_json::{Value, json};
use std::time::Duration;

const KEYS: &str = "/api/keys";

/// The same place, with the key that this answer shows.
fn with_token(client: &Client, reply: &Reply) -> Client {
    client.with_key(Some(reply.body["token"].as_str().unwrap()))
}

fn id(reply: &Reply) -> &str {
    reply.body["id"].as_str().unwrap()
}

async fn patch(client: &Client, id: &str, body: Value) -> Reply {
    client.send(Method::PATCH, &format!("{KEYS}/{id}"), &[], Some(body.to_string().into_bytes())).await
}

/// Rights with these tools only.
pub fn with_tools(rights: Rights, tools: &[&str]) -> Rights {
    Rights { tools: Some(tools.iter().map(ToString::to_string).collect()), ..rights }
}

#[actix_web::test]
async fn a_key_is_shown_once_works_is_listed_and_revoked() {
    let house = House::open().await;
    let alice = house.alice().await;
    let made = alice.post(KEYS, json!({"name": "laptop", "scopes": ["chat"]})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let laptop = with_token(&alice, &made);
    assert_eq!(laptop.chat("hello").await.status, 200);
    assert_eq!(laptop.get("/v1/runs").await.code(), "insufficient_scope");
    assert_eq!(laptop.get(KEYS).await.code(), "insufficient_scope");

    let listed = alice.get(KEYS).await;
    let mut row = listed.body["data"][0].clone();
    assert!(row["last_used_at"].is_number(), "{row}");
    assert!(!listed.text.contains(laptop.key.as_deref().unwrap()) && !listed.text.contains("hash"));
    let mut shown = made.body.clone();
    for value in [&mut row, &mut shown] {
        value.as_object_mut().unwrap().retain(|name, _| name != "last_used_at" && name != "token");
    }
    assert_eq!(row, shown);

    let path = format!("{KEYS}/{}", id(&made));
    assert_eq!(alice.get(&path).await.body["name"], "laptop");
    let revoked = alice.delete(&path).await;
    assert_eq!((revoked.status, &revoked.body["status"]), (200, &json!("revoked")), "{}", revoked.text);
    assert_eq!(laptop.chat("hello").await.code(), "invalid_api_key");
    assert_eq!(alice.delete(&path).await.body["revoked_at"], revoked.body["revoked_at"], "once is enough");
    assert_eq!(patch(&alice, id(&made), json!({"name": "x"})).await.code(), "key_not_active");
    let again = alice.post(&format!("{path}/rotate"), json!({})).await;
    assert_eq!((again.status, again.code()), (409, "key_not_active"), "no way back: {}", again.text);
    house.close().await;
}

#[actix_web::test]
async fn a_retry_gets_the_same_key_without_its_secret_which_is_on_no_disk() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let retry = [("Idempotency-Key", "make-1")];
    let made = alice.post_with(KEYS, &retry, json!({})).await;
    let again = alice.post_with(KEYS, &retry, json!({})).await;
    assert_eq!((again.status, again.header("Idempotency-Replayed")), (201, Some("true")));
    assert_eq!((id(&again), &again.body["token"]), (id(&made), &Value::Null));
    assert_eq!(alice.get(KEYS).await.body["data"].as_array().unwrap().len(), 1);
    let rotated = format!("{KEYS}/{}/rotate", id(&made));
    let rotated = alice.post_with(&rotated, &retry, json!({"overlap": 60})).await;
    let secrets = [&made, &rotated].map(|reply| reply.body["token"].as_str().unwrap().to_owned());
    house.stop(Duration::ZERO).await;

    let mut folders = vec![house.profile_dir("alice"), house.home.join("run")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            for secret in &secrets {
                // sled may press a page: the tail of the secret is as random as the whole.
                let tail = &secret.as_bytes()[secret.len() - 20..];
                assert!(!bytes.windows(tail.len()).any(|piece| piece == tail), "{}", entry.path().display());
            }
        }
    }
}

#[actix_web::test]
async fn nobody_gives_more_than_they_have() {
    let house = House::open().await;
    let alice = house.alice().await;
    let ends = json!(4_102_444_800_u64);
    let admin = json!({"scopes": ["admin"], "tools": ["read_file"], "expires_at": ends});
    let small = with_token(&alice, &alice.post(KEYS, admin).await);
    let good = json!({"scopes": ["chat", "approve"], "tools": ["read_file"], "expires_at": ends});
    let child = small.post(KEYS, good.clone()).await;
    assert_eq!(child.status, 201, "{}", child.text);
    let more = [json!({"tools": null}), json!({"tools": ["terminal"]}), json!({"expires_at": null})];
    for more in more {
        let mut body = good.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = small.post(KEYS, body).await;
        assert_eq!((made.status, made.code()), (403, "insufficient_scope"), "{more}: {}", made.text);
        let changed = patch(&small, id(&child), more.clone()).await;
        assert_eq!((changed.status, changed.code()), (403, "insufficient_scope"), "{more}: {}", changed.text);
    }
    // Neither by taking over a key that has more, nor by giving oneself more.
    let own = alice.get(KEYS).await.body["data"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(patch(&small, &own, json!({"tools": null})).await.code(), "insufficient_scope");
    let strong = alice.post(KEYS, json!({"scopes": ["chat"]})).await;
    let stolen = small.post(&format!("{KEYS}/{}/rotate", id(&strong)), json!({})).await;
    assert_eq!((stolen.status, stolen.code()), (403, "insufficient_scope"), "{}", stolen.text);
    let bent = patch(&small, id(&strong), json!({"tools": ["read_file"], "expires_at": ends})).await;
    assert_eq!(bent.code(), "insufficient_scope", "{}", bent.text);

    // And without `admin` there is no way in at all.
    let all_but: Vec<Scope> = Scope::ALL.into_iter().filter(|scope| *scope != Scope::Admin).collect();
    let chat = house.holder("alice", Rights::of(&all_but)).await;
    for reply in [
        chat.get(KEYS).await,
        chat.post(KEYS, json!({"scopes": ["chat"]})).await,
        chat.delete(&format!("{KEYS}/{own}")).await,
        chat.post(&format!("{KEYS}/{own}/rotate"), json!({})).await,
        patch(&chat, &own, json!({"name": "x"})).await,
    ] {
        assert_eq!((reply.status, reply.code()), (403, "insufficient_scope"), "{}", reply.text);
    }
    house.close().await;
}

#[actix_web::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let house = House::open().await;
    let alice = house.alice().await;
    let made = alice.post(KEYS, json!({})).await;
    let cases = [
        (json!({"name": ""}), "invalid_request", "name"),
        (json!({"name": "x".repeat(65)}), "invalid_request", "name"),
        (json!({"name": "a\nb"}), "invalid_request", "name"),
        (json!({"name": 1}), "invalid_request", "name"),
        (json!({"scopes": ["root"]}), "invalid_request", "scopes"),
        (json!({"tools": ["rm"]}), "invalid_request", "tools"),
        (json!({"tools": "terminal"}), "invalid_request", "tools"),
        (json!({"expires_at": 1}), "invalid_request", "expires_at"),
        (json!({"expires_in": 0}), "invalid_request", "expires_at"),
        (json!({"expires_in": 1e300}), "invalid_request", "expires_in"),
        (json!({"expire_at": 1}), "unsupported_parameter", "expire_at"),
    ];
    for (body, code, param) in cases {
        for reply in [alice.post(KEYS, body.clone()).await, patch(&alice, id(&made), body.clone()).await] {
            assert_eq!((reply.status, reply.code()), (400, code), "{body}: {}", reply.text);
            assert_eq!(reply.body["error"]["param"], param, "{body}: {}", reply.text);
        }
    }
    let rotate = format!("{KEYS}/{}/rotate", id(&made));
    for overlap in [json!(-1), json!("24h"), json!(8_000_000)] {
        let reply = alice.post(&rotate, json!({ "overlap": overlap })).await;
        assert_eq!((reply.status, reply.code()), (400, "invalid_request"), "{overlap}: {}", reply.text);
    }
    assert_eq!(with_token(&alice, &made).get("/v1/models").await.status, 200, "it is as it was");
    house.close().await;
}

#[actix_web::test]
async fn a_name_is_no_id_on_the_wire() {
    let house = House::open().await;
    let alice = house.alice().await;
    alice.post(KEYS, json!({"name": "laptop"})).await;
    for id in ["laptop", "env", "00000000"] {
        let reply = alice.get(&format!("{KEYS}/{id}")).await;
        assert_eq!((reply.status, reply.code()), (404, "key_not_found"), "{id}");
        assert_eq!(alice.delete(&format!("{KEYS}/{id}")).await.status, 404, "{id}");
    }
    assert_eq!(house.client("alice").await.get("/v1/models").await.status, 200);
    house.close().await;
}

#[actix_web::test]
async fn a_rotated_key_has_both_secrets_for_as_long_as_they_overlap() {
    let house = House::open().await;
    let alice = house.alice().await;
    let made = alice.post(KEYS, json!({"scopes": ["chat", "runs"]})).await;
    let old = with_token(&alice, &made);
    let run = old.run("hello").await;
    old.finished(&run).await;
    let rotate = format!("{KEYS}/{}/rotate", id(&made));
    let rotated = alice.post(&rotate, json!({"overlap": 60})).await;
    assert_eq!((rotated.status, id(&rotated)), (200, id(&made)), "{}", rotated.text);
    assert!(rotated.body["overlap_until"].is_number() && rotated.body["rotated_at"].is_number());
    let new = with_token(&alice, &rotated);
    for client in [&old, &new] {
        assert_eq!(client.get(&format!("/v1/runs/{run}")).await.status, 200);
    }
    // One more: of three secrets the first ends now, though its time was not over.
    let third = with_token(&alice, &alice.post(&rotate, json!({"overlap": 60})).await);
    let statuses = [&old, &new, &third].map(async |client| client.get("/v1/models").await.status);
    assert_eq!(futures_util::future::join_all(statuses).await, [401, 200, 200]);
    let last = with_token(&alice, &alice.post(&rotate, json!({})).await);
    assert_eq!(new.get("/v1/models").await.status, 401);
    assert_eq!(third.get("/v1/models").await.status, 401, "without an overlap the old one ends at once");
    assert_eq!(last.get("/v1/models").await.status, 200);
    house.close().await;
}

#[actix_web::test]
async fn keys_are_what_they_were_after_a_restart() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let made = alice.post(KEYS, json!({"name": "n", "scopes": ["chat"], "tools": ["read_file"]})).await;
    let rotated = alice.post(&format!("{KEYS}/{}/rotate", id(&made)), json!({"overlap": 3600})).await;
    for reply in [&made, &rotated] {
        assert_eq!(with_token(&alice, reply).get("/v1/models").await.status, 200);
    }
    let before = alice.get(&format!("{KEYS}/{}", id(&made))).await.body;
    house.stop(Duration::ZERO).await;
    house.start().await;
    let alice = house.alice().await;
    let after = alice.get(&format!("{KEYS}/{}", id(&made))).await.body;
    assert_eq!(after, before, "its last use, too");
    for reply in [&made, &rotated] {
        assert_eq!(with_token(&alice, reply).get("/v1/models").await.status, 200);
    }
    house.close().await;
}

#[actix_web::test]
async fn a_key_with_impersonate_speaks_for_others_and_one_without_does_not() {
    let house = House::open().await;
    for (scopes, apart) in [(vec![Scope::Chat, Scope::Impersonate], true), (vec![Scope::Chat], false)] {
        let front = house.holder("alice", Rights::of(&scopes)).await;
        let mut sessions = Vec::new();
        for user in ["ann", "ben"] {
            let header = [("X-OpenWebUI-User-Id", user)];
            let reply =
                front.post_with("/v1/chat/completions", &header, crate::support::ask("hi", false)).await;
            sessions.push(reply.header("X-Hermes-Session-Id").unwrap().to_owned());
        }
        assert_eq!(sessions[0] != sessions[1], apart, "{scopes:?}: {sessions:?}");
    }
    house.close().await;
}

/// alice's keys are hers: bob's administrator does not find them, and they do not open his port.
#[actix_web::test]
async fn the_keys_of_one_are_unknown_to_the_other() {
    let house = House::with(Plan { more_workers: 1, ..Plan::default() }).await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let made = alice.post(KEYS, json!({"scopes": ["admin"]})).await;
    assert_eq!(with_token(&bob, &made).get(KEYS).await.status, 401);
    assert_eq!(bob.get(KEYS).await.body["data"], json!([]));
    let path = format!("{KEYS}/{}", id(&made));
    for reply in [bob.get(&path).await, bob.delete(&path).await, patch(&bob, id(&made), json!({})).await] {
        assert_eq!((reply.status, reply.code()), (404, "key_not_found"), "{}", reply.text);
    }
    assert_eq!(with_token(&alice, &made).get(KEYS).await.status, 200);
    assert_eq!(bob.with_key(Some(&key("alice"))).get(KEYS).await.status, 401);
    house.close().await;
}
