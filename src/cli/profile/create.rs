//! `hermes profile create NAME`: a folder with what a profile needs, and a port of its own.

use crate::{
    cli::{context::Context, error::CliError, output::Output},
    domain::ProfileName,
    gateway::RunDir,
};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

const FIRST_PORT: u16 = 8643;
/// Names that would be read as a command, a place or a person.
const TAKEN: [&str; 10] =
    ["default", "gateway", "profile", "key", "approvals", "backup", "restore", "help", "profiles", "run"];

const CONFIG: &str = "\
# Settings of this profile. What is not said here comes from the home's config.yaml.
#
# model:
#   provider: openai            # without any model: the built-in demo
#   default: gpt-5
#   base_url: https://api.example.com/v1
# approvals:
#   timeout: 300                # seconds
# terminal:
#   sandbox: landlock           # the least wall that tools may run behind
#   network: public             # off, allowlist, public or full
#   network_allow: [10.0.0.7]   # what is open beside that
";

const SOUL: &str = "\
You are a helpful assistant with a workspace of your own. Use your tools when they help, say what you did, and ask when
something is unclear.
";

pub fn run(context: &Context, name: &ProfileName, output: &Output) -> Result<(), CliError> {
    if ProfileName::RESERVED.contains(&name.as_str()) || TAKEN.contains(&name.as_str()) {
        return Err(CliError::usage(format!(
            "`{name}` means something else here; type another name: `hermes profile create {name}-1`"
        )));
    }
    let at = |error: io::Error| CliError::failed(format!("{}: {error}", context.home.display()));
    fs::create_dir_all(&context.home).map_err(at)?;
    // Two commands at once must not choose the same port.
    let lock =
        File::create(RunDir::open(&context.home).map_err(at)?.path().join("create.lock")).map_err(at)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| at(error.into()))?;

    let profiles = context.home.join("profiles");
    let folder = profiles.join(name.as_str());
    if folder.exists() {
        return Err(CliError::failed(format!(
            "there is a profile `{name}` already; `hermes profile show {name}` describes it"
        )));
    }
    let home = context.read_home()?;
    let taken: Vec<u16> = home.ports().map(|(_, port)| port).collect();
    let port = free_port(&taken).ok_or_else(|| CliError::failed("no port from 8643 on is free"))?;

    fs::create_dir_all(&profiles).map_err(at)?;
    // Complete before it has its name: a gateway that reads the home now sees all of it or nothing.
    let draft = profiles.join(format!(".{name}.{}", std::process::id()));
    let made = fill(&draft, name, port).and_then(|()| fs::rename(&draft, &folder));
    if let Err(error) = made {
        // What counts is why it could not be made.
        let _ = fs::remove_dir_all(&draft);
        return Err(CliError::failed(format!("{}: {error}", folder.display())));
    }
    output.line(format_args!("made the profile `{name}` at port {port}, in {}", folder.display()));
    output.hint(format_args!(
        "Describe its agent in SOUL.md. Serve it with `hermes -p {name} gateway`, or, where a gateway runs, with\n\
         `hermes profile start {name}`."
    ));
    Ok(())
}

/// The first port that no profile's files name and nobody listens on.
fn free_port(taken: &[u16]) -> Option<u16> {
    let is_free =
        |port: &u16| !taken.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (FIRST_PORT..=u16::MAX).find(is_free)
}

fn fill(folder: &Path, name: &ProfileName, port: u16) -> io::Result<()> {
    // What an interrupted earlier try of the same process number left.
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let private = |path: &Path| DirBuilder::new().mode(0o700).create(path);
    private(folder)?;
    private(&folder.join("skills"))?;
    private(&folder.join("workspace"))?;
    let env = format!(
        "# Secrets and the port of `{name}`; never in any process's environment.\n\
         API_SERVER_ENABLED=true\nAPI_SERVER_PORT={port}\n"
    );
    for (file, text) in [(".env", env.as_str()), ("config.yaml", CONFIG), ("SOUL.md", SOUL)] {
        let mut made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(file))?;
        made.write_all(text.as_bytes())?;
        made.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_named_or_listened_on_is_passed_over() {
        let first = free_port(&[]).unwrap();
        let second = free_port(&[first]).unwrap();
        assert!(first >= FIRST_PORT && second > first);
    }
}
