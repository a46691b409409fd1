//! `todo`: the list of steps of a session, kept over turns and restarts.

use super::{arguments::Arguments, failure::Failure, toolbox::CallContext};
use crate::{
    domain::{Todo, TodoStatus},
    store::Change,
};
use serde_json::{Map, Value, json};

const MOST: usize = 100;
const LONGEST: usize = 2_000;

/// Gives the whole list, after it was changed if that was asked.
pub async fn call(mut context: CallContext<'_>, arguments: &Arguments<'_>) -> Result<Value, Failure> {
    let given = arguments.opt_list("todos")?;
    let merge = arguments.flag("merge")?;
    let store = context.behalf.as_ref().map(|behalf| behalf.store).ok_or_else(Failure::no_turn)?;
    let unread = |error| Failure::new("storage_failed", format!("the list could not be kept: {error}"));
    let now = store.todos(context.session).map_err(unread)?;
    let list = match given {
        None => now,
        Some(given) => {
            let list = changed(if merge { now } else { Vec::new() }, given)?;
            context.clearance().await?;
            let session = context.session.clone();
            store.commit(vec![Change::Todos { session, list: list.clone() }]).await.map_err(unread)?;
            list
        }
    };
    let count = |status| list.iter().filter(|one| one.status == status).count();
    let mut summary = Map::from_iter([("total".to_owned(), list.len().into())]);
    summary.extend(TodoStatus::ALL.map(|status| (status.wire().to_owned(), count(status).into())));
    Ok(json!({ "todos": list, "summary": summary }))
}

/// The list with what was given: an entry with a known id is changed, another one added.
fn changed(mut list: Vec<Todo>, given: &[Value]) -> Result<Vec<Todo>, Failure> {
    for (at, one) in given.iter().enumerate() {
        let one = Arguments::of("todo", one)?;
        let id = one.opt_id("id")?.unwrap_or_else(|| (at + 1).to_string());
        let content = one.opt_text("content")?.map(str::trim).filter(|content| !content.is_empty());
        let content = content.map(|content| content.chars().take(LONGEST).collect::<String>());
        // A word that is no state is a plan, too: the list matters more than its form.
        let status = one.opt_text("status")?.map(|status| TodoStatus::parse(status).unwrap_or_default());
        match list.iter_mut().find(|known| known.id == id) {
            Some(known) => {
                known.content = content.unwrap_or_else(|| std::mem::take(&mut known.content));
                known.status = status.unwrap_or(known.status);
            }
            None => {
                let content =
                    content.ok_or_else(|| Failure::invalid(format!("the entry `{id}` has no `content`")))?;
                list.push(Todo { id, content, status: status.unwrap_or_default() });
            }
        }
    }
    if list.len() > MOST {
        return Err(Failure::invalid(format!("the list has {} entries; the limit is {MOST}", list.len()))
            .hint("sum finished steps up, or leave them out"));
    }
    Ok(list)
}
