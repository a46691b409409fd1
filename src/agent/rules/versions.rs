//! What version control cannot give back.

use super::{Category, Rule, Severity::Ask};

const CATEGORY: Category = Category::Versions;

pub(super) const RULES: &[Rule] = &[Rule {
    id: "git-rewrite",
    category: CATEGORY,
    severity: Ask,
    description: "throws away work, or rewrites history",
    finds: &[
        "git push --force origin main",
        "git push -f",
        "git -C /x push --force-with-lease=a",
        "git push origin +main",
        "git push origin :main",
        "git reset --hard HEAD~1",
        "git clean -fd",
        "git branch -D feature",
        "git branch -d --force x",
        "git checkout -- .",
        "git restore .",
        "git stash drop",
        "git filter-branch --all",
        "git update-ref -d HEAD",
        "git reflog expire --all",
        "git worktree remove --force x",
        "git switch --discard-changes x",
    ],
    leaves: &[
        "git push origin main",
        "git reset --soft HEAD~1",
        "git clean -n",
        "git clean -nfd",
        "git branch -d feature",
        "git rebase -i HEAD~3",
        "git rm file",
        "git status",
        "git diff HEAD~1",
        "git restore --staged .",
        "git stash",
    ],
    test: |c| {
        let sub = |name: &str| c.sub(&["git"], &[name]);
        let force = |letters: &[char]| c.flag(letters, &["force"]);
        sub("push")
            && (force(&['f', 'd'])
                || c.flag(&[], &["force-with-lease", "delete", "mirror", "prune"])
                || c.operands().any(|word| word.starts_with(['+', ':'])))
            || sub("reset") && c.flag(&[], &["hard"])
            || sub("clean") && force(&['f']) && !c.flag(&['n'], &["dry-run"])
            || sub("branch") && (c.flag(&['D', 'M', 'C'], &["force"]) || c.has(&["-f"]))
            || sub("stash") && c.has(&["drop", "clear"])
            || sub("checkout") && (c.has(&["--", "."]) || force(&['f']))
            || sub("switch") && (force(&['f']) || c.flag(&[], &["discard-changes"]))
            || sub("restore") && (!c.flag(&['S'], &["staged"]) || c.flag(&['W'], &["worktree"]))
            || sub("worktree") && c.has(&["remove"]) && force(&['f'])
            || sub("reflog") && c.has(&["expire", "delete"])
            || c.sub(&["git"], &["filter-branch", "filter-repo", "update-ref"])
            || sub("gc") && c.args().iter().any(|word| word.starts_with("--prune"))
    },
}];
