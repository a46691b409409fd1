//! The built-in model: no network, no account, no thought. It follows rules, so that streams, tools and approvals can
//! be seen before a real model is configured.

use super::{Delta, ModelAnswer, ModelRequest, calls, members::Members};
use crate::domain::{Message, ToolCall, Usage};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashSet;

/// Most characters of one tool's output that are repeated.
const MAX_SHOWN: usize = 2000;

/// Answers word by word.
pub(super) async fn answer(request: &ModelRequest<'_>, on_delta: &mut dyn FnMut(Delta<'_>)) -> ModelAnswer {
    let turn = Turn::of(request);
    let call = if turn.results.is_empty() { command(&turn.text, request) } else { None };
    if let Some(call) = call {
        return ModelAnswer {
            usage: Some(usage(request, &call.arguments)),
            tool_calls: vec![call],
            finish_reason: Some("tool_calls".to_owned()),
            ..ModelAnswer::default()
        };
    }
    let text = if turn.results.is_empty() { greeting(&turn.text) } else { report(&turn.results) };
    for word in text.split_inclusive(' ') {
        on_delta(Delta::Text(word));
        tokio::task::yield_now().await;
    }
    ModelAnswer {
        usage: Some(usage(request, &text)),
        text,
        finish_reason: Some("stop".to_owned()),
        ..ModelAnswer::default()
    }
}

/// The newest request and what tools have said to it.
struct Turn<'a> {
    text: String,
    /// Tool name and result.
    results: Vec<(&'a str, &'a str)>,
}

impl<'a> Turn<'a> {
    fn of(request: &ModelRequest<'a>) -> Self {
        let mut turn = Self { text: String::new(), results: Vec::new() };
        for message in request.messages.iter().copied().flatten() {
            match message {
                Message::User { content } => {
                    turn.text = content.text().trim().to_owned();
                    turn.results.clear();
                }
                Message::Tool { name, content, .. } => {
                    turn.results.push((name.as_deref().unwrap_or("tool"), content));
                }
                Message::System { .. } | Message::Assistant { .. } => {}
            }
        }
        turn
    }
}

/// The tool call that the text orders, if it orders one and the tool is there.
fn command(text: &str, request: &ModelRequest<'_>) -> Option<ToolCall> {
    let (verb, rest) = text.split_once(':')?;
    let rest = rest.trim();
    let (name, arguments) = match verb.trim().to_ascii_lowercase().as_str() {
        "run" => ("terminal", json!({ "command": rest })),
        "read" => ("read_file", json!({ "path": rest })),
        "write" => {
            let (path, content) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            ("write_file", json!({ "path": path, "content": content.trim_start() }))
        }
        _ => return None,
    };
    let offered = request.tools()?.contains(&format!("\"{name}\""));
    if rest.is_empty() || !offered {
        return None;
    }
    let used: HashSet<String> = calls::earlier(request.messages).map(|call| call.id.clone()).collect();
    Some(ToolCall {
        id: calls::fresh_id(used.len(), name, &used),
        name: name.to_owned(),
        arguments: arguments.to_string(),
    })
}

/// The members by which our tools say what came out.
#[derive(Deserialize, Default)]
#[serde(default)]
struct ToolResult {
    output: Option<String>,
    content: Option<String>,
    error: Option<String>,
    hint: Option<String>,
    exit_code: Option<i64>,
    exit_code_meaning: Option<String>,
}

fn report(results: &[(&str, &str)]) -> String {
    let parts: Vec<String> = results.iter().map(|(name, result)| report_one(name, result)).collect();
    parts.join("\n\n")
}

fn report_one(name: &str, result: &str) -> String {
    let Ok(parsed) = serde_json::from_str::<ToolResult>(result) else {
        return format!("`{name}` answered:\n\n{}", block(result));
    };
    let shown = parsed.output.or(parsed.content).filter(|text| !text.trim().is_empty());
    let error = parsed.error.filter(|error| !error.is_empty());
    let code = parsed.exit_code.filter(|&code| code != 0);
    let head = match (&error, code) {
        (Some(error), _) => match parsed.hint {
            Some(hint) => format!("`{name}` failed: {error}\n\nHint: {hint}."),
            None => format!("`{name}` failed: {error}"),
        },
        (None, Some(code)) => match parsed.exit_code_meaning {
            Some(meaning) => format!("`{name}` ended with exit code {code}: {meaning}."),
            None => format!("`{name}` ended with exit code {code}."),
        },
        (None, None) => format!("`{name}` is done."),
    };
    match shown {
        Some(text) => format!("{head}\n\n{}", block(&text)),
        None if error.is_none() && name != "terminal" => format!("{head}\n\n{}", block(result)),
        None => head,
    }
}

/// A code block with a fence that the text does not contain.
fn block(text: &str) -> String {
    let text = text.trim_end();
    let shown = match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}\n…", &text[..end]),
        None => text.to_owned(),
    };
    let mut fence = "```".to_owned();
    while shown.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}\n{shown}\n{fence}")
}

fn greeting(text: &str) -> String {
    format!(
        "Hello! I am the built-in demo model: I follow three rules and think nothing of my own.\n\n\
         You said: {text}\n\n\
         What I can do:\n\
         - `run: ls -la` runs a command\n\
         - `read: FILE` reads a file\n\
         - `write: FILE TEXT` writes one\n\n\
         For a real model set `model.default`, `model.base_url` and `model.api_key` in this profile's `config.yaml` \
         (or its provider's key in `.env`) and run `hermes profile reload NAME`."
    )
}

/// About four characters are a token.
fn usage(request: &ModelRequest<'_>, answer: &str) -> Usage {
    let tokens = |bytes: usize| u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX);
    let input = tokens(request.body(false, &Members::default()).map_or(0, |body| body.length()));
    let output = tokens(answer.len());
    Usage {
        input_tokens: input,
        output_tokens: output,
        total_tokens: input.saturating_add(output),
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::Sampling, model::Images};

    const TOOLS: &str = r#"[{"function":{"name":"terminal"}},{"function":{"name":"read_file"}},{"function":{"name":"write_file"}}]"#;

    async fn ask(messages: &[Message], tools: Option<&str>) -> (String, ModelAnswer) {
        let request = ModelRequest {
            run: None,
            model: "demo",
            system: &["system"],
            messages: &[messages],
            images: &Images::default(),
            tools,
            tool_choice: None,
            parallel: None,
            limit: None,
            sampling: &Sampling::default(),
        };
        let mut streamed = String::new();
        let answer = answer(&request, &mut |delta| match delta {
            Delta::Text(text) => {
                assert!(!text.is_empty());
                streamed.push_str(text);
            }
            Delta::Reasoning(_) | Delta::Again(_) => panic!("the demo model neither thinks nor fails"),
        })
        .await;
        (streamed, answer)
    }

    #[tokio::test]
    async fn commands_become_tool_calls() {
        let cases = [
            ("run: ls -la", "call_0_terminal", json!({ "command": "ls -la" })),
            (" Run:ls\nwc ", "call_0_terminal", json!({ "command": "ls\nwc" })),
            ("read: a b.txt", "call_0_read_file", json!({ "path": "a b.txt" })),
            ("write: a.txt hi there", "call_0_write_file", json!({ "path": "a.txt", "content": "hi there" })),
            ("write: a.txt", "call_0_write_file", json!({ "path": "a.txt", "content": "" })),
        ];
        for (text, id, arguments) in cases {
            let (streamed, answer) = ask(&[Message::user(text)], Some(TOOLS)).await;
            let [call] = answer.tool_calls.as_slice() else { panic!("{text}: {answer:?}") };
            let written: serde_json::Value = serde_json::from_str(&call.arguments).unwrap();
            assert_eq!((call.id.as_str(), written), (id, arguments), "{text}");
            assert_eq!(
                (streamed.as_str(), answer.finish_reason.as_deref()),
                ("", Some("tool_calls")),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn anything_else_is_answered_in_words() {
        let cases = [
            ("hello", Some(TOOLS)),
            ("run:", Some(TOOLS)),
            ("run: ls", None),
            ("run: ls", Some("[]")),
            ("read: a", Some(r#"[{"function":{"name":"terminal"}}]"#)),
            ("", Some(TOOLS)),
        ];
        for (text, tools) in cases {
            let (streamed, answer) = ask(&[Message::user(text)], tools).await;
            assert!(
                answer.text.contains("demo model") && answer.text.contains(text),
                "{text}: {}",
                answer.text
            );
            assert_eq!((streamed, answer.tool_calls), (answer.text, vec![]), "{text}");
            assert!(answer.usage.is_some_and(|usage| usage.input_tokens > 0 && usage.output_tokens > 0));
        }
    }

    #[tokio::test]
    async fn results_are_reported_and_ids_stay_unique() {
        let cases = [
            (r#"{"output":"a\n","exit_code":0,"error":null}"#, "`terminal` is done.\n\n```\na\n```"),
            (r#"{"output":"","exit_code":0}"#, "`terminal` is done."),
            (r#"{"output":"no","exit_code":2}"#, "`terminal` ended with exit code 2.\n\n```\nno\n```"),
            (
                r#"{"output":"","exit_code":1,"exit_code_meaning":"nothing matched"}"#,
                "`terminal` ended with exit code 1: nothing matched.",
            ),
            (r#"{"error":"denied","hint":null}"#, "`terminal` failed: denied"),
            (r#"{"error":"denied","hint":"ask"}"#, "`terminal` failed: denied\n\nHint: ask."),
            ("a ``` b", "`terminal` answered:\n\n````\na ``` b\n````"),
        ];
        for (result, expected) in cases {
            let (_, first) = ask(&[Message::user("run: ls")], Some(TOOLS)).await;
            let mut messages = vec![
                Message::user("run: ls"),
                Message::calling("", first.tool_calls),
                Message::Tool {
                    tool_call_id: "call_0_terminal".to_owned(),
                    name: Some("terminal".to_owned()),
                    content: result.to_owned(),
                },
            ];
            let (_, second) = ask(&messages, Some(TOOLS)).await;
            assert_eq!(second.text, expected);

            messages.extend([Message::assistant(second.text), Message::user("run: ls")]);
            let (_, third) = ask(&messages, Some(TOOLS)).await;
            assert_eq!(third.tool_calls[0].id, "call_1_terminal");
        }
    }
}
