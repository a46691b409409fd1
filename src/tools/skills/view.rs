//! `skills_list` and `skill_view`.

use super::{Skill, State, folder, readiness::readiness, successors::successor};
use crate::{
    config::{FrontMatter, ProfileConfig},
    domain::{MemoryScope, ToolOutput, ToolSpec},
    guard::{Kind, scan},
    tools::{arguments::Arguments, failure::Failure, ground::Ground, toolbox::CallContext},
};
use serde_json::{Value, json};
use std::{borrow::Cow, collections::BTreeMap, path::Path, sync::Arc, time::Instant};

/// Skills of one list.
const MOST: usize = 100;

pub const LIST: ToolSpec = ToolSpec {
    name: Cow::Borrowed("skills_list"),
    description: Cow::Borrowed("List the skills: all, of one category, or those with the words of query."),
    parameters: Cow::Borrowed(include_str!("../schema/skills_list.json")),
    read_only: true,
    toolset: Cow::Borrowed("skills"),
    emoji: "📚",
};

pub const VIEW: ToolSpec = ToolSpec {
    name: Cow::Borrowed("skill_view"),
    description: Cow::Borrowed(
        "Read a skill: its SKILL.md, or with file_path one of its linked_files. `path` is where commands find it; \
         `readiness_status` says whether what it needs is there.",
    ),
    parameters: Cow::Borrowed(include_str!("../schema/skill_view.json")),
    read_only: true,
    toolset: Cow::Borrowed("skills"),
    emoji: "📚",
};

/// Carries a call of `skills_list` out.
pub async fn list(
    ground: &Arc<Ground>,
    mut context: CallContext<'_>,
    arguments: &Arguments<'_>,
) -> Result<ToolOutput, Failure> {
    let category = arguments.opt_text("category")?.map(str::trim).filter(|text| !text.is_empty());
    let query = arguments.opt_text("query")?.unwrap_or_default().to_lowercase();
    let words: Vec<&str> = query.split_whitespace().collect();
    context.clearance().await?;
    let all = ground.parts(MemoryScope::default(), Instant::now()).await.skills.clone();
    let mut categories: BTreeMap<&str, usize> = BTreeMap::new();
    for skill in all.iter() {
        *categories.entry(skill.category.as_deref().unwrap_or("general")).or_default() += 1;
    }
    let wanted = |skill: &&Skill| {
        let text = format!("{} {} {}", skill.name, skill.category(), skill.description).to_lowercase();
        category.is_none_or(|category| skill.category() == category)
            && words.iter().all(|word| text.contains(word))
    };
    let found: Vec<&Skill> = all.iter().filter(wanted).collect();
    let hint = if found.len() > MOST {
        format!("{} of {} shown: narrow it by category or query", MOST, found.len())
    } else {
        "skill_view reads one".to_owned()
    };
    let rows: Vec<Value> = found.iter().take(MOST).map(|skill| row(skill)).collect();
    let told = json!({
        "success": true,
        "skills": rows,
        "categories": categories,
        "count": found.len(),
        "hint": hint,
    });
    Ok(ToolOutput::from(told))
}

fn row(skill: &Skill) -> Value {
    let mut row = json!({
        "name": skill.name,
        "description": skill.description,
        "category": skill.category,
    });
    if skill.state == State::Changed {
        row["status"] = json!("changed");
    }
    row
}

/// Carries a call of `skill_view` out.
pub async fn view(
    ground: &Arc<Ground>,
    mut context: CallContext<'_>,
    arguments: &Arguments<'_>,
) -> Result<ToolOutput, Failure> {
    let name = arguments.filled("name")?.trim().to_owned();
    let path = arguments.opt_text("file_path")?.filter(|path| !path.trim().is_empty());
    let path = path.map(folder::inside).transpose()?;
    context.clearance().await?;
    let skill = find(ground, &name).await?;
    if skill.state == State::Changed {
        let text = format!(
            "the skill `{name}` is not what a person has pinned, and is not used until they accept it"
        );
        return Err(Failure::new("skill_changed", text)
            .hint("tell the user; POST /api/skills/NAME/pin accepts it as it is now"));
    }
    let config = ground.config.clone();
    let read = move || {
        let relative = path.as_deref().unwrap_or_else(|| Path::new("SKILL.md"));
        let text = folder::read(&skill, relative)?;
        if config.skills.guard
            && let Some(found) = scan(&text, Kind::Skill)
        {
            let shown = relative.display();
            let text =
                format!("`{shown}` of the skill `{}` {} (pattern `{}`)", skill.name, found.says, found.id);
            return Err(Failure::new("skill_blocked", text).hint("tell the user, who can look at the file"));
        }
        Ok(match path {
            Some(path) => json!({
                "success": true, "name": skill.name, "file": path.display().to_string(), "content": text,
            }),
            None => whole(&config, &skill, &text),
        })
    };
    let done = tokio::task::spawn_blocking(read).await;
    done.map_err(|_panic| Failure::internal("the tool failed unexpectedly"))?.map(ToolOutput::from)
}

/// A skill with its text, and what there is of what it needs. Blocking.
fn whole(config: &ProfileConfig, skill: &Skill, text: &str) -> Value {
    let mut told = json!({
        "success": true,
        "name": skill.name,
        "category": skill.category,
        "description": skill.description,
        "content": text,
        "linked_files": folder::linked(&skill.folder),
        "path": skill.folder.display().to_string(),
    });
    let head = FrontMatter::of(&skill.folder.join("SKILL.md"), text);
    if let (Value::Object(members), Ok(head)) = (&mut told, head) {
        members.extend(readiness(config, &head));
    }
    told
}

/// A skill by its name, or by category and name.
///
/// # Errors
///
/// There is none; the error names the one that took it over, or those that there are.
pub async fn find(ground: &Arc<Ground>, name: &str) -> Result<Skill, Failure> {
    let all = ground.parts(MemoryScope::default(), Instant::now()).await.skills.clone();
    let (category, bare) =
        name.rsplit_once('/').map_or((None, name), |(category, bare)| (Some(category), bare));
    let named = |skill: &&Skill| {
        skill.name == bare && category.is_none_or(|category| skill.category.as_deref() == Some(category))
    };
    if let Some(found) = all.iter().find(named) {
        return Ok(found.clone());
    }
    let (skills, old, listed) = (ground.config.skills_dir.clone(), bare.to_owned(), all.clone());
    let exists = move |name: &str| listed.iter().any(|skill| skill.name == name);
    let looked = tokio::task::spawn_blocking(move || successor(&skills, &old, exists)).await;
    if let Ok(Some(successor)) = looked {
        let text = format!("the skill `{name}` was deleted; `{successor}` has what it was for");
        let gone = Failure::new("skill_absorbed", text).with("absorbed_into", successor.as_str());
        return Err(gone.hint(format!("use `{successor}` instead")));
    }
    let names: Vec<&str> = all.iter().take(MOST).map(|skill| skill.name.as_str()).collect();
    Err(Failure::new("skill_not_found", format!("there is no skill `{name}`"))
        .with("available_skills", names)
        .hint("skills_list finds skills by `query`"))
}
