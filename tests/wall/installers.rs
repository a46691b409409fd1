//! `git`, `pip` and `npm`, each fetching something from a server that is listed, through the proxy.

use crate::{
    network::{has, open_worlds, run, text},
    site::Site,
};
use serde_json::json;
use std::{fs, path::Path};

#[tokio::test]
async fn git_clones_over_http_and_says_what_to_do_instead_of_ssh() {
    if !has("git") {
        return;
    }
    for world in open_worlds() {
        let made = "git init -q -b main r && cd r && echo text > file && git add file && \
                    git -c user.name=a -c user.email=a@b commit -qm one && cd .. && \
                    git clone -q --bare r bare && cd bare && git update-server-info && cd ..";
        let result = run(&world, made).await;
        assert_eq!(result["exit_code"], 0, "{result}");
        let site = Site::new(&[]);
        put_all(&site, &world.workspace().join("bare"), "/repo.git");
        let cloned = format!("git clone -q {} copy && cat copy/file", site.url("/repo.git"));
        let result = run(&world, &cloned).await;
        assert_eq!(text(&result), "text", "{}: {result}", world.wall());
        let result = run(&world, "git clone git@example.org:some/where.git other").await;
        assert!(text(&result).contains("use the https:// address"), "{}: {result}", world.wall());
    }
}

fn put_all(site: &Site, dir: &Path, at: &str) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let at = format!("{at}/{}", path.file_name().unwrap().to_string_lossy());
        if path.is_dir() {
            put_all(site, &path, &at);
        } else {
            site.put(&at, &fs::read(&path).unwrap());
        }
    }
}

/// A wheel is a zip file with three more files in it.
const WHEEL: &str = r#"
import zipfile
name = "hermes_probe-1.0-py3-none-any.whl"
info = "hermes_probe-1.0.dist-info/"
with zipfile.ZipFile(name, "w") as wheel:
    wheel.writestr("hermes_probe.py", "WORD = 'installed'\n")
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: hermes-probe\nVersion: 1.0\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(info + "RECORD", f"hermes_probe.py,,\n{info}METADATA,,\n{info}WHEEL,,\n{info}RECORD,,\n")
"#;

#[tokio::test]
async fn pip_installs_from_an_index() {
    if !has("python3") || !has("pip3") {
        return;
    }
    for world in open_worlds() {
        world.call("write_file", json!({ "path": "wheel.py", "content": WHEEL })).await;
        assert_eq!(run(&world, "/usr/bin/python3 wheel.py").await["exit_code"], 0);
        let name = "hermes_probe-1.0-py3-none-any.whl";
        let site = Site::new(&[(
            "/simple/hermes-probe/",
            "<!DOCTYPE html><a href=\"/files/hermes_probe-1.0-py3-none-any.whl\">hermes_probe-1.0-py3-none-any.whl</a>",
        )]);
        site.put(&format!("/files/{name}"), &fs::read(world.workspace().join(name)).unwrap());
        let install = format!(
            "/usr/bin/python3 -m pip install -q --disable-pip-version-check --no-cache-dir --retries 0 \
             --trusted-host 127.0.0.1 -i {} --target lib hermes-probe && \
             PYTHONPATH=lib /usr/bin/python3 -c 'import hermes_probe; print(hermes_probe.WORD)'",
            site.url("/simple")
        );
        let result = run(&world, &install).await;
        assert!(text(&result).ends_with("installed"), "{}: {result}", world.wall());
        assert!(site.was_asked(&format!("/files/{name}")));
    }
}

#[tokio::test]
async fn npm_installs_from_a_registry() {
    if !has("npm") || !has("node") {
        return;
    }
    for world in open_worlds() {
        let packed = "mkdir package && echo '{\"name\":\"hermes-probe\",\"version\":\"1.0.0\"}' > package/package.json && \
                      echo 'module.exports = \"installed\"' > package/index.js && tar czf probe.tgz package";
        assert_eq!(run(&world, packed).await["exit_code"], 0);
        let site = Site::new(&[]);
        site.put("/probe.tgz", &fs::read(world.workspace().join("probe.tgz")).unwrap());
        let described = json!({
            "name": "hermes-probe",
            "dist-tags": { "latest": "1.0.0" },
            "versions": { "1.0.0": {
                "name": "hermes-probe", "version": "1.0.0", "dist": { "tarball": site.url("/probe.tgz") },
            }},
        });
        site.put("/hermes-probe", described.to_string().as_bytes());
        let install = format!(
            "echo '{{}}' > package.json && npm install --silent --no-audit --no-fund --fetch-retries=0 --cache $TMPDIR/npm \
             --registry {} hermes-probe && node -e 'console.log(require(\"hermes-probe\"))'",
            site.url("/")
        );
        let result = run(&world, &install).await;
        assert!(text(&result).ends_with("installed"), "{}: {result}", world.wall());
        assert!(site.was_asked("/probe.tgz"));
    }
}
