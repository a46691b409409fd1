//! The recorded requests of the reference, sent to a gateway of ours, and our answers held to the recorded ones by
//! shape. Every wanted difference stands in [`differences::WANTED`]; a row that no longer applies fails the test.

mod differences;
mod recording;
mod replay;
mod shape;

use crate::support::{Client, House, Plan};
use differences::{NOT_REPLAYED, PENDING, WANTED};
use recording::Recording;
use replay::Replay;

/// The recordings were taken from servers with these settings.
const USUAL: &str = "gateway:\n  api_server:\n    queue: 0\n";
const QUICK: &str = "agent:\n  api_max_retries: 1\napprovals:\n  timeout: 1s\n";
const OTHER: &str = "gateway:
  api_server:
    queue: 0
    cors_origins: http://localhost:3000
    model_name: my-hermes
    max_concurrent_runs: 1
";

/// Not settings of a profile: the home's own port, where all profiles are.
const HOME: &str = "home";

/// Which settings a recording wants.
fn settings(recording: &Recording) -> &'static str {
    match recording.number {
        23 | 24 | 208 => HOME,
        206..=217 => OTHER,
        191..=205 | 218..=222 => QUICK,
        _ => USUAL,
    }
}

#[actix_web::test]
async fn the_recorded_requests_are_answered_in_the_recorded_shape() {
    let Some(folder) = recording::folder() else {
        eprintln!(
            "LEFT OUT: ../shared/reference/transcripts is not there, so nothing was compared with the reference"
        );
        return;
    };
    let mut recordings = recording::all(&folder);
    assert_eq!(recordings.len(), 223, "a recording is missing");
    recordings.retain(|recording| !NOT_REPLAYED.iter().any(|(number, _)| *number == recording.number));

    let groups = futures_util::future::join_all(
        [USUAL, QUICK, OTHER, HOME].map(|settings| replay_group(&recordings, settings)),
    );
    let found: Vec<String> = groups.await.concat();

    let unknown: Vec<&String> =
        found.iter().filter(|difference| !WANTED.iter().any(|row| row.explains(difference))).collect();
    let stale: Vec<String> = WANTED.iter().flat_map(|row| row.unused(&found)).collect();
    assert!(
        unknown.is_empty() && stale.is_empty(),
        "differences that no row explains: {unknown:#?}\nrows that explain nothing, to be struck: {stale:#?}"
    );
}

/// One after the other, as they were recorded: some find what earlier ones left.
async fn replay_group(recordings: &[Recording], wanted: &str) -> Vec<String> {
    let (house, client) = served(wanted).await;
    let mut found = Vec::new();
    for recording in recordings.iter().filter(|recording| settings(recording) == wanted) {
        found.extend(Replay::differences(recording, &client, PENDING).await);
    }
    house.close().await;
    found
}

async fn served(wanted: &str) -> (House, Client) {
    if wanted != HOME {
        let house = House::with(Plan::config(wanted)).await;
        let alice = house.alice().await;
        return (house, alice);
    }
    let key = "home-key-0123456789abcdef";
    let home_env = format!("API_SERVER_KEY={key}\nAPI_SERVER_PORT=0\n");
    let house = House::with(Plan { home_env, ..Plan::default() }).await;
    let home = Client::new(house.base("default").await, Some(key.to_owned()));
    (house, home)
}
