//! The first table of commands that need a person, or that nobody may allow. The issue on the agent widens it.

use super::shell::{Simple, core, is_shell};

/// What a rule demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Ask,
    /// Refused in every mode.
    Block,
}

/// A row: a stable id, what a person reads, and the test on one simple command.
pub struct Rule {
    pub id: &'static str,
    pub description: &'static str,
    pub severity: Severity,
    pub test: fn(&Command<'_>) -> bool,
}

/// What a rule's test sees: the words behind wrappers, and the command as it stood.
pub struct Command<'a> {
    pub core: Vec<&'a str>,
    pub simple: &'a Simple,
}

impl<'a> Command<'a> {
    #[must_use]
    pub fn new(simple: &'a Simple) -> Self {
        Self { core: core(&simple.words), simple }
    }

    fn program(&self) -> &str {
        self.core.first().copied().unwrap_or("")
    }

    fn is(&self, programs: &[&str]) -> bool {
        programs.contains(&self.program())
    }

    fn args(&self) -> &[&'a str] {
        self.core.get(1..).unwrap_or(&[])
    }

    /// Arguments that are no options.
    fn operands(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.args().iter().copied().filter(|word| !word.starts_with('-') || *word == "-1")
    }

    fn has(&self, words: &[&str]) -> bool {
        self.args().iter().any(|word| words.contains(word))
    }

    /// A short option in any cluster (`-rf` has `r`), or the long one.
    fn flag(&self, short: &[char], long: &[&str]) -> bool {
        self.args().iter().any(|word| match word.strip_prefix("--") {
            Some(name) => long.contains(&name),
            None => word.strip_prefix('-').is_some_and(|cluster| cluster.contains(short)),
        })
    }

    /// The first two words that are not options: `git -C x push` is `push` only if options are skipped well enough.
    fn sub(&self, program: &str, subs: &[&str]) -> bool {
        self.program() == program && self.operands().any(|word| subs.contains(&word))
    }

    /// Files that it writes, by redirection or as the target of a copying command.
    fn targets(&self) -> Vec<&str> {
        let mut targets: Vec<&str> = self.simple.writes.iter().map(String::as_str).collect();
        if self.is(&["tee", "truncate"]) || (self.is(&["sed", "perl"]) && self.flag(&['i'], &["in-place"])) {
            targets.extend(self.operands());
        }
        if self.is(&["cp", "mv", "install", "ln"]) {
            targets.extend(self.operands().last());
        }
        targets
    }

    fn deletes_recursively(&self) -> bool {
        self.program() == "rm" && self.flag(&['r', 'R'], &["recursive"])
    }
}

/// `/`, a folder of the system, or somebody's home: nothing that a turn could mean to delete.
fn is_vital(path: &str) -> bool {
    const SYSTEM: [&str; 15] = [
        "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "proc", "root", "run", "sbin", "sys",
        "usr", "var",
    ];
    let path = path.trim_end_matches('*');
    if matches!(path.trim_end_matches('/'), "~" | "$HOME" | "${HOME}") {
        return true;
    }
    if !path.starts_with('/') {
        return false;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    match parts.as_slice() {
        [] => true,
        [one] => SYSTEM.contains(one),
        [_, ..] => false,
    }
}

fn is_raw_disk(path: &str) -> bool {
    let Some(name) = path.strip_prefix("/dev/") else {
        return false;
    };
    ["sd", "hd", "vd", "xvd", "nvme", "mmcblk", "disk", "mem", "kmem"]
        .iter()
        .any(|kind| name.starts_with(kind))
}

fn is_guarded_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.starts_with("/etc/")
        || path.starts_with("/proc/sys")
        || path.contains(".ssh/")
        || path.contains(".gnupg/")
        || name == ".env"
        || (name.starts_with(".env.") && !name.ends_with(".example"))
        || matches!(
            name,
            "config.yaml"
                | ".netrc"
                | ".pgpass"
                | ".bashrc"
                | ".zshrc"
                | ".profile"
                | ".bash_profile"
                | "SOUL.md"
        )
}

fn is_secret_file(path: &str) -> bool {
    path == "/etc/shadow"
        || path.contains(".ssh/id_")
        || path.contains(".hermes/.env")
        || path.ends_with("/.netrc")
}

fn is_interpreter(program: &str) -> bool {
    is_shell(program)
        || ["python", "perl", "ruby", "node", "php", "deno"]
            .iter()
            .any(|name| program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') == *name)
}

macro_rules! rules {
    ($($severity:ident $id:literal $description:literal: |$c:ident| $test:expr;)*) => {
        /// All rules, those that block first.
        pub const RULES: &[Rule] = &[$(Rule {
            id: $id, description: $description, severity: Severity::$severity, test: |$c: &Command<'_>| $test,
        }),*];
    };
}

rules! {
    Block "delete-system" "deletes the root, a system folder or a whole home": |c| c.deletes_recursively() && c.operands().any(is_vital);
    Block "format-disk" "formats or wipes a disk": |c| c.program().starts_with("mkfs") || c.is(&["wipefs", "blkdiscard", "fdisk", "parted", "sgdisk"]);
    Block "write-disk" "writes to a raw disk": |c| c.targets().iter().any(|path| is_raw_disk(path)) || (c.program() == "dd" && c.args().iter().any(|word| word.strip_prefix("of=").is_some_and(is_raw_disk)));
    Block "power" "turns the machine off or restarts it": |c| c.is(&["shutdown", "reboot", "halt", "poweroff"]) || (c.is(&["init", "telinit"]) && c.has(&["0", "6"])) || c.sub("systemctl", &["poweroff", "reboot", "halt", "kexec"]);
    Block "kill-all" "signals every process": |c| c.program() == "kill" && c.args().len() > 1 && c.args().last() == Some(&"-1");
    Block "fork-bomb" "a fork bomb": |c| c.simple.words.first().is_some_and(|word| word == ":") && c.simple.piped;
    Block "sudo-password" "feeds a password to sudo": |c| c.simple.words.first().is_some_and(|word| word == "sudo") && c.simple.words.iter().skip(1).take_while(|word| word.starts_with('-')).any(|word| !word.starts_with("--") && word.contains('S'));
    Block "own-policy" "changes the rules that the agent is held to": |c| c.program() == "hermes" && c.args().iter().any(|word| word.starts_with("approvals") || word.starts_with("terminal."));

    Ask "recursive-delete" "deletes folders": |c| c.deletes_recursively();
    Ask "delete-absolute" "deletes a file outside the working directory": |c| c.is(&["rm", "unlink", "shred"]) && (c.operands().any(|path| path.starts_with('/') || path.starts_with('~') || path.starts_with("$HOME")) || c.program() == "shred");
    Ask "delete-found" "deletes what a search finds": |c| (c.program() == "find" && c.has(&["-delete", "-exec", "-execdir", "-ok"])) || (c.program() == "xargs" && c.args().iter().any(|word| word.ends_with("rm") || is_shell(word)));
    Ask "empty-file" "empties or overwrites a file in place": |c| c.program() == "truncate" || (c.program() == "mv" && c.args().last() == Some(&"/dev/null"));
    Ask "disk-copy" "copies raw data": |c| c.program() == "dd";
    Ask "open-permissions" "makes files writable for everyone": |c| c.program() == "chmod" && c.operands().any(|mode| matches!(mode, "777" | "0777" | "666" | "0666" | "a+w" | "o+w" | "a+rwx" | "ugo+w" | "o+rw"));
    Ask "run-new-file" "makes a file executable": |c| c.program() == "chmod" && c.operands().any(|mode| mode == "+x");
    Ask "change-owner" "changes owners recursively": |c| c.program() == "chown" && c.flag(&['R'], &["recursive"]);
    Ask "guarded-file" "writes to a system, credential or start-up file": |c| c.targets().iter().any(|path| is_guarded_file(path));
    Ask "secret-file" "reads credentials": |c| c.args().iter().any(|word| is_secret_file(word.trim_start_matches('@')));
    Ask "interpreter-pipe" "runs what another command prints": |c| c.simple.piped && is_interpreter(c.program()) && c.operands().next().is_none();
    Ask "eval" "runs text that is made at run time": |c| c.is(&["eval", "source", "."]) || (is_interpreter(c.program()) && c.has(&["<$"]));
    Ask "inline-code" "runs code given on the command line": |c| (is_interpreter(c.program()) && (c.simple.heredoc || c.has(&["-c", "-e", "-lc", "-r", "-ic", "--eval"]))) || (c.program() == "deno" && c.has(&["eval"])) || c.program() == "osascript";
    Ask "remote-shell" "opens a shell to the network": |c| c.simple.writes.iter().any(|path| path.starts_with("/dev/tcp")) || (c.is(&["nc", "ncat", "netcat"])) || c.program() == "ssh";
    Ask "program-option" "runs a program through an option": |c| c.args().iter().any(|word| word.starts_with("--pre") && c.program() == "rg" || word.starts_with("--compress-program") || word.starts_with("--to-command")) || (c.program() == "man" && c.has(&["-P"])) || (c.is(&["awk", "gawk", "mawk"]) && c.args().iter().any(|word| word.contains("system("))) || (c.is(&["vim", "vi"]) && c.has(&["-c"]));
    Ask "sql-destructive" "drops or empties database tables": |c| c.simple.words.iter().any(|word| { let text = word.to_ascii_lowercase(); text.contains("drop table") || text.contains("drop database") || text.contains("truncate table") || (text.contains("delete from") && !text.contains("where")) || text.contains("dropdatabase") }) || (c.program() == "redis-cli" && c.args().iter().any(|word| word.to_ascii_lowercase().starts_with("flush")));
    Ask "service" "stops or changes a system service": |c| c.sub("systemctl", &["stop", "restart", "disable", "mask", "enable", "kill"]) || c.is(&["service", "launchctl"]);
    Ask "kill-processes" "kills processes by name or force": |c| c.is(&["pkill", "killall"]) && (c.flag(&['9', 'r', 'f'], &[]) || c.args().iter().any(|word| word.contains("hermes"))) || (c.program() == "kill" && c.args().iter().any(|word| *word == "-1" || word.contains('$')));
    Ask "system-settings" "changes the system's settings": |c| c.is(&["crontab", "iptables", "nft", "ufw", "userdel", "useradd", "usermod", "passwd", "mount", "umount", "su", "chroot"]) || (c.program() == "sysctl" && c.flag(&['w'], &["write"]));
    Ask "package-removal" "removes or publishes packages": |c| ["apt", "apt-get", "dnf", "yum", "pacman", "brew"].iter().any(|program| c.sub(program, &["remove", "purge", "autoremove", "uninstall"])) || c.sub("npm", &["publish", "unpublish"]) || c.sub("cargo", &["publish"]);
    Ask "git-rewrite" "throws away or rewrites history": |c| (c.sub("git", &["push"]) && (c.flag(&['f'], &["force", "force-with-lease", "delete", "mirror"]))) || (c.sub("git", &["reset"]) && c.has(&["--hard"])) || (c.sub("git", &["clean"]) && c.flag(&['f'], &["force"]) && !c.flag(&['n'], &["dry-run"])) || (c.sub("git", &["branch"]) && (c.has(&["-D"]) || c.has(&["--force"]))) || (c.sub("git", &["stash"]) && c.has(&["drop", "clear"])) || (c.sub("git", &["checkout"]) && c.has(&["--"])) || c.sub("git", &["filter-branch", "update-ref"]);
    Ask "containers" "stops or removes containers and clusters": |c| (c.is(&["docker", "podman"]) && c.has(&["stop", "kill", "rm", "down", "prune", "restart", "exec"])) || (c.is(&["docker", "podman"]) && c.args().iter().any(|word| word.starts_with("/:"))) || (c.program() == "kubectl" && c.has(&["delete", "drain"])) || (c.is(&["terraform", "tofu"]) && c.has(&["destroy"]));
    Ask "cloud" "deletes in a cloud account": |c| c.is(&["aws", "gcloud", "az"]) && c.args().iter().any(|word| matches!(*word, "rm" | "delete" | "terminate-instances"));
    Ask "sudo-options" "asks for another user's rights": |c| c.simple.words.first().is_some_and(|word| word == "sudo") && c.simple.words.get(1).is_some_and(|word| matches!(word.as_str(), "-s" | "-i" | "-A"));
    Ask "gateway" "controls the gateway itself": |c| c.program() == "hermes" && c.has(&["gateway", "update", "profile", "key"]);
    Ask "upload-file" "sends a file away": |c| c.program() == "curl" && c.args().iter().any(|word| word.starts_with('@') || word.starts_with("-T") || *word == "--upload-file");
}
