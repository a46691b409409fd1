//! Over one command: it is killed when it takes its profile past the quota.

use super::{Disk, Known, Size};
use std::{sync::Arc, time::Duration};

/// Between two looks. A look is one system call unless there is reason to count.
const PERIOD: Duration = Duration::from_millis(500);
/// What the disk may lose while files hide in folders that cannot be counted.
const BENEFIT_OF_DOUBT: u64 = 64 << 20;

/// The bounds of one command.
pub struct Watch {
    disk: Arc<Disk>,
    /// `None`: nobody has counted yet, and the first look says what there was.
    most: Option<Size>,
    /// Free on the disk at its start.
    free: u64,
}

impl Watch {
    /// From now on. Blocking, one system call.
    pub fn new(disk: &Arc<Disk>) -> Self {
        let most = disk.known().map(|known| disk.most(&known));
        Self { disk: Arc::clone(disk), most, free: disk.free().unwrap_or(0) }
    }

    /// Resolves, with how that is told, when the command has to go.
    pub async fn exceeded(&self) -> String {
        let mut most = self.most;
        loop {
            tokio::time::sleep(PERIOD).await;
            let disk = Arc::clone(&self.disk);
            // A look that failed is repeated by the next one.
            let looked = tokio::task::spawn_blocking(move || (disk.look(), disk.free())).await;
            let Ok((Some(known), free)) = looked else { continue };
            let most = *most.get_or_insert_with(|| self.disk.most(&known));
            if let Some(why) = self.judge(most, &known, free) {
                return why;
            }
        }
    }

    pub(super) fn judge(&self, most: Size, known: &Known, free: Option<u64>) -> Option<String> {
        let size = known.size;
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
}
