//! `clarify`: a question to the person. The turn asks it, before the calls of the same answer run; what is here reads the
//! call and writes its result.

use super::{arguments::Arguments, failure::Failure};
use crate::domain::{Clarification, ToolOutput};
use serde_json::{Value, json};

const MOST_CHOICES: usize = 4;
const LONGEST: usize = 4_000;

/// What the call asks.
///
/// # Errors
///
/// The result of a call that asks nothing.
pub fn clarification(arguments: &Value) -> Result<Clarification, ToolOutput> {
    parse(arguments).map_err(Failure::output)
}

fn parse(arguments: &Value) -> Result<Clarification, Failure> {
    let arguments = Arguments::of("clarify", arguments)?;
    let question = arguments.filled("question")?.trim();
    if question.chars().count() > LONGEST {
        return Err(Failure::invalid(format!("`question` is longer than {LONGEST} characters")));
    }
    let listed = arguments.opt_list("choices")?.unwrap_or_default();
    if listed.len() > MOST_CHOICES {
        return Err(Failure::invalid(format!("`choices` has more than {MOST_CHOICES} entries")));
    }
    let choice = |one: &Value| {
        let text = one.as_str().map(str::trim).filter(|text| !text.is_empty() && text.len() <= LONGEST);
        text.map(str::to_owned).ok_or_else(|| Failure::invalid("`choices` must hold texts"))
    };
    Ok(Clarification {
        question: question.to_owned(),
        choices: listed.iter().map(choice).collect::<Result<_, _>>()?,
    })
}

/// What the model reads; `None`: nobody answered in time.
#[must_use]
pub fn clarified(asked: &Clarification, response: Option<&str>) -> ToolOutput {
    match response {
        Some(response) => ToolOutput::from(json!({
            "question": asked.question,
            "choices_offered": asked.choices,
            "user_response": response,
        })),
        None => Failure::new("no_answer", "nobody answered in time")
            .hint("decide it yourself as well as you can, and say so")
            .output(),
    }
}

/// The result where nobody can be asked.
#[must_use]
pub fn nobody_to_ask() -> ToolOutput {
    Failure::new("not_available", "nobody can answer on this connection")
        .hint("decide it yourself as well as you can, and say so; or put the question into your answer")
        .output()
}
