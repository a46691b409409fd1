//! `hermes usage`: what the model calls of one profile cost.

use super::{
    context::{Context, Place},
    error::CliError,
    output::{Cell, Output, Style},
};
use crate::{domain::UsageBy, gateway::Question};
use serde_json::Value;

pub fn run(
    context: &Context,
    by: UsageBy,
    (from, to): (Option<String>, Option<String>),
    json: bool,
    output: &Output,
) -> Result<(), CliError> {
    let place = Place::from(&context.meant_profile("usage")?);
    let told = context.ask(&place, Question::Usage { by, from, to })?;
    if json {
        return output.json(&told);
    }
    let Some(groups) = told["data"].as_array().filter(|groups| !groups.is_empty()) else {
        output.line(format_args!("`{}` asked no model in that time", place.name));
        return Ok(());
    };
    let mut rows: Vec<_> = groups.iter().map(|group| row(Cell::plain(name(group, by)), group)).collect();
    rows.push(row(Cell::new(Style::Bold, "all"), &told["total"]));
    let head = told["by"].as_str().unwrap_or_default().to_uppercase();
    output.table(&[&head, "CALLS", "FAILED", "INPUT", "CACHED", "OUTPUT", "COST"], &rows);
    if told["has_more"] == true {
        output.note("There are more rows: narrow it with --from and --to.");
    }
    Ok(())
}

fn name(group: &Value, by: UsageBy) -> String {
    let text = |name: &str| group[name].as_str().unwrap_or("-").to_owned();
    match by {
        UsageBy::Day => text("day"),
        UsageBy::Session => text("session_id"),
        UsageBy::Key => text("key_id"),
        UsageBy::Model => format!("{} {}", text("provider"), text("model")),
        UsageBy::Kind => text("kind"),
    }
}

fn row(name: Cell, sums: &Value) -> Vec<Cell> {
    let number = |name: &str| Cell::plain(sums[name].to_string());
    let cost = sums["cost_usd"].as_f64().map_or_else(|| "-".to_owned(), |cost| format!("${cost:.4}"));
    let numbers = ["calls", "failed_calls", "input_tokens", "cached_tokens", "output_tokens"].map(number);
    [name].into_iter().chain(numbers).chain([Cell::plain(cost)]).collect()
}
