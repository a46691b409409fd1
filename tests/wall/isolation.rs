//! The gateway's attacks on itself.

use crate::support::World;
use hermes_gateway::{
    config::SandboxLevel,
    isolation::{Depth, Examination, Inquiry},
    sandbox::{
        Sandbox,
        attack::{Promise, attacks},
    },
};
use std::sync::Arc;

/// Attacks a wall with the settings of a usual profile.
async fn examine(sandbox: Sandbox, depth: Depth) -> Examination {
    let world = World::at(&sandbox, |_| {});
    let folder = world.home.path().join("run");
    let inquiry = Inquiry { settings: Arc::clone(&world.config), sandbox, folder, depth };
    tokio::task::spawn_blocking(move || inquiry.run().unwrap()).await.unwrap()
}

fn probe() -> Sandbox {
    Sandbox::probe(env!("CARGO_BIN_EXE_hermes").into())
}

async fn holds(sandbox: Sandbox) {
    let examination = examine(sandbox, Depth::Whole).await;
    for finding in &examination.findings {
        eprintln!("{:<24} {:<20} {}", finding.attack, finding.outcome.name(), finding.reason);
    }
    eprintln!("{} at {:?} in {:?}", examination.findings.len(), examination.level, examination.took);
    let breaches: Vec<_> =
        examination.breaches().map(|finding| (finding.attack, finding.reason.as_str())).collect();
    assert_eq!(breaches, []);
}

#[tokio::test]
async fn nothing_comes_through_that_landlock_promises_to_stop() {
    holds(probe().at_most(SandboxLevel::Landlock)).await;
}

#[tokio::test]
async fn nothing_comes_through_at_strict() {
    let sandbox = probe();
    if sandbox.level < SandboxLevel::Strict {
        eprintln!("not shown here, since this machine cannot do it: {:?}", sandbox.reason);
        assert!(sandbox.below(SandboxLevel::Strict).is_some(), "then commands are refused");
        return;
    }
    holds(sandbox).await;
}

#[test]
fn the_table_of_attacks_in_the_documentation_is_that_of_the_program() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/SECURITY.md")).unwrap();
    let mut reasons: Vec<&str> = Vec::new();
    let mut lines = Vec::new();
    for attack in attacks() {
        let [strict, landlock] = [attack.strict, attack.landlock].map(|promise| match promise {
            Promise::Contained(_) => "contained".to_owned(),
            Promise::Killed(_) => "detected and killed".to_owned(),
            Promise::Open(reason) => {
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
                let number = reasons.iter().position(|known| *known == reason).unwrap() + 1;
                format!("not contained ({number})")
            }
        });
        lines.push(format!("| `{}` | {} | {strict} | {landlock} |", attack.id, attack.tries));
    }
    let shown: Vec<_> = page.lines().skip_while(|line| !line.starts_with("| attack |")).skip(2).collect();
    let shown: Vec<_> = shown.into_iter().take_while(|line| line.starts_with('|')).collect();
    assert_eq!(shown, lines, "docs/SECURITY.md, the table of attacks");
    for (number, reason) in reasons.iter().enumerate() {
        assert!(
            page.to_lowercase().contains(&format!("{}. {}", number + 1, reason.to_lowercase())),
            "{reason}"
        );
    }
}
