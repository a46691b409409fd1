//! A gateway as a value: profiles fall and are revived while their neighbours serve.

use super::{Action, Gateway, GatewayOptions, KeyState, ProfileStatus, Selection, State};
use crate::{
    actors::{GoneReason, ProfileGone},
    config::ProcessEnv,
    domain::ProfileName,
    store::StoreError,
};
use std::{path::Path, time::Duration};

fn name(text: &str) -> ProfileName {
    ProfileName::parse(text).unwrap()
}

fn home(profiles: &[&str]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for profile in profiles {
        let folder = home.path().join("profiles").join(profile);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(".env"), "API_SERVER_ENABLED=true\nAPI_SERVER_PORT=0\n").unwrap();
    }
    home
}

async fn start(home: &Path, selection: Selection) -> Gateway {
    let options = GatewayOptions {
        home: home.to_owned(),
        selection,
        env: ProcessEnv::default(),
        // Never the test itself, which would run all tests again.
        sandbox_helper: "/bin/false".into(),
        workers: Some(2),
        redactors: crate::redact::Redactors::default(),
    };
    Gateway::start(options).await.unwrap()
}

async fn status(gateway: &Gateway, profile: &str) -> ProfileStatus {
    gateway.profiles().await.into_iter().find(|status| status.name == name(profile)).unwrap()
}

async fn until(gateway: &Gateway, profile: &str, state: State) -> ProfileStatus {
    let reached = async {
        loop {
            let now = status(gateway, profile).await;
            if now.state == state {
                return now;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.unwrap()
}

#[actix_web::test]
async fn a_profile_that_falls_is_revived_and_its_neighbour_never_notices() {
    let home = home(&["alice", "bob"]);
    let gateway = start(home.path(), Selection::All).await;
    let bob = status(&gateway, "bob").await;
    let alice = status(&gateway, "alice").await;
    assert_eq!(
        (alice.state, alice.keys, gateway.key(&name("alice")).await.is_some()),
        (State::Serving, KeyState::JustMade, true)
    );

    let fall = |reason| ProfileGone { name: name("alice"), reason };
    gateway.roster().send(fall(GoneReason::Panicked)).await.unwrap();
    let fallen = until(&gateway, "alice", State::Restarting).await;
    assert_eq!(fallen.address, alice.address, "the port stays open, and answers 503");
    let revived = until(&gateway, "alice", State::Serving).await;
    assert_eq!((revived.address, revived.reason), (alice.address, None));

    let damaged = GoneReason::Store(StoreError::Damaged("cut".to_owned()));
    gateway.roster().send(fall(damaged)).await.unwrap();
    let failed = until(&gateway, "alice", State::Failed).await;
    assert!(failed.reason.unwrap().contains("`hermes restore alice FILE`"));
    let again = gateway.act(&name("alice"), Action::Restart).await.unwrap();
    assert_eq!((again.state, again.address), (State::Serving, alice.address));

    assert_eq!(status(&gateway, "bob").await.address, bob.address);
    gateway.stop(Duration::ZERO).await;
}

#[actix_web::test]
async fn gateways_of_one_process_do_not_meet() {
    let home = home(&["alice", "bob"]);
    let alice = start(home.path(), Selection::One(name("alice"))).await;
    let bob = start(home.path(), Selection::One(name("bob"))).await;
    let refused = bob.act(&name("alice"), Action::Start).await;
    assert!(refused.is_err_and(|reason| reason.contains("`bob` alone")));
    // Held by the first: the second gateway's profile fails, and says by whom.
    let second = start(home.path(), Selection::One(name("alice"))).await;
    let failed = status(&second, "alice").await;
    assert!(
        failed.state == State::Failed && failed.reason.unwrap().contains(&std::process::id().to_string())
    );
    assert!(second.is_idle().await);

    second.stop(Duration::ZERO).await;
    alice.stop(Duration::ZERO).await;
    assert_eq!(status(&bob, "bob").await.state, State::Serving);
    let next = start(home.path(), Selection::One(name("alice"))).await;
    assert_eq!(status(&next, "alice").await.state, State::Serving, "a stopped gateway lets go of everything");
    next.stop(Duration::ZERO).await;
    bob.stop(Duration::ZERO).await;
}
