//! Over one command: it is killed when it takes its profile past the quota.

use super::{
    Disk, Known, Size,
    figure::{Figure, Part},
};
use crate::sandbox::Usage;
use std::{sync::Arc, time::Duration};

/// Between two looks. A look is some system calls unless there is reason to count.
const PERIOD: Duration = Duration::from_millis(500);
/// What the disk may lose while files hide in folders that cannot be counted.
const BENEFIT_OF_DOUBT: u64 = 64 << 20;
/// Looks at folders that hold too much until it does not matter any more who is seen to have written. What a command
/// does is told a moment later.
const PATIENCE: u32 = 3;

/// The bounds of one command.
pub struct Watch {
    disk: Arc<Disk>,
    /// `None`: nobody has counted yet, and the first look says what there was.
    most: Option<Size>,
    /// Free on the disk at its start.
    free: u64,
    own: Arc<Figure>,
}

impl Watch {
    /// From now on. Blocking, some system calls.
    pub fn new(disk: &Arc<Disk>) -> Self {
        let most = disk.known().map(|known| disk.most(&known));
        Self { disk: Arc::clone(disk), most, free: disk.free().unwrap_or(0), own: disk.figures.enter() }
    }

    /// Notes what the command takes.
    pub fn note(&self, usage: &Usage) {
        self.own.note(usage);
    }

    /// Resolves, with how that is told, when the command has to go.
    pub async fn exceeded(&self) -> String {
        let (mut most, mut rounds) = (self.most, 0);
        loop {
            tokio::time::sleep(PERIOD).await;
            let disk = Arc::clone(&self.disk);
            // A look that failed is repeated by the next one.
            let looked = tokio::task::spawn_blocking(move || (disk.look(), disk.free())).await;
            let Ok((Some(known), free)) = looked else { continue };
            let most = *most.get_or_insert_with(|| self.disk.most(&known));
            let Some(why) = self.judge(most, &known, free) else {
                rounds = 0;
                continue;
            };
            rounds += 1;
            if self.has_to_go(rounds) {
                self.own.condemn();
                return why;
            }
        }
    }

    /// What is too much, if anything is.
    pub(super) fn judge(&self, most: Size, known: &Known, free: Option<u64>) -> Option<String> {
        let (size, most) = (known.size, self.disk.forgiven(most));
        if size.bytes > most.bytes || size.entries > most.entries {
            let full = self.disk.full(size);
            return Some(format!(
                "{full}; the command that was adding to it was killed; delete what is not needed"
            ));
        }
        let lost = self.free.saturating_sub(free.unwrap_or(self.free));
        (size.closed > 0 && lost > BENEFIT_OF_DOUBT).then(|| {
            "the disk was filling while folders of the workspace were moved about or closed to their owner, so that \
             they could not be counted, and the command was killed; make every folder readable (chmod -R u+rx)"
                .to_owned()
        })
    }

    /// Whether it is this command, after so many looks that found too much.
    fn has_to_go(&self, rounds: u32) -> bool {
        if self.disk.is_settling() {
            // Somebody went for it a moment ago, and nobody has counted since.
            return false;
        }
        match self.disk.figures.part_of(&self.own) {
            Part::Wrote => true,
            Part::Innocent => false,
            Part::Suspect => rounds >= PATIENCE,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.disk.figures.leave(&self.own);
        if self.own.is_condemned() {
            self.disk.settle();
        }
    }
}
