//! What passes between a home and its profiles, and what never does.

use super::*;

const HOME_YAML: &str = "
model:
  provider: custom
  base_url: http://home:1/v1
  default: home-model
  api_key: home-model-key
agent:
  max_turns: 7
approvals:
  timeout: 60
terminal:
  timeout: 99
  cwd: /srv/home-work
gateway:
  api_server:
    max_concurrent_runs: 3
    model_name: home-name
    cors_origins: [https://home.example]
    key: 0123456789abcdef-home
retention:
  runs: 1d
";
const HOME_ENV: &str = "API_SERVER_KEY=0123456789abcdef-home\nAPI_SERVER_HOST=127.0.0.9\nOPENAI_API_KEY=home-openai\nLLM=home-llm\n";

fn home(yaml: &str, a_yaml: &str, a_env: &str) -> Disk {
    let env = format!("API_SERVER_PORT=8643\n{a_env}");
    Disk::with(&[
        ("config.yaml", yaml),
        (".env", HOME_ENV),
        ("profiles/a/config.yaml", a_yaml),
        ("profiles/a/.env", &env),
    ])
}

#[test]
fn a_profile_inherits_how_to_work_and_nothing_of_the_listener() {
    let disk = home(HOME_YAML, "", "");
    let home = disk.read();
    let a = home.config("a");
    assert_eq!(a.model.provider, Provider::OpenAi { base_url: "http://home:1/v1".to_owned() });
    assert_eq!(
        (a.model.default.as_str(), a.agent.max_turns, a.terminal.timeout.as_secs()),
        ("home-model", 7, 99)
    );
    assert_eq!(a.approvals.timeout.map(|timeout| timeout.as_secs()), Some(60));
    // And not:
    assert!(a.api_key.is_none() && a.model.api_key.is_none() && a.cors_origins.is_empty());
    assert_eq!((a.listen.to_string().as_str(), a.model_name.as_str()), ("127.0.0.1:8643", "a"));
    assert_eq!((a.api.max_concurrent_runs, a.retention.runs.as_secs()), (10, 7 * 86_400));
    assert_eq!(a.workspace, disk.path("profiles/a/workspace"), "a workspace is one profile's own");
    assert_eq!(a.env.keys().collect::<Vec<_>>(), ["API_SERVER_PORT"]);
    assert!(!home.found("a").enabled);
    let shown = format!("{a:?}");
    assert!(!shown.contains("home-model-key") && !shown.contains("home-openai"));
}

#[test]
fn a_secret_passes_only_when_it_is_named() {
    let with = |shared: &str| {
        let yaml = format!("{HOME_YAML}profiles:\n  inherit_secrets: {shared}\n");
        let home = home(&yaml, "", "").read();
        let key = home.config("a").model.api_key.clone();
        key.map(|key| key.reveal().to_owned())
    };
    assert_eq!(with("[]"), None);
    assert_eq!(with("[OTHER]"), None);
    assert_eq!(with("[model.api_key]").as_deref(), Some("home-model-key"));
    assert_eq!(with("OTHER, OPENAI_API_KEY").as_deref(), Some("home-openai"));
    let yaml = "profiles:\n  inherit_secrets: [API_SERVER_KEY]\n";
    let disk = home(yaml, "", "");
    let error = Home::read(disk.0.path(), Select::All, &ProcessEnv::default()).unwrap_err().to_string();
    assert!(
        error.contains("config.yaml:2: `profiles.inherit_secrets`: must not name `API_SERVER_"),
        "{error}"
    );
}

#[test]
fn an_inherited_line_shows_a_profile_nothing_of_the_homes_env() {
    let yaml = "model:\n  provider: custom\n  default: m\n  base_url: http://${LLM}:1/v1\n";
    let base_url = |a_env: &str, yaml: &str| {
        let disk = home(yaml, "", a_env);
        let config = disk.read().found("a").config.clone();
        config.map(|config| config.model.provider).map_err(|error| disk.short(&error.to_string()))
    };
    let error = base_url("", yaml).unwrap_err();
    assert!(
        error.starts_with("config.yaml:4: `model.base_url`: `${LLM}` is not set: add a line `LLM=…` to "),
        "{error}"
    );
    let own = Provider::OpenAi { base_url: "http://own:1/v1".to_owned() };
    assert_eq!(base_url("LLM=own\n", yaml), Ok(own));
    let shared = format!("{yaml}profiles: {{inherit_secrets: [LLM]}}\n");
    assert_eq!(base_url("", &shared), Ok(Provider::OpenAi { base_url: "http://home-llm:1/v1".to_owned() }));
}

#[test]
fn a_profile_with_its_own_endpoint_gets_no_part_of_the_homes() {
    let disk = home(HOME_YAML, "model:\n  provider: openai\n  default: own\n", "OPENAI_API_KEY=own-key\n");
    let home = disk.read();
    let model = &home.config("a").model;
    assert_eq!(model.provider, Provider::OpenAi { base_url: "https://api.openai.com/v1".to_owned() });
    assert_eq!(model.api_key.as_ref().map(Secret::reveal), Some("own-key"));
}

#[test]
fn layers_count_in_their_order() {
    let model = |a_yaml: &str, a_env: &str| {
        let home = home(HOME_YAML, a_yaml, a_env).read();
        home.config("a").model.default.clone()
    };
    assert_eq!(model("", ""), "home-model");
    assert_eq!(model("model:\n  default: yaml\n", ""), "yaml");
    assert_eq!(model("model: short\n", ""), "short");
    assert_eq!(model("model:\n  default: yaml\n", "HERMES_MODEL=env\n"), "env");
    assert_eq!(model("model:\n  default:\n", "HERMES_MODEL=\n"), "home-model", "empty is not set");
}

#[test]
fn the_process_environment_counts_for_default_and_for_the_named_profile_only() {
    let disk =
        Disk::with(&[("profiles/a/.env", "API_SERVER_PORT=8643\n"), (".env", "API_SERVER_PORT=8700\n")]);
    let env =
        [("API_SERVER_KEY", "0123456789abcdef-proc"), ("API_SERVER_PORT", "9999"), ("AWS_SECRET", "aws")];
    let keys =
        |home: &Home, name: &str| home.config(name).api_key.as_ref().map(|key| key.reveal().to_owned());

    let all = disk.read_in(&env);
    assert_eq!(keys(&all, "default").as_deref(), Some("0123456789abcdef-proc"));
    assert_eq!(all.config("default").listen.port(), 8700, "below `.env`");
    assert_eq!(keys(&all, "a"), None);

    let one = disk.read_one("a", &env);
    assert_eq!(keys(&one, "a").as_deref(), Some("0123456789abcdef-proc"));
    assert_eq!(one.config("a").listen.port(), 8643);
    assert!(!one.config("a").env.contains_key("AWS_SECRET"));

    let yaml = Disk::profile("model:\n  default: ${AWS_SECRET}\n  base_url: http://x:1\n", "");
    let read = yaml.read_one("a", &env);
    assert!(read.found("a").config.is_err(), "`${{VAR}}` never reads the process environment");
}
