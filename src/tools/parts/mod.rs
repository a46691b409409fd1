//! What a profile's own files bring into the prompt: who the agent is, what its workspace says, its skills, its memory.
//!
//! Read when the first session asks, and again when one of the files has changed: a session that finds all as it was costs
//! a few looks at names and no reading. Sessions that begin at once share one look, and those that follow each other look
//! where they are: a few microseconds, while the kernel still has the names in memory.

mod folder;
mod project;
mod watch;

pub use folder::folders_of;
pub use project::Instructions;
pub use watch::Watch;

use super::{
    ground::Ground,
    memory::{MemoryBook, shown},
    skills::{Skill, look},
};
use crate::domain::{MemoryPlace, MemoryScope, MemoryTarget};
use std::{
    collections::HashMap,
    fs,
    io::Read as _,
    path::Path,
    sync::{self, Arc, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::Mutex, task::spawn_blocking};
use watch::Watched;

/// Bytes of `SOUL.md` that are looked at at all.
const LARGEST: u64 = 1 << 20;
/// Scopes whose parts are held at once.
const SCOPES: usize = 256;
/// For so long after a look the kernel has the names in memory, and the next look waits for no disk …
const WARM: Duration = Duration::from_secs(1);
/// … unless looks take longer than this: then it is not memory that answers them, but another machine.
const QUICK: Duration = Duration::from_micros(300);

/// A file's entries as the prompt shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recalled {
    pub usage: String,
    pub text: String,
}

/// The parts, as they are now, each as long as it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PromptParts {
    pub soul: Option<String>,
    /// What the workspace says.
    pub context: Option<Arc<Instructions>>,
    pub skills: Arc<Vec<Skill>>,
    pub memory: Option<Recalled>,
    pub user: Option<Recalled>,
}

/// The parts by whose memory is among them, with the moment at which they were last looked at.
#[derive(Default)]
pub struct Held {
    slots: sync::Mutex<HashMap<MemoryScope, Slot>>,
    /// What the workspace said last: long ones are held once, whoever's memory they stand beside.
    context: sync::Mutex<Option<Arc<Instructions>>>,
}

/// What is held of one scope. Whoever looks for it holds up those of the same scope alone.
type Slot = Arc<Mutex<Option<Looked>>>;

struct Looked {
    began: Instant,
    took: Duration,
    parts: Watched<PromptParts>,
}

impl Held {
    fn of(&self, scope: &MemoryScope) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= SCOPES && !slots.contains_key(scope) {
            slots.clear();
        }
        slots.entry(scope.clone()).or_default().clone()
    }

    /// The same in the memory that it has already, if it has some.
    fn shared(&self, context: Option<Instructions>) -> Option<Arc<Instructions>> {
        let mut last = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_deref() != context.as_ref() {
            *last = context.map(Arc::new);
        }
        last.clone()
    }
}

impl Looked {
    /// Blocking, but for what [`Looked::is_warm`] says of it.
    fn hold(&mut self) -> bool {
        self.began = Instant::now();
        let holds = self.parts.holds();
        self.took = self.began.elapsed();
        holds
    }

    /// Whether another look is a matter of microseconds, which a thread that serves may take.
    fn is_warm(&self) -> bool {
        self.took < QUICK && self.began.elapsed() < WARM
    }
}

impl Ground {
    /// The parts as they were at `since`, or later: those who come at once share a look.
    pub async fn parts(self: &Arc<Self>, scope: MemoryScope, since: Instant) -> Arc<PromptParts> {
        let slot = self.held.of(&scope);
        let mut held = slot.lock().await;
        if let Some(looked) = held.as_ref().filter(|looked| looked.began >= since) {
            return looked.parts.value.clone();
        }
        if let Some(looked) = held.as_mut()
            && looked.is_warm()
            && looked.hold()
        {
            return looked.parts.value.clone();
        }
        let before = held.take();
        let ground = self.clone();
        let look = move || {
            if let Some(mut before) = before
                && before.hold()
            {
                return before;
            }
            let began = Instant::now();
            let parts = Watched::read(|watch| ground.read(watch, &scope));
            // How long a look takes is not known yet: the next one is no reading.
            Looked { began, took: Duration::MAX, parts }
        };
        let Ok(looked) = spawn_blocking(look).await else {
            return Arc::default();
        };
        let value = looked.parts.value.clone();
        *held = Some(looked);
        value
    }

    fn read(&self, watch: &mut Watch, scope: &MemoryScope) -> PromptParts {
        let config = &self.config;
        let book = MemoryBook::new(&config.root, &config.memory);
        let mut recall = |target| {
            let place = MemoryPlace { target, scope: scope.clone() };
            book.off(target).is_none().then(|| shown(&book, &place, watch)).flatten()
        };
        let (memory, user) = (recall(MemoryTarget::Memory), recall(MemoryTarget::User));
        PromptParts {
            soul: soul(watch, &config.soul_file),
            context: self.held.shared(self.context(watch)),
            skills: Arc::new(look(watch, config)),
            memory,
            user,
        }
    }

    fn context(&self, watch: &mut Watch) -> Option<Instructions> {
        project::of_workspace(&*self.roots().ok()?, watch)
    }
}

fn soul(watch: &mut Watch, file: &Path) -> Option<String> {
    watch.note(file);
    let mut text = String::new();
    fs::File::open(file).ok()?.take(LARGEST).read_to_string(&mut text).ok()?;
    Some(project::passed("SOUL.md", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_for_one_scope_holds_up_no_other() {
        let held = Held::default();
        let of = |key: &str| held.of(&MemoryScope::of_key(key));
        let (ada, other) = (of("ada"), of("bob"));
        let _looking = ada.try_lock().unwrap();
        assert!(of("ada").try_lock().is_err() && other.try_lock().is_ok());
        for number in 0..2 * SCOPES {
            of(&number.to_string());
        }
        assert!(held.slots.lock().unwrap().len() <= SCOPES);
    }
}
