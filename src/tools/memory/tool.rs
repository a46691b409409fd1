//! The tool `memory`.

use super::{Edit, EditError, Edited, MemoryBook, Page, Refusal, Wanted, text::usage};
use crate::{
    domain::{
        Code, MemoryAct, MemoryAuthor, MemoryOperation as Operation, MemoryOrigin, MemoryPlace, MemoryTarget,
        ToolOutput, ToolSpec,
    },
    tools::{arguments::Arguments, failure::Failure, ground::Ground, toolbox::CallContext},
};
use serde_json::{Value, json};
use std::{borrow::Cow, sync::Arc};

pub const SPEC: ToolSpec = ToolSpec {
    name: Cow::Borrowed("memory"),
    description: Cow::Borrowed(
        "Remember facts for later sessions: add, replace or remove entries. They show in the prompt from the next \
         session on. When it is full, shorten or remove with `operations` in the same call.",
    ),
    parameters: Cow::Borrowed(include_str!("../schema/memory.json")),
    read_only: false,
    toolset: Cow::Borrowed("memory"),
    emoji: "🧠",
};

/// Carries a call out.
pub async fn call(
    ground: &Arc<Ground>,
    mut context: CallContext<'_>,
    arguments: &Arguments<'_>,
) -> Result<ToolOutput, Failure> {
    let target = arguments.choice("target", &MemoryTarget::ALL.map(MemoryTarget::wire))?;
    let target = MemoryTarget::parse(target).unwrap_or_default();
    let operations = operations(arguments)?;
    let etag = arguments.opt_text("etag")?.map(str::to_owned);
    context.clearance().await?;
    let Some(behalf) = &context.behalf else {
        return Err(Failure::internal("memory belongs to a turn"));
    };
    let book = MemoryBook::new(&ground.config.root, &ground.config.memory);
    let place = MemoryPlace { target, scope: book.scope(behalf.session_key) };
    let origin = MemoryOrigin {
        author: MemoryAuthor::Agent,
        key_id: Some(behalf.key.clone()),
        session_id: Some(context.session.clone()),
        run_id: Some(context.run),
        trusted: !behalf.untrusted,
    };
    let edit = Edit { place, wanted: Wanted::Operations(operations), etag, origin };
    let store = behalf.store.clone();
    let edited = tokio::task::spawn_blocking(move || book.edit(&store, &edit));
    let edited = edited.await.map_err(|_panic| Failure::internal("the tool failed unexpectedly"))?;
    let text = told(&edited.map_err(|error| failure(&error))?).to_string();
    Ok(ToolOutput { text, failed: false })
}

fn operations(arguments: &Arguments<'_>) -> Result<Vec<Operation>, Failure> {
    let Some(listed) = arguments.opt_list("operations")? else {
        return operation(arguments).map(|one| vec![one]);
    };
    if listed.is_empty() {
        return Err(Failure::invalid("`operations` is empty"));
    }
    let each = listed.iter().enumerate().map(|(at, one)| {
        let name = format!("operations[{at}]");
        operation(&Arguments::of(&name, one)?)
    });
    each.collect()
}

fn operation(arguments: &Arguments<'_>) -> Result<Operation, Failure> {
    let text = |name| arguments.filled(name).map(str::to_owned);
    arguments.filled("action")?;
    match arguments.choice("action", &["add", "replace", "remove"])? {
        "add" => Ok(Operation::Add { content: text("content")? }),
        "replace" => Ok(Operation::Replace { old_text: text("old_text")?, content: text("content")? }),
        _ => Ok(Operation::Remove { old_text: text("old_text")? }),
    }
}

fn told(edited: &Edited) -> Value {
    let Edited { page, change } = edited;
    let message = match change.as_ref().map(|change| change.act) {
        None => "Nothing to do: it is so already.",
        Some(MemoryAct::Add) => "Entry added.",
        Some(MemoryAct::Replace) => "Entry replaced.",
        Some(MemoryAct::Remove) => "Entry removed.",
        Some(MemoryAct::Batch | MemoryAct::Found | MemoryAct::Undo) => "Entries changed.",
    };
    json!({
        "success": true,
        "done": change.is_some(),
        "target": page.place.target.wire(),
        "usage": usage(page.characters(), page.limit),
        "entry_count": page.entries.len(),
        "message": message,
        "note": "Shown from the next session on.",
        "etag": page.etag,
    })
}

/// The model sees the entries as they are, so that its next call can be right.
fn failure(error: &EditError) -> Failure {
    let (code, message, hint) = error.told();
    // A model reads the one code that all its tools have for it.
    let code = if code == Code::InvalidRequest { "invalid_arguments" } else { code.wire() };
    let mut failure = Failure::new(code, message);
    if let Some(hint) = hint {
        failure = failure.hint(hint);
    }
    match error {
        EditError::Refused { refusal: Refusal::Ambiguous(_, matches), .. } => {
            failure.with("matches", matches.clone())
        }
        EditError::Refused { page, .. } | EditError::Stale(page) => with_entries(failure, page),
        EditError::NoSuchChange(_)
        | EditError::Superseded(_)
        | EditError::Off(_)
        | EditError::Io(_)
        | EditError::Store(_) => failure,
    }
}

fn with_entries(failure: Failure, page: &Page) -> Failure {
    failure
        .with("current_entries", page.texts())
        .with("usage", usage(page.characters(), page.limit))
        .with("etag", page.etag.clone())
}
