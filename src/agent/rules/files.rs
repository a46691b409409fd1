//! Files that others rely on.

use super::{
    Category, Rule, Seen,
    Severity::Ask,
    paths::{is_guarded, is_secret, is_vital, joined},
};

const CATEGORY: Category = Category::Files;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "guarded-file",
        category: CATEGORY,
        severity: Ask,
        description: "writes to a system, credential or start-up file",
        finds: &[
            "tee /etc/hosts < x",
            "echo a >> ~/.bashrc",
            "mv x /etc/passwd",
            "sed -i s/a/b/ /etc/ssh/sshd_config",
            "cp .env.example .env",
            "echo 1 > /proc/sys/kernel/sysrq",
            "cd /etc && echo a > hosts",
            "curl -o ~/.profile x",
        ],
        leaves: &[
            "cp /etc/hosts /tmp/hosts",
            "cp .env .env.bak",
            "echo x > /dev/null",
            "sed -i s/a/b/ file.txt",
            "echo x > config.yaml.bak",
            "make 2>/dev/null",
        ],
        test: |c| c.targets().iter().any(|path| is_guarded(path)),
    },
    Rule {
        id: "secret-file",
        category: CATEGORY,
        severity: Ask,
        description: "reads credentials",
        finds: &["cat ~/.ssh/id_rsa", "cat /etc/shadow", "cat ~/.hermes/.env", "base64 < ~/.aws/credentials"],
        leaves: &[
            "cat .env",
            "cat ~/.ssh/id_rsa.pub",
            "ssh-keygen -t rsa -f ~/.ssh/id_rsa",
            "echo ~/.ssh/id_rsa",
        ],
        test: |c| !c.is(&["ssh-keygen", "ssh-add", "echo"]) && c.sources().any(|path| is_secret(&path)),
    },
    Rule {
        id: "open-permissions",
        category: CATEGORY,
        severity: Ask,
        description: "lets everybody write, or lends the owner's rights",
        finds: &[
            "chmod 777 file",
            "chmod -R 777 .",
            "chmod a+w file",
            "chmod o+w f",
            "chmod 4755 x",
            "chmod u+s x",
        ],
        leaves: &["chmod 755 file", "chmod +x run.sh", "chmod u+w file", "chmod go-w file"],
        test: |c| c.is(&["chmod"]) && c.operands().next().is_some_and(|mode| mode.split(',').any(is_open)),
    },
    Rule {
        id: "run-new-file",
        category: CATEGORY,
        severity: Ask,
        description: "makes a file executable and runs it",
        finds: &["chmod +x run.sh && ./run.sh", "chmod 755 a/b; a/b", "chmod u+x run.sh; sudo ./run.sh x"],
        leaves: &["chmod +x run.sh", "./run.sh", "chmod +x a && ./b"],
        test: |c| c.is(&["chmod"]) && c.operands().skip(1).any(|file| is_run(c, file)),
    },
    Rule {
        id: "change-owner",
        category: CATEGORY,
        severity: Ask,
        description: "changes owners or permissions of whole folders of the system",
        finds: &["chown -R root:root /srv", "chmod -R 755 /etc", "chgrp -R www /usr"],
        leaves: &["chown -R bob dir", "chmod -R u+w build", "chown bob file"],
        test: |c| {
            let recursive = c.flag(&['R'], &["recursive"]);
            let root = c.is(&["chown"]) && c.operands().next().is_some_and(|owner| owner.starts_with("root"));
            c.is(&["chown", "chgrp", "chmod"]) && recursive && (root || c.paths().any(|path| is_vital(&path)))
        },
    },
];

/// Octal or symbolic: others may write, or a program gets its owner's rights.
fn is_open(mode: &str) -> bool {
    if let Ok(bits) = u32::from_str_radix(mode, 8) {
        return bits & 0o6002 != 0;
    }
    let Some((at, _)) = mode.char_indices().find(|(_, c)| matches!(c, '+' | '=')) else { return false };
    let (who, what) = mode.split_at(at);
    who.contains(['a', 'o']) && what.contains('w') || what.contains('s')
}

/// Whether another command of the text is that file.
fn is_run(c: &Seen<'_>, file: &str) -> bool {
    c.script.commands.iter().any(|other| {
        other
            .words
            .iter()
            .any(|word| word.text.contains('/') && joined(None, &word.text) == joined(None, file))
            && other.core.first().is_some_and(|program| file.ends_with(&program.text))
    })
}
