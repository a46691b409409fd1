//! The file tools: what they answer, and that they cannot leave their two folders.

use crate::support::{SECRET, World};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

#[tokio::test]
async fn no_file_tool_leaves_the_workspace() {
    let world = World::new();
    world.sh("true").await;
    let (home, workspace) = (world.home.path(), world.workspace());
    symlink(home.join(".env"), workspace.join("absolute")).unwrap();
    symlink("../.env", workspace.join("relative")).unwrap();
    symlink("../../bob", workspace.join("folder")).unwrap();
    symlink("/proc/self/root", workspace.join("magic")).unwrap();
    symlink("loop", workspace.join("loop")).unwrap();
    let outside = home.join(".env").display().to_string();
    let through_proc = format!("magic{outside}");
    for path in [
        outside.as_str(),
        "/etc/passwd",
        "../.env",
        "x/../../.env",
        "absolute",
        "relative",
        "folder/.env",
        "folder/new/x",
        &through_proc,
        "loop",
        "/proc/self/environ",
        "/tmp/../etc/passwd",
        "~/../.env",
        "\u{0}",
    ] {
        let replace = json!({ "mode": "replace", "path": path, "old_string": "TOP", "new_string": "x" });
        let patch = json!({ "mode": "patch", "patch": format!("*** Update File: {path}\n-TOP\n+x") });
        for (name, arguments) in [
            ("read_file", json!({ "path": path })),
            ("write_file", json!({ "path": path, "content": "overwritten" })),
            ("patch", replace),
            ("patch", patch),
            ("search_files", json!({ "path": path, "pattern": "." })),
        ] {
            let result = world.call(name, arguments).await;
            assert!(result["error"].is_string(), "{name} {path}: {result}");
            assert!(!result.to_string().contains(SECRET), "{name} {path}");
        }
    }
    let all = world.call("search_files", json!({ "pattern": "SECRET|root:" })).await;
    assert_eq!(all["total_count"], 0, "{all}");
    assert_eq!(fs::read_to_string(home.join(".env")).unwrap(), SECRET);
    assert!(!home.join("profiles/bob/new").exists());
}

#[tokio::test]
async fn special_files_are_refused_and_never_waited_for() {
    let world = World::new();
    world.sh("mkfifo pipe; mkdir folder; head -c 100 /dev/zero > binary; printf '\\211PNG\\r\\n\\032\\n\\0\\0' > image.png; ln -s round round; ln -s turn about; ln -s about turn").await;
    let noise: Vec<u8> = (0..4_000_u32).map(|n| u8::try_from(n * n % 255 + 1).unwrap()).collect();
    fs::write(world.workspace().join("noise"), noise).unwrap();
    let cases = [
        ("pipe", "not_a_file"),
        ("folder", "is_directory"),
        (".", "is_directory"),
        ("binary", "binary_file"),
        ("image.png", "binary_file"),
        ("noise", "binary_file"),
        ("round", "link_loop"),
        ("about/x", "link_loop"),
        ("binary/x", "not_a_directory"),
        ("missing", "not_found"),
    ];
    for (path, code) in cases {
        assert_eq!(world.call("read_file", json!({ "path": path })).await["code"], code, "{path}");
    }
    for (path, code) in [
        ("pipe", "not_a_file"),
        ("folder", "is_directory"),
        (".", "is_directory"),
        ("binary/x", "not_a_directory"),
        ("round", "link_loop"),
    ] {
        let result = world.call("write_file", json!({ "path": path, "content": "x" })).await;
        assert_eq!(result["code"], code, "{path}: {result}");
    }
    assert_eq!(world.call("read_file", json!({ "path": "image.png" })).await["is_image"], true);
    let near = world.call("read_file", json!({ "path": "imag.png" })).await;
    assert!(near["hint"].as_str().unwrap().contains("image.png"), "{near}");
}

#[tokio::test]
async fn reading_tells_the_truth_about_what_is_missing() {
    let world = World::new();
    let text = |world: &World, name: &str, text: &str| fs::write(world.workspace().join(name), text).unwrap();
    world.sh("true").await;
    text(&world, "three", "a\nb\r\nc\n");
    text(&world, "bare", "a\nb");
    text(&world, "empty", "");
    text(&world, "wide", &("x".repeat(3_000) + "\nend\n"));
    text(&world, "long", &(0..50_000).map(|n| format!("line {n}\n")).collect::<String>());
    let read = |path: &'static str, more: Value| {
        let mut arguments = json!({ "path": path });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.call("read_file", arguments)
    };
    let view = |result: &Value| {
        (
            result["content"].as_str().unwrap().to_owned(),
            result["total_lines"].as_u64().unwrap(),
            result["truncated"].as_bool().unwrap(),
        )
    };
    assert_eq!(view(&read("three", json!({})).await), ("1|a\n2|b\n3|c".into(), 3, false));
    assert_eq!(view(&read("bare", json!({})).await), ("1|a\n2|b".into(), 2, false));
    assert_eq!(view(&read("empty", json!({})).await), (String::new(), 0, false));
    assert_eq!(view(&read("three", json!({ "offset": 2, "limit": 1 })).await), ("2|b".into(), 3, true));
    assert_eq!(view(&read("three", json!({ "offset": 3 })).await), ("3|c".into(), 3, false));
    assert_eq!(view(&read("three", json!({ "offset": 9 })).await).1, 3);
    let wide = read("wide", json!({})).await;
    assert_eq!((&wide["truncated"], wide["content"].as_str().unwrap().len()), (&json!(true), 2_000 + 2 + 6));
    let long = read("long", json!({ "offset": 49_990, "limit": 5 })).await;
    assert!(long["hint"].as_str().unwrap().contains("offset=49995"), "{long}");
    let capped = read("long", json!({ "limit": 1_000_000 })).await;
    assert!(capped["hint"].as_str().unwrap().contains("offset=2001"), "{}", capped["hint"]);
    let empty = read("empty", json!({})).await;
    assert_eq!(empty["hint"], "it has no lines");
    fs::write(world.workspace().join("latin"), b"gr\xfc\xdfe\nplain\n").unwrap();
    let latin = read("latin", json!({})).await;
    assert_eq!(
        (&latin["content"], &latin["is_binary"]),
        (&json!("1|gr\u{fffd}\u{fffd}e\n2|plain"), &json!(false))
    );
    assert!(latin["hint"].as_str().unwrap().starts_with("1 lines have bytes that are not UTF-8"), "{latin}");
    assert_eq!(read("latin", json!({ "offset": 2 })).await["hint"], json!(null), "what is shown is as it is");
    text(&world, "sign", "a sign \u{fffd} of its own\n");
    assert_eq!(read("sign", json!({})).await["hint"], json!(null));
    assert_eq!(read("three", json!({ "offset": 0 })).await["code"], "invalid_arguments");
}

#[tokio::test]
async fn writing_makes_folders_keeps_modes_and_follows_inner_links() {
    let world = World::new();
    let write = |path: &'static str, content: &'static str| {
        world.call("write_file", json!({ "path": path, "content": content }))
    };
    let made = write("a/b/c.json", "{\"x\": 1}").await;
    assert_eq!(
        (&made["dirs_created"], &made["created"], &made["lint"]["status"]),
        (&json!(true), &json!(true), &json!("ok"))
    );
    let again = write("a/b/c.json", "{").await;
    assert_eq!(
        (&again["dirs_created"], &again["created"], &again["lint"]["status"]),
        (&json!(false), &json!(false), &json!("error"))
    );
    assert_eq!(fs::read_to_string(world.workspace().join("a/b/c.json")).unwrap(), "{");
    let script = world.workspace().join("s");
    fs::write(&script, "old").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o750)).unwrap();
    symlink("s", world.workspace().join("link")).unwrap();
    write("link", "new").await;
    assert_eq!(fs::read_to_string(&script).unwrap(), "new");
    assert_eq!(fs::metadata(&script).unwrap().permissions().mode() & 0o777, 0o750);
    assert!(fs::symlink_metadata(world.workspace().join("link")).unwrap().is_symlink());
    // Both tools mean the same `/tmp`.
    write("/tmp/shared", "from the file tool").await;
    assert_eq!(world.sh("cat $TMPDIR/shared").await.0, "from the file tool");
    assert_eq!(
        world.call_in("two", "read_file", json!({ "path": "/tmp/shared" })).await["code"],
        "not_found"
    );
    let left: Vec<_> =
        fs::read_dir(world.workspace()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".hermes-")), "{left:?}");
}

#[tokio::test]
async fn a_file_below_tmp_is_named_as_commands_find_it() {
    for world in World::each() {
        let wall = world.wall();
        let written = world.call("write_file", json!({ "path": "/tmp/w.txt", "content": "one\n" })).await;
        let replace =
            json!({ "mode": "replace", "path": "/tmp/w.txt", "old_string": "one", "new_string": "two" });
        let patched = world.call("patch", replace).await;
        let names = [&written["resolved_path"], &written["files_modified"][0], &patched["files_modified"][0]];
        for name in names.map(|name| name.as_str().unwrap()) {
            assert_eq!(world.sh(&format!("cat {name}")).await, ("two".to_owned(), 0), "{wall}: {name}");
            let read = world.call("read_file", json!({ "path": name })).await;
            assert_eq!(read["content"], "1|two", "{wall}: {name}");
        }
        if world.is_strict() {
            assert_eq!(names[0], "/tmp/w.txt", "{wall}");
        }
    }
}

#[tokio::test]
async fn patches_apply_whole_or_not_at_all() {
    let world = World::new();
    world.sh("printf 'one\\ntwo\\n' > a; printf 'x\\n' > b").await;
    let done = world
        .call("patch", json!({ "mode": "replace", "path": "a", "old_string": "two", "new_string": "2" }))
        .await;
    assert_eq!(done["diff"], "--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n");
    let text = "*** Begin Patch\n*** Update File: a\n@@\n-one\n+1\n*** Update File: b\n@@\n-absent\n+y\n*** End Patch";
    assert_eq!(world.call("patch", json!({ "mode": "patch", "patch": text })).await["code"], "no_match");
    assert_eq!(world.sh("cat a b").await.0, "one\n2\nx");
    let text = "*** Begin Patch\n*** Update File: a\n*** Move to: d/e\n@@\n-one\n+1\n*** Delete File: b\n*** Add File: c\n+new\n*** End Patch";
    let done = world.call("patch", json!({ "mode": "patch", "patch": text })).await;
    assert_eq!(done["success"], true, "{done}");
    assert_eq!(world.sh("cat d/e c; ls").await.0, "1\n2\nnew\nc\nd");
    let again = json!({ "mode": "patch", "patch": "*** Add File: c\n+other" });
    assert_eq!(world.call("patch", again).await["code"], "already_exists");
    for missing in
        [json!({ "mode": "replace", "path": "c" }), json!({ "mode": "patch" }), json!({ "mode": "x" })]
    {
        assert_eq!(world.call("patch", missing).await["code"], "invalid_arguments");
    }
}

#[tokio::test]
async fn searching_counts_exactly_and_pages() {
    let world = World::new();
    world.sh("git init -q . ; mkdir src .hidden; for i in 1 2 3 4 5; do printf 'hit %s\\nmiss\\nhit again\\n' $i > src/f$i.rs; done; echo hit > notes.md; echo hit > .hidden/x; echo out > .gitignore; echo hit > out; printf 'hit\\0' > bin").await;
    let search = |arguments: Value| world.call("search_files", arguments);
    let all = search(json!({ "pattern": "^hit", "limit": 3 })).await;
    assert_eq!(
        (&all["total_count"], &all["truncated"], all["matches"].as_array().unwrap().len()),
        (&json!(11), &json!(true), 3),
        "{all}"
    );
    assert_eq!(all["matches"][0], json!({ "path": "notes.md", "line": 1, "content": "hit" }));
    let last = search(json!({ "pattern": "^hit", "offset": 10 })).await;
    assert_eq!(
        (&last["matches"], &last["truncated"]),
        (&json!([{ "path": "src/f5.rs", "line": 3, "content": "hit again" }]), &json!(false))
    );
    let context = search(json!({ "pattern": "hit 2", "context": 1, "path": "src" })).await;
    assert_eq!(
        context["matches"][1],
        json!({ "path": "src/f2.rs", "line": 2, "content": "miss", "context": true })
    );
    let files =
        search(json!({ "pattern": "again", "output_mode": "files_only", "file_glob": "f[12].rs" })).await;
    assert_eq!(files["files"], json!(["src/f1.rs", "src/f2.rs"]));
    let count = search(json!({ "pattern": "hit", "output_mode": "count", "path": "src/f1.rs" })).await;
    assert_eq!(count["counts"], json!([{ "path": "src/f1.rs", "count": 2 }]));
    let names = search(json!({ "pattern": "*.rs", "target": "files", "limit": 2 })).await;
    assert_eq!(
        (&names["total_count"], &names["files"], &names["truncated"]),
        (&json!(5), &json!(["src/f1.rs", "src/f2.rs"]), &json!(true))
    );
    assert_eq!(search(json!({ "pattern": "notes", "target": "files" })).await["files"], json!(["notes.md"]));
    assert_eq!(search(json!({ "pattern": "hit", "path": ".hidden" })).await["total_count"], 1);
    for (arguments, code) in [
        (json!({ "pattern": "a(" }), "invalid_pattern"),
        (json!({ "pattern": "[z-a].x", "target": "files" }), "invalid_pattern"),
        (json!({ "pattern": "x", "path": "nope" }), "not_found"),
        (json!({ "pattern": "" }), "invalid_arguments"),
        (json!({ "pattern": "x", "limit": 0 }), "invalid_arguments"),
    ] {
        assert_eq!(search(arguments.clone()).await["code"], code, "{arguments}");
    }
}
