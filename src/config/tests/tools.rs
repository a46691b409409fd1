//! Settings of tools: which there are, search, images, other servers.

use super::*;
use crate::{
    config::{McpServer, McpTransport, SearchEngine},
    domain::ModelChoice,
};

#[test]
fn a_search_service_has_an_address_and_a_key_of_its_own() {
    let read = |text: &str| Disk::profile(text, "SEARCH_KEY=a-search-key\n").read();
    assert!(read("").config("a").web.search.is_none());
    let home = read("web: {search: {provider: brave, api_key: '${SEARCH_KEY}'}}");
    let search = home.config("a").web.search.clone().unwrap();
    assert_eq!(
        (search.engine, search.base_url.as_str()),
        (SearchEngine::Brave, "https://api.search.brave.com/res/v1")
    );
    assert_eq!(search.api_key.unwrap().reveal(), "a-search-key");
    let home = read("web: {search: {provider: searxng, base_url: 'http://127.0.0.1:8888/'}}");
    assert_eq!(home.config("a").web.search.clone().unwrap().base_url.as_str(), "http://127.0.0.1:8888/");
    let cases = [
        (
            "web:\n  search:\n    provider: searxng",
            "3: `web.search.provider`: `searxng` needs `web.search.base_url`",
        ),
        ("web:\n  search:\n    provider: tavily", "3: `web.search.provider`: needs `web.search.api_key`"),
        (
            "web:\n  search:\n    provider: other",
            "3: `web.search.provider`: must be one of `searxng`, `brave`, `tavily`",
        ),
        (
            "web:\n  search:\n    base_url: http://x",
            "3: `web.search.base_url`: needs `web.search.provider` beside it",
        ),
        (
            "web:\n  search:\n    provider: searxng\n    base_url: search.example",
            "4: `web.search.base_url`: must be an address such as",
        ),
    ];
    for (text, expected) in cases {
        let error = Disk::profile(text, "").error();
        assert!(error.contains(expected), "{text}\n{error}");
    }
}

#[test]
fn the_model_for_images_is_one_of_the_profiles_upstreams() {
    let read = |text: &str| {
        let text =
            format!("providers: {{lab: {{base_url: 'http://127.0.0.1:9/v1', default: large}}}}\n{text}");
        Disk::profile(&text, "")
    };
    let choice = |provider: &str, model: &str| {
        Some(ModelChoice { provider: provider.to_owned(), model: model.to_owned() })
    };
    let cases = [
        ("", None),
        ("auxiliary: {vision: {provider: auto, model: ''}}", None),
        ("auxiliary: {vision: {provider: lab}}", choice("lab", "large")),
        ("auxiliary: {vision: {provider: lab, model: eyes}}", choice("lab", "eyes")),
        ("auxiliary: {vision: {model: eyes}}", choice("demo", "eyes")),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text).read().config("a").vision, expected, "{text}");
    }
    let error = read("auxiliary: {vision: {provider: nobody}}").error();
    assert!(error.contains("names no upstream of this profile: `nobody`"), "{error}");
}

#[test]
fn servers_of_other_tools_are_read_one_by_one() {
    let text = "mcp_servers:
  notes:
    url: https://notes.example/mcp
    headers: {Authorization: 'Bearer ${NOTES}'}
    timeout: 5
    tools: {include: [add], exclude: [remove]}
  off: {url: 'http://x/', enabled: false}
  local:
    command: npx
    args: [-y, 'server, the']
    env: {LOCAL_TOKEN: '${NOTES}', LEVEL: '3'}
    cwd: sub
";
    let home = Disk::profile(text, "NOTES=a-token\n").read();
    let [notes, local] = &*home.config("a").mcp else { panic!("{:?}", home.config("a").mcp) };
    let McpServer { name, transport, timeout, include, exclude, .. } = notes;
    let McpTransport::Http { url, headers } = transport else { panic!("{transport:?}") };
    assert_eq!((name.as_str(), url.as_str(), timeout.as_secs()), ("notes", "https://notes.example/mcp", 5));
    assert_eq!((headers[0].0.as_str(), headers[0].1.reveal()), ("Authorization", "Bearer a-token"));
    assert_eq!(
        (include.as_deref(), exclude.as_slice()),
        (Some(["add".to_owned()].as_slice()), ["remove".to_owned()].as_slice())
    );
    let McpTransport::Stdio(command) = &local.transport else { panic!("{:?}", local.transport) };
    assert_eq!((command.program.as_str(), command.cwd.as_deref()), ("npx", Some("sub")));
    assert_eq!(command.args, ["-y", "server, the"]);
    let env: Vec<_> = command.env.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
    assert_eq!(env, [("LOCAL_TOKEN", "a-token"), ("LEVEL", "3")]);
    assert!(!format!("{local:?}").contains("a-token"));
    let cases = [
        ("mcp_servers:\n  'a b': {url: 'http://x/'}", "2: `mcp_servers.a b`: is no name for a server"),
        ("mcp_servers:\n  a: {}", "`mcp_servers.a`: has neither `url` nor `command`"),
        ("mcp_servers:\n  a:\n    url: ftp://x", "3: `mcp_servers.a.url`: must be an address such as"),
        (
            "mcp_servers:\n  a:\n    url: http://x\n    command: x",
            "4: `mcp_servers.a.command`: stands beside",
        ),
        ("mcp_servers:\n  a:\n    command: ' '", "3: `mcp_servers.a.command`: is empty"),
        ("mcp_servers:\n  a:\n    command: [x]", "`mcp_servers.a.command`: is a list"),
        (
            "mcp_servers:\n  a:\n    command: x\n    args:\n      - --key\n      - 'k=${A_KEY}'",
            "6: `mcp_servers.a.args`: names an entry of .env",
        ),
        (
            "mcp_servers:\n  a:\n    command: x\n    env:\n      'A B': x",
            "5: `mcp_servers.a.env.A B`: is no name for a variable",
        ),
        ("mcp_servers:\n  a:\n    command: x\n    cwd: \"a\\0b\"", "4: `mcp_servers.a.cwd`: has a zero byte"),
    ];
    for (text, expected) in cases {
        let error = Disk::profile(text, "").error();
        assert!(error.contains(expected), "{text}\n{error}");
    }
}
