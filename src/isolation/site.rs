//! A home with two profiles that nobody misses, and everything around it.

use super::{decoy::Running, town::Town};
use crate::{
    config::{LimitsConfig, ProfileConfig, Secret, TerminalConfig},
    domain::{KeyId, ProfileName, SessionId, now},
    sandbox::{
        Sandbox, Wall,
        attack::{Addresses, Attack, Bait, Bounds, Folders, Outside, Planted, Scene, attacks, new_canary},
        session_tmp,
    },
    store::{Change, KeyRecord, ProfileLock, Store},
};
use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

/// Short, since the path of a socket is.
const PREFIX: &str = "iso-";
const NAMES: [&str; 2] = ["isolation-a", "isolation-b"];
pub const SESSION: &str = "isolation";
/// What the attacks may say in sum.
const MAX_OUTPUT: usize = 1 << 20;
const TIMEOUT: Duration = Duration::from_secs(45);

/// Removed when dropped.
pub struct Site {
    pub secret: String,
    home: PathBuf,
    pub profiles: [Profile; 2],
    shared: Vec<PathBuf>,
    bait: Option<Bait>,
    town: Town,
    bounds: Bounds,
}

/// One of the two.
pub struct Profile {
    pub config: Arc<ProfileConfig>,
    folders: Folders,
    /// This program, and what it is told, where the profile's commands can read them.
    pub program: PathBuf,
    pub scene: PathBuf,
    planted: Planted,
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
    ) -> io::Result<Self> {
        let secret = new_canary();
        let name = uuid::Uuid::new_v4().simple().to_string();
        sweep(folder);
        let home = folder.join(format!("{PREFIX}{}", &name[..8]));
        private(&home)?;
        // From here on whatever is there goes again, also when the next step fails.
        let home = Removed(home);
        private(&home.0.join("run"))?;
        private(&home.0.join("profiles"))?;
        fs::write(home.0.join(".env"), secret.clone() + "\n")?;
        let first = Profile::build(0, &home.0, settings, sandbox, &secret).await?;
        let second = Profile::build(1, &home.0, settings, sandbox, &secret).await?;
        let shared: Vec<PathBuf> =
            ["/tmp", "/dev/shm"].map(|folder| Path::new(folder).join(format!("hermes-{name}"))).into();
        let made: Vec<PathBuf> = shared.into_iter().filter(|path| fs::write(path, &secret).is_ok()).collect();
        for path in &made {
            fs::set_permissions(path, Permissions::from_mode(0o666))?;
        }
        let (control, daemon) = (home.0.join("run/control.sock"), home.0.join("run/daemon.sock"));
        let town = Town::open(&[&control, &daemon], &secret)?;
        // What is in the kernel would stay there if this process were killed.
        let lasting = chosen.iter().any(|attack| !attack.quick);
        let bait = lasting.then(|| Bait::lay(&secret)).transpose()?;
        let unseen = sandbox.omit.iter().any(|wall| matches!(wall, Wall::Meter | Wall::Quota));
        let bounds = if unseen { Bounds { stays_seconds: STAYS_UNSEEN, ..BOUNDS } } else { BOUNDS };
        let site =
            Self { secret, home: home.keep(), profiles: [first, second], shared: made, bait, town, bounds };
        for number in [0, 1] {
            let scene = serde_json::to_vec(&site.scene(number))?;
            fs::write(&site.profiles[number].scene, scene)?;
        }
        Ok(site)
    }

    fn scene(&self, number: usize) -> Scene {
        let (own, other) = (&self.profiles[number], &self.profiles[1 - number]);
        let (town, fragile) = (&self.town, own.fragile.lock().map(|fragile| fragile.pid()));
        let ports =
            if number == 0 { [town.own_port, town.other_port] } else { [town.other_port, town.own_port] };
        Scene {
            program: own.program.clone(),
            home: self.home.clone(),
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
                ipc_key: self.bait.as_ref().map_or(0, |bait| bait.ipc_key),
                queue: self.bait.as_ref().map_or_else(String::new, |bait| bait.queue.clone()),
                keyring: self.bait.as_ref().map_or_else(String::new, |bait| bait.keyring.clone()),
            },
            addresses: Addresses {
                own_port: ports[0],
                other_port: ports[1],
                key: "hk_00000000_isolation".to_owned(),
                udp: town.udp_port,
                free: town.free_port,
                control: self.home.join("run/control.sock"),
                shared_socket: self.home.join("run/daemon.sock"),
                stream: town.stream.clone(),
                datagram: town.datagram.clone(),
            },
            planted: own.planted.clone(),
            bounds: self.bounds,
            environment: Vec::new(),
        }
    }

    /// Whether an attack of the profile has changed or made the file `name` in the other one's folder.
    pub fn written(&self, number: usize, name: &str) -> bool {
        self.profiles[1 - number].folders.root.join(name).exists()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for path in &self.shared {
            let _ = fs::remove_file(path);
        }
        for profile in &self.profiles {
            let _ = crate::sandbox::remove_tmp(profile.config.name.as_str(), &profile.config.root);
        }
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// Homes that a process left behind when it was killed.
fn sweep(folder: &Path) {
    const OLD: Duration = Duration::from_mins(10);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let old = entry
            .metadata()
            .and_then(|data| data.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > OLD));
        if old && entry.file_name().to_string_lossy().starts_with(PREFIX) {
            let _ = fs::remove_dir_all(entry.path());
        }
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

impl Profile {
    async fn build(
        number: usize,
        home: &Path,
        settings: &ProfileConfig,
        sandbox: &Sandbox,
        secret: &str,
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
        open_gates(&mut config.terminal, &sandbox.omit);
        for folder in [&folders.root, &folders.workspace, &config.skills_dir, &folders.root.join("spare")] {
            private(folder)?;
        }
        for file in [&folders.env, &folders.config, &folders.notes] {
            fs::write(file, format!("SECRET={secret}\n"))?;
        }
        symlink(secret, &folders.link)?;
        for attack in attacks() {
            fs::write(folders.spare(attack.id), format!("#!/bin/sh\necho {secret}\n"))?;
            fs::set_permissions(folders.spare(attack.id), Permissions::from_mode(0o700))?;
        }
        store_with(&folders.state, secret).await?;
        let program = config.skills_dir.join("hermes");
        // A name more costs nothing; on another file system, or for somebody else's file, a copy.
        fs::hard_link(&*sandbox.helper, &program)
            .or_else(|_| fs::copy(&*sandbox.helper, &program).map(|_| ()))?;
        let decoy = Running::start(&sandbox.helper, &folders.env, secret)?;
        let fragile = Running::start(&sandbox.helper, &folders.env, secret)?;
        Ok(Self {
            scene: config.skills_dir.join("scene.json"),
            planted: plant(&folders.workspace),
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
    config.terminal.limits = LimitsConfig {
        memory: BOUNDS.memory_bytes,
        processes: BOUNDS.processes,
        cpu_time: Duration::from_secs(BOUNDS.cpu_seconds),
        file_size: BOUNDS.file_bytes,
        open_files: BOUNDS.open_files,
        disk_quota: BOUNDS.disk_bytes,
        ..LimitsConfig::default()
    };
    config.terminal.max_output = MAX_OUTPUT;
    config.terminal.timeout = TIMEOUT;
    config.terminal.max_timeout = TIMEOUT;
    config
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

fn private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).recursive(true).create(folder)
}

/// A folder that goes again unless it is kept.
struct Removed(PathBuf);

impl Removed {
    fn keep(mut self) -> PathBuf {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Removed {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
