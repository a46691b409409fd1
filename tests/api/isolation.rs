//! The gateway's attacks on its own wall, asked for by route; and what follows when something comes through.

use crate::support::{Client, House};
use hermes_gateway::actors::{Rights, Scope};
use serde_json::json;

#[actix_web::test]
async fn an_admin_is_shown_what_came_of_the_attacks() {
    let house = House::open().await;
    let refused = house.holder("alice", Rights::of(&[Scope::Read])).await.get("/health/isolation").await;
    assert_eq!((refused.status, refused.code()), (403, "insufficient_scope"));

    let admin = house.holder("alice", Rights::of(&[Scope::Admin])).await;
    assert_eq!(admin.get("/health/isolation?fresh=perhaps").await.status, 400);
    let first = admin.get("/health/isolation").await;
    assert_eq!((first.status, &first.body["breach"]), (200, &json!(null)), "{}", first.body);
    assert!(first.body["attacks"].as_array().unwrap().len() >= 60);
    assert_eq!(admin.get("/health/isolation").await.body, first.body, "the last result stays");
    let (again, beside) =
        tokio::join!(admin.get("/health/isolation?fresh=true"), admin.get("/health/isolation?fresh=true"));
    assert!(again.body["ran_at"].as_f64() > first.body["ran_at"].as_f64(), "{}", again.body["ran_at"]);
    assert_eq!(again.body, beside.body, "two that ask at once share the answer");
    house.close().await;
}

#[actix_web::test]
async fn a_wall_that_let_something_through_is_not_used() {
    let house = House::open().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    house.tenant("alice").await.note(Some("reading another's file came through".to_owned()));
    let sandbox = |health: &serde_json::Value| health["sandbox"]["breach"].clone();
    assert_eq!(sandbox(&alice.get("/health/detailed").await.body), "reading another's file came through");
    assert_eq!(sandbox(&bob.get("/health/detailed").await.body), json!(null), "a neighbour is not concerned");
    let call = |client: Client| async move {
        let run = client.run(r#"@@tool terminal {"command":"echo went"}"#).await;
        let frames = client.events(&run, None).await.rest().await;
        let ended = frames.iter().find(|frame| frame.kind() == "tool.completed").unwrap().json();
        ended["error"].clone()
    };
    assert_eq!(
        (call(alice).await, call(bob).await),
        (json!(true), json!(false)),
        "commands of alice are refused"
    );
    house.close().await;
}
