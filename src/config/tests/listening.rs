//! Address, key, origins and name of a listener.

use super::*;
use crate::config::AccessConfig;

#[test]
fn a_port_may_stand_in_four_places_and_env_wins() {
    let cases = [
        ("gateway", "gateway: {api_server: {port: 9001}}", "", 9001),
        ("extra", "platforms: {api_server: {extra: {port: 9002}}}", "", 9002),
        ("platforms", "platforms: {api_server: {port: 9003}}", "", 9003),
        ("env", "gateway: {api_server: {port: 9001}}", "API_SERVER_PORT=9004", 9004),
    ];
    for (case, yaml, env, port) in cases {
        let disk = Disk::with(&[("profiles/a/config.yaml", yaml), ("profiles/a/.env", env)]);
        assert_eq!(disk.read().config("a").listen.port(), port, "{case}");
    }
}

#[test]
fn a_profile_without_a_port_is_told_what_to_write_and_where() {
    let disk = Disk::with(&[("profiles/a/.env", "API_SERVER_ENABLED=true\n")]);
    let error = disk.error();
    assert!(error.starts_with("profiles/a/.env: `API_SERVER_PORT`: is missing"), "{error}");
    assert!(error.contains("`API_SERVER_PORT=8643`"), "{error}");
}

#[test]
fn keys_that_anyone_can_guess_are_refused_with_the_line_to_type() {
    let cases = [
        ("short", "0123456789abcde", "has fewer than 16 characters"),
        ("template", "change-me-local-dev", "is a placeholder"),
        ("template in capitals", "YOUR-KEY-HERE-PLEASE", "is a placeholder"),
        ("not expanded", "'$(openssl rand -hex 32)'", "is a placeholder"),
        ("blank inside", "'0123456789 abcdef'", "must be visible ASCII"),
        ("beyond ASCII", "0123456789abcdefé", "must be visible ASCII"),
        ("monotone", "aaaaaaaaaaaaaaaaaaaa", "is one character"),
    ];
    for (case, key, why) in cases {
        let disk = Disk::profile("", &format!("API_SERVER_KEY={key}\n"));
        let error = disk.error();
        assert!(error.starts_with(&format!("profiles/a/.env:3: `API_SERVER_KEY`: {why}")), "{case}: {error}");
        assert!(error.contains("API_SERVER_KEY=$(openssl rand -hex 32)"), "{case}: {error}");
        assert!(!error.contains(key.trim_matches('\'')) || case == "not expanded", "{case}: {error}");
    }
    let disk = Disk::profile("", "API_SERVER_KEY=0123456789abcdef\n");
    assert_eq!(disk.read().config("a").api_key.as_ref().unwrap().reveal(), "0123456789abcdef");
}

#[test]
fn addresses_are_ip_addresses() {
    for (host, expected) in [
        ("", Some("127.0.0.1:8643")),
        ("localhost", Some("127.0.0.1:8643")),
        ("0.0.0.0", Some("0.0.0.0:8643")),
        ("::1", Some("[::1]:8643")),
        ("[::]", Some("[::]:8643")),
        ("example.org", None),
        ("127.0.0.1:80", None),
    ] {
        let disk = Disk::profile("", &format!("API_SERVER_HOST={host}\n"));
        let home = disk.read();
        let found = home.found("a").config.as_ref().ok().map(|config| config.listen.to_string());
        assert_eq!(found.as_deref(), expected, "{host}");
    }
}

#[test]
fn other_machines_are_let_knock_only_where_the_key_was_generated() {
    let generated = "3f6c1d9a07b24e58c1f0a9d7e6b35248";
    let made_up = "correct-horse-battery-staple-horse";
    let cases = [
        ("127.0.0.1", "0123456789abcdef", Ok(false)),
        ("0.0.0.0", generated, Ok(true)),
        ("::", generated, Ok(true)),
        ("192.0.2.1", "0123456789abcdef", Err(())),
        ("0.0.0.0", "abababababababababababababababab", Err(())),
        // Long and varied: nothing tells it from a generated one.
        ("0.0.0.0", made_up, Ok(true)),
        // Without any the first start generates one.
        ("0.0.0.0", "", Ok(true)),
    ];
    for (host, key, expected) in cases {
        let disk = Disk::profile("", &format!("API_SERVER_HOST={host}\nAPI_SERVER_KEY={key}\n"));
        let home = disk.read();
        let found = home.found("a");
        let warned =
            found.warnings.iter().any(|warning| warning.contains("can be reached from other machines"));
        match (expected, &found.config) {
            (Ok(warns), Ok(_)) => assert_eq!(warned, warns, "{host} {key}"),
            (Err(()), Err(error)) => {
                let error = error.to_string();
                assert!(
                    error.contains("openssl rand -hex 32") && error.contains("none that was generated"),
                    "{error}"
                );
            }
            (expected, got) => panic!("{host} {key}: {expected:?} {:?}", got.as_ref().err()),
        }
    }
}

#[test]
fn hosts_and_proxies_are_the_machines() {
    let disk = Disk::profile("server: {allowed_hosts: x}\n", "");
    let home = disk.read();
    assert!(home.found("a").warnings.iter().any(|warning| warning.contains("server.allowed_hosts")));
    assert_eq!(
        home.config("a").access,
        AccessConfig::default(),
        "a profile does not open the machine's door"
    );
}

#[test]
fn a_certificate_is_the_profiles_own_or_else_the_homes_and_never_half_of_each() {
    let files = |home: &Home| {
        let tls = home.config("a").tls.clone();
        tls.map(|tls| [tls.cert.path, tls.key.path])
    };
    let disk = Disk::profile("", "");
    assert_eq!(files(&disk.read()), None);
    disk.write("config.yaml", "server: {tls: {cert: tls/c.pem, key: /etc/k.pem}}\n");
    assert_eq!(files(&disk.read()), Some([disk.path("tls/c.pem"), "/etc/k.pem".into()]));
    disk.write("profiles/a/config.yaml", "server: {tls: {cert: c.pem, key: workspace/k.pem}}\n");
    let home = disk.read();
    assert_eq!(
        files(&home),
        Some(["c.pem", "workspace/k.pem"].map(|file| disk.path("profiles/a").join(file)))
    );
    let warnings = &home.found("a").warnings;
    assert!(warnings.iter().any(|warning| warning.contains("lies in a folder of the agent")), "{warnings:?}");

    let cases = [
        ("cert: c.pem", "profiles/a/config.yaml:3: `server.tls.cert`: needs `server.tls.key`"),
        ("key: c.pem", "profiles/a/config.yaml:3: `server.tls.key`: needs `server.tls.cert`"),
        ("key: ''\n    cert: c.pem", "profiles/a/config.yaml:3: `server.tls.key`: must be the path"),
    ];
    for (lines, wanted) in cases {
        disk.write("profiles/a/config.yaml", &format!("server:\n  tls:\n    {lines}\n"));
        assert!(disk.error().starts_with(wanted), "{}", disk.error());
    }
}

#[test]
fn origins_are_read_as_browsers_send_them() {
    let of = |yaml: &str, env: &str| {
        Disk::profile(yaml, env).read().found("a").config.clone().ok().map(|c| c.cors_origins)
    };
    let env = "API_SERVER_CORS_ORIGINS= http://localhost:3000/, https://Chat.example.org\n";
    let env = env.replace("= ", "='").replace("org\n", "org'\n");
    let two = ["http://localhost:3000", "https://chat.example.org"].map(str::to_owned).to_vec();
    assert_eq!(of("", &env), Some(two.clone()));
    let yaml = "platforms: {api_server: {extra: {cors_origins: ['http://localhost:3000', 'https://chat.example.org']}}}";
    assert_eq!(of(yaml, ""), Some(two));
    assert_eq!(of("", "API_SERVER_CORS_ORIGINS=*\n"), Some(vec!["*".to_owned()]));
    assert_eq!(of("", ""), Some(vec![]));
    for wrong in ["localhost:3000", "https://", "https://a/b", "https://*.example.org"] {
        assert_eq!(of("", &format!("API_SERVER_CORS_ORIGINS={wrong}\n")), None, "{wrong}");
    }
}

#[test]
fn entries_that_look_like_settings_are_told() {
    let disk = Disk::profile("", "API_SERVER_PROT=1\nOTHER=2\nAPI_SERVR_HOST=::1\n");
    let home = disk.read();
    let warnings: Vec<_> = home.found("a").warnings.iter().map(|warning| disk.short(warning)).collect();
    assert_eq!(
        warnings,
        [
            "profiles/a/.env:3: `API_SERVER_PROT`: is not known and has no effect: did you mean `API_SERVER_PORT`?",
            "profiles/a/.env:5: `API_SERVR_HOST`: is not known and has no effect: did you mean `API_SERVER_HOST`?"
        ]
    );
}
