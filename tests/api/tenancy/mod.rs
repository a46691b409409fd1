//! Two tenants at once: everything of alice is useless at bob's port.

mod ids;

use crate::support::House;
use serde_json::json;

#[actix_web::test]
async fn alices_key_opens_nothing_at_bobs_port() {
    let house = House::open().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let intruder = bob.with_key(alice.key.as_deref());
    for path in
        ["/v1/models", "/v1/runs", "/v1/approvals", "/v1/capabilities", "/health/detailed", "/metrics"]
    {
        let reply = intruder.get(path).await;
        assert_eq!((reply.status, reply.code()), (401, "invalid_api_key"), "{path}");
    }
    assert_eq!(intruder.chat("hello").await.status, 401);
    house.close().await;
}

#[actix_web::test]
async fn fault_45_alices_ids_are_unknown_at_bobs_port() {
    let house = House::open().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let run = alice.run(r#"@@tool terminal {"command":"rm -rf ./none"}"#).await;
    let asked = alice.events(&run, None).await.until("approval.request").await.json();
    let approval = asked["approval_id"].as_str().unwrap();

    let unknown = "run_0198c2f0000070008000000000000000";
    for suffix in ["", "/events"] {
        let foreign = bob.get(&format!("/v1/runs/{run}{suffix}")).await;
        let missing = bob.get(&format!("/v1/runs/{unknown}{suffix}")).await;
        assert_eq!((foreign.status, foreign.code()), (404, "run_not_found"), "{suffix}");
        assert_eq!(foreign.text.replace(&run, ""), missing.text.replace(unknown, ""), "{suffix}");
    }
    for (path, body) in [
        (format!("/v1/runs/{run}/stop"), json!({})),
        (format!("/v1/runs/{run}/clarify"), json!({"response": "yes"})),
        (format!("/v1/runs/{run}/approval"), json!({"choice": "once"})),
        (format!("/v1/approvals/{approval}"), json!({"choice": "once"})),
    ] {
        assert_eq!(bob.post(&path, body).await.status, 404, "{path}");
    }
    assert_eq!(bob.get("/v1/runs").await.body["data"], json!([]));
    assert_eq!(alice.get(&format!("/v1/runs/{run}")).await.body["status"], "waiting_for_approval");
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    house.close().await;
}

#[actix_web::test]
async fn the_same_session_id_and_idempotency_key_mean_two_things_for_two_people() {
    let house = House::open().await;
    for name in ["alice", "bob"] {
        let client = house.client(name).await;
        let reply = client
            .post_with(
                "/v1/runs",
                &[("Idempotency-Key", "same")],
                json!({"input": name, "session_id": "same"}),
            )
            .await;
        assert_eq!((reply.status, reply.header("Idempotency-Replayed")), (202, None), "{}", reply.text);
        let run = reply.body["run_id"].as_str().unwrap().to_owned();
        assert_eq!(client.finished(&run).await["output"], json!(format!("You said: {name}")));
        let said = house.upstream.requests().pop().unwrap();
        let users =
            said["messages"].as_array().unwrap().iter().filter(|message| message["role"] == "user").count();
        assert_eq!(users, 1, "no history of somebody else: {said}");
    }
    house.close().await;
}

#[actix_web::test]
async fn the_shell_and_the_file_tools_do_not_reach_the_neighbour() {
    let house = House::open().await;
    let bob = house.profile_dir("bob");
    std::fs::create_dir_all(bob.join("workspace")).unwrap();
    std::fs::write(bob.join("workspace/secret.txt"), "bobs-secret").unwrap();
    let alice = house.alice().await;
    let own = house.profile_dir("alice");
    for file in
        [bob.join("workspace/secret.txt"), bob.join(".env"), own.join(".env"), own.join("config.yaml")]
    {
        let file = file.display();
        for call in [
            format!("@@tool terminal {}", json!({"command": format!("cat {file}")})),
            format!("@@tool read_file {}", json!({"path": file.to_string()})),
        ] {
            let run = alice.run(&call).await;
            let output = alice.finished(&run).await["output"].as_str().unwrap().to_owned();
            assert!(!output.contains("bobs-secret") && !output.contains("API_SERVER"), "{call}: {output}");
        }
    }
    house.close().await;
}

#[actix_web::test]
async fn the_homes_own_key_opens_no_other_profile() {
    let mut house = House::open().await;
    house.stop(std::time::Duration::ZERO).await;
    let key = "home-key-0123456789abcdef";
    std::fs::write(house.home.join(".env"), format!("API_SERVER_KEY={key}\nAPI_SERVER_PORT=0\n")).unwrap();
    house.start().await;
    let home = house.client("default").await.with_key(Some(key));
    assert_eq!(home.get("/v1/models").await.status, 200);
    let alice = house.alice().await.with_key(Some(key));
    assert_eq!(alice.get("/v1/models").await.status, 401);
    house.close().await;
}
