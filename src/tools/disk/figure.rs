//! What the commands of a profile are seen to do, so that the one that fills the disk goes and its neighbour stays.

use crate::sandbox::Usage;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Whoever has written less did not fill anything.
const INNOCENT: u64 = 1 << 20;

/// Which commands there are. Each adds itself and takes itself away.
#[derive(Debug, Default)]
pub struct Figures(Mutex<Vec<Arc<Figure>>>);

/// One command.
#[derive(Debug, Default)]
pub struct Figure(Mutex<Seen>);

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    now: Done,
    /// When the folders were last counted.
    counted: Done,
    /// When they were last found within their bounds, or somebody had to go for them.
    calm: Done,
    condemned: bool,
}

/// So far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Done {
    written: u64,
    ran: Duration,
}

/// What is known of one command when the folders hold too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// It wrote.
    Wrote,
    /// Another one wrote or is about to go, or did something at least.
    Innocent,
    /// Nobody is seen to have written: there are ways to take space without. It did something, or, where nobody did, is
    /// the youngest.
    Suspect,
}

impl Figure {
    pub fn note(&self, usage: &Usage) {
        self.seen().now = Done { written: usage.written, ran: usage.ran };
    }

    pub fn condemn(&self) {
        self.seen().condemned = true;
    }

    pub fn is_condemned(&self) -> bool {
        self.seen().condemned
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Figures, each written in one go: what a panic left is as good as any.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn busy(&self) -> bool {
        self.now.ran != self.calm.ran
    }

    const fn wrote(&self) -> bool {
        self.condemned || self.now.written.saturating_sub(self.calm.written) >= INNOCENT
    }
}

impl Figures {
    pub fn enter(&self) -> Arc<Figure> {
        let figure = Arc::new(Figure::default());
        self.all().push(figure.clone());
        figure
    }

    pub fn leave(&self, figure: &Arc<Figure>) {
        self.all().retain(|known| !Arc::ptr_eq(known, figure));
    }

    /// Bytes that all have written since the folders were counted, and whether anybody did anything.
    pub fn since_count(&self) -> (u64, bool) {
        self.all().iter().fold((0, false), |(written, busy), figure| {
            let seen = figure.seen();
            let more = seen.now.written.saturating_sub(seen.counted.written);
            (written.saturating_add(more), busy || seen.now != seen.counted)
        })
    }

    /// The folders were counted.
    pub fn counted(&self, calm: bool) {
        for figure in self.all().iter() {
            let mut seen = figure.seen();
            seen.counted = seen.now;
            if calm {
                seen.calm = seen.now;
            }
        }
    }

    /// What one of them has to do with folders that hold too much.
    pub fn part_of(&self, own: &Figure) -> Part {
        let seen = *own.seen();
        if seen.wrote() {
            return Part::Wrote;
        }
        let others: Vec<Seen> = self.all().iter().map(|figure| *figure.seen()).collect();
        if others.iter().any(Seen::wrote) {
            return Part::Innocent;
        }
        if seen.busy() || (!others.iter().any(Seen::busy) && self.is_youngest(own)) {
            Part::Suspect
        } else {
            Part::Innocent
        }
    }

    fn is_youngest(&self, own: &Figure) -> bool {
        self.all().last().is_some_and(|last| std::ptr::eq(&raw const **last, own))
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<Figure>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn does(figure: &Figure, mebibytes: u64, millis: u64) {
        let usage =
            Usage { written: mebibytes << 20, ran: Duration::from_millis(millis), ..Usage::default() };
        figure.note(&usage);
    }

    #[test]
    fn who_wrote_goes_and_who_only_worked_stays() {
        let figures = Figures::default();
        let [writer, worker, sleeper] = [(); 3].map(|()| figures.enter());
        does(&worker, 0, 500);
        does(&sleeper, 700, 20);
        figures.counted(true);
        let parts = || [&writer, &worker, &sleeper].map(|figure| figures.part_of(figure));
        does(&worker, 0, 900);
        assert_eq!(
            parts(),
            [Part::Innocent, Part::Suspect, Part::Innocent],
            "what was written before all was well is forgiven"
        );
        does(&writer, 5, 30);
        assert_eq!(parts(), [Part::Wrote, Part::Innocent, Part::Innocent]);
        assert_eq!(figures.since_count(), (5 << 20, true));
        figures.counted(false);
        assert_eq!(figures.since_count(), (0, false));
        assert_eq!(parts()[0], Part::Wrote, "a count that finds too much forgives nothing");
        writer.condemn();
        does(&worker, 9, 999);
        assert_eq!(parts(), [Part::Wrote, Part::Wrote, Part::Innocent]);
        figures.leave(&writer);
        figures.counted(true);
        assert_eq!(figures.part_of(&worker), Part::Innocent);
        assert_eq!(figures.part_of(&sleeper), Part::Suspect, "of those that all slept, the youngest");
    }
}
