//! What `hermes gateway` shows once it serves: a table, and a line to paste.

use super::{
    context::Context,
    output::{Cell, Output, Style, clip},
    profile::style_of,
};
use crate::{
    config::Secret,
    domain::shell_word,
    gateway::{Gateway, KeyState, ProfileStatus, State},
    sandbox::PROJECT_QUOTA,
};

pub async fn print(gateway: &Gateway, context: &Context, output: &Output) {
    for warning in gateway.warnings() {
        output.note(format_args!("warning: {warning}"));
    }
    let profiles = gateway.profiles().await;
    let mut made: Vec<(&ProfileStatus, Secret)> = Vec::new();
    for status in &profiles {
        if let Some(key) = gateway.key(&status.name).await {
            made.push((status, key));
        }
    }
    output.table(
        &["PROFILE", "URL", "MODEL", "UPSTREAM", "SANDBOX", "NETWORK", "KEY"],
        &profiles.iter().map(row).collect::<Vec<_>>(),
    );
    for status in profiles.iter().filter(|status| status.state != State::Serving) {
        let reason = status.reason.as_deref().unwrap_or("no reason is known");
        output.hint(format_args!(
            "\n{} {}: {reason}",
            status.name,
            output.paint(Style::Bad, status.state.name())
        ));
    }
    tell_breaches(&profiles, output);
    if !made.is_empty() {
        output.line("\nNew keys, shown this once:");
        let keys = made.iter().map(|(status, key)| {
            vec![Cell::plain(format!("  {}", status.name)), Cell::new(Style::Bold, key.reveal())]
        });
        for row in keys {
            let [name, key] = row.as_slice() else { continue };
            output.line(format_args!("{:14}{}", name.text, output.paint(key.style, &key.text)));
        }
    }
    let serving = || profiles.iter().filter(|status| status.state == State::Serving);
    // A profile whose key is at hand makes a line that works as it is.
    let example =
        made.iter().map(|(status, key)| (*status, Some(key))).find(|(s, _)| s.state == State::Serving);
    if let Some((status, key)) = example.or_else(|| serving().next().map(|status| (status, None))) {
        try_it(status, key, context, output);
    }
}

/// Profiles whose commands are refused, since their wall does not hold.
pub fn tell_breaches(profiles: &[ProfileStatus], output: &Output) {
    for status in profiles {
        if let Some(breach) = &status.breach {
            let refused = output.paint(Style::Bad, "commands refused");
            output.hint(format_args!("\n{} {refused}: {breach}", status.name));
        }
    }
}

fn row(status: &ProfileStatus) -> Vec<Cell> {
    let url = match status.url() {
        Some(url) => Cell::plain(url),
        None => Cell::new(style_of(status.state), status.state.name()),
    };
    let key = match status.keys {
        KeyState::Env => "API_SERVER_KEY".to_owned(),
        KeyState::Stored(1) => "1 stored".to_owned(),
        KeyState::Stored(count) => format!("{count} stored"),
        KeyState::JustMade => "just made".to_owned(),
        KeyState::Unknown => "-".to_owned(),
    };
    vec![
        Cell::new(Style::Bold, clip(status.name.as_str(), 16)),
        url,
        Cell::plain(clip(&status.model, 14)),
        Cell::plain(clip(&status.upstream, 20)),
        Cell::plain(sandbox(status)),
        Cell::plain(status.network.clone()),
        Cell::plain(key),
    ]
}

/// The level with the Landlock ABI, and what else of the machine holds the profile's commands.
fn sandbox(status: &ProfileStatus) -> String {
    let level = match status.abi {
        0 => status.sandbox.clone(),
        abi => format!("{} (abi {abi})", status.sandbox),
    };
    let mut parts = vec![level, status.limits.clone()];
    parts.retain(|text| !text.is_empty());
    // Elsewhere the gateway's own watcher does.
    parts.extend((status.disk == PROJECT_QUOTA).then(|| "project quota".to_owned()));
    parts.extend(status.uid.map(|uid| format!("uid {uid}")));
    parts.join(", ")
}

fn try_it(status: &ProfileStatus, key: Option<&Secret>, context: &Context, output: &Output) {
    let Some(url) = status.url() else { return };
    output.line("\nTry it:");
    if key.is_none() {
        let how = match status.keys {
            KeyState::Env => format!("HERMES_KEY is the API_SERVER_KEY of `{}`", status.name),
            KeyState::Stored(_) | KeyState::JustMade | KeyState::Unknown => {
                let home = shell_word(&context.home.display().to_string());
                format!("HERMES_KEY=$(hermes --home {home} -p {} key create) makes a key", status.name)
            }
        };
        output.line(format_args!("  # {how}"));
    }
    output.line(format_args!("  {}", curl(&url, &status.model, key)));
}

/// One line for a shell. A new key is in it; an old one is known to nobody but its owner.
fn curl(url: &str, model: &str, key: Option<&Secret>) -> String {
    let key = key.map_or("$HERMES_KEY", Secret::reveal);
    let model = serde_json::Value::from(model);
    let body = format!(r#"{{"model": {model}, "messages": [{{"role": "user", "content": "Hello!"}}]}}"#);
    let body = shell_word(&body);
    format!(
        "curl -s {url}/chat/completions -H \"Authorization: Bearer {key}\" -H 'Content-Type: application/json' \
         -d {body}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_ready_to_paste() {
        let url = "http://127.0.0.1:8643/v1";
        let key = Secret::new("hk_1_2");
        let line = curl(url, "al'ice", Some(&key));
        assert!(line.contains("Bearer hk_1_2\"") && line.contains(r"al'\''ice"), "{line}");
        assert!(curl(url, "alice", None).contains("Bearer $HERMES_KEY\""));
    }
}
