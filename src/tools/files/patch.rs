//! `patch`: part of a file, or several files at once.

use super::{
    diff::unified,
    document, replace, similar,
    v4a::{self, Change},
    write::{MOST_BYTES, lint},
};
use crate::{
    sandbox::{Jail, Place},
    tools::{arguments::Arguments, failure::Failure},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, io::Read as _};

pub enum Patch {
    Replace { path: String, old: String, new: String, all: bool },
    V4a(Vec<Change>),
}

/// A change that was checked and waits to be written.
struct Planned<'a> {
    place: Place<'a>,
    path: String,
    old: Option<String>,
    /// `None`: the file goes.
    new: Option<String>,
}

impl Patch {
    pub fn parse(arguments: &Arguments<'_>) -> Result<Self, Failure> {
        let asked = arguments.choice("mode", &["replace", "patch"])?;
        // Some models leave out `mode`.
        if asked == "patch"
            || (arguments.opt_text("mode")?.is_none() && arguments.opt_text("patch")?.is_some())
        {
            return Ok(Self::V4a(v4a::parse(arguments.filled("patch")?)?));
        }
        Ok(Self::Replace {
            path: arguments.filled("path")?.to_owned(),
            old: arguments.text("old_string")?.to_owned(),
            new: arguments.text("new_string")?.to_owned(),
            all: arguments.flag("replace_all")?,
        })
    }

    /// `strict`: the level of the commands that may be told the paths.
    pub fn run(&self, jail: &Jail, strict: bool) -> Result<Value, Failure> {
        match self {
            Self::Replace { path, old, new, all } => {
                let place = jail.locate(path)?;
                let text = read(&place, path)?;
                let (changed, count) = replace::replace(&text, old, new, *all)?;
                let change = Planned { place, path: path.clone(), old: Some(text), new: Some(changed) };
                let mut answer = carry_out(&[change], strict)?;
                answer["replacements"] = count.into();
                Ok(answer)
            }
            Self::V4a(changes) => carry_out(&plan(jail, changes)?, strict),
        }
    }
}

/// Checks everything before anything is written.
fn plan<'a>(jail: &'a Jail, changes: &[Change]) -> Result<Vec<Planned<'a>>, Failure> {
    let mut planned = Vec::new();
    let mut seen = BTreeSet::new();
    let mut located = |path: &str| {
        let place = jail.locate(path)?;
        if seen.insert(place.path()) {
            return Ok(place);
        }
        Err(Failure::new("invalid_patch", format!("the patch names `{path}` twice"))
            .hint("put all its hunks together"))
    };
    let absent =
        |place: &Place<'_>, path: &str| match place.kind() {
            Ok(_) => Err(Failure::new("already_exists", format!("`{path}` exists already"))
                .hint("use `*** Update File:`")),
            Err(_) => Ok(()),
        };
    for change in changes {
        match change {
            Change::Add { path, content } => {
                let place = located(path)?;
                document::takes_text(&place, path)?;
                absent(&place, path)?;
                planned.push(Planned { place, path: path.clone(), old: None, new: Some(content.clone()) });
            }
            Change::Delete { path } => {
                let place = located(path)?;
                let old = read(&place, path)?;
                planned.push(Planned { place, path: path.clone(), old: Some(old), new: None });
            }
            Change::Update { path, moved_to, hunks } => {
                let place = located(path)?;
                let old = read(&place, path)?;
                let new = v4a::apply(path, &old, hunks)?;
                let Some(to) = moved_to else {
                    planned.push(Planned { place, path: path.clone(), old: Some(old), new: Some(new) });
                    continue;
                };
                let target = located(to)?;
                document::takes_text(&target, to)?;
                absent(&target, to)?;
                planned.push(Planned { place: target, path: to.clone(), old: None, new: Some(new) });
                planned.push(Planned { place, path: path.clone(), old: Some(old), new: None });
            }
        }
    }
    Ok(planned)
}

/// Writes; when that fails in the middle, the answer says which files are changed already.
fn carry_out(changes: &[Planned<'_>], strict: bool) -> Result<Value, Failure> {
    let (mut diff, mut modified, mut findings) = (String::new(), Vec::new(), Vec::new());
    for change in changes {
        let done = match &change.new {
            Some(new) => change.place.write(new.as_bytes()).map(|_| ()),
            None => change.place.remove(),
        };
        if let Err(error) = done {
            let failure = Failure::from(error);
            return Err(if modified.is_empty() { failure } else { failure.with("files_modified", modified) });
        }
        let (old, new) = (change.old.as_deref().unwrap_or(""), change.new.as_deref().unwrap_or(""));
        diff.push_str(&unified(&change.path, old, new));
        modified.push(Value::from(change.place.path_of_commands(strict).display().to_string()));
        findings.push(lint(&change.place, new));
    }
    let bad = findings
        .iter()
        .zip(changes)
        .find(|(found, change)| change.new.is_some() && found["status"] == "error");
    let lint = bad.map(|(found, _)| found).or(findings.first()).cloned();
    Ok(json!({ "success": true, "diff": diff, "files_modified": modified, "lint": lint }))
}

fn read(place: &Place<'_>, path: &str) -> Result<String, Failure> {
    let (file, _) = place.open().map_err(|error| similar::explain(error, place))?;
    let mut content = Vec::new();
    let most = MOST_BYTES as u64;
    file.take(most + 1)
        .read_to_end(&mut content)
        .map_err(|error| Failure::io(&format!("`{path}`"), &error))?;
    if content.len() > MOST_BYTES {
        return Err(Failure::new("too_large", format!("`{path}` is larger than {most} bytes"))
            .hint("edit it with a program in the terminal"));
    }
    String::from_utf8(content).map_err(|_| {
        Failure::new("binary_file", format!("`{path}` is not UTF-8 text"))
            .hint("edit it with a program in the terminal")
    })
}
