use super::{Severity, all, found};
use crate::agent::shell;
use std::collections::HashSet;

fn ids(command: &str) -> Vec<&'static str> {
    let script = shell::read(command).unwrap_or_else(|error| panic!("{command}: {error:?}"));
    (0..script.commands.len()).flat_map(|index| found(&script, index)).map(|rule| rule.id).collect()
}

#[test]
fn every_rule_finds_its_examples_and_leaves_those_that_look_alike() {
    let mut wrong = Vec::new();
    for rule in all() {
        assert!(!rule.finds.is_empty() && !rule.leaves.is_empty(), "{} has no examples", rule.id);
        wrong.extend(
            rule.finds
                .iter()
                .filter(|command| !ids(command).contains(&rule.id))
                .map(|c| (rule.id, "misses", *c)),
        );
        wrong.extend(
            rule.leaves
                .iter()
                .filter(|command| ids(command).contains(&rule.id))
                .map(|c| (rule.id, "finds", *c)),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn ids_are_unique_and_what_blocks_comes_first() {
    let mut seen = HashSet::new();
    assert!(all().all(|rule| seen.insert(rule.id)));
    let script = shell::read("rm -rf /").unwrap_or_default();
    let severities: Vec<Severity> = found(&script, 0).iter().map(|rule| rule.severity).collect();
    assert_eq!(severities.first(), Some(&Severity::Block));
    assert!(severities.contains(&Severity::Ask));
}

#[test]
fn the_documentation_names_every_rule_where_it_belongs() {
    let docs = include_str!("../../../docs/SECURITY.md");
    let (_, docs) = docs.split_once("\n## Approvals\n").unwrap();
    let docs = docs.split("\n## ").next().unwrap();
    for rule in all() {
        let id = format!("`{}`", rule.id);
        let row = |line: &&str| line.starts_with('|') && line.contains(&id);
        let rows: Vec<&str> = docs.lines().filter(row).collect();
        assert_eq!(rows.len(), 1, "{}", rule.id);
        let asked = rows[0].starts_with(&format!("| {} |", rule.category.name()));
        assert_eq!(asked, rule.severity == Severity::Ask, "{}", rule.id);
    }
}
