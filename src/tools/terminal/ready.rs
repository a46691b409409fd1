//! What a command needs before it may run: folders, a place among the limits, a way out, and a helper that waits.

use super::{left::Left, shell, spare, way_out::WayOut};
use crate::{
    config::SandboxLevel,
    domain::SessionId,
    egress::Whose,
    sandbox::{Helper, Jail, Order, Seat, Window, World},
    tools::{disk, failure::Failure, ground::Ground},
};
use std::{
    io,
    path::{Path, PathBuf},
};

/// What programs are told of their terminal. Wide enough that tables do not break.
const WINDOW: Window = Window { rows: 24, columns: 120 };

/// A command that is to be run.
pub struct Errand {
    pub what: What,
    pub workdir: Option<String>,
    /// It gets a terminal.
    pub pty: bool,
}

pub enum What {
    /// A shell command that leaves its directory and variables to the next one.
    Command(String),
    /// One that takes them and leaves nothing: it may end long after the next ones.
    Job(String),
    /// A program with its arguments.
    Program { program: PathBuf, args: Vec<String> },
}

/// Everything that can be made ready before a call is cleared.
pub struct Ready {
    pub helper: Helper,
    pub order: Order,
    /// Held for as long as the command runs.
    pub seat: Seat,
    /// The same.
    pub way_out: WayOut,
    pub disk: disk::Watch,
    /// What the helper was started for.
    pub world: World,
    /// To be taken over at its end, where it leaves something.
    pub left: Option<Left>,
}

/// Blocking.
pub fn make_ready(
    ground: &Ground,
    session: &SessionId,
    whose: impl Into<Whose>,
    errand: &Errand,
) -> Result<Ready, Failure> {
    let jail = ground.jail(session)?;
    let way_out = WayOut::new(ground, whose)?;
    let world = world(ground, &jail, &way_out)?;
    let (helper, seat) = spare::man(ground, &world)?;
    let tmp = tmp_inside(&world);
    let (order, left) = order(ground, &jail, errand, &world.workspace, &tmp, &way_out)?;
    Ok(Ready { helper, order, seat, way_out, disk: disk::Watch::new(&ground.disk), world, left })
}

/// What its commands call the session's folder: at level `strict` it is `/tmp` itself.
pub fn tmp_inside(world: &World) -> PathBuf {
    if world.level >= SandboxLevel::Strict { "/tmp".into() } else { world.tmp.clone() }
}

/// Without a control group: that comes with the seat.
fn world(ground: &Ground, jail: &Jail, way_out: &WayOut) -> Result<World, Failure> {
    let (config, roots) = (&ground.config, ground.roots()?);
    if let Some(moved) = roots.moved() {
        let text = format!("`{}` is not the folder that it was at the start", moved.path().display());
        return Err(Failure::new("workspace_moved", text)
            .hint("tell the user to look what happened, and then to type `hermes profile reload`"));
    }
    let extra = |writable: bool| {
        let chosen = roots.extra().iter().filter(move |root| root.is_writable() == writable);
        chosen.map(|root| root.path().to_owned())
    };
    let mut readable = ground.view().paths().to_vec();
    readable.extend(extra(false));
    Ok(World {
        level: ground.sandbox.level,
        readable,
        links: ground.view().links().to_vec(),
        writable: extra(true).collect(),
        known: jail.known().map_err(|error| Failure::io("the profile's folders", &error))?,
        workspace: jail.locate(".")?.path(),
        tmp: jail.locate("/tmp")?.path(),
        owner: roots.owner(),
        user: config.name.as_str().to_owned(),
        network: way_out.network,
        limits: ground.sandbox.machine.limits(&config.terminal.limits),
        unix_sockets: config.terminal.unix_sockets,
        omit: ground.sandbox.omit.clone(),
    })
}

fn order(
    ground: &Ground,
    jail: &Jail,
    errand: &Errand,
    workspace: &Path,
    tmp: &Path,
    way_out: &WayOut,
) -> Result<(Order, Option<Left>), Failure> {
    let config = &ground.config;
    let strict = ground.is_strict();
    let look = |jail: &Jail| {
        let state = shell::State::read(jail);
        let dir = match &errand.workdir {
            Some(asked) => shell::workdir(jail, asked, strict)?,
            None => state.dir(jail, strict),
        };
        Ok::<_, Failure>((state, dir))
    };
    let looked = jail.enter(look);
    let rights = |error: io::Error| Failure::io("the agent's rights could not be taken on", &error);
    let (state, dir) = looked.map_err(rights)??;
    let mut env = shell::environment(config, workspace, tmp);
    if errand.pty {
        env.retain(|(name, _)| name != "TERM");
        env.push(("TERM".to_owned(), "xterm-256color".to_owned()));
    }
    way_out.tell(&mut env);
    let shell = shell::program();
    let mut left = None;
    let (program, args) = match &errand.what {
        What::Program { program, args } => (program.clone(), args.clone()),
        What::Command(command) => {
            let file =
                left.insert(Left::of(state.clone(), errand.workdir.is_none().then(|| dir.clone()))).file(tmp);
            let passthrough = &config.terminal.env_passthrough;
            let own = way_out.own_variables();
            let args = shell::arguments(&shell, command, tmp, &state, &file, passthrough, own);
            (shell, args)
        }
        What::Job(command) => {
            let args = shell::arguments_of_job(&shell, command, tmp, &state);
            (shell, args)
        }
    };
    let terminal = errand.pty.then_some(WINDOW);
    Ok((Order { program, args, env, dir, terminal }, left))
}
