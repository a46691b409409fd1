//! Services, processes, accounts and settings of the machine.

use super::{
    Category, Rule, Seen,
    Severity::{Ask, Block},
};

const CATEGORY: Category = Category::System;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "power",
        category: CATEGORY,
        severity: Block,
        description: "turns the machine off or restarts it",
        finds: &[
            "shutdown -h now",
            "sudo reboot",
            "systemctl poweroff",
            "init 0",
            "(reboot)",
            "{ shutdown -h now; }",
        ],
        leaves: &["echo reboot", "grep 'shutdown' /var/log/syslog", "systemctl status"],
        test: |c| {
            c.is(&["shutdown", "reboot", "halt", "poweroff"]) && !c.has(&["--help", "--version"])
                || c.is(&["init", "telinit"]) && c.has(&["0", "6"])
                || c.sub(&["systemctl", "loginctl"], &["poweroff", "reboot", "halt", "kexec", "soft-reboot"])
        },
    },
    Rule {
        id: "kill-all",
        category: CATEGORY,
        severity: Block,
        description: "signals every process",
        finds: &["kill -9 -1", "kill -s KILL -- -1", "kill -TERM -1"],
        leaves: &["kill -1 1234", "kill 1234", "kill -9 1234"],
        test: |c| c.is(&["kill"]) && c.args().iter().skip(1).any(|word| *word == "-1"),
    },
    Rule {
        id: "fork-bomb",
        category: CATEGORY,
        severity: Block,
        description: "starts copies of itself without end",
        finds: &[":(){ :|:& };:", "bomb() { bomb | bomb & }; bomb", "function f { f|f& }\nf"],
        leaves: &["f() { ls | wc -l; }; f", ": > file"],
        test: |c| {
            let name = c.program();
            c.command.piped
                && !name.is_empty()
                && (name == ":" || c.script.functions.iter().any(|known| known == name))
        },
    },
    Rule {
        id: "sudo-password",
        category: CATEGORY,
        severity: Block,
        description: "feeds a password to sudo",
        finds: &["sudo -S ls", "echo pw | sudo -S ls", "sudo -kS ls", "sudo --stdin ls"],
        leaves: &["sudo ls", "sudo -s", "sudo -n ls", "ls -S"],
        test: |c| {
            has_sudo_option(c, |option| {
                option == "--stdin" || !option.starts_with("--") && option.contains('S')
            })
        },
    },
    Rule {
        id: "sudo-options",
        category: CATEGORY,
        severity: Ask,
        description: "opens a shell with another user's rights, or asks for a password elsewhere",
        finds: &["sudo -s", "sudo -i", "sudo -A ls", "sudo -e /etc/hosts", "su -", "su bob -c ls"],
        leaves: &["sudo ls", "sudo -n ls", "sudo -u bob ls"],
        test: |c| {
            let opens = |option: &str| {
                matches!(option, "--shell" | "--login" | "--askpass" | "--edit")
                    || !option.starts_with("--") && option.contains(['s', 'i', 'A', 'e'])
            };
            c.is(&["su"]) || has_sudo_option(c, opens)
        },
    },
    Rule {
        id: "service",
        category: CATEGORY,
        severity: Ask,
        description: "starts, stops or changes a system service",
        finds: &[
            "systemctl restart nginx",
            "systemctl --user restart app",
            "service nginx restart",
            "launchctl unload x",
        ],
        leaves: &["systemctl status nginx", "systemctl list-units", "service nginx status"],
        test: |c| {
            let verbs = [
                "start",
                "stop",
                "restart",
                "reload",
                "try-restart",
                "enable",
                "disable",
                "mask",
                "unmask",
                "kill",
                "isolate",
                "daemon-reload",
                "edit",
                "set-property",
                "revert",
            ];
            c.sub(&["systemctl"], &verbs)
                || c.is(&["service", "rc-service", "invoke-rc.d"]) && !c.has(&["status", "--status-all"])
                || c.sub(
                    &["supervisorctl", "pm2", "sv"],
                    &["stop", "restart", "delete", "shutdown", "down", "kill"],
                )
                || c.is(&["launchctl"]) && !c.has(&["list", "print"])
        },
    },
    Rule {
        id: "kill-processes",
        category: CATEGORY,
        severity: Ask,
        description: "kills processes by pattern or by force",
        finds: &[
            "pkill -9 node",
            "killall -9 node",
            "killall -r 'node.*'",
            "kill $(pgrep -f hermes)",
            "pkill -f hermes",
            "kill -1",
            "kill `pidof hermes`",
            "pkill hermes",
        ],
        leaves: &["pkill node", "killall node", "kill 1234", "kill $PID"],
        test: |c| {
            let force = ["-9", "-KILL", "-SIGKILL"];
            let own = c.args().iter().any(|word| word.contains("hermes"));
            c.is(&["pkill", "killall"])
                && (c.has(&force) || c.flag(&['r', 'f'], &["regexp", "full", "signal"]) || own)
                || c.is(&["kill"]) && (c.args() == ["-1"] || c.arg_words().iter().any(|word| word.made))
        },
    },
    Rule {
        id: "system-settings",
        category: CATEGORY,
        severity: Ask,
        description: "changes the machine's settings or accounts",
        finds: &[
            "crontab -r",
            "iptables -F",
            "ufw disable",
            "userdel bob",
            "passwd root",
            "mount /dev/sdb1 /mnt",
            "sysctl -w a=1",
            "sysctl a=1",
            "modprobe x",
            "chroot /mnt ls",
            "echo 'a' | at now",
            "visudo",
        ],
        leaves: &["crontab -l", "iptables -L", "mount", "sysctl -a", "ufw status", "sysctl kernel.panic"],
        test: |c| {
            let always = [
                "useradd",
                "userdel",
                "usermod",
                "groupadd",
                "groupdel",
                "groupmod",
                "passwd",
                "chpasswd",
                "visudo",
                "vipw",
                "umount",
                "chroot",
                "insmod",
                "rmmod",
                "modprobe",
                "swapoff",
                "swapon",
                "at",
                "batch",
                "nft",
                "setcap",
                "pivot_root",
            ];
            let lists = ["-l", "-L", "-S", "--list", "--list-rules", "status"];
            c.is(&always)
                || c.is(&["crontab", "iptables", "ip6tables", "ufw"]) && !c.has(&lists)
                || c.is(&["mount"]) && c.operands().next().is_some()
                || c.is(&["sysctl"])
                    && (c.flag(&['w', 'p'], &["write", "load"])
                        || c.operands().any(|word| word.contains('=')))
                || c.under(&["chroot", "nsenter", "pkexec"])
        },
    },
    Rule {
        id: "package-removal",
        category: CATEGORY,
        severity: Ask,
        description: "removes packages of the system, or publishes one",
        finds: &[
            "apt-get remove -y jq",
            "npm publish",
            "cargo publish",
            "brew uninstall jq",
            "pacman -Rns x",
            "dpkg -P x",
        ],
        leaves: &["apt-get install -y jq", "npm install", "pip install requests", "pip uninstall x"],
        test: |c| {
            let managers =
                ["apt", "apt-get", "aptitude", "dnf", "yum", "zypper", "brew", "snap", "flatpak", "apk"];
            c.sub(&managers, &["remove", "purge", "autoremove", "uninstall", "erase", "del", "rm"])
                || c.is(&["pacman"]) && c.args().iter().any(|word| word.starts_with("-R"))
                || c.is(&["dpkg", "rpm"]) && c.has(&["-r", "-P", "-e", "--purge", "--remove", "--erase"])
                || c.sub(&["npm", "yarn", "pnpm"], &["publish", "unpublish", "deprecate"])
                || c.sub(&["cargo"], &["publish", "yank"])
                || c.sub(&["twine", "gem"], &["upload", "push", "yank"])
        },
    },
];

/// Options that stand between a `sudo` and what it runs.
fn has_sudo_option(c: &Seen<'_>, test: impl Fn(&str) -> bool) -> bool {
    let words = &c.command.words;
    words.iter().enumerate().any(|(at, word)| {
        let is_sudo = word.text.rsplit('/').next() == Some("sudo");
        let wraps = at == 0 || c.under(&["sudo"]);
        is_sudo
            && wraps
            && words[at + 1..]
                .iter()
                .take_while(|word| word.text.starts_with('-'))
                .any(|word| test(&word.text))
    })
}
