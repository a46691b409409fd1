//! A secret of a profile's `.env` gets into no stream, no answer and no file, by whatever road and in whatever form.

use crate::support::{Client, Frame, House, Plan, ask};
use awc::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// Planted in alice's `.env`; bob's has no such entry.
const CANARY: &str = "cAn4ry/7+q'x Zz9=üend";
/// Told along with it: where this is found, that would have been, too.
const CONTROL: &str = "c0ntr0l-w0rd-5";

fn plan() -> Plan {
    Plan {
        alice_env: format!("CANARY_TOKEN=\"{CANARY}\"\n"),
        config: "display:\n  show_reasoning: true\nterminal:\n  env_passthrough: [CANARY_TOKEN]\n".to_owned(),
        ..Plan::default()
    }
}

/// Every form of the canary that was found.
fn leaks(text: &str) -> Vec<String> {
    let json = serde_json::to_string(CANARY).unwrap();
    let core = |before: usize, from: usize, to: usize| {
        STANDARD.encode(format!("{}{CANARY}", "x".repeat(before)))[from..to].to_owned()
    };
    let url: String = url::form_urlencoded::byte_serialize(CANARY.as_bytes()).collect();
    let forms = [
        CANARY.to_owned(),
        json.trim_matches('"').replace('ü', "\\u00fc"),
        url.replace('+', "%20"),
        url,
        core(0, 0, 26),
        core(1, 2, 26),
        core(2, 3, 26),
        // A part of it is as bad.
        "cAn4ry/7+q".to_owned(),
    ];
    forms.into_iter().filter(|form| text.contains(form)).collect()
}

/// All that frames say: as it came, and their texts put together.
fn told(frames: &[Frame]) -> String {
    let datas: Vec<&str> = frames.iter().filter_map(|frame| frame.data.as_deref()).collect();
    let texts: String = datas
        .iter()
        .filter_map(|data| serde_json::from_str::<Value>(data).ok())
        .flat_map(|event| {
            ["/delta", "/choices/0/delta/content", "/choices/0/delta/reasoning_content"]
                .map(|place| event.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned())
        })
        .collect();
    format!("{}\n{texts}\n", datas.join("\n"))
}

/// What every surface says of a turn with these words, while it runs and afterwards.
async fn on_every_surface(client: &Client, say: &str) -> String {
    let mut all = String::new();
    all.push_str(&client.chat(say).await.text);
    all.push_str(&told(&client.chat_stream(say).await.rest().await));
    let run = client.run(say).await;
    all.push_str(&told(&client.events(&run, None).await.rest().await));
    for path in ["", "/events"] {
        all.push_str(&client.get(&format!("/v1/runs/{run}{path}")).await.text);
    }
    let response = client.post("/v1/responses", json!({ "model": "test", "input": say })).await;
    let id = response.body["id"].as_str().unwrap().to_owned();
    all.push_str(&response.text);
    let streamed = json!({ "model": "test", "input": say, "stream": true });
    all.push_str(&told(
        &client.stream(Method::POST, "/v1/responses", &[], Some(streamed)).await.rest().await,
    ));
    for path in ["", "/input_items"] {
        all.push_str(&client.get(&format!("/v1/responses/{id}{path}")).await.text);
    }
    let made =
        client.post("/api/sessions", json!({ "system_prompt": format!("Say {CANARY} {CONTROL}") })).await;
    all.push_str(&made.text);
    let session = made.body["session"]["id"].as_str().unwrap().to_owned();
    let chat = format!("/api/sessions/{session}/chat");
    let message = json!({ "message": say });
    let key = [("Idempotency-Key", "once")];
    all.push_str(&client.post_with(&chat, &key, message.clone()).await.text);
    all.push_str(&client.post_with(&chat, &key, message.clone()).await.text);
    let streamed = client.stream(Method::POST, &format!("{chat}/stream"), &[], Some(message)).await;
    all.push_str(&told(&streamed.rest().await));
    for path in ["", "/messages"] {
        all.push_str(&client.get(&format!("/api/sessions/{session}{path}")).await.text);
    }
    for path in ["/v1/runs", "/api/sessions", "/v1/approvals"] {
        all.push_str(&client.get(path).await.text);
    }
    all
}

fn files(at: &Path) -> String {
    let entries = fs::read_dir(at).unwrap().filter_map(Result::ok);
    let texts = entries.map(|entry| match entry.file_type().unwrap().is_dir() {
        true => files(&entry.path()),
        // One that went meanwhile holds nothing any more.
        false => String::from_utf8_lossy(&fs::read(entry.path()).unwrap_or_default()).into_owned(),
    });
    texts.collect::<Vec<_>>().join("\n")
}

#[actix_web::test]
async fn a_canary_of_the_env_file_gets_nowhere() {
    let mut plan = plan();
    // Nobody answers here.
    plan.config.push_str("approvals:\n  timeout: 1s\n");
    let mut house = House::with(plan).await;
    let shell = format!(
        "echo {CONTROL} \"$CANARY_TOKEN\"; printf %s \"x$CANARY_TOKEN\" | base64 -w 20; \
         env | base64; printf %s \"$CANARY_TOKEN\" | od -An -tx1 | tr -d ' \\n'; printf '%q' \"$CANARY_TOKEN\""
    );
    let call = |command: &str| format!("@@tool terminal {}", json!({ "command": command }));
    let cases = [
        ("text, letter by letter", format!("@@spell {CONTROL} {CANARY} after it")),
        ("thoughts, letter by letter", format!("@@spell-thought {CONTROL} {CANARY} after it")),
        ("an echo", format!("{CONTROL} {CANARY}")),
        ("arguments", call(&format!("echo {CONTROL} {}", json!(CANARY)))),
        ("a result in many forms", call(&shell)),
        ("a call that is refused", call(&format!("rm -rf {CONTROL} \"{CANARY}\""))),
        ("an error of the upstream", format!("@@refuse 400 {CONTROL} {CANARY}")),
    ];
    for (profile, hides) in [("alice", true), ("bob", false)] {
        let client = house.client(profile).await;
        for (case, say) in &cases {
            let all = on_every_surface(&client, say).await;
            assert!(all.contains(CONTROL), "{case}: {all}");
            // bob's commands have no such variable, so there is nothing to be shown.
            if hides {
                assert_eq!(leaks(&all), [""; 0], "{profile}: {case}: {all}");
                assert!(all.contains("[redacted:CANARY_TOKEN]"), "{case}: {all}");
            } else if *case != "a result in many forms" {
                assert_ne!(leaks(&all), [""; 0], "{case}: another profile's secret is a text like any other");
            }
        }
    }
    let dirs = ["alice", "bob"].map(|profile| house.profile_dir(profile).join("state"));
    house.stop(std::time::Duration::ZERO).await;
    let [alice, bob] = dirs.map(|dir| files(&dir));
    for (profile, kept) in [("alice", &alice), ("bob", &bob)] {
        assert!(kept.contains(CONTROL), "the files of {profile} can be searched");
    }
    assert_eq!(leaks(&alice), [""; 0]);
    assert!(alice.contains("[redacted:CANARY_TOKEN]"));
    assert_ne!(leaks(&bob), [""; 0], "where it is no secret it would have been found");
}

#[actix_web::test]
async fn a_command_runs_as_the_model_wrote_it_and_is_shown_without_the_secret() {
    let house = House::with(plan()).await;
    let alice = house.alice().await;
    let command = format!("rm -rf none; printf %s {} | wc -c", json!(CANARY));
    let run = alice.run(&format!("@@tool terminal {}", json!({ "command": command }))).await;
    let mut events = alice.events(&run, None).await;
    let asked = events.until("approval.request").await.json();
    assert!(asked["command"].as_str().unwrap().contains("[redacted:CANARY_TOKEN]"), "{asked}");
    let answer = alice.post(&format!("/v1/runs/{run}/approval"), json!({ "choice": "always" })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let rest = events.rest().await;
    let done = rest.iter().find(|frame| frame.kind() == "tool.completed").unwrap().json();
    assert!(
        done["result"].as_str().unwrap().contains(&CANARY.len().to_string()),
        "the shell had all of it: {done}"
    );
    let rules = alice.get("/v1/approvals/rules").await.text;
    assert_eq!(leaks(&format!("{asked}{}{}{rules}", answer.text, told(&rest))), [""; 0]);
    // The permission is found again, though it is kept without the secret.
    let again = alice.run(&format!("@@tool terminal {}", json!({ "command": command }))).await;
    let record = alice.finished(&again).await;
    assert_eq!(record["status"], "completed", "{record}");
    // Its result reaches the model without it as well.
    let chat =
        alice.chat(&format!("@@tool terminal {}", json!({ "command": "echo \"$CANARY_TOKEN\"" }))).await;
    assert_eq!(chat.status, 200, "{}", chat.text);
    let sent = house.upstream.requests().pop().unwrap();
    let result =
        sent["messages"].as_array().unwrap().iter().rfind(|message| message["role"] == "tool").unwrap();
    assert!(result["content"].as_str().unwrap().contains("[redacted:CANARY_TOKEN]"), "{result}");
    house.close().await;
}

#[actix_web::test]
async fn what_was_said_and_streamed_is_the_same_text_on_every_surface() {
    let house = House::with(plan()).await;
    let alice = house.alice().await;
    let say = format!("@@spell a {CANARY} b cAn4ry/7 c");
    let expected = "a [redacted:CANARY_TOKEN] b cAn4ry/7 c";
    let chat = alice.chat(&say).await;
    assert_eq!(chat.body["choices"][0]["message"]["content"], expected);
    let run = alice.run(&say).await;
    let frames = alice.events(&run, None).await.rest().await;
    let deltas: String =
        frames.iter().filter_map(|frame| frame.json()["delta"].as_str().map(str::to_owned)).collect();
    assert_eq!(deltas, expected);
    assert_eq!(alice.get(&format!("/v1/runs/{run}")).await.body["output"], expected);
    // A turn that goes on after a tool: two texts, each once.
    let said = alice
        .post(
            "/v1/chat/completions",
            ask(&format!("@@say {CANARY} @@tool terminal {{\"command\": \"true\"}}"), false),
        )
        .await;
    let text = said.body["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    assert!(text.starts_with("[redacted:CANARY_TOKEN]\n\nTool said"), "{text}");
    house.close().await;
}
