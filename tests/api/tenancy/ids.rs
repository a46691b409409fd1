//! Every id of alice at every place of every route that takes one, at bob's: unknown there, to the byte.
//!
//! The places are read out of the document that the router is made of. One that nobody has thought of fails the test.

use crate::support::{Client, House, contract};
use awc::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const SECRET: &str = "alices-secret-7f3a";

/// What a place wants an id of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Run,
    Approval,
    Clarification,
    Response,
    /// A name that clients choose: at bob's it is a name of his.
    Session,
    Conversation,
    /// The same.
    Once,
    Key,
    Rule,
    Model,
    MemoryEntry,
    Message,
    Item,
    Skill,
}

use Kind::{
    Approval, Clarification, Conversation, Item, Key, MemoryEntry, Message, Model, Once, Response, Rule, Run,
    Session, Skill,
};

/// Somewhere in a request where an id goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    method: String,
    path: &'static str,
    /// `path`, `query`, `header` or `body`.
    part: String,
    name: String,
}

/// What a name means, by the route that it stands in. `None`: no id of anything that is kept.
fn kind(place: &Place) -> Option<Kind> {
    let in_path = |part: &str| place.path.contains(part);
    Some(match place.name.as_str() {
        "run_id" | "X-Hermes-Run-Id" => Run,
        "approval_id" | "request_id" => Approval,
        "clarify_id" => Clarification,
        "response_id" | "previous_response_id" => Response,
        "session_id" | "X-Hermes-Session-Id" | "X-Hermes-Session-Key" => Session,
        "conversation" | "conversation.id" => Conversation,
        "key_id" => Key,
        "rule_id" => Rule,
        "number" => MemoryEntry,
        "Idempotency-Key" => Once,
        "name" if in_path("/skills/") => Skill,
        "id" if in_path("/models/") => Model,
        // A new session, and a fork: how it is to be called.
        "id" if in_path("/api/sessions") => Session,
        "after" if in_path("/messages") => Message,
        "after" if in_path("/input_items") => Item,
        "after" if place.path == "/v1/runs" => Run,
        "after" if place.path == "/v1/approvals" => Approval,
        "after" if place.path == "/api/sessions" => Session,
        // Positions in a stream or a list that another name picks.
        "after" if in_path("/events") => return None,
        "starting_after" | "Last-Event-ID" | "before" => return None,
        // A call of the same body.
        "messages.tool_call_id" => return None,
        _ => panic!("an id that no case covers: {place:?}"),
    })
}

/// Names that hold an id, or could.
fn is_id(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap();
    last.ends_with("_id")
        || name.starts_with("X-Hermes-Run")
        || name.starts_with("X-Hermes-Session")
        || name == "Idempotency-Key"
        || ["id", "number", "after", "before", "starting_after", "Last-Event-ID", "conversation"]
            .contains(&last)
}

fn places() -> Vec<Place> {
    let mut places = BTreeSet::new();
    for (method, path, operation) in contract::operations() {
        let mut add = |part: &str, name: &str| {
            if part == "path" || is_id(name) {
                let (method, part, name) = (method.clone(), part.to_owned(), name.to_owned());
                places.insert(Place { method, path, part, name });
            }
        };
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let parameter = resolve(parameter);
            add(parameter["in"].as_str().unwrap(), parameter["name"].as_str().unwrap());
        }
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        members(body, "", &mut |name| add("body", name));
    }
    places.into_iter().filter(|place| kind(place).is_some()).collect()
}

fn resolve(value: &Value) -> Value {
    let document = hermes_gateway::front::document();
    match value["$ref"].as_str() {
        Some(name) => document.pointer(name.trim_start_matches('#')).unwrap().clone(),
        None => value.clone(),
    }
}

/// The members of a body, those of members with a dot.
fn members(schema: &Value, above: &str, add: &mut impl FnMut(&str)) {
    const DEEPEST: usize = 3;
    if schema.is_null() || above.matches('.').count() >= DEEPEST {
        return;
    }
    let schema = resolve(schema);
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        add(&format!("{above}{name}"));
        members(inner, &format!("{above}{name}."), add);
    }
    for one in
        ["anyOf", "oneOf", "allOf"].into_iter().flat_map(|of| schema[of].as_array().into_iter().flatten())
    {
        members(one, above, add);
    }
    members(&schema["items"], above, add);
}

/// A body that the operation takes.
fn body(place: &Place) -> Value {
    let hello = json!([{"role": "user", "content": "hello"}]);
    match (place.method.as_str(), place.path) {
        ("POST", "/v1/chat/completions") => json!({ "messages": hello }),
        ("POST", "/v1/responses" | "/v1/runs") => json!({ "input": "hello" }),
        ("POST", path) if path.ends_with("/chat") || path.ends_with("/stream") => {
            json!({ "message": "hello" })
        }
        ("POST", path) if path.ends_with("/model") => json!({ "model": "bob" }),
        ("POST", path) if path.ends_with("/steer") => json!({ "text": "hello" }),
        ("POST", path) if path.ends_with("/clarify") => json!({ "response": "hello" }),
        ("POST", path) if path.contains("/approval") => json!({ "choice": "once" }),
        // Nothing that stays: what bob has would be told apart from what he had.
        ("POST", "/api/memory") => json!({ "content": "" }),
        ("PATCH", "/api/memory") => json!({ "old_text": "none-such", "content": "bobs" }),
        ("POST", "/api/keys") => json!({ "name": "k", "scopes": ["chat"] }),
        ("PATCH", path) if path.contains("/keys/") => json!({ "name": "k" }),
        ("PATCH", _) => json!({ "title": "a title" }),
        ("POST", _) => json!({}),
        _ => Value::Null,
    }
}

/// Sends the operation with `id` in its place, and ids of nothing in all others of the path.
async fn ask(client: &Client, place: &Place, id: &str) -> (u16, String) {
    let fill = |part: &str| match part.trim_matches(['{', '}']).split(':').next().unwrap() {
        name if !part.starts_with('{') => name.to_owned(),
        name if place.part == "path" && name == place.name => id.to_owned(),
        _ => "nothing".to_owned(),
    };
    let mut path: String = place.path.split('/').map(fill).collect::<Vec<_>>().join("/");
    let mut headers = Vec::new();
    let mut body = body(place);
    match place.part.as_str() {
        "query" => path = format!("{path}?{}={id}&q=hello", place.name),
        "header" => headers.push((place.name.as_str(), id)),
        "body" => {
            let mut at = &mut body;
            for name in place.name.split('.') {
                at = &mut at[name];
            }
            *at = json!(id);
        }
        _ => {}
    }
    if place.path == "/api/memory" && place.method == "DELETE" {
        path.push_str("?old_text=none-such");
    }
    let method: Method = place.method.parse().unwrap();
    let body = (!body.is_null()).then(|| body.to_string().into_bytes());
    let reply = client.send(method, &path, &headers, body).await;
    // How a text is cut into pieces is chance; it comes again as a whole.
    let frames = reply.text.split("\n\n").filter(|frame| !frame.contains("event: assistant.delta"));
    let text: Vec<&str> = frames.collect();
    (reply.status, plain(&text.join("\n\n").replace(id, "ID")))
}

/// Without what is new in each answer: numbers, and what is long and made of hexadecimal digits.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for word in text.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric()) {
        let letters = word.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
        let new = letters.starts_with(|first: char| first.is_ascii_digit())
            || letters.len() >= 8 && letters.bytes().any(|byte| byte.is_ascii_digit());
        plain.push_str(&if new { word.replace(letters, "*") } else { word.to_owned() });
    }
    plain
}

/// One of each kind, alice's; and one that nobody has.
async fn ids(house: &House, alice: &Client) -> BTreeMap<Kind, (String, &'static str)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let skill = house.profile_dir("alice").join("skills/alices-skill");
    std::fs::create_dir_all(&skill).unwrap();
    std::fs::write(skill.join("SKILL.md"), "---\nname: alices-skill\ndescription: hers\n---\n").unwrap();
    let remember = [("Idempotency-Key", "alices-once")];
    let asked =
        json!({ "input": r#"@@tool terminal {"command":"rm -rf ./none"}"#, "session_id": "alices-session" });
    let run = text(&alice.post_with("/v1/runs", &remember, asked).await.body["run_id"]);
    let approval =
        text(&alice.events(&run, None).await.until("approval.request").await.json()["approval_id"]);
    let asks = alice.run(r#"@@tool clarify {"question":"Tea or coffee?"}"#).await;
    let question = text(&alice.events(&asks, None).await.until("clarify.request").await.json()["clarify_id"]);
    let told = json!({ "input": SECRET, "conversation": "alices-conversation" });
    let response = text(&alice.post("/v1/responses", told).await.body["id"]);
    let items = alice.get(&format!("/v1/responses/{response}/input_items")).await.body;
    alice.post("/api/sessions", json!({ "id": "alices-chat" })).await;
    alice.post("/api/sessions/alices-chat/chat", json!({ "message": SECRET })).await;
    let messages = alice.get("/api/sessions/alices-chat/messages").await.body;
    let key = text(&alice.post("/api/keys", json!({"name": "alices", "scopes": ["chat"]})).await.body["id"]);
    let other = alice.run(r#"@@tool terminal {"command":"rm -rf ./other"}"#).await;
    alice.events(&other, None).await.until("approval.request").await;
    alice.post(&format!("/v1/runs/{other}/approval"), json!({"choice": "always"})).await;
    alice.finished(&other).await;
    let rule = alice.get("/v1/approvals/rules").await.body["data"][0]["id"].clone();
    alice.post("/api/memory", json!({ "content": SECRET })).await;
    BTreeMap::from([
        (Run, (run, "run_0198c2f0000070008000000000000000")),
        (Approval, (approval, "apr_0198c2f0000070008000000000000000")),
        (Skill, ("alices-skill".to_owned(), "nobodys-skill")),
        (Clarification, (question, "clr_0198c2f0000070008000000000000000")),
        (Response, (response, "resp_0198c2f0000070008000000000000000")),
        (Session, ("alices-session".to_owned(), "nobodys-session")),
        (Conversation, ("alices-conversation".to_owned(), "nobodys-conversation")),
        (Once, ("alices-once".to_owned(), "nobodys-once")),
        (Key, (key, "0badcafe")),
        (Rule, (text(&rule), "rule_0198c2f0000070008000000000000000")),
        (Model, ("alice".to_owned(), "nobody")),
        (MemoryEntry, ("1".to_owned(), "77")),
        (Message, (messages["data"][0]["id"].to_string().trim_matches('"').to_owned(), "770077")),
        (Item, (text(&items["data"][0]["id"]), "msg_0198c2f0000070008000000000000000")),
    ])
}

/// What alice sees of all that.
async fn view(alice: &Client, ids: &BTreeMap<Kind, (String, &'static str)>) -> Vec<(String, Value)> {
    let id = |kind| &ids[&kind].0;
    let paths = [
        format!("/v1/runs/{}", id(Run)),
        format!("/v1/approvals/{}", id(Approval)),
        format!("/v1/responses/{}", id(Response)),
        format!("/api/keys/{}", id(Key)),
        "/api/sessions".to_owned(),
        "/api/sessions/alices-chat/messages".to_owned(),
        "/v1/approvals/rules".to_owned(),
        "/api/memory".to_owned(),
    ];
    let mut seen = Vec::new();
    for path in paths {
        let reply = alice.get(&path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        seen.push((path, reply.body));
    }
    seen
}

#[actix_web::test]
async fn no_id_of_alice_means_anything_at_bobs() {
    let house = House::open().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let ids = ids(&house, &alice).await;
    let before = view(&alice, &ids).await;
    let heard = house.upstream.requests().len();
    let places = places();
    assert!(places.len() > 60, "only {} places take an id", places.len());
    let mut wrong = Vec::new();
    for place in &places {
        let kind = kind(place).unwrap();
        let (alices, nobodys) = &ids[&kind];
        let foreign = ask(&bob, place, alices).await;
        let unknown = ask(&bob, place, nobodys).await;
        // Names that their users choose are free at bob's; everything else is not there.
        let free = matches!(kind, Session | Conversation | Once);
        let known = foreign.0 != 404 && !free && place.part != "query";
        if known || foreign != unknown || foreign.1.contains(SECRET) {
            wrong.push(format!("{place:?}: {foreign:?}, and {unknown:?} for one that nobody has"));
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert_eq!(view(&alice, &ids).await, before, "alice's are as they were");
    for said in house.upstream.requests().split_off(heard) {
        assert!(!said.to_string().contains(SECRET), "a history of somebody else: {said}");
    }
    house.close().await;
}

#[actix_web::test]
async fn alices_key_is_no_key_at_bobs_whatever_it_asks_for() {
    let house = House::open().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let ids = ids(&house, &alice).await;
    let before = view(&alice, &ids).await;
    let intruder = bob.with_key(alice.key.as_deref());
    let stranger = bob.with_key(Some("nobodys-key-0123456789abcdef"));
    let unknown = stranger.get("/v1/runs").await;
    // What needs no key is told to everybody.
    let closed = contract::operations()
        .filter(|(_, _, operation)| !operation["security"].as_array().is_some_and(Vec::is_empty));
    let plain =
        closed.map(|(method, path, _)| Place { method, path, part: String::new(), name: String::new() });
    let with_ids = places().into_iter().filter(|place| place.part == "path");
    // At the same time: each failure is answered late.
    let asked = plain.chain(with_ids).map(async |place| {
        let id = if place.part.is_empty() { "-" } else { ids[&kind(&place).unwrap()].0.as_str() };
        (ask(&intruder, &place, id).await, place)
    });
    for (refused, place) in join_all(asked).await {
        assert_eq!(refused, (unknown.status, unknown.text.clone()), "{place:?}");
    }
    assert_eq!((unknown.status, unknown.code()), (401, "invalid_api_key"));
    assert_eq!(view(&alice, &ids).await, before, "alice's are as they were");
    house.close().await;
}
