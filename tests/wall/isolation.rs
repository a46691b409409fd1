//! The gateway's attacks on itself.

use crate::support::World;
use hermes_gateway::{
    isolation::{Depth, Examination, Inquiry},
    sandbox::Sandbox,
};
use std::sync::Arc;

/// Attacks a wall with the settings of a usual profile.
async fn examine(sandbox: Sandbox, depth: Depth) -> Examination {
    let world = World::at(sandbox.clone(), |_| {});
    let folder = world.home.path().join("run");
    let inquiry = Inquiry { settings: Arc::clone(&world.config), sandbox, folder, depth };
    tokio::task::spawn_blocking(move || inquiry.run().unwrap()).await.unwrap()
}

fn probe() -> Sandbox {
    Sandbox::probe(env!("CARGO_BIN_EXE_hermes").into())
}

#[tokio::test]
async fn nothing_comes_through_that_the_level_promises_to_stop() {
    let examination = examine(probe(), Depth::Whole).await;
    for finding in &examination.findings {
        println!("{:<24} {:<20} {}", finding.attack, finding.outcome.name(), finding.reason);
    }
    println!("{} at {:?} in {:?}", examination.findings.len(), examination.level, examination.took);
    let breaches: Vec<_> =
        examination.breaches().map(|finding| (finding.attack, finding.reason.as_str())).collect();
    assert_eq!(breaches, []);
}
