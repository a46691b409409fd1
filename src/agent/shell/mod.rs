//! What a line of shell would run, read without running it.
//!
//! ```text
//! text ── reader ──► simple commands ── unwrap ──► programs with their arguments
//!            ▲      (quotes, variables,    │       (behind sudo, env, xargs …)
//!            │       substitutions, here)  ▼
//!            └────────────── scripts given as arguments (sh -c, eval, find -exec …)
//! ```
//!
//! The grammar is that of bash (POSIX.1-2017, XCU chapter 2, and bash's own forms). Where the reading cannot be exact it sees
//! more commands than there are, never fewer; what it cannot follow at all is [`Unreadable`], and somebody has to be asked.
//! Time and memory are bounded by the length of the text.

mod braces;
mod documents;
mod expansion;
mod reader;
mod script;
#[cfg(test)]
mod tests;
mod unwrap;
mod variables;
mod word;

pub use script::{Script, read};
pub use unwrap::is_shell;
pub use word::{UNKNOWN, Word};

/// Why a text cannot be judged: half a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable(pub &'static str);

/// A simple command as it stands in the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Simple {
    words: Vec<Word>,
    /// Names that are set for it, or for what follows.
    assigned: Vec<(String, Word)>,
    writes: Vec<Word>,
    reads: Vec<Word>,
    /// It reads what another command writes.
    piped: bool,
    /// Numbers of its here-documents and here-strings.
    here: Vec<usize>,
    /// Where it runs, as far as the text says so.
    dir: Option<String>,
}

/// What would run: a program with its arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// All words as they stood, wrappers included.
    pub words: Vec<Word>,
    /// The program, its folder taken off, then its arguments. Empty when there are only redirections or assignments.
    pub core: Vec<Word>,
    /// Programs that start it: `sudo`, `env`, `xargs` …
    pub wrappers: Vec<String>,
    /// Environment that is set for it.
    pub assigned: Vec<(String, Word)>,
    /// Files that its output goes to.
    pub writes: Vec<Word>,
    /// Files that its input comes from.
    pub reads: Vec<Word>,
    /// It reads what another command writes.
    pub piped: bool,
    /// Text of its here-documents and here-strings.
    pub here: Option<String>,
    /// Where it runs, as far as the text says so.
    pub dir: Option<String>,
}
