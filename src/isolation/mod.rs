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
mod report;
mod site;
mod town;
mod trial;

pub use report::{Examination, Finding, Outcome};

use crate::{
    config::ProfileConfig,
    domain::now,
    sandbox::{
        Sandbox,
        attack::{Attack, attacks},
    },
};
use site::Site;
use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use trial::Trial;

/// Everything ends by itself long before.
const LONGEST: Duration = Duration::from_secs(90);

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
    let program = std::fs::metadata(&*sandbox.helper);
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
        let findings = local.block_on(&runtime, async {
            let attacked = tokio::time::timeout(LONGEST, self.attack()).await;
            attacked.unwrap_or_else(|_late| Err(io::Error::other("the attacks did not end in time")))
        })?;
        Ok(Examination {
            level: self.sandbox.level,
            abi: self.sandbox.abi,
            at: now(),
            took: start.elapsed(),
            findings,
        })
    }

    async fn attack(&self) -> io::Result<Vec<Finding>> {
        let chosen = self.depth.attacks();
        let site = Site::build(&self.settings, &self.sandbox, &self.folder, &chosen).await?;
        let trials = [Trial::new(&site, 0, &self.sandbox), Trial::new(&site, 1, &self.sandbox)];
        let [one, two] = &trials;
        tokio::join!(one.settle(), two.settle());
        let (one, two) = tokio::join!(one.run(&chosen), two.run(&chosen));
        Ok(report::worse_of(one, two))
    }
}
