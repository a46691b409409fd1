//! The gateway's attacks on itself.

use crate::support::{World, walls};
use hermes_gateway::{
    config::ExtraRoot,
    isolation::{Depth, Examination, Inquiry, Outcome},
    sandbox::{
        ForkServer, Owner, Sandbox,
        attack::{Promise, attacks, find},
    },
};
use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

/// Attacks a wall with the settings of a usual profile, which may have a user of its own.
async fn examine(sandbox: &Sandbox, user: Option<Owner>) -> Examination {
    let world = World::at(sandbox, |_| {});
    let folder = world.home.path().join("run");
    if user.is_some() {
        fs::set_permissions(world.home.path(), fs::Permissions::from_mode(0o711)).unwrap();
        fs::create_dir(&folder).unwrap();
    }
    let (settings, wall) = (Arc::clone(&world.config), world.wall());
    let sandbox = sandbox.clone();
    let inquiry = Inquiry { settings, sandbox, user, folder, depth: Depth::Whole };
    let examination = tokio::task::spawn_blocking(move || inquiry.run().unwrap()).await.unwrap();
    for finding in &examination.findings {
        eprintln!("{:<24} {:<20} {}", finding.attack, finding.outcome.name(), finding.reason);
    }
    eprintln!("{} at {:?} in {:?}", examination.findings.len(), examination.level, examination.took);
    let breaches: Vec<_> =
        examination.breaches().map(|finding| (finding.attack, finding.reason.as_str())).collect();
    assert_eq!(breaches, [], "{wall} {user:?}");
    examination
}

#[tokio::test]
async fn nothing_comes_through_that_a_level_promises_to_stop() {
    // `strict` in both ways, and `landlock`.
    for sandbox in walls() {
        examine(&sandbox, None).await;
    }
}

#[tokio::test]
async fn nor_where_each_profile_has_a_user_of_its_own() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not shown here: only root can give profiles users of their own");
        return;
    }
    for sandbox in walls() {
        let examination = examine(&sandbox, Some(Owner { uid: 20_011, gid: 20_011 })).await;
        // As the page says of what Landlock alone does not stop.
        for attack in ["chmod-other", "touch-other", "attribute-other"] {
            let found = examination.findings.iter().find(|finding| finding.attack == attack).unwrap();
            assert_eq!(found.outcome, Outcome::Contained, "{attack} {:?}", sandbox.level);
        }
    }
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

/// Tries one attack by a program that first does `first`, and is the real one then.
async fn by_way_of(sandbox: &Sandbox, first: &str) -> Examination {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (program, bin) = (place.path().join("hermes"), place.path().join("bin"));
    fs::create_dir(&bin).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_hermes"), bin.join("hermes")).unwrap();
    let text = format!(
        "#!/bin/sh\ncase \"$1 $2\" in 'sandbox-attack decoy');; sandbox-attack*) {first};; esac\nexec {} \"$@\"\n",
        bin.join("hermes").display()
    );
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let sandbox = Sandbox { helper: Arc::new(ForkServer::new(program)), ..sandbox.clone() };
    let world = World::at(&sandbox, |config| {
        // Where its commands find the real one.
        config.terminal.roots.push(ExtraRoot { path: bin, writable: false });
    });
    let depth = Depth::Only(vec![find("hunt-environment").unwrap()]);
    let (settings, folder) = (Arc::clone(&world.config), world.home.path().join("run"));
    let inquiry = Inquiry { settings, sandbox, user: None, folder, depth };
    tokio::task::spawn_blocking(move || inquiry.run().unwrap()).await.unwrap()
}

#[tokio::test]
async fn silence_counts_as_come_through_and_is_told_as_silence() {
    let examination = by_way_of(&walls().pop().unwrap(), "exit 3").await;
    let [finding] = &examination.findings[..] else { panic!("{:?}", examination.findings) };
    assert_eq!((finding.outcome, finding.known), (Outcome::NotContained, false), "{finding:?}");
    let breach = examination.breach().unwrap();
    assert!(breach.contains("nothing is known of this, which counts as much: hunt-environment"), "{breach}");
    assert_eq!(examination.to_json()["attacks"][0]["known"], false);
}
