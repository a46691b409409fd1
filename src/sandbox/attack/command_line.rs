//! This very program, run from inside: whoever may run it outside is the operator.

use super::{
    Attack, Attempt, Scene, canary,
    files::steal,
    sys::{brief, take},
};
use crate::{
    config::SandboxLevel,
    sandbox::{
        Limits, Network, Order,
        Wall::{self, Landlock, MountView},
        Way, World,
        launch::run_blocking,
        link::Beginning,
    },
};
use std::{io, process::Command, time::Duration};

const S: &[Wall] = &[MountView, Landlock];
const L: &[Wall] = &[Landlock];

pub const ATTACKS: &[Attack] = &[
    Attack::together("hermes-key-create", "has `hermes` make it a key", |scene| {
        // Where it only found a store of its own making, the secret is not there.
        let own = own(scene);
        let made = hermes(scene, &["-p", &own, "key", "create"]);
        look(made.and_then(|_key| hermes(scene, &["-p", &own, "key", "list"])), canary)
    })
    .held(S, L),
    Attack::together("hermes-keys", "has `hermes` list another profile's keys", |scene| {
        look(hermes(scene, &["-p", &other(scene), "key", "list"]), canary)
    })
    .held(S, L),
    Attack::together("hermes-backup", "has `hermes` write out another profile's store", |scene| {
        look(hermes(scene, &["backup", &other(scene), "-"]), canary)
    })
    .held(S, L),
    Attack::together("hermes-audit", "has `hermes` show another profile's audit log", |scene| {
        look(hermes(scene, &["-p", &other(scene), "audit", "show", "--json"]), |_| true)
    })
    .held(S, L),
    Attack::together("hermes-profile", "has `hermes` make a profile", |scene| {
        let made = hermes(scene, &["profile", "create", &format!("made-by-{}", own(scene))]);
        // The home is that one if the other profile is in it.
        let other = other(scene);
        look(made.and_then(|_| hermes(scene, &["profile", "list"])), |said| {
            String::from_utf8_lossy(said).contains(&other)
        })
    })
    .held(S, &[Landlock, Wall::Seccomp]),
    Attack::together("hermes-helper", "starts a helper that is told to leave the wall out", |scene| {
        let found = scene.own.workspace.join("by-helper");
        match helper(scene, &found) {
            Ok(()) => steal(&found),
            Err(error) => Attempt::Refused(brief(&error)),
        }
    })
    .held(S, L),
    Attack::together("rename-workspace", "has its workspace's name mean another profile's folder", |scene| {
        let (name, aside) = (&scene.own.workspace, scene.own.root.join("aside"));
        let swapped = std::fs::rename(name, &aside);
        if swapped.is_ok() {
            let _ = std::fs::rename(&aside, name);
        }
        take(swapped, "renamed it")
    })
    .held(S, L),
];

fn own(scene: &Scene) -> String {
    scene.own.root.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn other(scene: &Scene) -> String {
    scene.other.root.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What the command prints, when it ends well.
fn hermes(scene: &Scene, words: &[&str]) -> io::Result<Vec<u8>> {
    let mut command = Command::new(&scene.program);
    let output = command.arg("--home").arg(&scene.home).args(words).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or("it failed").to_owned();
    if output.status.success() { Ok(output.stdout) } else { Err(io::Error::other(last)) }
}

fn look(said: io::Result<Vec<u8>>, is_loot: impl FnOnce(&[u8]) -> bool) -> Attempt {
    match said {
        Ok(said) if is_loot(&said) => Attempt::Succeeded("it did".to_owned()),
        Ok(_) => Attempt::Refused("it said nothing of use".to_owned()),
        Err(error) => Attempt::Refused(brief(&error)),
    }
}

/// A helper is nothing that its starter is not: the order is the attacker's, and so are the rights.
fn helper(scene: &Scene, found: &std::path::Path) -> io::Result<()> {
    let world = World {
        level: SandboxLevel::None,
        readable: Vec::new(),
        links: Vec::new(),
        writable: Vec::new(),
        workspace: scene.own.workspace.clone(),
        tmp: scene.own.workspace.clone(),
        known: Vec::new(),
        owner: None,
        user: "agent".to_owned(),
        network: Network::Full,
        limits: Limits::default(),
        unix_sockets: true,
        omit: Vec::new(),
    };
    let way = Way { user_namespace: true, proc: true };
    let script = format!("cat '{}' > '{}'", scene.other.env.display(), found.display());
    let order = Order {
        program: "/bin/sh".into(),
        args: vec!["-c".to_owned(), script],
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        dir: scene.own.workspace.clone(),
        terminal: None,
    };
    let patience = Duration::from_secs(3);
    run_blocking(&scene.program, &Beginning { world, way, shell: None }, &order, patience).map(|_report| ())
}
