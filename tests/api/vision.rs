//! Images on their way to the model.

use crate::support::{Frame, House, Plan};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use image::{DynamicImage, ImageFormat, RgbImage};
use serde_json::{Value, json};
use std::io::Cursor;

const CHAT: &str = "/v1/chat/completions";

fn parts() -> Value {
    json!([
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": "https://example.org/cat.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ])
}

/// A photo of some 600 KB.
pub fn photo() -> Vec<u8> {
    let noise = |x: u32, y: u32| {
        u8::try_from((x.wrapping_mul(x ^ y.wrapping_mul(2_654_435_761)) >> 13) & 0x3f).unwrap()
    };
    let image =
        RgbImage::from_fn(2_400, 300, |x, y| image::Rgb([noise(x, y), u8::try_from(x / 10).unwrap(), 90]));
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(image).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn data_url(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))
}

/// What was sent of the last message's image.
fn shown(request: &Value) -> &str {
    let messages = request["messages"].as_array().unwrap();
    messages.iter().find_map(|message| message["content"][1]["image_url"]["url"].as_str()).unwrap()
}

fn body(content: &Value) -> Value {
    json!({"messages": [{"role": "user", "content": content}]})
}

#[actix_web::test]
async fn images_reach_the_upstream_as_they_came() {
    let house = House::open().await;
    let reply = house.alice().await.post(CHAT, body(&parts())).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let request = house.upstream.requests().pop().unwrap();
    assert_eq!(request["messages"].as_array().unwrap().last().unwrap()["content"], parts());
    house.close().await;
}

#[actix_web::test]
async fn a_model_that_cannot_see_is_sent_no_images_by_any_road() {
    let house = House::with(Plan::config("  vision: false\n")).await;
    let alice = house.alice().await;
    let earlier = json!({"messages": [{"role": "user", "content": parts()},
        {"role": "assistant", "content": "a cat"}, {"role": "user", "content": "sure?"}]});
    let run = json!({"input": [{"role": "user", "content": parts()}]});
    for (path, body) in [(CHAT, body(&parts())), (CHAT, earlier), ("/v1/runs", run)] {
        let reply = alice.post(path, body).await;
        assert_eq!((reply.status, reply.code()), (400, "vision_unsupported"), "{}", reply.text);
    }
    assert!(house.upstream.requests().is_empty());
    assert_eq!(alice.chat("only text").await.status, 200);
    house.close().await;
}

#[actix_web::test]
async fn a_session_with_images_is_not_gone_on_with_by_a_model_that_cannot_see() {
    let mut house = House::open().await;
    let named = [("X-Hermes-Session-Id", "album")];
    let first = house.alice().await.post_with(CHAT, &named, body(&parts())).await;
    assert_eq!(first.status, 200, "{}", first.text);
    let image =
        json!([{"role": "user", "content": [{"type": "input_image", "image_url": "https://x/y.png"}]}]);
    let seen = house.alice().await.post("/v1/responses", json!({ "input": image })).await;
    let link = json!({"input": "more", "previous_response_id": seen.body["id"]});
    let linked = house.alice().await.post("/v1/responses", link).await;
    assert_eq!(linked.status, 200, "{}", linked.text);
    house.stop(std::time::Duration::ZERO).await;
    let config = house.profile_dir("alice").join("config.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}  vision: false\n")).unwrap();
    house.start().await;

    let alice = house.alice().await;
    let asked = house.upstream.requests().len();
    let said = crate::support::ask("and this?", true);
    let replies = [
        alice.post_with(CHAT, &named, said.clone()).await,
        alice.post("/v1/runs", json!({"input": "and this?", "session_id": "album"})).await,
        alice.post("/api/sessions/album/chat", json!({"message": "and this?"})).await,
        alice.post("/v1/responses", json!({"input": "x", "previous_response_id": linked.body["id"]})).await,
    ];
    for reply in replies {
        assert_eq!((reply.status, reply.code()), (400, "vision_unsupported"), "{}", reply.text);
    }
    assert_eq!(house.upstream.requests().len(), asked, "nothing was asked");
    let other = alice.post_with(CHAT, &[("X-Hermes-Session-Id", "words")], body(&json!("hi"))).await;
    assert_eq!(other.status, 200, "{}", other.text);
    house.close().await;
}

#[actix_web::test]
async fn an_image_that_the_model_finds_too_large_is_told_and_nothing_else_is_tried() {
    let house = House::open().await;
    let alice = house.alice().await;
    for refusal in
        ["@@refuse 413 The image is too large", "@@refuse 400 image exceeds 5 MB maximum: 6291456 bytes"]
    {
        let mut content = parts();
        content[0]["text"] = json!(refusal);
        let before = house.upstream.requests().len();
        let reply = alice.post(CHAT, body(&content)).await;
        assert_eq!((reply.status, reply.code()), (400, "image_too_large"), "{}", reply.text);
        assert!(reply.text.contains("send a smaller image"), "{}", reply.text);
        assert_eq!(
            house.upstream.requests().len(),
            before + 1,
            "no summary would make it smaller: {refusal}"
        );
    }
    house.close().await;
}

#[actix_web::test]
async fn an_image_that_is_too_large_goes_out_smaller_and_is_kept_as_it_was_sent() {
    let house = House::open().await;
    let alice = house.alice().await;
    let photo = data_url(&photo());
    let directive = r#"@@image-most 400000 todo {"todos":[]}"#;
    let content = json!([
        {"type": "text", "text": directive},
        {"type": "image_url", "image_url": {"url": photo, "detail": "high"}},
    ]);
    let run = json!({"input": [{"role": "user", "content": content}], "session_id": "album"});
    let run = alice.run_with(run).await;
    let events = alice.events(&run, None).await.rest().await;
    let retried: Vec<Value> =
        events.iter().filter(|event| event.kind() == "run.retrying").map(Frame::json).collect();
    let [retried] = &retried[..] else { panic!("once: {retried:?}") };
    assert_eq!(
        (&retried["action"], &retried["error_code"]),
        (&json!("shrink_images"), &json!("image_too_large"))
    );

    let requests = house.upstream.requests();
    let sent: Vec<&str> = requests.iter().map(shown).collect();
    assert_eq!(
        sent.len(),
        3,
        "the refused call, the one with the smaller image, and the one with the result"
    );
    assert!(sent[0] == photo && sent[1] == sent[2], "what was made smaller stays so");
    let bytes = BASE64_STANDARD.decode(sent[1].split_once(',').unwrap().1).unwrap();
    let made = image::load_from_memory(&bytes).unwrap();
    assert_eq!((made.width(), made.height()), (1_568, 196));
    let message =
        requests[1]["messages"].as_array().unwrap().iter().find(|one| one["role"] == "user").unwrap();
    assert_eq!(message["content"][1]["image_url"]["detail"], "high");

    let kept = alice.get("/api/sessions/album/messages").await;
    assert!(kept.text.contains(&photo) && !kept.text.contains(sent[1]), "the session has what the user sent");
    let usage = alice.get("/api/usage").await.body;
    assert_eq!(usage["total"]["calls"], 3, "{usage}");
    house.close().await;
}

#[actix_web::test]
async fn a_server_that_only_says_too_large_is_sent_smaller_images_too() {
    let house = House::open().await;
    let alice = house.alice().await;
    let content = json!([
        {"type": "text", "text": "@@refuse 413 Request Entity Too Large"},
        {"type": "image_url", "image_url": {"url": data_url(&photo())}},
    ]);
    let reply = alice.post(CHAT, body(&content)).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    let sent: Vec<usize> = house.upstream.requests().iter().map(|request| shown(request).len()).collect();
    assert!(sent.len() >= 2 && sent[1] < sent[0], "once more, with less: {sent:?}");
    assert!(sent[1..].iter().all(|length| *length == sent[1]), "and not a third time: {sent:?}");
    house.close().await;
}
