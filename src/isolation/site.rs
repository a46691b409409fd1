//! A home with two profiles that nobody misses, and everything around it.

use super::{
    decoy::Running,
    home::{Home, private},
    town::Town,
};
use crate::{
    config::{LimitsConfig, ProfileConfig, Secret, TerminalConfig},
    domain::{KeyId, ProfileName, SessionId, now},
    sandbox::{
        Sandbox, Wall,
        attack::{Addresses, Attack, Bounds, Folders, Outside, Planted, Scene, attacks, new_canary},
        session_tmp,
    },
    store::{Change, KeyRecord, ProfileLock, Store},
};
use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

pub const NAMES: [&str; 2] = ["isolation-a", "isolation-b"];
/// Files of a workspace: how a command that has ended, and one that runs, were told to reach their proxy.
pub const PAST_PROXY: &str = "past-proxy";
pub const LIVE_PROXY: &str = "live-proxy";
pub const SESSION: &str = "isolation";
/// What the attacks may say in sum.
const MAX_OUTPUT: usize = 1 << 20;
const TIMEOUT: Duration = Duration::from_secs(45);

/// How much processor time a sandbox has.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    Usual,
    /// For what a slow machine did not come to.
    Slow,
}

/// Gone when dropped.
pub struct Site {
    pub secret: String,
    pub profiles: [Profile; 2],
    shared: Vec<PathBuf>,
    town: Town,
    bounds: Bounds,
    /// The last: whatever still runs in it has ended by then.
    home: Home,
}

/// One of the two.
pub struct Profile {
    pub config: Arc<ProfileConfig>,
    folders: Folders,
    /// This program, and what it is told, where the profile's commands can read them.
    pub program: PathBuf,
    pub scene: PathBuf,
    decoy: Running,
    pub fragile: Mutex<Running>,
}

impl Site {
    /// Makes everything and writes down where it is.
    pub async fn build(
        settings: &ProfileConfig,
        sandbox: &Sandbox,
        folder: &Path,
        chosen: &[Attack],
        pace: Pace,
    ) -> io::Result<Self> {
        let secret = new_canary();
        let home = Home::make(folder)?;
        let root = &home.path;
        private(&root.join("run"))?;
        private(&root.join("profiles"))?;
        fs::write(root.join(".env"), format!("SECRET={secret}\n"))?;
        let bounds = bounds(pace, sandbox);
        let first = Profile::build(0, root, settings, sandbox, &secret, bounds).await?;
        let second = Profile::build(1, root, settings, sandbox, &secret, bounds).await?;
        let mut shared = home.leavings.shared.clone();
        shared.retain(|path| fs::write(path, &secret).is_ok());
        for path in &shared {
            fs::set_permissions(path, Permissions::from_mode(0o666))?;
        }
        let (control, daemon) = (root.join("run/control.sock"), root.join("run/daemon.sock"));
        let town = Town::open(&[&control, &daemon], &secret)?;
        if chosen.iter().any(|attack| !attack.quick) {
            home.leavings.names.lay(&secret)?;
        }
        Ok(Self { secret, profiles: [first, second], shared, town, bounds, home })
    }

    /// Lets users walk to their workspaces, as in a home whose modes allow that.
    pub fn open_ways(&self) -> io::Result<()> {
        let roots = self.profiles.iter().map(|profile| profile.folders.root.clone());
        let ways = [self.home.path.clone(), self.home.path.join("profiles")].into_iter().chain(roots);
        ways.into_iter().try_for_each(|way| fs::set_permissions(way, Permissions::from_mode(0o711)))
    }

    /// Plants what only root can plant, and tells the attackers where everything is. Once the workspaces belong to whom
    /// they are to belong to: a change of owner takes such rights from a program.
    pub fn tell(&self) -> io::Result<()> {
        for number in [0, 1] {
            let path = &self.profiles[number].scene;
            fs::write(path, serde_json::to_vec(&self.scene(number))?)?;
            fs::set_permissions(path, Permissions::from_mode(0o644))?;
        }
        Ok(())
    }

    fn scene(&self, number: usize) -> Scene {
        let (own, other) = (&self.profiles[number], &self.profiles[1 - number]);
        let (town, fragile) = (&self.town, own.fragile.lock().map(|fragile| fragile.pid()));
        let ports =
            if number == 0 { [town.own_port, town.other_port] } else { [town.other_port, town.own_port] };
        Scene {
            program: own.program.clone(),
            home: self.home.path.clone(),
            own: own.folders.clone(),
            other: other.folders.clone(),
            outside: Outside {
                gateway: std::process::id().cast_signed(),
                warden: 0,
                inherited: Vec::new(),
                decoy: own.decoy.pid(),
                decoy_secret: own.decoy.said.address,
                decoy_file: own.decoy.said.file,
                fragile: fragile.unwrap_or(0),
                shared: self.shared.clone(),
                names: self.home.leavings.names.clone(),
            },
            addresses: Addresses {
                own_port: ports[0],
                other_port: ports[1],
                key: "hk_00000000_isolation".to_owned(),
                udp: town.udp_port,
                free: town.free_port,
                control: self.home.path.join("run/control.sock"),
                shared_socket: self.home.path.join("run/daemon.sock"),
                stream: town.stream.clone(),
                datagram: town.datagram.clone(),
                past_proxy: own.noted(PAST_PROXY),
                other_proxy: other.noted(LIVE_PROXY),
            },
            planted: plant(&own.folders.workspace),
            bounds: self.bounds,
            environment: Vec::new(),
        }
    }

    /// Whether an attack of the profile has changed or made the file `name` in the other one's folder.
    pub fn written(&self, number: usize, name: &str) -> bool {
        self.profiles[1 - number].folders.root.join(name).exists()
    }
}

/// Small enough that going beyond them hurts nobody.
const BOUNDS: Bounds = Bounds {
    processes: 64,
    memory_bytes: 256 << 20,
    file_bytes: 16 << 20,
    open_files: 256,
    disk_bytes: 128 << 20,
    cpu_seconds: 2,
    stays_seconds: 60,
};
/// Where nobody counts nobody is waited for; a look is due several times meanwhile.
const STAYS_UNSEEN: u64 = 3;
const SLOW_CPU_SECONDS: u64 = 16;

fn bounds(pace: Pace, sandbox: &Sandbox) -> Bounds {
    let unseen = sandbox.omit.iter().any(|wall| matches!(wall, Wall::Meter | Wall::Quota));
    let stays_seconds = if unseen { STAYS_UNSEEN } else { BOUNDS.stays_seconds };
    let cpu_seconds = match pace {
        Pace::Usual => BOUNDS.cpu_seconds,
        Pace::Slow => SLOW_CPU_SECONDS,
    };
    Bounds { stays_seconds, cpu_seconds, ..BOUNDS }
}

impl Profile {
    async fn build(
        number: usize,
        home: &Path,
        settings: &ProfileConfig,
        sandbox: &Sandbox,
        secret: &str,
        bounds: Bounds,
    ) -> io::Result<Self> {
        let name = ProfileName::parse(NAMES[number]).map_err(|error| io::Error::other(error.to_string()))?;
        let session = SessionId::parse(SESSION).map_err(|error| io::Error::other(error.to_string()))?;
        let root = home.join("profiles").join(name.as_str());
        let folders = Folders {
            workspace: root.join("workspace"),
            tmp: session_tmp(name.as_str(), &root, &session),
            env: root.join(".env"),
            config: root.join("config.yaml"),
            state: root.join("state"),
            notes: root.join("workspace/notes"),
            link: root.join("workspace/link"),
            root,
        };
        let mut config = throw_away(settings, name, &folders, secret);
        config.terminal.limits = limits(bounds);
        open_gates(&mut config.terminal, &sandbox.omit);
        for folder in [&folders.root, &folders.workspace, &config.skills_dir, &folders.root.join("spare")] {
            private(folder)?;
        }
        for file in [&folders.env, &folders.notes] {
            fs::write(file, format!("SECRET={secret}\n"))?;
        }
        // Settings that can be read, for whoever runs `hermes` on this home.
        fs::write(&folders.config, format!("# {secret}\n"))?;
        symlink(secret, &folders.link)?;
        for attack in attacks() {
            fs::write(folders.spare(attack.id), format!("#!/bin/sh\necho {secret}\n"))?;
            fs::set_permissions(folders.spare(attack.id), Permissions::from_mode(0o700))?;
        }
        store_with(&folders.state, secret).await?;
        let program = config.skills_dir.join("hermes");
        // A name more costs nothing; on another file system, or for somebody else's file, a copy.
        fs::hard_link(sandbox.helper.program(), &program)
            .or_else(|_| fs::copy(sandbox.helper.program(), &program).map(|_| ()))?;
        let decoy = Running::start(sandbox.helper.program(), &folders.env, secret)?;
        let fragile = Running::start(sandbox.helper.program(), &folders.env, secret)?;
        Ok(Self {
            scene: config.skills_dir.join("scene.json"),
            config: Arc::new(config),
            folders,
            program,
            decoy,
            fragile: Mutex::new(fragile),
        })
    }

    pub fn workspace(&self) -> &Path {
        &self.folders.workspace
    }

    /// What a command of it has written into a file.
    fn noted(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.workspace().join(name)).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }
}

/// A profile like `settings` in what its commands may, and in nothing else.
fn throw_away(settings: &ProfileConfig, name: ProfileName, folders: &Folders, secret: &str) -> ProfileConfig {
    let mut config = settings.clone();
    config.model_name = name.to_string();
    config.name = name;
    config.state_dir.clone_from(&folders.state);
    config.workspace.clone_from(&folders.workspace);
    config.skills_dir = folders.root.join("skills");
    config.soul_file = folders.root.join("SOUL.md");
    config.root.clone_from(&folders.root);
    config.api_key = None;
    config.env = [("SECRET".to_owned(), Secret::new(secret))].into();
    // What an operator lets through by name is no leak.
    config.terminal.env_passthrough.clear();
    config.terminal.network.allow.clear();
    config.terminal.max_output = MAX_OUTPUT;
    config.terminal.timeout = TIMEOUT;
    config.terminal.max_timeout = TIMEOUT;
    config
}

fn limits(bounds: Bounds) -> LimitsConfig {
    LimitsConfig {
        memory: bounds.memory_bytes,
        processes: bounds.processes,
        cpu_time: Duration::from_secs(bounds.cpu_seconds),
        file_size: bounds.file_bytes,
        open_files: bounds.open_files,
        disk_quota: bounds.disk_bytes,
        ..LimitsConfig::default()
    }
}

/// Walls that are settings, taken away; in tests alone.
fn open_gates(terminal: &mut TerminalConfig, omit: &[Wall]) {
    if omit.contains(&Wall::Environment) {
        terminal.env_passthrough.push("SECRET".to_owned());
    }
    if omit.contains(&Wall::Addresses) {
        let inside = ["127.0.0.0/8", "169.254.169.254"];
        terminal.network.allow.extend(inside.into_iter().filter_map(|place| place.parse().ok()));
    }
}

/// A store as profiles have it, with a secret in a record.
async fn store_with(state: &Path, secret: &str) -> io::Result<()> {
    let other = |error: crate::store::StoreError| io::Error::other(error.to_string());
    let lock = Arc::new(ProfileLock::acquire(state).map_err(other)?);
    let store = Store::open(state, lock).map_err(other)?;
    let record = KeyRecord {
        id: KeyId::parse("00000000").map_err(|error| io::Error::other(error.to_string()))?,
        name: secret.to_owned(),
        phc: String::new(),
        fast_hash: String::new(),
        scopes: Vec::new(),
        tools: None,
        created_at: now(),
        expires_at: None,
        rotated_at: None,
        former: None,
        revoked_at: Some(now()),
    };
    store.commit(vec![Change::Key(record)]).await.map_err(other)
}

/// Programs that would give rights to whoever runs them. Only root can make such for others.
fn plant(workspace: &Path) -> Planted {
    const SOMEBODY: u32 = 65_533;
    let setuid = workspace.join("setuid-id");
    let made = fs::copy("/usr/bin/id", &setuid)
        .and_then(|_| std::os::unix::fs::chown(&setuid, Some(SOMEBODY), None))
        .and_then(|()| fs::set_permissions(&setuid, Permissions::from_mode(0o4755)));
    let capable = workspace.join("capable-chown");
    let given = fs::copy("/usr/bin/chown", &capable).and_then(|_| {
        // Version 2 of the attribute, effective at once: `cap_chown`.
        let mut value = [0_u8; 20];
        value[..4].copy_from_slice(&0x0200_0001_u32.to_le_bytes());
        value[4] = 1;
        fs::set_permissions(&capable, Permissions::from_mode(0o755))?;
        Ok(rustix::fs::setxattr(&capable, "security.capability", &value, rustix::fs::XattrFlags::empty())?)
    });
    Planted { setuid: made.is_ok().then_some(setuid), capable: given.is_ok().then_some(capable) }
}
