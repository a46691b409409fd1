//! Reading a log and holding it to its chain. Needs no lock: a log that is being written can be read.

use super::chain::{self, End, GENESIS};
use super::file::Paths;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Write},
    path::Path,
};

/// A log that hangs together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    pub entries: u64,
    /// The first and the last entry; `None`: there is none.
    pub first: Option<u64>,
    pub last: Option<u64>,
    pub last_hash: String,
    /// Bytes behind the last line: a write under way, or what a crash left of one. Nobody was told of it.
    pub unfinished: u64,
}

/// A log that does not, or cannot be read.
#[derive(Debug)]
pub enum Broken {
    /// `line` of `file` (from 1) is the first that is wrong.
    At {
        file: String,
        line: u64,
        what: &'static str,
    },
    Files(&'static str),
    /// The log says itself that its end was cut or changed while nobody wrote it: at this entry.
    Damaged {
        seq: u64,
    },
    Io(io::Error),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At { file, line, what } => write!(f, "{file}:{line}: {what}"),
            Self::Files(what) => f.write_str(what),
            Self::Damaged { seq } => {
                write!(
                    f,
                    "entry {seq} says that the log before it had been cut or changed when it was opened"
                )
            }
            Self::Io(error) => write!(f, "the log cannot be read: {error}"),
        }
    }
}

impl std::error::Error for Broken {}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What the check looks at of an entry.
#[derive(Deserialize)]
struct Seen {
    seq: u64,
    act: String,
    prev: Option<String>,
    upto: Option<u64>,
}

/// Holds the log below `state_dir` to its chain, and to the end that was noted apart from it.
///
/// # Errors
///
/// The first thing that is wrong.
pub fn verify(state_dir: &Path) -> Result<Verified, Broken> {
    read(state_dir, |_| Ok(()))
}

/// As [`verify`], writing each line that was checked to `to`. The last one's hash, kept elsewhere, proves the whole.
///
/// # Errors
///
/// The first thing that is wrong; what was right before it has been written by then.
pub fn export(state_dir: &Path, to: &mut dyn Write) -> Result<Verified, Broken> {
    read(state_dir, |line| writeln!(to, "{line}"))
}

/// The last `count` lines, oldest first, unchecked.
///
/// # Errors
///
/// The files cannot be read.
pub fn last(state_dir: &Path, count: usize) -> io::Result<Vec<String>> {
    let paths = Paths::below(state_dir);
    let mut lines: Vec<String> = Vec::new();
    for number in paths.numbers()?.into_iter().rev() {
        let text = String::from_utf8_lossy(&fs::read(paths.file(number))?).into_owned();
        let older = text.lines().rev().take(count - lines.len()).map(str::to_owned);
        lines.extend(older);
        if lines.len() >= count {
            break;
        }
    }
    lines.reverse();
    Ok(lines)
}

fn read(state_dir: &Path, mut each: impl FnMut(&str) -> io::Result<()>) -> Result<Verified, Broken> {
    let paths = Paths::below(state_dir);
    // Before the lines: they only grow meanwhile.
    let noted = paths.noted()?;
    let numbers = paths.numbers()?;
    let mut check = Check::new(noted, numbers.first().is_some_and(|first| *first > 1));
    for (at, number) in numbers.iter().enumerate() {
        if at > 0 && numbers[at - 1] + 1 != *number {
            return Err(Broken::Files("a file is missing from the middle of the log"));
        }
        let path = paths.file(*number);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut reader = BufReader::new(File::open(&path)?);
        let (mut line, mut count) = (Vec::new(), 0);
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            count += 1;
            let wrong = |what| Broken::At { file: name.clone(), line: count, what };
            if line.pop_if(|byte| *byte == b'\n').is_none() {
                if at + 1 < numbers.len() {
                    return Err(wrong("is cut in two"));
                }
                check.verified.unfinished = line.len() as u64;
                break;
            }
            let text = std::str::from_utf8(&line).map_err(|_| wrong("is no text"))?;
            check.line(text, count == 1).map_err(wrong)?;
            each(text)?;
        }
    }
    check.finish(!numbers.is_empty())
}

struct Check {
    end: End,
    noted: Option<End>,
    /// The noted end was among the lines.
    met: bool,
    /// Older files were there once.
    begins_late: bool,
    expired: Option<u64>,
    damaged: Option<u64>,
    verified: Verified,
}

impl Check {
    fn new(noted: Option<End>, begins_late: bool) -> Self {
        let verified =
            Verified { entries: 0, first: None, last: None, last_hash: GENESIS.to_owned(), unfinished: 0 };
        let met = noted.as_ref().is_none_or(|noted| noted.seq == 0);
        Self { end: End::genesis(), noted, met, begins_late, expired: None, damaged: None, verified }
    }

    fn line(&mut self, line: &str, first_of_file: bool) -> Result<(), &'static str> {
        let (entry, hash) = chain::split(line).ok_or("is no entry")?;
        let seen: Seen = serde_json::from_str(&entry).map_err(|_| "is no entry")?;
        if first_of_file {
            let prev = seen.prev.filter(|_| seen.act == "log.opened");
            let prev = prev.ok_or("does not begin the file as an entry of the log does")?;
            if self.verified.first.is_none() && self.begins_late {
                // What came before has expired; whether it had, a later entry says.
                self.end = End { seq: seen.seq.saturating_sub(1), hash: prev };
            } else if prev != self.end.hash {
                return Err("does not go on where the file before it ended");
            }
        }
        if seen.seq != self.end.seq + 1 {
            return Err("has not the number that follows: entries are missing or moved");
        }
        if chain::hash(&self.end.hash, &entry) != hash {
            return Err("is not what was written: it, or the entry before it, was changed");
        }
        match seen.act.as_str() {
            "log.expired" => self.expired = self.expired.max(seen.upto),
            "log.damaged" => self.damaged = self.damaged.or(Some(seen.seq)),
            _other => {}
        }
        self.end = End { seq: seen.seq, hash: hash.to_owned() };
        self.met |= self.noted.as_ref() == Some(&self.end);
        self.verified.entries += 1;
        self.verified.first.get_or_insert(seen.seq);
        Ok(())
    }

    fn finish(mut self, any: bool) -> Result<Verified, Broken> {
        if any && self.noted.is_none() {
            return Err(Broken::Files("`audit.head`, which says where the log ends, is missing"));
        }
        if !self.met {
            return Err(Broken::Files(
                "the log does not have the entry that `audit.head` names as its last: it was cut",
            ));
        }
        if let Some(seq) = self.damaged {
            return Err(Broken::Damaged { seq });
        }
        let before = self.verified.first.map_or(0, |first| first - 1);
        if before > 0 && self.expired.is_none_or(|upto| upto < before) {
            return Err(Broken::Files("the oldest files are missing, and no entry says that they expired"));
        }
        self.verified.last = self.verified.first.map(|_| self.end.seq);
        self.verified.last_hash = self.end.hash;
        Ok(self.verified)
    }
}
