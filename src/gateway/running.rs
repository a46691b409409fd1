//! A whole gateway as a value: started, asked, stopped.

use super::{
    at_rest,
    control::{self, Answers, ControlSocket},
    plane::{Limits, Plane, raise_descriptor_limit},
    roster::{BeginAll, EndAll, Files, GetFirstKey, GetSeat, Ground, ListProfiles, Roster, Selection, plans},
    run_dir::RunDir,
    status::{ProfileStatus, State, floor_warning},
    users::Users,
};
use crate::{
    actors::MachineSlots,
    config::{ConfigError, Home, ProcessEnv, Secret},
    domain::{ProfileName, now},
    front,
    redact::Redactors,
    sandbox::{Owner, Sandbox, may_take},
};
use actix::Addr;
use std::{
    cell::Cell, fmt, io, net::SocketAddr, ops::RangeInclusive, path::PathBuf, rc::Rc, sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Runs a future on an actix `System` of this thread, as [`Gateway::start`] needs it: for a `main` without a runtime.
pub fn block_on<F: Future>(future: F) -> F::Output {
    actix_rt::System::new().block_on(future)
}

/// What a gateway is started with. Nothing else is looked at: no environment, no current directory.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    pub home: PathBuf,
    pub selection: Selection,
    pub env: ProcessEnv,
    /// The program that is `hermes`: started as `PROGRAM sandbox-exec`.
    pub sandbox_helper: PathBuf,
    /// Worker threads; `None`: what the home's settings say.
    pub workers: Option<usize>,
    /// Gets what finds the secrets of each profile, for the log of the process.
    pub redactors: Redactors,
}

#[derive(Debug)]
pub enum StartError {
    Config(ConfigError),
    /// The home's `run` folder, the control socket.
    Home {
        path: PathBuf,
        error: io::Error,
    },
    /// No profile is enabled.
    Nothing {
        home: PathBuf,
    },
    Internal(&'static str),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => write!(f, "{error}"),
            Self::Home { path, error } => write!(f, "{} cannot be used: {error}", path.display()),
            Self::Nothing { home } => write!(
                f,
                "no profile of {} is enabled; `hermes profile create NAME` makes one, API_SERVER_ENABLED=true in its \
                 .env enables it",
                home.display()
            ),
            Self::Internal(what) => write!(f, "{what}; please report this"),
        }
    }
}

impl std::error::Error for StartError {}

/// A running gateway. Dropping it does not stop it in order: call [`Gateway::stop`].
pub struct Gateway {
    roster: Addr<Roster>,
    plane: Rc<Plane>,
    control: ControlSocket,
    stop: CancellationToken,
    draining: Rc<Cell<bool>>,
    warnings: Vec<String>,
    drain_timeout: Duration,
}

impl Gateway {
    /// Starts everything and waits until each profile is up or has failed. Must be called within an actix `System`;
    /// installs no signal handlers, so that several gateways can live in one process.
    ///
    /// # Errors
    /// The home cannot be read or written, or has nothing to serve. A profile that fails is no error: see
    /// [`Gateway::profiles`].
    pub async fn start(options: GatewayOptions) -> Result<Self, StartError> {
        let GatewayOptions { home: root, selection, env, sandbox_helper, workers, redactors } = options;
        let only = match &selection {
            Selection::All => None,
            Selection::One(name) => Some(name.clone()),
        };
        let files = Arc::new(Files { root, selection, env });
        let home = files.read().await.map_err(StartError::Config)?;
        let Home { root, server, profiles, mut warnings } = home;
        let mut chosen = profiles;
        chosen.retain(|profile| profile.enabled || only.as_ref() == Some(&profile.name));
        if chosen.is_empty() {
            return Err(StartError::Nothing { home: root });
        }
        warnings.extend(chosen.iter().flat_map(|profile| profile.warnings.iter().cloned()));

        let uids = server.uids.clone();
        let Prepared { home_secret, token, socket, sandbox, users, open } =
            prepare(root.clone(), sandbox_helper, uids).await?;
        warnings.extend(open);
        let users = users.unwrap_or_else(|why| {
            warnings.extend(why.map(|why| format!("profiles have no users of their own: {why}")));
            None
        });
        let configs = chosen.iter().filter_map(|profile| profile.config.as_ref().ok());
        warnings.extend(configs.filter_map(|config| floor_warning(config, &sandbox)));
        let limits = Limits::for_descriptors(server.max_connections, raise_descriptor_limit());
        let plane = Rc::new(Plane::start(workers.unwrap_or(server.workers), &limits, front::app));
        let ground_plane = plane.clone();
        let machine = MachineSlots::new(server.max_concurrent_runs);
        let roster = Roster::start(files, server.drain_timeout, move |gone| {
            Ground::new(ground_plane, sandbox, home_secret, machine, gone, redactors, users)
        });
        let (stop, draining) = (CancellationToken::new(), Rc::new(Cell::new(false)));
        let answers = Answers {
            roster: roster.clone(),
            only,
            started_at: now(),
            draining: draining.clone(),
            stop: stop.clone(),
        };
        let path = socket.file.path().to_owned();
        let control =
            control::serve(socket, token, answers).map_err(|error| StartError::Home { path, error })?;
        let gone = |_closed| StartError::Internal("the roster did not start");
        let odd = roster.send(BeginAll(plans(root, chosen).collect())).await.map_err(gone)?;
        // What the files alone have said is told already.
        let new: Vec<_> = odd.into_iter().filter(|warning| !warnings.contains(warning)).collect();
        warnings.extend(new);
        Ok(Self { roster, plane, control, stop, draining, warnings, drain_timeout: server.drain_timeout })
    }

    /// All profiles as they stand.
    pub async fn profiles(&self) -> Vec<ProfileStatus> {
        self.roster.send(ListProfiles).await.unwrap_or_default()
    }

    /// Where a profile listens; `None` while it does not. With port 0 in its settings: the one it got.
    pub async fn addr(&self, profile: &ProfileName) -> Option<SocketAddr> {
        self.profiles().await.into_iter().find(|status| status.name == *profile)?.address
    }

    /// The key that was made at the profile's start because it had none.
    pub async fn key(&self, profile: &ProfileName) -> Option<Secret> {
        self.roster.send(GetFirstKey(profile.clone())).await.ok().flatten()
    }

    /// The tenant behind a port, for tests that have to reach into it.
    pub async fn tenant(&self, profile: &ProfileName) -> Option<Arc<crate::actors::Tenant>> {
        let seat = self.roster.send(GetSeat(profile.clone())).await.ok()?.ok()?;
        Some(seat.tenant)
    }

    /// Where tenants send their notices; for tests that play a tenant.
    #[cfg(test)]
    pub(super) const fn roster(&self) -> &Addr<Roster> {
        &self.roster
    }

    /// Whether no profile at all listens.
    pub async fn is_idle(&self) -> bool {
        self.profiles().await.iter().all(|status| status.address.is_none() && status.state != State::Starting)
    }

    /// What the settings have that is odd, a sentence each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// `agent.restart_drain_timeout`.
    #[must_use]
    pub const fn drain_timeout(&self) -> Duration {
        self.drain_timeout
    }

    /// The process of one profile may be told anything about itself: acts as `hermes profile …` does.
    ///
    /// # Errors
    /// A sentence that says why it was not done.
    pub async fn act(&self, name: &ProfileName, action: super::Action) -> Result<ProfileStatus, String> {
        let act = super::roster::Act { name: name.clone(), action };
        let acted = self.roster.send(act).await.map_err(|error| error.to_string())?;
        acted.map(|acted| acted.status)
    }

    /// Resolves when somebody asks over the control socket that the gateway end.
    pub async fn stop_requested(&self) {
        self.stop.cancelled().await;
    }

    /// Ends in order: no new turns, up to `grace` for the running ones, then they are interrupted; streams get their
    /// terminal event, stores are flushed and closed.
    pub async fn stop(self, grace: Duration) {
        let Self { roster, plane, control, stop: _, draining, warnings: _, drain_timeout: _ } = self;
        draining.set(true);
        // An error is a roster that is gone, and then so are its profiles.
        let _ = roster.send(EndAll { limit: grace }).await;
        plane.stop().await;
        // Last: a client that waits for the end sees it now.
        drop(control);
    }
}

struct Prepared {
    home_secret: Arc<[u8; 32]>,
    token: Secret,
    socket: control::socket::Bound,
    sandbox: Sandbox,
    /// `None`: not wanted. An error without a word: not root.
    users: Result<Option<Users>, Option<String>>,
    /// What of the home others can read or change.
    open: Option<String>,
}

/// What blocks: files of the home, and the probe, which runs a process.
async fn prepare(
    root: PathBuf,
    helper: PathBuf,
    uids: Option<RangeInclusive<u32>>,
) -> Result<Prepared, StartError> {
    let prepared = actix_rt::task::spawn_blocking(move || {
        let in_run = |error| StartError::Home { path: root.join("run"), error };
        let run = RunDir::open(&root).map_err(in_run)?;
        Ok(Prepared {
            home_secret: run.home_secret().map_err(in_run)?,
            token: run.control_token().map_err(in_run)?,
            socket: control::socket::bind(&run).map_err(in_run)?,
            sandbox: Sandbox::probe(helper).with_groups(),
            users: uids.map(|uids| users(&run, uids)).transpose(),
            open: at_rest::home(&root),
        })
    });
    prepared.await.unwrap_or(Err(StartError::Internal("the start panicked")))
}

/// Profiles get users of their own where commands can be run as such.
fn users(run: &RunDir, uids: RangeInclusive<u32>) -> Result<Users, Option<String>> {
    may_take(Owner { uid: *uids.end(), gid: *uids.end() })?;
    Ok(Users::new(run.path(), uids))
}
