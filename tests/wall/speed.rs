//! What a sandbox costs. Measurements, for a release build and a quiet machine:
//! `cargo test --release --test wall speed:: -- --ignored --nocapture`.

use crate::support::{World, walls};
use hermes_gateway::sandbox::{Order, Report};
use std::{
    hint::black_box,
    io::Write,
    time::{Duration, Instant},
};

const RUNS: usize = 200;
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
