//! The shell around a command: its environment, and what it carries from call to call.
//!
//! The shell itself writes its directory and its exported variables into the session's temporary folder when it ends,
//! and reads the variables back at the next call, inside the sandbox. To us both files are input from a stranger.

use crate::{config::ProfileConfig, sandbox::Jail, tools::failure::Failure};
use rustix::fs::FileType;
use std::{
    io::Read,
    path::{Path, PathBuf},
};

const DIR_FILE: &str = "/tmp/.hermes-dir";
const EXPORTS_FILE: &str = "/tmp/.hermes-exports";
/// The environment and the arguments share two megabytes.
const MOST_EXPORTS: u64 = 64 << 10;
/// Written last: a shell that was killed while writing leaves a file without it.
const WHOLE: &str = "\n# whole\n";

/// Arguments: command, temporary folder, exports file or nothing, `keep` or nothing, names not to carry over.
const WRAPPER: &str = r#"__hermes_command=$1 __hermes_tmp=$2 __hermes_keep=$4 __hermes_forget=$5
if [ -n "$3" ]; then command . "$3" >/dev/null 2>&1; fi
set --
__hermes_end() {
trap - EXIT
if [ -n "$__hermes_keep" ]; then pwd -P >|"$__hermes_tmp/.hermes-dir"; fi
unset IFS; unset -v $__hermes_forget
{ export -p; printf '\n# whole\n'; } >|"$__hermes_tmp/.hermes-exports"
} 2>/dev/null
trap __hermes_end EXIT
eval "$__hermes_command""#;

/// Arguments: command, exports file or nothing.
const JOB_WRAPPER: &str = r#"__hermes_command=$1
if [ -n "$2" ]; then command . "$2" >/dev/null 2>&1; fi
set --
eval "$__hermes_command""#;

/// Not carried over: what the next shell finds out itself.
const FORGET: &str = "PWD SHLVL _";

pub struct State {
    dir: Option<String>,
    exports: bool,
}

impl State {
    pub fn read(jail: &Jail) -> Self {
        let dir = text(jail, DIR_FILE, 4_096);
        let exports = text(jail, EXPORTS_FILE, MOST_EXPORTS);
        Self {
            dir: dir.map(|dir| dir.trim_end_matches('\n').to_owned()),
            exports: exports.is_some_and(|text| text.ends_with(WHOLE)),
        }
    }

    /// Where the next shell finds the variables, if there are any.
    fn exports_file(&self, tmp: &Path) -> String {
        if self.exports { tmp.display().to_string() + "/.hermes-exports" } else { String::new() }
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
fn text(jail: &Jail, path: &str, most: u64) -> Option<String> {
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
        return Ok(if strict { place.path_at_strict() } else { place.path() });
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
    keep_dir: bool,
    passthrough: &[String],
    of_one_call: &[&str],
) -> Vec<String> {
    // Secrets are given anew at each call and not left on the disk.
    let secrets = passthrough.iter().map(String::as_str).filter(|name| is_name(name));
    let names = secrets.chain(of_one_call.iter().copied());
    let forget = names.fold(FORGET.to_owned(), |list, name| list + " " + name);
    let exports = state.exports_file(tmp);
    let keep = if keep_dir { "keep" } else { "" };
    let tmp = tmp.display().to_string();
    ["-c", WRAPPER, &name_of(shell), command, &tmp, &exports, keep, &forget].map(str::to_owned).to_vec()
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

/// Built from nothing: the gateway's own environment holds other people's secrets.
pub fn environment(config: &ProfileConfig, workspace: &Path, tmp: &Path) -> Vec<(String, String)> {
    let (home, tmp) = (workspace.display().to_string(), tmp.display().to_string());
    let fixed = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", &home),
        ("TMPDIR", &tmp),
        ("USER", config.name.as_str()),
        ("LOGNAME", config.name.as_str()),
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
