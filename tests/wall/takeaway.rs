//! What each wall stops: the attacks again, on walls of which parts are missing.

use crate::support::{World, walls};
use hermes_gateway::{
    config::SandboxLevel,
    isolation::{Depth, Finding, Inquiry, Outcome},
    sandbox::{
        ForkServer, Sandbox, Standing, Wall,
        attack::{Attack, Promise, attacks, find},
    },
};
use rustix::{
    fs::{Mode, OFlags},
    thread::{CapabilitySet, capabilities},
};
use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, Mutex},
};

/// An attack that a machine cannot show to succeed.
struct NotShown {
    attacks: &'static [&'static str],
    why: &'static str,
    /// Whether that is so here, by the machine itself or by what came of the attack.
    here: fn(&str) -> bool,
}

const NOT_SHOWN: &[NotShown] = &[
    NotShown {
        attacks: &["load-module", "load-module-file", "remove-module", "write-modprobe"],
        why: "a kernel without modules",
        here: |_| !fs::exists("/proc/modules").unwrap(),
    },
    NotShown {
        attacks: &["next-kernel", "io-ports", "x32-calls"],
        why: "a kernel that was built without the call",
        here: |reason| reason == "function not implemented",
    },
    NotShown {
        attacks: &["kernel-crypto"],
        why: "a kernel that was built without such sockets",
        here: |reason| reason == "this kernel has no such sockets",
    },
    NotShown {
        attacks: &["write-sysrq", "read-kernel-memory"],
        why: "a kernel without these files",
        here: |_| !fs::exists("/proc/kcore").unwrap() || !fs::exists("/proc/sysrq-trigger").unwrap(),
    },
    NotShown {
        attacks: &["machine-daemons"],
        why: "a machine where none of them runs",
        here: |reason| reason == "no such file or directory",
    },
    NotShown {
        attacks: &["raise-limits", "immune-to-hunger"],
        why: "root without CAP_SYS_RESOURCE",
        here: |_| !capabilities(None).unwrap().effective.contains(CapabilitySet::SYS_RESOURCE),
    },
    NotShown {
        attacks: &[
            "proxy-any-address",
            "proxy-user-in-address",
            "proxy-guessed-token",
            "proxy-no-token",
            "proxy-past-token",
            "proxy-other-token",
        ],
        why: "held by the proxy's own code, which nothing takes away; src/egress/proxy/tests shows it",
        here: |_| true,
    },
];

/// Why an attack that was held need not succeed here.
fn excuse(attack: &str, reason: &str) -> Option<&'static NotShown> {
    NOT_SHOWN.iter().find(|known| known.attacks.contains(&attack) && (known.here)(reason))
}

/// Sandboxes under attack at a time: the attacks wait more than they work.
const AT_A_TIME: usize = 6;

/// The attacks that the same walls stop.
fn by_walls(level: SandboxLevel) -> Vec<(&'static [Wall], Vec<Attack>)> {
    let mut groups: BTreeMap<String, (&'static [Wall], Vec<Attack>)> = BTreeMap::new();
    for attack in attacks() {
        match attack.promise(level) {
            Promise::Contained(walls) | Promise::Killed(walls) => {
                groups.entry(format!("{walls:?}")).or_insert((walls, Vec::new())).1.push(attack);
            }
            Promise::Open(_) => {}
        }
    }
    groups.into_values().collect()
}

/// What came of the attacks on a wall of which parts are missing.
fn without(omit: &[Wall], chosen: Vec<Attack>, sandbox: &Sandbox) -> Vec<Finding> {
    let omit = omit.to_vec();
    // A standing of its own: the examinations of one take turns.
    let sandbox = Sandbox { omit, standing: Standing::default(), ..sandbox.clone() };
    let world = World::at(&sandbox, |_| {});
    let folder = world.home.path().join("run");
    let settings = Arc::clone(&world.config);
    Inquiry { settings, sandbox, user: None, folder, depth: Depth::Only(chosen) }.run().unwrap().findings
}

/// A sentence for an attack that is in no group, or in the wrong one.
fn complaint(walls: &[Wall], finding: &Finding) -> Option<String> {
    let Finding { attack, outcome, reason, known, .. } = finding;
    // Silence is no success, but for the one that kills whoever would tell.
    let silent = !known && attack != &"kill-warden";
    let through = *outcome == Outcome::NotContained && !silent;
    match excuse(attack, if through { "" } else { reason }) {
        Some(known) if through => {
            Some(format!("{attack} is shown here, and listed as not shown: {}", known.why))
        }
        None if !through => Some(format!("{attack} does not succeed without {walls:?}: {reason}")),
        Some(_) | None => None,
    }
}

/// The attack was still at it when it was ended, or another one was at the same profile at that moment.
fn was_hindered(finding: &Finding) -> bool {
    let Finding { reason, .. } = finding;
    reason.ends_with("in its time") || reason.starts_with("timed out") || reason.ends_with("try again")
}

fn every_attack_succeeds(sandbox: &Sandbox) {
    // What a library might leave open for every child.
    let _left_open = rustix::fs::open("/dev/null", OFlags::RDONLY, Mode::empty()).unwrap();
    // What helpers come from is started after that.
    let helper = Arc::new(ForkServer::new(sandbox.helper.program().to_owned()));
    let sandbox = &Sandbox { helper, ..sandbox.clone() };
    let groups = Mutex::new(by_walls(sandbox.level));
    let (complaints, late) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        let work = || {
            let next = || groups.lock().unwrap().pop();
            while let Some((walls, chosen)) = next() {
                for finding in without(walls, chosen, sandbox) {
                    match complaint(walls, &finding) {
                        Some(_) if was_hindered(&finding) => {
                            late.lock().unwrap().push((walls, finding.attack));
                        }
                        told => complaints.lock().unwrap().extend(told),
                    }
                }
            }
        };
        (0..AT_A_TIME).for_each(|_| drop(scope.spawn(work)));
    });
    let mut complaints = complaints.into_inner().unwrap();
    // Neither a busy machine nor another attack says anything of a wall: once more, and alone.
    for (walls, attack) in late.into_inner().unwrap() {
        let findings = without(walls, vec![find(attack).unwrap()], sandbox);
        complaints.extend(findings.iter().filter_map(|finding| complaint(walls, finding)));
    }
    assert_eq!(complaints, [""; 0], "{:?} {:?}", sandbox.level, sandbox.way);
}

#[test]
fn at_landlock_each_attack_comes_through_when_its_walls_are_taken_away() {
    every_attack_succeeds(&walls().pop().unwrap());
}

#[test]
fn at_strict_each_attack_comes_through_when_its_walls_are_taken_away() {
    for sandbox in walls().iter().filter(|sandbox| sandbox.level == SandboxLevel::Strict) {
        every_attack_succeeds(sandbox);
    }
}
