//! The gateway, and the limits that the agent is held to.

use super::{
    Category, Rule,
    Severity::{Ask, Block},
};

const CATEGORY: Category = Category::Own;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "own-policy",
        category: CATEGORY,
        severity: Block,
        description: "changes the rules that the agent is held to, or answers its own questions",
        finds: &[
            "hermes config set approvals.mode off",
            "hermes -p alice config set terminal.sandbox none",
            "hermes approvals approve ap_1",
            "hermes key create x --scope approve",
        ],
        leaves: &["hermes approvals list", "hermes gateway status", "hermes config show"],
        test: |c| {
            c.is(&["hermes"])
                && (c.args().iter().any(|word| {
                    ["approvals.", "terminal.", "gateway.", "command_allowlist"]
                        .iter()
                        .any(|key| word.starts_with(key))
                }) || c.has(&["approvals"]) && c.has(&["approve", "deny", "allow"])
                    || c.has(&["key"]) && c.has(&["create", "rotate"]))
        },
    },
    Rule {
        id: "gateway",
        category: CATEGORY,
        severity: Ask,
        description: "controls the gateway itself",
        finds: &[
            "hermes gateway restart",
            "hermes -p alice gateway stop",
            "hermes update",
            "nohup hermes gateway run &",
            "hermes profile delete bob",
            "hermes key revoke x",
            "hermes backup x",
            "hermes restore x",
        ],
        leaves: &["hermes gateway status", "hermes --version", "hermes profile list", "hermes key list"],
        test: |c| {
            let reads = ["status", "list", "show", "verify", "--help", "-h"];
            c.sub(&["hermes"], &["gateway", "update", "profile", "key", "backup", "restore"])
                && !c.has(&reads)
        },
    },
];
