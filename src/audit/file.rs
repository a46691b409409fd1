//! The files of a log, as their one writer has them.

use super::{
    chain::{self, End},
    entry::{Act, Actor},
};
use crate::{
    domain::{Millis, now},
    redact::Redactor,
};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// A file that is larger than this is followed by the next one.
pub(super) const ROTATE: u64 = 8 << 20;

/// The folder of the files, and the file that says where the chain ends.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    pub(super) dir: PathBuf,
    pub(super) head: PathBuf,
}

impl Paths {
    pub(super) fn below(state_dir: &Path) -> Self {
        Self { dir: state_dir.join("audit"), head: state_dir.join("audit.head") }
    }

    pub(super) fn file(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:08}.jsonl"))
    }

    /// The numbers of the files, oldest first; none where there is no folder.
    pub(super) fn numbers(&self) -> io::Result<Vec<u64>> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
            found.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Where the chain ends, as it was noted apart; `None`: that was never noted.
    pub(super) fn noted(&self) -> io::Result<Option<End>> {
        let text = match fs::read_to_string(&self.head) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let end = text
            .trim_end()
            .split_once(' ')
            .and_then(|(seq, hash)| Some(End { seq: seq.parse().ok()?, hash: hash.to_owned() }));
        let garbage = "`audit.head` is not what was written; look at the log, then move that file away";
        end.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, garbage)).map(Some)
    }
}

/// The newest file, open for writing.
pub(super) struct Bench {
    paths: Paths,
    redactor: Redactor,
    number: u64,
    file: File,
    head: File,
    /// Of what is whole in the file.
    len: u64,
    end: End,
    /// Lines that perhaps only the machine's memory has.
    unsynced: bool,
}

impl Bench {
    /// Opens the log behind its last whole line. Looks over what is there: a half line (of a crash) is cut off, and an end
    /// that is not the noted one is written down.
    pub(super) fn open(paths: &Paths, redactor: &Redactor) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&paths.dir)?;
        let noted = paths.noted()?;
        let number = paths.numbers()?.last().copied();
        // Noted before the first line, so that a log without the note has lost it.
        let head = private().write(true).create(true).truncate(false).open(&paths.head)?;
        if noted.is_none() {
            note(&head, &End::genesis())?;
            File::open(paths.head.parent().unwrap_or(&paths.dir))?.sync_all()?;
        }
        let mut file =
            private().read(true).append(true).create(true).open(paths.file(number.unwrap_or(1)))?;
        let text = read(&mut file)?;
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let last = text.get(..whole).and_then(|whole| whole.trim_end().rsplit('\n').next());
        let found = last.and_then(chain::end_of);
        if whole < text.len() {
            file.set_len(whole as u64)?;
        }
        let expected = noted.unwrap_or_else(End::genesis);
        let damaged = match &found {
            Some(found) => found.seq < expected.seq || found.seq == expected.seq && *found != expected,
            None => expected.seq > 0 || whole > 0,
        };
        let mut bench = Self {
            paths: paths.clone(),
            redactor: redactor.clone(),
            number: number.unwrap_or(1),
            file,
            head,
            len: whole as u64,
            end: found.unwrap_or_else(|| expected.clone()),
            unsynced: false,
        };
        if bench.len == 0 {
            bench.begin_file()?;
        }
        if damaged {
            let End { seq, hash } = expected;
            bench.write(&[(
                now(),
                Actor::Gateway,
                Act::LogDamaged { expected_seq: seq, expected_hash: hash },
            )])?;
        }
        Ok(bench)
    }

    /// Writes entries into the newest file. All of them or none.
    pub(super) fn write(&mut self, entries: &[(Millis, Actor, Act)]) -> io::Result<()> {
        if self.len > ROTATE {
            self.rotate()?;
        }
        let mut end = self.end.clone();
        let mut text = String::new();
        for (at, actor, act) in entries {
            text.push_str(&chain::link(&mut end, *at, actor, act, &self.redactor)?);
        }
        if let Err(error) = self.file.write_all(text.as_bytes()) {
            // What came of it is no line: the next one must not stand behind half of this.
            self.file.set_len(self.len)?;
            return Err(error);
        }
        self.len += text.len() as u64;
        self.end = end;
        self.unsynced = true;
        Ok(())
    }

    /// Has what was written on disk, then notes where the chain ends.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.unsynced) {
            return Ok(());
        }
        let synced = self.file.sync_data().and_then(|()| note(&self.head, &self.end));
        self.unsynced = synced.is_err();
        synced
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.sync()?;
        let next = private().append(true).create_new(true).open(self.paths.file(self.number + 1))?;
        (self.file, self.number, self.len) = (next, self.number + 1, 0);
        self.begin_file()
    }

    fn begin_file(&mut self) -> io::Result<()> {
        File::open(&self.paths.dir)?.sync_all()?;
        let prev = self.end.hash.clone();
        self.write(&[(now(), Actor::Gateway, Act::LogOpened { prev })])
    }

    /// Deletes the files whose last entry is older than `before`; the newest one stays.
    pub(super) fn expire(&mut self, before: Millis) -> io::Result<()> {
        let mut gone: Vec<(PathBuf, u64)> = Vec::new();
        // From the old end, so that what is kept hangs together.
        for number in self.paths.numbers()?.into_iter().take_while(|number| *number != self.number) {
            let path = self.paths.file(number);
            let written = fs::metadata(&path)?.modified()?.duration_since(std::time::UNIX_EPOCH);
            if written.map_or(0, |at| i128::try_from(at.as_millis()).unwrap_or(i128::MAX))
                >= i128::from(before)
            {
                break;
            }
            let last = fs::read_to_string(&path)?.trim_end().rsplit('\n').next().and_then(chain::end_of);
            let Some(last) = last else { break };
            gone.push((path, last.seq));
        }
        let Some((_, upto)) = gone.last() else { return Ok(()) };
        self.write(&[(now(), Actor::Gateway, Act::LogExpired { upto: *upto })])?;
        self.sync()?;
        gone.iter().try_for_each(|(path, _)| fs::remove_file(path))
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

fn read(file: &mut File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    // Bytes that are no text are no line of ours either; they keep their length.
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|bad| bad.into_bytes().iter().map(|&b| char::from(b & 0x7f)).collect()))
}

/// One write of one length, so that no reader ever sees half of it.
fn note(head: &File, end: &End) -> io::Result<()> {
    head.write_all_at(format!("{:020} {}\n", end.seq, end.hash).as_bytes(), 0)
}
