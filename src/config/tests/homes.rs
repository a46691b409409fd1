//! Which profiles a home has, and which of them are served.

use super::*;

const A: (&str, &str) = ("profiles/a/.env", "API_SERVER_ENABLED=true\nAPI_SERVER_PORT=8643\n");

#[test]
fn an_empty_home_serves_the_default_profile_with_the_demo() {
    let disk = Disk::with(&[]);
    let home = disk.read();
    assert_eq!(home.served(), [("default", 8642)]);
    let config = home.config("default");
    assert_eq!((config.model_name.as_str(), config.model.provider_name.as_str()), ("hermes-agent", "demo"));
    assert_eq!(config.state_dir, disk.path("state"));
    assert_eq!(config.workspace, disk.path("workspace"));
}

#[test]
fn the_home_is_served_beside_others_when_its_own_files_speak_of_an_api_server() {
    let (yes, no): (&[_], &[_]) = (&[("default", 8642), ("a", 8643)], &[("a", 8643)]);
    let cases = [
        ("nothing", "", "", no),
        ("a model only", "", "model:\n  provider: demo\n", no),
        ("another secret", "OPENAI_API_KEY=k\n", "", no),
        ("a key", "API_SERVER_KEY=0123456789abcdef0\n", "", yes),
        ("switched on", "API_SERVER_ENABLED=1\n", "", yes),
        ("an address", "API_SERVER_HOST=127.0.0.1\n", "", yes),
        ("yaml", "", "gateway:\n  api_server:\n    max_concurrent_runs: 3\n", yes),
        ("switched off", "API_SERVER_ENABLED=off\nAPI_SERVER_KEY=0123456789abcdef0\n", "", no),
        ("switched off in yaml", "", "platforms: {api_server: {enabled: false}}\n", no),
    ];
    for (case, env, yaml, expected) in cases {
        let disk = Disk::with(&[A, (".env", env), ("config.yaml", yaml)]);
        assert_eq!(disk.read().served(), expected, "{case}");
    }
}

#[test]
fn a_profile_is_served_when_its_files_switch_it_on() {
    let cases = [
        ("nothing", "", "", false),
        ("port alone", "API_SERVER_PORT=9000\n", "", false),
        ("enabled", "API_SERVER_ENABLED=yes\n", "", true),
        ("key alone", "API_SERVER_KEY=0123456789abcdef0\n", "", true),
        ("empty key", "API_SERVER_KEY=\n", "", false),
        ("off beats the key", "API_SERVER_ENABLED=false\nAPI_SERVER_KEY=0123456789abcdef0\n", "", false),
        ("platforms", "", "platforms: {api_server: {enabled: true}}\n", true),
        ("gateway", "", "gateway: {api_server: {enabled: on}}\n", true),
        ("env over yaml", "API_SERVER_ENABLED=0\n", "gateway: {api_server: {enabled: true}}\n", false),
        ("broken yaml", "", "a: [\n", true),
        ("broken yaml, off", "API_SERVER_ENABLED=false\n", "a: [\n", false),
        ("broken env", "nonsense\n", "", true),
        ("no such boolean", "API_SERVER_ENABLED=maybe\n", "", true),
    ];
    for (case, env, yaml, expected) in cases {
        let disk = Disk::with(&[("profiles/a/.env", env), ("profiles/a/config.yaml", yaml)]);
        assert_eq!(disk.read().found("a").enabled, expected, "{case}");
    }
}

#[test]
fn a_broken_profile_leaves_the_others_alone() {
    let disk = Disk::with(&[
        A,
        ("profiles/b/config.yaml", "gateway:\n  api_server: {port: 8644\n"),
        ("profiles/c/.env", "x\n"),
    ]);
    let home = disk.read();
    assert_eq!(home.served(), [("a", 8643)]);
    let errors: Vec<_> =
        home.profiles.iter().filter_map(|p| p.config.as_ref().err()).map(ToString::to_string).collect();
    assert!(disk.short(&errors[0]).starts_with("profiles/b/config.yaml:"), "{errors:?}");
    assert!(disk.short(&errors[1]).starts_with("profiles/c/.env:1: is no `NAME=value`"), "{errors:?}");
}

#[test]
fn of_two_profiles_on_one_port_the_second_fails_and_names_the_first() {
    let b = |env: &str| Disk::with(&[A, ("profiles/b/.env", env)]).read().served().len();
    assert_eq!(b("API_SERVER_ENABLED=true\nAPI_SERVER_PORT=8644\n"), 2);
    assert_eq!(b("API_SERVER_ENABLED=true\nAPI_SERVER_PORT=8643\nAPI_SERVER_HOST=127.0.0.2\n"), 2);
    assert_eq!(b("API_SERVER_ENABLED=true\nAPI_SERVER_PORT=8643\nAPI_SERVER_HOST=0.0.0.0\n"), 1);
    let disk = Disk::with(&[A, ("profiles/b/.env", A.1), ("profiles/c/.env", "API_SERVER_PORT=8643\n")]);
    let home = disk.read();
    let error = home.found("b").config.as_ref().unwrap_err().to_string();
    assert_eq!(
        disk.short(&error),
        "profiles/b/.env:2: `API_SERVER_PORT`: port 8643 is already that of the profile `a`: give one of them \
         another, such as 8644"
    );
    let yaml = "gateway:\n  api_server:\n    enabled: true\n    port: 8643\n";
    let disk = Disk::with(&[A, ("profiles/b/config.yaml", yaml)]);
    let error = disk.read().found("b").config.as_ref().unwrap_err().to_string();
    assert!(
        disk.short(&error).starts_with("profiles/b/config.yaml:4: `gateway.api_server.port`: port"),
        "{error}"
    );
    assert!(home.found("c").config.is_ok(), "a profile that is not served takes no port");
    let free = Disk::with(&[
        ("profiles/a/.env", "API_SERVER_ENABLED=1\nAPI_SERVER_PORT=0\n"),
        ("profiles/b/.env", "API_SERVER_ENABLED=1\nAPI_SERVER_PORT=0\n"),
    ]);
    assert_eq!(free.read().served().len(), 2, "port 0 is any port");
}

#[test]
fn one_profile_is_read_with_its_name_also_when_it_is_off() {
    let disk =
        Disk::with(&[A, ("profiles/b/.env", "API_SERVER_PORT=8643\n"), ("profiles/c/config.yaml", "a: [\n")]);
    let home = disk.read_one("b", &[]);
    assert_eq!(home.profiles.len(), 1);
    assert_eq!((home.config("b").listen.port(), home.found("b").enabled), (8643, false));
    let name = ProfileName::parse("nobody").unwrap();
    let error =
        Home::read(disk.0.path(), Select::One(&name), &ProcessEnv::default()).unwrap_err().to_string();
    assert!(
        error.contains("there is no profile `nobody`") && error.contains("`hermes profile create nobody`"),
        "{error}"
    );
}

#[test]
fn folders_that_cannot_be_profiles_are_told() {
    let disk = Disk::with(&[
        A,
        ("profiles/Big/x", ""),
        ("profiles/default/x", ""),
        ("profiles/.hidden/x", ""),
        ("profiles/file", ""),
    ]);
    let home = disk.read();
    assert_eq!(home.profiles.len(), 2);
    let mut warnings: Vec<_> = home.warnings.iter().map(|warning| disk.short(warning)).collect();
    warnings.sort();
    assert!(
        warnings[0].starts_with("profiles/Big: is not read")
            && warnings[1].starts_with("profiles/default: is not read"),
        "{warnings:?}"
    );
    assert_eq!(warnings.len(), 2);
}

#[test]
fn a_home_that_is_broken_or_missing_says_so() {
    let disk = Disk::with(&[("config.yaml", "a: [\n"), ("file", "")]);
    let read = |path: &str| {
        Home::read(&disk.path(path), Select::All, &ProcessEnv::default()).unwrap_err().to_string()
    };
    assert!(disk.short(&read("")).starts_with("config.yaml:"), "{}", read(""));
    assert!(read("nowhere").contains("type `mkdir -p "), "{}", read("nowhere"));
    assert!(read("file").contains("is no folder"), "{}", read("file"));
}

#[test]
fn a_new_profile_finds_the_first_free_port() {
    let disk = Disk::with(&[
        A,
        ("profiles/b/.env", "API_SERVER_PORT=8645\n"),
        ("profiles/c/config.yaml", "gateway: {api_server: {port: 8644, host: nonsense}}\n"),
    ]);
    let home = disk.read();
    assert_eq!(home.free_port(8643), 8646, "also of profiles that are off or have other mistakes");
    assert_eq!(home.free_port(8642), 8646);
    assert_eq!(home.free_port(9000), 9000);
}

#[test]
fn the_sample_profiles_are_served_by_the_repository_as_home() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let home = Home::read(&root, Select::All, &ProcessEnv::default()).unwrap();
    assert_eq!(home.served(), [("alice", 8643), ("bob", 8644)]);
    for name in ["alice", "bob"] {
        assert_eq!(home.found(name).warnings, Vec::<String>::new());
        let config = home.config(name);
        assert_eq!((config.model.provider_name.as_str(), config.api_key.is_none()), ("demo", true), "{name}");
        assert!(config.soul_file.is_file() && config.skills_dir.is_dir(), "{name}");
    }
}

#[test]
fn a_workspace_of_two_profiles_is_told() {
    let shared = "terminal: {cwd: /srv/work}\n";
    let disk = Disk::with(&[
        ("profiles/a/config.yaml", shared),
        ("profiles/b/config.yaml", "terminal: {cwd: /srv/work/b}\n"),
    ]);
    disk.write("profiles/a/.env", "API_SERVER_PORT=8643\n");
    disk.write("profiles/b/.env", "API_SERVER_PORT=8644\n");
    disk.write("profiles/broken/config.yaml", "[");
    disk.write(
        "profiles/c/config.yaml",
        "terminal: {cwd: /srv/other, roots: [/srv/work/b/deep, /srv/work/b/other]}\n",
    );
    disk.write("profiles/c/.env", "API_SERVER_PORT=8645\n");
    let home = disk.read();
    assert!(home.found("a").warnings.is_empty());
    let told = |name: &str| home.found(name).warnings.iter().map(|text| text.split_once(": ").unwrap().1);
    let both = "is also the workspace of `a`: both see the same files";
    assert_eq!(told("b").collect::<Vec<_>>(), [format!("`terminal.cwd`: {both}")]);
    let root = |root: &str, of: &str| {
        format!("`terminal.roots`: `{root}` is, holds or lies in the workspace of `{of}`")
    };
    let expected = [root("/srv/work/b/deep", "a"), root("/srv/work/b/deep", "b")];
    assert_eq!(told("c").collect::<Vec<_>>(), expected, "of several roots the first");
}
