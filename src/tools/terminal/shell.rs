//! The shell around a command: its environment, and what it carries from call to call.
//!
//! The shell itself writes its directory and its exported variables into the session's temporary folder when it ends:
//! into a file of its own, since commands may run side by side. [`Left`](super::left::Left) takes them over. The next shell
//! reads the variables back, inside the sandbox. To us all these files are input from a stranger.

use crate::{
    config::ProfileConfig,
    egress::VARIABLES,
    sandbox::{Jail, Shell},
    tools::failure::Failure,
};
use rustix::fs::FileType;
use std::{
    io::Read,
    path::{Path, PathBuf},
};

pub const DIR_FILE: &str = "/tmp/.hermes-dir";
pub const EXPORTS_FILE: &str = "/tmp/.hermes-exports";
const LONGEST_DIR: u64 = 4_096;
/// The environment and the arguments share two megabytes.
pub const MOST_EXPORTS: u64 = 64 << 10;
/// What a command leaves is its beginning and its end.
pub const MOST_LEFT: u64 = 2 * MOST_EXPORTS + LONGEST_DIR;
/// Written last: a shell that was killed while writing leaves a file without it.
pub const WHOLE: &str = "\n# whole\n";
/// Between the directory and the variables.
pub const THEN_EXPORTS: &str = "\n# exports\n";

/// Arguments: command, file for what it leaves, exports file or nothing, names not to carry over. The first command of a
/// session also says what it began with. Beyond that nothing here starts a process: a fork costs as much as all the rest.
/// Nor is anything written before the end: a command that only cleans up must be able to on a full disk.
const WRAPPER: &str = r#"__hermes_command=$1 __hermes_left=$2 __hermes_forget=$4 __hermes_base=
if [ -n "$3" ]; then command . "$3" >/dev/null 2>&1
else __hermes_base=$(unset -v $__hermes_forget; export -p; printf '\n# whole\n.'); fi 2>/dev/null
set --
__hermes_end() {
trap - EXIT
unset IFS
{ printf '%s' "${__hermes_base%.}"; pwd -P; printf '# exports\n'
unset -v $__hermes_forget; export -p; printf '\n# whole\n'; } >|"$__hermes_left"
} 2>/dev/null
trap __hermes_end EXIT
eval "$__hermes_command""#;

/// Before [`WRAPPER`] in a shell that is started ahead, as [`Shell`] describes it: from the two descriptors to where a fresh
/// shell begins. Nothing of it stays but `SECONDS`, which counts from the order. On one line with what follows, so that
/// messages name the same lines. `cd` is spared in the folder that it was started in: a fresh shell there calls it
/// `$HOME`, however that is written.
const PRELUDE: &str = r#"mapfile -td '' -u "$2" __hermes_words || exit 125;
__hermes_link=$1; eval "exec $2<&-"; set -- "${__hermes_words[@]}"; unset -v __hermes_words;
[ "$1" -ef . ] || {
until cd -P -- "$1" 2>/dev/null; do
__hermes_words=$(cd -P -- "$1" 2>&1) || { printf '!%s\n' "${__hermes_words##*: }" >&"$__hermes_link"; exit 125; };
done;
unset -v OLDPWD; export OLDPWD; };
while shift; [ -n "$1" ]; do export "$1"; done; shift;
eval "exec $__hermes_link<&-"; unset -v __hermes_link; SECONDS=0;
"#;

/// Before [`PRELUDE`] in a shell that becomes the command's own.
const ONCE: &str = r#"read -ru "$1" __hermes_link || exit 125; "#;

/// Around [`PRELUDE`] and [`WRAPPER`] in a shell that stays: each command is a copy of it, which costs less than its start.
/// What it would say itself, of a copy that was killed, is nobody's output.
const STAYS: (&str, &str) = (
    r#"exec {__hermes_errors}>&2 2>/dev/null; while read -ru "$1" __hermes_link; do (exec 2>&$__hermes_errors {__hermes_errors}>&-; unset -v __hermes_errors; "#,
    r#"
); printf '%s\n' "$?" >&"$1"; done"#,
);

/// Variables that a shell acts upon at its start, or that the words before a command would depend on.
const AT_START: [&str; 7] = ["ENV", "HOME", "OLDPWD", "POSIXLY_CORRECT", "PWD", "SHELLOPTS", "TMOUT"];

/// Arguments: command, exports file or nothing.
const JOB_WRAPPER: &str = r#"__hermes_command=$1
if [ -n "$2" ]; then command . "$2" >/dev/null 2>&1; fi
set --
eval "$__hermes_command""#;

/// Where a command's programs lie.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Not carried over: what the next shell finds out itself.
const FORGET: &str = "PWD SHLVL _";

/// What the commands before have left, as the files of a stranger.
#[derive(Clone)]
pub struct State {
    /// A path.
    pub dir: Option<String>,
    /// Lines that a shell can read.
    pub exports: Option<String>,
}

impl State {
    pub fn read(jail: &Jail) -> Self {
        let dir = text(jail, DIR_FILE, LONGEST_DIR);
        let exports = text(jail, EXPORTS_FILE, MOST_EXPORTS);
        Self {
            dir: dir.map(|dir| dir.trim_end_matches('\n').to_owned()),
            exports: exports.filter(|text| text.ends_with(WHOLE)),
        }
    }

    /// Where the next shell finds the variables, if there are any.
    fn exports_file(&self, tmp: &Path) -> String {
        if self.exports.is_some() { tmp.display().to_string() + "/.hermes-exports" } else { String::new() }
    }

    /// Where the last command ended, when that is still a folder of ours; else the workspace.
    pub fn dir(&self, jail: &Jail, strict: bool) -> PathBuf {
        let last = self.dir.as_deref().filter(|dir| dir.starts_with('/'));
        last.and_then(|dir| workdir(jail, dir, strict).ok())
            .or_else(|| jail.locate(".").ok().map(|place| place.path()))
            .unwrap_or_default()
    }
}

/// A small text file, however it was made.
pub fn text(jail: &Jail, path: &str, most: u64) -> Option<String> {
    let place = jail.locate(path).ok()?;
    let (file, _) = match place.open() {
        Ok(found) => found,
        Err(_) => {
            // A pipe or a link in its place would hold or mislead the next shell.
            let _ = place.remove();
            return None;
        }
    };
    let mut text = Vec::new();
    file.take(most + 1).read_to_end(&mut text).ok()?;
    (text.len() as u64 <= most).then(|| String::from_utf8(text).ok()).flatten()
}

/// A folder inside the workspace or the session's temporary folder, as a command at that level names it.
pub fn workdir(jail: &Jail, asked: &str, strict: bool) -> Result<PathBuf, Failure> {
    let place = jail.locate(asked)?;
    if place.kind()? == FileType::Directory {
        return Ok(place.path_of_commands(strict));
    }
    Err(Failure::new("not_a_directory", format!("`{asked}` is not a folder")))
}

/// bash where there is one: models write for it.
pub fn program() -> PathBuf {
    let bash = Path::new("/bin/bash");
    if bash.exists() { bash.to_owned() } else { "/bin/sh".into() }
}

pub fn arguments(
    shell: &Path,
    command: &str,
    tmp: &Path,
    state: &State,
    left: &Path,
    passthrough: &[String],
    of_one_call: &[&str],
) -> Vec<String> {
    // Secrets are given anew at each call and not left on the disk.
    let secrets = passthrough.iter().map(String::as_str).filter(|name| is_name(name));
    let names = secrets.chain(of_one_call.iter().copied());
    let forget = names.fold(FORGET.to_owned(), |list, name| list + " " + name);
    let exports = state.exports_file(tmp);
    let left = left.display().to_string();
    ["-c", WRAPPER, &name_of(shell), command, &left, &exports, &forget].map(str::to_owned).to_vec()
}

/// What can be started before a command is known; nothing where no bash is, or where the operator tells it how to start.
/// `stays`: it is for more than one command.
pub fn ahead(config: &ProfileConfig, workspace: &Path, tmp: &Path, stays: bool) -> Option<Shell> {
    let program = program();
    let name = name_of(&program);
    let mut given = config.terminal.env_passthrough.iter().map(String::as_str);
    if name != "bash" || given.any(|name| name.starts_with("BASH") || AT_START.contains(&name)) {
        return None;
    }
    let (before, after) = if stays { STAYS } else { (ONCE, "") };
    let script = before.to_owned() + &PRELUDE.replace('\n', " ") + WRAPPER + after;
    Some(Shell {
        args: ["-c", &script, &name].map(str::to_owned).to_vec(),
        stands_for: ["-c", WRAPPER, &name].map(str::to_owned).to_vec(),
        env: environment(config, workspace, tmp),
        open: VARIABLES.map(str::to_owned).to_vec(),
        dir: workspace.to_owned(),
        program,
        stays,
    })
}

/// As [`arguments`], for a command that leaves nothing to the next one.
pub fn arguments_of_job(shell: &Path, command: &str, tmp: &Path, state: &State) -> Vec<String> {
    ["-c", JOB_WRAPPER, &name_of(shell), command, &state.exports_file(tmp)].map(str::to_owned).to_vec()
}

fn name_of(shell: &Path) -> String {
    shell.file_name().map_or_else(|| "sh".into(), |name| name.to_string_lossy().into_owned())
}

/// A shell variable's name; anything else would be read as more words.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether every command finds a variable in its environment, and something in it.
pub fn has_variable(config: &ProfileConfig, name: &str) -> bool {
    let found = environment(config, &config.workspace, Path::new("/tmp"));
    found.iter().any(|(known, value)| known == name && !value.is_empty())
}

/// Built from nothing: the gateway's own environment holds other people's secrets.
pub fn environment(config: &ProfileConfig, workspace: &Path, tmp: &Path) -> Vec<(String, String)> {
    let (home, tmp) = (workspace.display().to_string(), tmp.display().to_string());
    let shell = program().display().to_string();
    let fixed = [
        ("PATH", PATH),
        ("HOME", &home),
        ("TMPDIR", &tmp),
        ("USER", config.name.as_str()),
        ("LOGNAME", config.name.as_str()),
        // Without it bash looks it up, in every file and service that the machine has for this.
        ("SHELL", &shell),
        ("LANG", "C.UTF-8"),
        ("TERM", "dumb"),
        // Nobody is there to press a key.
        ("PAGER", "cat"),
        ("GIT_TERMINAL_PROMPT", "0"),
        // Commands cannot give files away, even when the gateway is root; tar would try.
        ("TAR_OPTIONS", "--no-same-owner"),
    ];
    let mut env: Vec<(String, String)> =
        fixed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for name in config.terminal.env_passthrough.iter().filter(|name| is_name(name)) {
        if let Some(value) = config.env.get(name) {
            env.retain(|(taken, _)| taken != name);
            env.push((name.clone(), value.reveal().to_owned()));
        }
    }
    env
}
