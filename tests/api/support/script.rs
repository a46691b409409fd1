//! What the scripted upstream does, decided by the newest user message:
//!
//! | directive | answer |
//! |---|---|
//! | `@@tool NAME {json}` | one tool call, then (once the result is there) a text that quotes it |
//! | `@@tools NAME {json} ;; …` | several calls in one answer |
//! | `@@loop K NAME {json}` | K answers of one call each, then a text |
//! | `@@say WORD @@tool NAME {json}` | the same, with a word before the call |
//! | `@@think TEXT @@tool NAME {json}` | the same, with a thought before the call |
//! | `@@only MODEL WORDS` | the directive `@@WORDS` when that model is asked, else a text |
//! | `@@for-key KEY` | 401, unless it is asked with that key |
//! | `@@without MEMBER` | 400 about that member, unless the request does not have it |
//! | `@@stream N MS` | N tokens, MS milliseconds apart |
//! | `@@burst N` | N tokens, each an event and an HTTP chunk of its own, all in one write |
//! | `@@reason TEXT` | reasoning, then a text |
//! | `@@spell TEXT` | the text, each letter an event of its own |
//! | `@@spell-thought TEXT` | the same as reasoning, then a text |
//! | `@@gate NAME` | a token, then silence until the test opens the gate, then another token |
//! | `@@gate-drop NAME` | the same, but the connection is cut where the other token would be |
//! | `@@status CODE [SECONDS]` | that status, with `Retry-After` |
//! | `@@refuse CODE TEXT` | that status, with this text as its error |
//! | `@@as-long-as-offered NAME {json}` | one call for as long as tools are offered, then a text |
//! | `@@filtered [TEXT]` | that text, withheld from there on by the upstream's content filter |
//! | `@@half-letters` | a text with a half of a surrogate pair in it, and then its other half |
//! | `@@cut-call NAME {json}` | under a limit of tokens: one call, broken off by it; else as `@@tool` |
//! | `@@flaky N CODE` | N times that status, then a text |
//! | `@@json` | a whole JSON answer instead of a stream |
//! | `@@drop N` | N tokens, then the connection is cut |
//! | `@@cut-head N` | N times the connection is cut before the head, then a text |
//! | `@@close-next` | a text; the connection is kept, but its next request gets no answer |
//! | `@@no-head` | the request is read, then silence |
//! | `@@unframed` | a stream in HTTP/1.1 that says nowhere how long it is; the connection is closed behind it |
//! | `@@hang` | a head, then silence |
//! | `@@garbage` | a page of HTML |
//! | `@@bigline` | 10 MB in one line |
//! | `@@midstream-error [CODE]` | a token, unless there is a CODE, then an error object |
//! | `@@length` | a text that the model broke off at its limit |
//! | `@@parts N` | N texts that the model broke off at its limit, then the end of it |
//! | `@@half-call N` | N answers of a call that is broken off at the model's limit, then a whole one, then a text |
//! | `@@drop-call N` | the same, but the connection is cut there |
//! | `@@silent N` | N times the request is read, then silence; then a text |
//! | `@@thoughts N` | N answers of thoughts alone, then a text |
//! | `@@nothing N` | N empty answers, then a text |
//! | `@@part-then CODE` | a text that was broken off, then that status |
//! | `@@usage CACHED REASONING` | a text, and so many tokens of the input and the output told apart |
//! | `@@empty` | no text at all |
//! | `@@fits BYTES` | refused as too long, unless the request is shorter than that; then a text |
//! | `@@image-most N [NAME {json}]` | refused while an image's URL is longer than that; then a text, or one call before it |
//! | `@@most N` | refused with what it can, unless the request's limit is at most N; then a text |
//! | `@@reserves` | refused as too long together with the limit, if the request has one; then a text |
//! | `@@leave-out-done` | a text without `[DONE]` at its end |
//! | (a helper's question) | `Summed up.`; silence, if the record has `@@silent-helper`; 500, if it has `@@no-helper` |
//! | anything else | `You said: …` |

use hermes_gateway::agent::Nudge;
use serde_json::{Value, json};

/// One thing to do within a streamed answer.
#[derive(Debug, Clone)]
pub enum Step {
    Text(String),
    Reason(String),
    Call {
        index: usize,
        id: String,
        name: String,
        arguments: String,
    },
    Wait(u64),
    Gate(String),
    /// Texts in one write, each an event and an HTTP chunk of its own.
    Burst(Vec<String>),
    /// Bytes as they are.
    Raw(Vec<u8>),
    Hang,
    /// The answer ends at the model's own limit.
    Length,
    /// The answer ends where the upstream's content filter wants it to.
    Filtered,
    /// So many tokens of the input were cached, so many of the output went into thinking.
    Split(u64, u64),
    /// The connection is closed; nothing after it.
    Cut,
}

/// The whole answer to a request.
#[derive(Debug, Clone)]
pub enum Plan {
    Stream {
        steps: Vec<Step>,
        done: bool,
    },
    /// A text, then a connection that breaks at its next request.
    CloseNext(String),
    Status {
        code: u16,
        retry_after: Option<String>,
        /// What it says is wrong.
        text: String,
    },
    Json(String),
    Page,
    Unframed,
    CutHead,
    NoHead,
}

fn text_of(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
            texts.join(" ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

/// What the gateway says to a model whose answer was none.
fn is_nudge(text: &str) -> bool {
    Nudge::ALL.iter().any(|nudge| nudge.text() == text)
}

/// Whether a helper is asked beside the turn: to sum a record up, or to judge a command.
pub fn is_for_a_helper(body: &Value) -> bool {
    let system = body["messages"][0]["content"].as_str().unwrap_or_default();
    ["You condense", "You judge"].iter().any(|begin| system.starts_with(begin))
}

/// The newest user message, cut to its directive if it has one, and the tool results after it.
pub fn said(body: &Value) -> (String, Vec<String>) {
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let asks = |message: &Value| message["role"] == "user" && !is_nudge(&text_of(message));
    let at = messages.iter().rposition(asks).unwrap_or(0);
    let said = messages.get(at).map(text_of).unwrap_or_default();
    let tools = messages.iter().skip(at).filter(|message| message["role"] == "tool");
    let directive = said.find("@@").map(|start| said[start..].lines().next().unwrap_or_default().to_owned());
    (directive.unwrap_or(said), tools.map(text_of).collect())
}

/// `asked_before`: how many requests with the same directive came before this one.
pub fn plan(body: &Value, key: Option<&str>, asked_before: usize) -> Plan {
    let (said, results) = said(body);
    if is_for_a_helper(body) {
        return helper(&body["messages"][1]);
    }
    let (directive, rest) = said.split_once(' ').unwrap_or((&said, ""));
    let number = |at: usize, default: u64| number(rest, at).unwrap_or(default);
    match directive {
        "@@only" => match rest.split_once(' ') {
            Some((model, words)) if body["model"] == model => {
                let mut inner = body.clone();
                inner["messages"] = json!([{ "role": "user", "content": format!("@@{words}") }]);
                plan(&inner, key, asked_before)
            }
            _ => stream([Step::Text("From another one.".to_owned())]),
        },
        "@@for-key" if key != Some(&format!("Bearer {rest}")) => status(401, None),
        "@@without" if body.get(rest).is_some() => {
            refuse(400, None, format!("Unsupported parameter: '{rest}' is not supported with this model."))
        }
        "@@tool" => calls(&[rest], 1, &results),
        "@@as-long-as-offered" if body.get("tools").is_some() => calls(&[rest], usize::MAX, &results),
        "@@as-long-as-offered" => stream([Step::Text("This is what was done.".to_owned())]),
        "@@filtered" => {
            let text = Some(rest).filter(|rest| !rest.is_empty()).map(|rest| Step::Text(rest.to_owned()));
            stream(text.into_iter().chain([Step::Filtered]))
        }
        "@@half-letters" => half_letters(),
        "@@tools" => calls(&rest.split(";;").collect::<Vec<_>>(), 1, &results),
        "@@say" => before_a_call(rest, Step::Text, &results),
        "@@think" => before_a_call(rest, Step::Reason, &results),
        "@@loop" => {
            let (times, call) = rest.split_once(' ').unwrap_or(("1", rest));
            calls(&[call], times.parse().unwrap_or(1), &results)
        }
        "@@stream" => stream((0..number(0, 10)).flat_map(|n| [Step::Wait(number(1, 0)), token(n)])),
        "@@burst" => stream([Step::Burst((0..number(0, 10)).map(|n| format!("tok{n} ")).collect())]),
        "@@reason" => stream([Step::Reason(rest.to_owned()), Step::Text("Thought about it.".to_owned())]),
        "@@spell" => stream(rest.chars().map(|letter| Step::Text(letter.to_string()))),
        "@@spell-thought" => {
            let letters = rest.chars().map(|letter| Step::Reason(letter.to_string()));
            stream(letters.chain([Step::Text("Thought about it.".to_owned())]))
        }
        "@@gate" => stream([token(0), Step::Gate(rest.to_owned()), token(1)]),
        "@@gate-drop" => stream([token(0), Step::Gate(rest.to_owned()), Step::Cut]),
        "@@status" => status(number(0, 500), rest.split_once(' ').map(|(_, after)| after.to_owned())),
        "@@refuse" => {
            let (code, text) = rest.split_once(' ').unwrap_or((rest, ""));
            refuse(code.parse().unwrap_or(500), None, text.to_owned())
        }
        "@@cut-call" => cut_call(body, rest, &results),
        "@@length" => stream([Step::Text("Cut off".to_owned()), Step::Length]),
        "@@usage" => stream([Step::Text("Counted.".to_owned()), Step::Split(number(0, 0), number(1, 0))]),
        "@@empty" => stream([]),
        _ => by_turns(directive, rest, asked_before, &results)
            .or_else(|| by_size(directive, rest, body))
            .or_else(|| (directive == "@@image-most").then(|| by_images(rest, body, &results)))
            .or_else(|| ill_formed(directive, rest))
            .unwrap_or_else(|| stream([Step::Text("You said: ".to_owned()), Step::Text(said)])),
    }
}

/// Requests that ask for too much are refused; `None`: it is not about size.
fn by_size(directive: &str, rest: &str, body: &Value) -> Option<Plan> {
    let most = number(rest, 0).unwrap_or(0);
    Some(match directive {
        "@@fits" if body.to_string().len() as u64 > most => {
            refuse(400, None, "This model's maximum context length is exceeded".to_owned())
        }
        "@@fits" => stream([Step::Text("It fits.".to_owned())]),
        "@@most" if limit(body) > most => {
            let text = format!(
                "max_tokens is too large: {}. This model supports at most {rest} completion tokens.",
                limit(body)
            );
            refuse(400, None, text)
        }
        "@@most" => stream([Step::Text("Little enough.".to_owned())]),
        "@@reserves" if limit(body) > 0 => {
            let text = "This model's maximum context length is 40000 tokens. However, you requested 41000 tokens \
                        (13000 in the messages, 28000 in the completion).";
            refuse(400, None, text.to_owned())
        }
        "@@reserves" => stream([Step::Text("It fits.".to_owned())]),
        _ => return None,
    })
}

/// Images that are too large are refused, as servers say it: the limit, and what there was.
fn by_images(rest: &str, body: &Value, results: &[String]) -> Plan {
    let (most, call) = rest.split_once(' ').unwrap_or((rest, ""));
    let parts =
        body["messages"].as_array().into_iter().flatten().flat_map(|one| one["content"].as_array()).flatten();
    let longest = parts.filter_map(|part| Some(part["image_url"]["url"].as_str()?.len())).max().unwrap_or(0);
    match most.parse::<usize>() {
        Ok(most) if longest > most => {
            refuse(400, None, format!("messages.0: image exceeds the maximum: {longest} > {most} bytes"))
        }
        _ if call.is_empty() => stream([Step::Text("Seen.".to_owned())]),
        _ => calls(&[call], 1, results),
    }
}

/// Answers that are not what a chat's answer is, or that break off; `None`: an ordinary answer.
fn ill_formed(directive: &str, rest: &str) -> Option<Plan> {
    let number = number(rest, 0);
    Some(match directive {
        "@@json" => Plan::Json("A whole answer.".to_owned()),
        "@@drop" => stream((0..number.unwrap_or(3)).map(token).chain([Step::Cut])),
        "@@close-next" => Plan::CloseNext("Still here.".to_owned()),
        "@@no-head" => Plan::NoHead,
        "@@hang" => stream([Step::Hang]),
        "@@unframed" => Plan::Unframed,
        "@@garbage" => Plan::Page,
        "@@bigline" => stream([Step::Raw([b"data: ".as_slice(), &vec![b'x'; 10_000_000], b"\n\n"].concat())]),
        "@@midstream-error" => {
            let error = json!({ "error": { "message": "scripted error", "code": number } });
            let error = Step::Raw(format!("data: {error}\n\n").into_bytes());
            stream(number.is_none().then(|| token(0)).into_iter().chain([error, Step::Cut]))
        }
        "@@leave-out-done" => Plan::Stream { steps: vec![Step::Text("No end.".to_owned())], done: false },
        _ => return None,
    })
}

/// A letter whose two halves come in two pieces, with text between them.
fn half_letters() -> Plan {
    stream(["a\\ud83d", "b", "\\ude00c"].map(|text| {
        let data = format!(r#"data: {{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}"#);
        Step::Raw(format!("{data}\n\n").into_bytes())
    }))
}

/// A call whose answer is at its limit, if it has one.
fn cut_call(body: &Value, call: &str, results: &[String]) -> Plan {
    match calls(&[call], 1, results) {
        Plan::Stream { mut steps, done } if body.get("max_tokens").is_some() => {
            steps.push(Step::Length);
            Plan::Stream { steps, done }
        }
        whole => whole,
    }
}

/// One of the numbers that a directive begins with.
fn number(rest: &str, at: usize) -> Option<u64> {
    rest.split_whitespace().map_while(|word| word.parse().ok()).nth(at)
}

fn token(n: u64) -> Step {
    Step::Text(format!("tok{n} "))
}

/// What differs from one request with the same directive to the next; `None`: an ordinary answer.
fn by_turns(directive: &str, rest: &str, asked_before: usize, results: &[String]) -> Option<Plan> {
    let number = |at: usize, default: u64| number(rest, at).unwrap_or(default);
    let early = (asked_before as u64) < number(0, 1);
    Some(match directive {
        "@@flaky" if early => status(number(1, 500), None),
        "@@cut-head" if early => Plan::CutHead,
        "@@parts" if early => stream([Step::Text(format!("part{asked_before} ")), Step::Length]),
        "@@parts" => stream([Step::Text("end".to_owned())]),
        "@@half-call" => half_call(early.then_some(Step::Length), results),
        "@@drop-call" => half_call(early.then_some(Step::Cut), results),
        "@@silent" if early => Plan::NoHead,
        "@@thoughts" if early => stream([Step::Reason("hm".to_owned())]),
        "@@nothing" if early => stream([]),
        "@@part-then" if asked_before == 0 => stream([Step::Text("Cut off".to_owned()), Step::Length]),
        "@@part-then" => status(number(0, 400), None),
        "@@steps" => match rest.split(";;").nth(asked_before) {
            Some(step) => calls(&[step], usize::MAX, results),
            None => stream([Step::Text("All steps are done.".to_owned())]),
        },
        _ => return None,
    })
}

fn limit(body: &Value) -> u64 {
    body["max_tokens"].as_u64().unwrap_or(0)
}

/// What a helper answers. Its opinion on a command is the one that the command names.
fn helper(asked: &Value) -> Plan {
    let record = text_of(asked);
    if record.starts_with("The rules say") {
        let opinions = ["APPROVE", "DENY", "ESCALATE"];
        let opinion = opinions.into_iter().find(|opinion| record.contains(&opinion.to_ascii_lowercase()));
        return match opinion {
            Some(opinion) => stream([Step::Text(opinion.to_owned())]),
            None => status(500, None),
        };
    }
    if record.contains("@@no-helper") {
        return status(500, None);
    }
    let silent = record.contains("@@silent-helper").then_some(Step::Hang);
    stream(silent.into_iter().chain([Step::Text("Summed up.".to_owned())]))
}

/// Words, then the call behind ` @@tool `.
fn before_a_call(rest: &str, before: impl Fn(String) -> Step, results: &[String]) -> Plan {
    let (word, call) = rest.split_once(" @@tool ").unwrap_or((rest, "none"));
    let mut plan = calls(&[call], 1, results);
    if let Plan::Stream { steps, .. } = &mut plan
        && results.is_empty()
    {
        steps.insert(0, before(word.to_owned()));
    }
    plan
}

/// A call whose arguments break off, or its whole form.
fn half_call(end: Option<Step>, results: &[String]) -> Plan {
    let Some(end) = end else {
        return calls(&[r#"terminal {"command":"echo whole"}"#], 1, results);
    };
    let mut plan = calls(&[r#"terminal {"command":"touch mad"#], 1, results);
    if let Plan::Stream { steps, .. } = &mut plan {
        steps.push(end);
    }
    plan
}

fn stream(steps: impl IntoIterator<Item = Step>) -> Plan {
    Plan::Stream { steps: steps.into_iter().collect(), done: true }
}

fn status(code: u64, retry_after: Option<String>) -> Plan {
    refuse(code, retry_after, format!("scripted failure {code}"))
}

fn refuse(code: u64, retry_after: Option<String>, text: String) -> Plan {
    Plan::Status { code: u16::try_from(code).unwrap_or(500), retry_after, text }
}

/// `wanted` as calls until there are as many results as `times` such answers bring, then a text.
fn calls(wanted: &[&str], times: usize, results: &[String]) -> Plan {
    if results.len() >= times {
        let last = results.last().cloned().unwrap_or_default();
        return stream([Step::Text(format!("Tool said: {}", last.chars().take(400).collect::<String>()))]);
    }
    // Each call of a turn has an id of its own.
    let turn = results.len();
    stream(wanted.iter().enumerate().map(|(index, call)| {
        let (name, arguments) = call.trim().split_once(' ').unwrap_or((call.trim(), "{}"));
        Step::Call {
            index,
            id: format!("call_{turn}_{index}_{name}"),
            name: name.to_owned(),
            arguments: arguments.trim().to_owned(),
        }
    }))
}
