//! A helper that was started ahead and waits for the next command of the profile.
//!
//! It has built its world and started a shell in it: the start of a process, the namespaces, the view, the rules and what
//! bash does at its start cost more than most commands do. It has no order, and with that no command and nothing of one call;
//! the shell has the variables that each command of the profile is started with. It reads nothing but the gateway's socket.
//! Where nothing of its world is one command's, it waits again after a command that left nothing. A command takes it only when its own world, made anew from the settings and the folders as
//! they are by then, is the same to the last member; it takes the shell only when it is started like that, too.

use super::{ready::tmp_inside, shell};
use crate::{
    config::SandboxLevel,
    sandbox::{Helper, Seat, Shell, Usage, World},
    tools::{failure::Failure, ground::Ground},
};
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::AbortOnDropHandle;

/// An idle profile has no processes.
const IDLE: Duration = Duration::from_secs(30);

/// At most one for a profile: that of the session which ran the last commands.
#[derive(Default)]
pub struct Spare(Mutex<State>);

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// That of the last command: the next one's is most likely the same.
    last: Option<World>,
    /// The last command was of the same session as the one before it.
    again: bool,
    making: bool,
    /// No more of them.
    over: bool,
}

struct Held {
    helper: Helper,
    seat: Seat,
    world: World,
    /// Among those of all profiles.
    _room: OwnedSemaphorePermit,
    _end: AbortOnDropHandle<()>,
}

/// A helper for this world: the one that waits, or a new one. Blocking; inside a runtime.
pub fn man(ground: &Ground, world: &World) -> Result<(Helper, Seat), Failure> {
    match ground.spare.take(world) {
        Some(manned) => Ok(manned),
        None => start(ground, world, None),
    }
}

fn start(ground: &Ground, world: &World, shell: Option<Shell>) -> Result<(Helper, Seat), Failure> {
    let seat = ground.sandbox.machine.sit(&ground.config.name, &ground.config.terminal.limits);
    let seat = seat.map_err(|error| Failure::io("the command's control group could not be made", &error))?;
    let world = World { limits: seat.limits().clone(), ..world.clone() };
    let helper = ground.sandbox.start_ahead(&world, shell);
    let helper = helper.map_err(|error| Failure::io("the sandbox helper could not be started", &error))?;
    Ok((helper, seat))
}

/// What the helper of this world can start beside a command for the one after it.
pub fn following(ground: &Ground, world: &World) -> Option<Shell> {
    is_for_many(ground, world).then(|| ahead(ground, world)).flatten()
}

/// Namespaces and control groups are one command's.
fn is_for_many(ground: &Ground, world: &World) -> bool {
    world.level < SandboxLevel::Strict && ground.sandbox.machine.groups().is_err()
}

fn ahead(ground: &Ground, world: &World) -> Option<Shell> {
    // Without a wall commands are not kept from each other, so that one shell can be for several.
    let stays = world.level == SandboxLevel::None && is_for_many(ground, world);
    shell::ahead(&ground.config, &world.workspace, &tmp_inside(world), stays)
}

/// Takes back a helper that waits for another order.
pub fn give_back(ground: &Arc<Ground>, helper: Helper, seat: Seat, world: World) {
    let Some(room) = ground.sandbox.machine.room_for_a_spare() else { return };
    seat.update(Usage::default());
    ground.spare.keep(Held::new(ground, helper, seat, world, room));
}

/// Sees to it that a helper waits for the next command. Inside a runtime.
pub fn prepare(ground: &Arc<Ground>) {
    let Some(world) = ground.spare.wanted() else { return };
    let Some(room) = ground.sandbox.machine.room_for_a_spare() else {
        ground.spare.state().making = false;
        return;
    };
    let ground = Arc::clone(ground);
    drop(tokio::task::spawn_blocking(move || {
        let shell = ahead(&ground, &world);
        // What is wrong will be told to the command that meets it.
        let made = start(&ground, &world, shell).ok();
        let made = made.map(|(helper, seat)| Held::new(&ground, helper, seat, world, room));
        ground.spare.made(made);
    }));
}

impl Held {
    fn new(
        ground: &Arc<Ground>,
        helper: Helper,
        seat: Seat,
        world: World,
        room: OwnedSemaphorePermit,
    ) -> Self {
        let end = AbortOnDropHandle::new(tokio::spawn(expire(Arc::downgrade(ground))));
        Self { helper, seat, world, _room: room, _end: end }
    }
}

async fn expire(ground: Weak<Ground>) {
    tokio::time::sleep(IDLE).await;
    if let Some(ground) = ground.upgrade() {
        // This task is a part of what is dropped, and has nothing left to do.
        let held = ground.spare.state().held.take();
        drop(held);
    }
}

impl Spare {
    fn take(&self, world: &World) -> Option<(Helper, Seat)> {
        let mut state = self.state();
        state.again = state.last.as_ref().is_some_and(|last| last.tmp == world.tmp);
        state.last = Some(world.clone());
        // What another session may still use stays; anything else that differs will not come back.
        let held = match &state.held {
            Some(held) if held.world.tmp == world.tmp => state.held.take(),
            Some(_) | None => None,
        };
        drop(state);
        let Held { helper, seat, .. } = held.filter(|held| held.world == *world)?;
        // It may have been killed, by the machine's last resort when its memory is full, say.
        helper.is_there().then_some((helper, seat))
    }

    /// What the next one is to be made for; the caller makes it.
    fn wanted(&self) -> Option<World> {
        let mut state = self.state();
        let State { held, last, again, making, over } = &*state;
        // Sessions that take turns would only make helpers for each other to throw away.
        let useful = held
            .as_ref()
            .is_none_or(|held| *again && Some(&held.world.tmp) != last.as_ref().map(|last| &last.tmp));
        let world = last.clone().filter(|_| useful && !making && !over)?;
        state.making = true;
        Some(world)
    }

    fn made(&self, made: Option<Held>) {
        self.state().making = false;
        if let Some(made) = made {
            self.keep(made);
        }
    }

    /// Instead of another one.
    fn keep(&self, held: Held) {
        let mut state = self.state();
        let former = if state.over { Some(held) } else { state.held.replace(held) };
        drop(state);
        drop(former);
    }

    /// Ends it, and keeps others from being made; afterwards nothing of it is left.
    pub async fn ended(&self) {
        let held = {
            let mut state = self.state();
            state.over = true;
            state.held.take()
        };
        if let Some(held) = held {
            drop(held.helper.kill().await);
        }
    }

    /// The number of the helper that waits, where it is for commands with this temporary folder.
    pub fn pid(&self, tmp: &Path) -> Option<u32> {
        let state = self.state();
        state.held.as_ref().filter(|held| held.world.tmp == tmp).map(|held| held.helper.pid())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one step, so a panic leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
