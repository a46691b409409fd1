//! Each member of each request body in every wrong type: `/openapi.json` says what is right, and all else is refused.

use crate::support::{
    Client, House, Plan,
    contract::{operations, resolved, validate},
};
use awc::http::Method;
use hermes_gateway::actors::Rights;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// One value of each type, and what often goes wrong with it.
fn anything() -> [Value; 8] {
    [
        json!(null),
        json!(true),
        json!(-7),
        json!(2.5),
        json!("odd"),
        json!(""),
        json!([[]]),
        json!({"odd": [{}]}),
    ]
}

/// A value that the schema allows, with nothing in it that may be left out.
fn example(schema: &Value) -> Value {
    let schema = resolved(schema);
    if let Some(all) = schema["anyOf"].as_array() {
        return example(&all[0]);
    }
    let given =
        [schema.get("const"), schema["enum"].get(0), schema["examples"].get(0), schema.get("default")];
    if let Some(given) = given.into_iter().flatten().next() {
        return given.clone();
    }
    match schema["type"].as_str() {
        Some("string") => json!("some"),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(true),
        Some("array") => json!([example(&schema["items"])]),
        Some("object") => {
            let needed = schema["required"].as_array().into_iter().flatten();
            let members = needed.map(|name| {
                let name = name.as_str().unwrap();
                (name.to_owned(), example(&schema["properties"][name]))
            });
            Value::Object(members.collect())
        }
        _ => Value::Null,
    }
}

/// Values that the schema does not allow: of another type, or right but for one member, however deep.
fn wrong(schema: &Value) -> Vec<Value> {
    let schema = resolved(schema);
    let mut found: Vec<Value> = anything().into();
    for one in schema["anyOf"].as_array().into_iter().flatten() {
        found.extend(wrong(one));
    }
    if schema["type"] == "array" {
        found.extend(wrong(&schema["items"]).into_iter().map(|item| json!([item])));
    }
    let base = example(schema);
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        // A member that may be left out is left out by `null`, too, as clients write it.
        let is_needed = schema["required"].as_array().is_some_and(|needed| needed.contains(&json!(name)));
        for value in wrong(member).into_iter().filter(|value| is_needed || !value.is_null()) {
            let mut whole = base.as_object().cloned().unwrap_or_else(Map::new);
            whole.insert(name.clone(), value);
            found.push(Value::Object(whole));
        }
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let mut whole = base.as_object().cloned().unwrap_or_else(Map::new);
        whole.remove(name.as_str().unwrap());
        found.push(Value::Object(whole));
    }
    let mut seen = BTreeSet::new();
    found.retain(|value| fault(schema, value).is_some() && seen.insert(value.to_string()));
    found
}

/// What the schema has against a value. Members that it does not name do no harm in a request.
fn fault(schema: &Value, value: &Value) -> Option<String> {
    let fault = validate(schema, value, "body").err()?;
    fault.split("; or ").all(|one| !one.ends_with("is not described")).then_some(fault)
}

/// What the paths name: a wrong body is a wrong body of something that is there.
struct There {
    run: String,
    /// One that works: no other can be spoken to.
    at_work: String,
    approval: String,
    key: String,
}

impl There {
    async fn make(alice: &Client) -> Self {
        alice.post("/api/sessions", json!({"id": "s"})).await;
        let run = alice.run_with(json!({
            "input": r#"@@tool terminal {"command":"rm -rf ./none"}"#, "session_id": "s",
        }));
        let run = run.await;
        let asked = alice.events(&run, None).await.until("approval.request").await.json();
        let at_work = alice.run("@@gate on").await;
        alice.events(&at_work, None).await.until("message.delta").await;
        let key = alice.post("/api/keys", json!({"name": "mine"})).await.body;
        Self {
            run,
            at_work,
            approval: asked["approval_id"].as_str().unwrap().to_owned(),
            key: key["id"].as_str().unwrap().to_owned(),
        }
    }

    fn path(&self, template: &str) -> String {
        let run = if template.ends_with("/steer") { &self.at_work } else { &self.run };
        let names = [
            ("{run_id}", run.as_str()),
            ("{approval_id}", self.approval.as_str()),
            ("{key_id}", self.key.as_str()),
            ("{session_id}", "s"),
        ];
        names.iter().fold(template.to_owned(), |path, (name, id)| path.replace(name, id))
    }
}

#[actix_web::test]
async fn each_member_of_each_body_in_every_wrong_type_is_refused() {
    let house = House::with(Plan::default()).await;
    let alice = house.holder("alice", Rights::all()).await;
    let there = There::make(&alice).await;
    let asked = house.upstream.requests().len();
    let (mut tried, mut taken) = (0, Vec::new());
    for (method, template, operation) in operations() {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            continue;
        }
        let (method, path) = (Method::from_bytes(method.as_bytes()).unwrap(), there.path(template));
        assert!(!path.contains('{'), "{path}");
        for body in wrong(schema) {
            tried += 1;
            let sent = serde_json::to_vec(&body).unwrap();
            let reply = alice.send(method.clone(), &path, &[], Some(sent)).await;
            if reply.status != 400 || reply.code().is_empty() {
                let fault = fault(schema, &body).unwrap();
                taken.push(format!("{method} {template} {body}: {} {} ({fault})", reply.status, reply.text));
            }
        }
    }
    assert!(tried > 1_000, "{tried}");
    assert!(taken.is_empty(), "{} of {tried}\n{}", taken.len(), taken.join("\n"));
    assert_eq!(house.upstream.requests().len(), asked, "nothing of this went on");
    house.close().await;
}
