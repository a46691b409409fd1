//! `delegate_task`: pieces of the work done by children of the turn, side by side.

use super::{arguments::Arguments, failure::Failure, toolbox::CallContext};
use crate::{
    config::DelegationConfig,
    domain::{Declined, Ended, Report, Task, ToolOutput},
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Instant;

/// Characters of one child's words that the model reads.
const MOST_WORDS: usize = 20_000;
/// Calls of one child that are listed.
const MOST_CALLS: usize = 50;

pub async fn call(
    config: &DelegationConfig,
    mut context: CallContext<'_>,
    arguments: &Arguments<'_>,
) -> Result<ToolOutput, Failure> {
    let tasks = tasks(arguments, config.max_children)?;
    let port = context.behalf.as_ref().map(|behalf| behalf.port).ok_or_else(Failure::no_turn)?;
    context.clearance().await?;
    let begun = Instant::now();
    let done = join_all(tasks.into_iter().map(|task| port.delegate(task))).await;
    let failed = done.iter().all(|one| !matches!(one, Ok(report) if report.ended == Ended::Completed));
    let results: Vec<Value> = done.into_iter().enumerate().map(|(at, done)| result(at, done)).collect();
    let seconds = (begun.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0;
    let text = json!({ "results": results, "total_duration_seconds": seconds }).to_string();
    Ok(ToolOutput { text, failed })
}

/// One task by `goal`, or several by `tasks`.
fn tasks(arguments: &Arguments<'_>, most: usize) -> Result<Vec<Task>, Failure> {
    let Some(listed) = arguments.opt_list("tasks")? else {
        return Ok(vec![task(arguments, 0, 1)?]);
    };
    if listed.is_empty() {
        return Err(
            Failure::invalid("`tasks` is empty").hint("give a `goal`, or a list of tasks with one each")
        );
    }
    if listed.len() > most {
        let text = format!("{} tasks at once are too many; the limit is {most}", listed.len());
        return Err(Failure::new("too_many_tasks", text).hint("give the rest in a later call"));
    }
    let each = |(at, one)| task(&Arguments::of("delegate_task", one)?, at, listed.len());
    listed.iter().enumerate().map(each).collect()
}

fn task(arguments: &Arguments<'_>, index: usize, count: usize) -> Result<Task, Failure> {
    let context = arguments.opt_text("context")?.filter(|context| !context.trim().is_empty());
    Ok(Task { goal: arguments.filled("goal")?.to_owned(), context: context.map(str::to_owned), index, count })
}

fn result(index: usize, done: Result<Report, Declined>) -> Value {
    let report = match done {
        Ok(report) => report,
        Err(Declined { code, message }) => {
            return json!({ "task_index": index, "status": "failed", "error": message, "code": code });
        }
    };
    let cut = report.summary.char_indices().nth(MOST_WORDS).map(|(at, _)| at);
    let summary = cut.map_or(&*report.summary, |at| &report.summary[..at]);
    let calls = report.tools.iter().take(MOST_CALLS);
    let calls: Vec<Value> = calls
        .map(|call| json!({ "tool": call.tool, "preview": call.preview, "status": call.status }))
        .collect();
    let mut result = json!({
        "task_index": index,
        "status": match report.ended {
            Ended::Completed | Ended::Cut => "completed",
            Ended::Failed => "failed",
            Ended::Cancelled => "interrupted",
        },
        "summary": summary,
        "api_calls": report.api_calls,
        "duration_seconds": report.seconds,
        "model": report.model,
        "exit_reason": match report.ended {
            Ended::Completed => "completed",
            Ended::Cut => "max_iterations",
            Ended::Failed => "error",
            Ended::Cancelled => "interrupted",
        },
        "tokens": { "input": report.usage.input_tokens, "output": report.usage.output_tokens },
        "tool_trace": calls,
        "live_transcript": format!("/v1/runs/{}/events", report.run),
    });
    if let Some(members) = result.as_object_mut() {
        members.extend(cut.map(|_| ("summary_truncated".to_owned(), Value::Bool(true))));
        members.extend(report.error.map(|error| ("error".to_owned(), error.into())));
    }
    result
}
