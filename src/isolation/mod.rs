//! The gateway attacks itself: two throw-away profiles with secrets, and every attack of [`crate::sandbox::attack`] tried
//! from inside a sandbox of each.
//!
//! ```text
//! Inquiry::run ─► Site: a home with two profiles, their stores, `.env` files, listeners, processes, all with secrets
//!                  │
//!                  ├─ Toolbox of the one ── terminal ──► `hermes sandbox-attack` ──► what came of each attempt
//!                  ├─ Toolbox of the other ─ the same, the other way round
//!                  ▼
//!              Examination: contained / detected and killed / not contained, compared with what the level promises
//! ```
//!
//! The commands go the way that an agent's commands go, tools and all, with the terminal settings of a real profile.
//! Nothing of real profiles is touched.

mod decoy;
mod home;
mod report;
mod site;
mod town;
mod trial;

pub use report::{Examination, Finding, Outcome};

use crate::{
    config::ProfileConfig,
    domain::now,
    sandbox::{
        Owner, Sandbox,
        attack::{Attack, How, attacks},
    },
};
use site::{Pace, Site};
use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use trial::Trial;

/// Everything that is tried at once ends by itself long before.
const LONGEST: Duration = Duration::from_secs(90);

/// The user of the second throw-away profile, where the first has one.
const NOBODY_ELSE: Owner = Owner { uid: 65_532, gid: 65_532 };

/// How much is tried.
#[derive(Debug, Clone)]
pub enum Depth {
    /// What takes a moment: the attacks that share one sandbox.
    Quick,
    /// Everything; some seconds.
    Whole,
    /// These, whatever they take.
    Only(Vec<Attack>),
}

impl Depth {
    fn attacks(&self) -> Vec<Attack> {
        match self {
            Self::Quick => attacks().into_iter().filter(|attack| attack.quick).collect(),
            Self::Whole => attacks(),
            Self::Only(chosen) => chosen.clone(),
        }
    }
}

/// What a result depends on: program, kernel, level and settings, as one word.
#[must_use]
pub fn fingerprint(settings: &ProfileConfig, sandbox: &Sandbox) -> String {
    let program = std::fs::metadata(sandbox.helper.program());
    let program = program.map(|data| (data.len(), data.modified().ok()));
    let kernel = std::fs::read_to_string("/proc/version");
    let mut terminal = settings.terminal.clone();
    // Names of the profile's own entries change nothing about the wall.
    terminal.env_passthrough.clear();
    let all = format!("{program:?} {kernel:?} {:?} {} {terminal:?}", sandbox.level, sandbox.abi);
    blake3::hash(all.as_bytes()).to_hex()[..32].to_owned()
}

/// Which wall is to be attacked.
pub struct Inquiry {
    /// A profile whose terminal settings the throw-away profiles get.
    pub settings: Arc<ProfileConfig>,
    pub sandbox: Sandbox,
    /// The user of that profile's commands, where it has one of its own: the throw-away profiles then have two.
    pub user: Option<Owner>,
    /// Where the throw-away home is made: a folder that no agent sees.
    pub folder: PathBuf,
    pub depth: Depth,
}

impl Inquiry {
    /// Attacks. Blocking, for some seconds; on a thread without a runtime.
    ///
    /// # Errors
    ///
    /// What is needed for it could not be prepared.
    pub fn run(self) -> io::Result<Examination> {
        let standing = self.sandbox.standing.clone();
        let _turn = standing.turn();
        let start = Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Tools start tasks of the thread that they are called on.
        let local = tokio::task::LocalSet::new();
        let attacked = Box::pin(self.attack());
        // What the throw-away profiles are refused is no news; what came through is told by the findings.
        let silent = tracing::Dispatch::none();
        let findings = tracing::dispatcher::with_default(&silent, || local.block_on(&runtime, attacked))?;
        Ok(Examination {
            level: self.sandbox.level,
            abi: self.sandbox.abi,
            at: now(),
            took: start.elapsed(),
            findings,
        })
    }

    /// A slow machine may need more processor time for one of the attacks that share a sandbox than that has: what it did
    /// not come to is tried once more, with more. What still is not known stays so.
    async fn attack(&self) -> io::Result<Vec<Finding>> {
        let chosen = self.depth.attacks();
        let mut findings = self.attack_in_time(chosen.clone(), Pace::Usual).await?;
        let unknown = |attack: &Attack| {
            matches!(attack.how, How::Together(_))
                && findings.iter().any(|finding| finding.attack == attack.id && !finding.known)
        };
        let again: Vec<Attack> = chosen.into_iter().filter(unknown).collect();
        if !again.is_empty() {
            for second in self.attack_in_time(again, Pace::Slow).await? {
                if let Some(first) = findings.iter_mut().find(|first| first.attack == second.attack) {
                    *first = second;
                }
            }
        }
        Ok(findings)
    }

    async fn attack_in_time(&self, chosen: Vec<Attack>, pace: Pace) -> io::Result<Vec<Finding>> {
        let attacked = tokio::time::timeout(LONGEST, Box::pin(self.attack_once(chosen, pace))).await;
        attacked.unwrap_or_else(|_late| Err(io::Error::other("the attacks did not end in time")))
    }

    async fn attack_once(&self, chosen: Vec<Attack>, pace: Pace) -> io::Result<Vec<Finding>> {
        let site = Site::build(&self.settings, &self.sandbox, &self.folder, &chosen, pace).await?;
        if self.user.is_some() {
            site.open_ways()?;
        }
        let users = [self.user, self.user.map(|_| NOBODY_ELSE)];
        let [one, two] = [0, 1].map(|number| Trial::new(&site, number, &self.sandbox, users[number]));
        let over = CancellationToken::new();
        let attacks = async {
            tokio::join!(one.settle(), two.settle());
            site.tell()?;
            let findings = attack_each_other(&one, &two, chosen).await;
            over.cancel();
            Ok(findings)
        };
        let (findings, (), ()) = tokio::join!(attacks, one.linger(&over), two.linger(&over));
        findings
    }
}

async fn attack_each_other(one: &Trial<'_>, two: &Trial<'_>, chosen: Vec<Attack>) -> Vec<Finding> {
    // Whatever of a profile runs while its workspace is too large may be ended for it, and what one frees hides what the
    // other takes: these come last, and one by one.
    let (last, first): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|attack| attack.id == "disk-filler");
    let (mut ones, mut twos) = tokio::join!(one.run(&first), two.run(&first));
    ones.extend(one.run(&last).await);
    twos.extend(two.run(&last).await);
    report::worse_of(ones, twos)
}
