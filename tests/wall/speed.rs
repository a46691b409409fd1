//! What a sandbox costs. Measurements, for a release build and a quiet machine:
//! `cargo test --release --test wall speed:: -- --ignored --nocapture`.

use crate::{
    ahead::worlds,
    support::{World, walls},
};
use hermes_gateway::{
    config::ProfileConfig,
    sandbox::{Order, Report},
};
use std::{
    hint::black_box,
    io::Write,
    time::{Duration, Instant},
};

const RUNS: usize = 200;
const PAUSE: Duration = Duration::from_millis(20);
const MIB: usize = 1 << 20;

/// From nothing to the report of `true`.
async fn once(world: &World) -> Duration {
    let order = Order {
        program: "/bin/true".into(),
        args: Vec::new(),
        env: Vec::new(),
        dir: world.home.path().into(),
        terminal: None,
    };
    let bare = world.bare();
    let start = Instant::now();
    let mut helper = world.sandbox.start(&bare).unwrap();
    helper.send(&order).await.unwrap();
    assert_eq!(helper.report().await.unwrap(), Report::Exited(0));
    start.elapsed()
}

#[tokio::test]
#[ignore = "a measurement: release build, quiet machine"]
async fn a_sandboxed_true_costs_the_same_whatever_the_heap() {
    let mut out = std::io::stdout();
    for sandbox in walls() {
        let world = World::at(&sandbox, |_| {});
        for heap in [0, 1024] {
            // Touched, so that a fork of this process would have to copy its page tables.
            let ballast = black_box(vec![1_u8; heap * MIB]);
            let mut took = Vec::new();
            for _ in 0..RUNS {
                took.push(once(&world).await);
            }
            took.sort_unstable();
            let (half, most) = (took[RUNS / 2], took[RUNS * 99 / 100]);
            writeln!(
                out,
                "{}: {} MiB of heap: p50 {half:?}, p99 {most:?}",
                world.wall(),
                ballast.len() / MIB
            )
            .unwrap();
            assert!(half <= Duration::from_millis(8), "{}: {half:?}", world.wall());
        }
    }
}

/// A command that finds its helper waiting, with a shell that was started ahead and without one, in turns.
#[tokio::test]
#[ignore = "a measurement: release build, quiet machine"]
async fn the_next_command_of_a_session_finds_its_shell_started() {
    let mut out = std::io::stdout();
    // The name of a variable that would change how bash starts; there is no such variable.
    let named = |config: &mut ProfileConfig| config.terminal.env_passthrough = vec!["TMOUT".into()];
    for (ahead, plain) in worlds(|_| {}).iter().zip(&worlds(named)) {
        let mut took = [Vec::new(), Vec::new()];
        for _ in 0..RUNS {
            for (world, took) in [ahead, plain].into_iter().zip(&mut took) {
                world.waiting("one").await;
                // As long as a model thinks at least.
                tokio::time::sleep(PAUSE).await;
                let start = Instant::now();
                world.sh("true").await;
                took.push(start.elapsed());
            }
        }
        for (how, mut took) in ["started ahead", "started for it"].into_iter().zip(took) {
            took.sort_unstable();
            let [few, half, most] = [10, 50, 99].map(|percent| took[RUNS * percent / 100]);
            writeln!(out, "{}, {how}: p10 {few:?}, p50 {half:?}, p99 {most:?}", ahead.wall()).unwrap();
        }
    }
}
