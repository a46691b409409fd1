//! What a call gave: into the log, and to the model, which reads no more of it than is good for it.

use super::{
    drive::{Break, Driver},
    refusal::refused,
};
use crate::{
    agent::{Alarm, Caps},
    config::LoopGuard,
    domain::{Event, ToolCall, ToolOutput},
    store::Change,
};
use serde_json::{Map, Value};
use std::{collections::BTreeSet, time::Duration};

/// Characters of a result that the log shows.
const RESULT_PREVIEW: usize = 1_000;
/// Characters of a result that is kept as a file.
const SHOWN: usize = 1_500;

impl Driver {
    /// A call that has ended. `folders`: those that it had to do with.
    pub(super) async fn finished(
        &mut self,
        call: &ToolCall,
        output: ToolOutput,
        took: Duration,
        folders: BTreeSet<String>,
    ) -> Result<(), Break> {
        let output = self.explained(call, output);
        self.audit_effect(call, &output, took);
        let guard = self.tenant.config().agent.loop_guard;
        let only_reads = self.kit.toolbox.toolset().only_reads(&call.name);
        let alarm = self.guard.saw(call, &output, only_reads).filter(|_| guard != LoopGuard::Off);
        let ToolOutput { mut text, failed } = output;
        // Before anybody reads it, the model first.
        self.tenant.redactor().clean_text(&mut text);
        let completed = Event::ToolCompleted {
            tool: call.name.clone(),
            call_id: call.id.clone(),
            duration: (took.as_secs_f64() * 1000.0).round() / 1000.0,
            error: failed,
            result: text.chars().take(RESULT_PREVIEW).collect(),
        };
        let mut text = self.bounded_result(call, text).await;
        if !failed {
            text.push_str(&self.said_of(folders).await);
        }
        match alarm {
            None => {}
            Some(Alarm::Warn(note)) => text.push_str(&note),
            Some(Alarm::Stop(note)) => {
                text.push_str(&note);
                if guard == LoopGuard::Stop {
                    self.turn.wrap_up();
                }
            }
        }
        let message = self.turn.result(call, text).clone();
        // The next model call does not wait for the disk; readers do, the log sees to that.
        drop(self.log.append(completed, vec![Change::Message(message)])?);
        Ok(())
    }

    /// What the model that is asked now can be shown.
    pub(super) fn caps(&self) -> Caps {
        let mind = self.thinker.as_ref();
        Caps::of(mind.and_then(|mind| self.kit.upstreams.likely_window(&mind.provider, &mind.model)))
    }

    /// The result as the model reads it. `read_file` bounds its own, and would only be read again: of a file that is too
    /// long for the model the first lines are shown.
    async fn bounded_result(&mut self, call: &ToolCall, text: String) -> String {
        let Caps { result: large, pile, .. } = self.caps();
        let size = if text.len() > SHOWN { text.chars().count() } else { text.len() };
        let fits = size <= large && self.pile + size <= pile || size <= SHOWN;
        let reads = call.name == "read_file";
        if fits || reads && size <= large {
            self.pile += size;
            return text;
        }
        if reads && let Some(shown) = first_lines(&text, large) {
            self.pile += large;
            return shown;
        }
        self.pile += SHOWN;
        let name = blake3::hash(format!("{} {}", self.spec.run_id, call.id).as_bytes()).to_hex();
        // Off this thread: it is long.
        let Ok((mut result, place, long)) = tokio::task::spawn_blocking(move || parted(text)).await else {
            return refused("too_large", "the result was too long to be read", "ask for less at once").text;
        };
        let preview: String = long.chars().take(SHOWN).collect();
        let kept = self.kit.toolbox.keep_text(&self.spec.session.id, &name[..16], long).await;
        let (file, hint) = match kept {
            Ok(path) => {
                let hint = "all of it is in `file`: read_file with offset and limit, or search_files with it as path";
                (Some(path), hint.to_owned())
            }
            Err(why) => (None, format!("the rest of it is lost ({why}); ask for less at once")),
        };
        result.insert(place, Value::String(preview));
        result.insert("truncated".to_owned(), Value::Bool(true));
        result.insert("characters".to_owned(), size.into());
        result.insert("file".to_owned(), file.into());
        result.insert("hint".to_owned(), Value::String(hint));
        Value::Object(result).to_string()
    }
}

/// Of the numbered lines of a file those that fit into `most` characters, and how to go on; `None`: it has no such lines.
fn first_lines(text: &str, most: usize) -> Option<String> {
    let mut members: Map<String, Value> = serde_json::from_str(text).ok()?;
    let content = members.get("content")?.as_str()?;
    // Quotes and ends of lines are longer in JSON, and other members stand beside them.
    let room = most / 10 * 9;
    let mut shown = String::new();
    let mut size = 0;
    let mut left_out = None;
    for line in content.lines() {
        size += line.chars().count() + 1;
        if size > room && !shown.is_empty() {
            left_out = line.split_once('|').and_then(|(number, _)| number.parse::<u64>().ok());
            break;
        }
        if !shown.is_empty() {
            shown.push('\n');
        }
        shown.push_str(line);
    }
    let next = left_out?;
    members.insert("content".to_owned(), Value::String(shown));
    members.insert("truncated".to_owned(), Value::Bool(true));
    let hint = format!("more than can be shown at once; go on with offset={next}, or use search_files");
    members.insert("hint".to_owned(), Value::String(hint));
    Some(Value::Object(members).to_string())
}

/// A long result without what makes it long, the place of that, and that itself: a text in it with lines of its own, else
/// all of it.
fn parted(text: String) -> (Map<String, Value>, String, String) {
    let parsed = serde_json::from_str::<Value>(&text);
    if let Ok(Value::Object(mut members)) = parsed {
        let size = |value: &Value| value.as_str().map_or(0, str::len);
        let longest = members.iter().max_by_key(|(_, value)| size(value)).map(|(name, _)| name.clone());
        if let Some(name) = longest
            && members.get(&name).map_or(0, size) > text.len() / 2
            && let Some(Value::String(long)) = members.remove(&name)
        {
            return (members, name, long);
        }
        let long = serde_json::to_string_pretty(&members).unwrap_or(text);
        return (Map::new(), "preview".to_owned(), long);
    }
    (Map::new(), "preview".to_owned(), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_makes_a_result_long_is_taken_out_of_it() {
        let long = "line\n".repeat(10);
        let result = json!({ "output": long, "exit_code": 0 }).to_string();
        let (rest, place, out) = parted(result);
        assert_eq!((Value::Object(rest), place.as_str(), out), (json!({ "exit_code": 0 }), "output", long));

        let list = json!({ "matches": ["a", "b"], "total_count": 2 });
        let (rest, place, out) = parted(list.to_string());
        assert!(rest.is_empty() && place == "preview" && out.lines().count() > 4, "{out}");
        assert_eq!(parted("no JSON".to_owned()).2, "no JSON");
    }

    #[test]
    fn of_a_long_file_the_first_lines_are_shown_and_where_to_go_on() {
        let lines: Vec<String> = (7..200).map(|number| format!("{number}|line {number}")).collect();
        let result =
            json!({ "content": lines.join("\n"), "total_lines": 300, "truncated": false, "hint": null });
        let shown: Value = serde_json::from_str(&first_lines(&result.to_string(), 500).unwrap()).unwrap();
        let content = shown["content"].as_str().unwrap();
        assert!(content.starts_with("7|line 7\n8|line 8\n") && content.len() <= 450, "{content}");
        let last: u64 = content.lines().last().unwrap().split_once('|').unwrap().0.parse().unwrap();
        assert!(shown["hint"].as_str().unwrap().contains(&format!("offset={},", last + 1)), "{shown}");
        assert_eq!((&shown["truncated"], &shown["total_lines"]), (&json!(true), &json!(300)));
        for other in ["no JSON", "{}", r#"{"content":"one line alone"}"#, r#"{"content":5}"#] {
            assert_eq!(first_lines(other, 10), None, "{other}");
        }
    }
}
