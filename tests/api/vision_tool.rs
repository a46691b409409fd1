//! `vision_analyze`: a question about an image.

use crate::support::{Client, House, Plan, site::Site};
use serde_json::{Value, json};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0image";

async fn called(house: &House, alice: &Client, arguments: Value) -> (Value, Value) {
    let run = alice.run(&format!("@@tool vision_analyze {arguments}")).await;
    let record = alice.finished(&run).await;
    let requests = house.upstream.requests();
    let messages = requests.last().unwrap()["messages"].as_array().unwrap();
    let result = messages.iter().rev().find(|message| message["role"] == "tool").unwrap();
    (serde_json::from_str(result["content"].as_str().unwrap()).unwrap(), record)
}

fn put(house: &House, name: &str, bytes: &[u8]) {
    let folder = house.profile_dir("alice").join("workspace");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), bytes).unwrap();
}

#[actix_web::test]
async fn an_image_of_the_workspace_or_the_web_is_shown_to_the_model_with_the_question_alone() {
    let site = Site::start().await;
    let config = format!("terminal:\n  network_allow: ['127.0.0.1:{}']\n", site.port());
    let house = House::with(Plan::config(&config)).await;
    let alice = house.alice().await;
    put(&house, "cat.png", PNG);
    for image in ["cat.png".to_owned(), site.at("/binary")] {
        let (got, record) =
            called(&house, &alice, json!({"image_url": image, "question": "What is it?"})).await;
        assert_eq!(got, json!({"analysis": "You said: What is it?"}), "{image}");
        let requests = house.upstream.requests();
        let asked = &requests[requests.len() - 2];
        let parts = &asked["messages"].as_array().unwrap().last().unwrap()["content"];
        assert_eq!(parts[0]["text"], "What is it?");
        assert!(parts[1]["image_url"]["url"].as_str().unwrap().starts_with("data:image/png;base64,"));
        assert_eq!((asked.get("tools"), asked["messages"].as_array().unwrap().len()), (None, 2));
        // Two calls of the turn, and one about the image.
        assert_eq!(record["usage"]["input_tokens"], 150, "{record}");
    }
    house.close().await;
}

#[actix_web::test]
async fn what_is_no_image_or_not_the_agents_to_see_is_shown_to_nobody() {
    let house = House::open().await;
    let alice = house.alice().await;
    put(&house, "text.png", b"just words");
    put(&house, "large.png", &[PNG, &vec![0; 21 << 20]].concat());
    let own = format!("{}/health", house.base("bob").await);
    let cases = [
        (json!({"image_url": "text.png", "question": "x"}), "not_an_image"),
        (json!({"image_url": "none.png", "question": "x"}), "not_found"),
        (json!({"image_url": "large.png", "question": "x"}), "too_large"),
        (json!({"image_url": "../.env", "question": "x"}), "outside_workspace"),
        (json!({"image_url": own, "question": "x"}), "network_refused"),
        (json!({"image_url": "http://169.254.169.254/", "question": "x"}), "network_refused"),
        (json!({"image_url": "text.png"}), "invalid_arguments"),
        (json!({"image_url": 5, "question": "x"}), "invalid_arguments"),
    ];
    for (arguments, code) in cases {
        let before = house.upstream.requests().len();
        let (got, _) = called(&house, &alice, arguments.clone()).await;
        assert_eq!(got["code"], code, "{arguments}: {got}");
        assert_eq!(house.upstream.requests().len(), before + 2, "{arguments}: no model saw anything");
    }
    house.close().await;
}

#[actix_web::test]
async fn a_model_that_sees_nothing_has_no_such_tool_unless_another_one_is_named() {
    let blind =
        "model:\n  default: blind\n  provider: custom\n  base_url: http://127.0.0.1:9/v1\n  vision: false\n";
    let house = House::with(Plan { model: Some(blind.to_owned()), ..Plan::default() }).await;
    let sets = house.alice().await.get("/v1/toolsets").await.body;
    let set = sets["data"].as_array().unwrap().iter().find(|set| set["name"] == "vision").unwrap().clone();
    assert!(set["missing"]["vision_analyze"].as_str().unwrap().contains("auxiliary.vision"), "{set}");
    house.close().await;

    let config = "auxiliary:\n  vision:\n    model: the-one-that-sees\n";
    let house = House::with(Plan::config(config)).await;
    let alice = house.alice().await;
    put(&house, "cat.png", PNG);
    called(&house, &alice, json!({"image_url": "cat.png", "question": "x"})).await;
    let models: Vec<Value> = house.upstream.requests().iter().map(|one| one["model"].clone()).collect();
    assert_eq!(models, ["scripted", "the-one-that-sees", "scripted"]);
    house.close().await;
}

#[actix_web::test]
async fn an_image_that_the_model_finds_too_large_is_looked_at_smaller_and_each_call_is_counted() {
    let house = House::open().await;
    let alice = house.alice().await;
    put(&house, "photo.png", &crate::vision::photo());
    let asked = json!({"image_url": "photo.png", "question": "@@image-most 400000"});
    let (got, _) = called(&house, &alice, asked).await;
    assert_eq!(got, json!({"analysis": "Seen."}));
    let usage = alice.get("/api/usage").await.body["total"].clone();
    assert_eq!((&usage["calls"], &usage["failed_calls"]), (&json!(4), &json!(1)), "{usage}");

    // One that cannot be made smaller is told as what it is.
    put(&house, "broken.png", &[PNG, &vec![7; 400_000]].concat());
    let asked = json!({"image_url": "broken.png", "question": "@@image-most 300000"});
    let (got, _) = called(&house, &alice, asked).await;
    assert_eq!(got["code"], "vision_failed");
    assert!(got["error"].as_str().unwrap().contains("send a smaller image"), "{got}");
    house.close().await;
}
