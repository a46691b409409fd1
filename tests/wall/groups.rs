//! Control groups of version 2, met by real commands; those here have no controllers.

use crate::support::World;
use hermes_gateway::{
    domain::RunId,
    sandbox::{self, Helper, Limits, Order, Report, Wall},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// A control group of version 2 to try things in, where this process may make one. Removed when dropped, which a process
/// that is left in it would prevent.
struct TrialGroup(PathBuf);

impl TrialGroup {
    fn make() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
        let path = Path::new(line.split(' ').nth(4)?).join(format!("hermes-trial-{}", RunId::new()));
        fs::create_dir(&path).ok()?;
        Some(Self(path))
    }
}

impl Drop for TrialGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// What a test could not show on this machine.
fn left_out() {
    eprintln!("not run: this process may make no control group of version 2");
}

/// A command in the folder of its home, with this group.
async fn start(world: &World, group: &Path, omit: Vec<Wall>, command: &str) -> Helper {
    let order = Order {
        program: "/bin/bash".into(),
        args: vec!["-c".into(), command.to_owned()],
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        dir: world.home.path().into(),
        terminal: None,
    };
    let limits = Limits { group: Some(group.to_owned()), ..Limits::default() };
    let mut helper = world.sandbox.start(&sandbox::World { limits, omit, ..world.bare() }).unwrap();
    helper.send(&order).await.unwrap();
    helper
}

/// That a command is in it from its first process on, and that nothing is left in it after the end, needs no controllers.
#[tokio::test]
async fn a_command_lives_and_dies_in_its_control_group() {
    for world in World::each() {
        let Some(group) = TrialGroup::make() else { return left_out() };
        let command =
            "setsid sleep 30 & (setsid sleep 30 &) & touch up; until [ -e go ]; do sleep 0.02; done";
        let mut helper = start(&world, &group.0, Vec::new(), command).await;
        let inside = || fs::read_to_string(group.0.join("cgroup.procs")).unwrap().lines().count();
        let start = Instant::now();
        while !world.home.path().join("up").exists() || inside() < 3 {
            assert!(start.elapsed() < Duration::from_secs(20), "{} inside", inside());
            tokio::task::yield_now().await;
        }
        fs::write(world.home.path().join("go"), "").unwrap();
        assert_eq!(helper.report().await.unwrap(), Report::Exited(0));
        assert_eq!(inside(), 0);
    }
}

/// Above it are groups with the names of the gateway and of the profile.
#[tokio::test]
async fn a_command_does_not_see_where_its_control_group_is() {
    for world in World::each().iter().filter(|world| world.is_strict()) {
        let Some(group) = TrialGroup::make() else { return left_out() };
        let seen = async |omit: Vec<Wall>| {
            let mut helper = start(world, &group.0, omit, "grep '^0::' /proc/self/cgroup > seen").await;
            assert_eq!(helper.report().await.unwrap(), Report::Exited(0));
            fs::read_to_string(world.home.path().join("seen")).unwrap()
        };
        assert_eq!(seen(Vec::new()).await, "0::/\n", "{}", world.wall());
        let without = seen(vec![Wall::CgroupNamespace]).await;
        assert!(without.contains("/hermes-trial-"), "{}: {without}", world.wall());
    }
}

#[tokio::test]
async fn a_command_whose_control_group_is_gone_does_not_run() {
    for world in World::each() {
        let mut helper = start(&world, Path::new("/nonexistent/group"), Vec::new(), "true").await;
        let report = helper.report().await.unwrap();
        assert!(matches!(&report, Report::NotStarted(why) if why.contains("control group")), "{report:?}");
    }
}
