//! Commands that go on in the background, and terminals.

use crate::support::{World, running};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

impl World {
    async fn leave(&self, command: &str) -> String {
        self.leave_with(json!({ "command": command, "background": true })).await
    }

    async fn leave_with(&self, arguments: Value) -> String {
        let started = self.call("terminal", arguments).await;
        assert_eq!((&started["error"], &started["status"]), (&Value::Null, &json!("running")), "{started}");
        assert!(started["pid"].as_u64().is_some_and(|pid| pid > 1), "{started}");
        started["session_id"].as_str().unwrap().to_owned()
    }

    async fn process(&self, action: &str, id: &str, more: Value) -> Value {
        let mut arguments = json!({ "action": action, "session_id": id });
        arguments.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        self.call("process", arguments).await
    }

    async fn wait(&self, id: &str) -> Value {
        self.process("wait", id, json!({ "timeout": 60 })).await
    }

    /// Polls until the output has this in it.
    async fn prints(&self, id: &str, text: &str) -> Value {
        let look = async {
            loop {
                let seen = self.process("poll", id, json!({})).await;
                if seen["output"].as_str().is_some_and(|output| output.contains(text)) {
                    return seen;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), look).await.unwrap()
    }
}

fn ended(answer: &Value) -> (&str, i64) {
    (answer["status"].as_str().unwrap(), answer["exit_code"].as_i64().unwrap())
}

#[tokio::test]
async fn a_command_goes_on_reads_what_is_typed_and_tells_how_it_ended() {
    for world in World::each() {
        let id = world.leave("echo up; read -r line; echo \"got $line\"; cat; exit 3").await;
        let seen = world.prints(&id, "up").await;
        assert_eq!((&seen["status"], &seen["exit_code"]), (&json!("running"), &Value::Null), "{seen}");
        assert_eq!(world.sh("echo beside").await.0, "beside", "others run meanwhile");
        let typed = world.process("submit", &id, json!({ "data": "hello" })).await;
        assert_eq!(typed["bytes_written"], 6, "{typed}");
        world.prints(&id, "got hello").await;
        world.process("write", &id, json!({ "data": "no end of line" })).await;
        world.prints(&id, "no end of line").await;
        assert_eq!(world.process("close", &id, json!({})).await["status"], "ok");
        let done = world.wait(&id).await;
        assert_eq!(ended(&done), ("exited", 3), "{}: {done}", world.wall());
        assert_eq!(done["output"], "up\ngot hello\nno end of line");
        for action in ["kill", "write", "submit", "close"] {
            let again = world.process(action, &id, json!({ "data": "x" })).await;
            assert_eq!(ended(&again), ("already_exited", 3), "{action}: {again}");
        }
        let list = world.call("process", json!({ "action": "list" })).await;
        assert_eq!(list["processes"][0]["session_id"], json!(id), "{list}");
    }
}

/// The reference gives none in the foreground, and closes the input of what has none in the background.
#[tokio::test]
async fn a_pty_is_a_terminal_in_the_foreground_and_in_the_background() {
    for world in World::each() {
        let command = "test -t 0 && test -t 1 && test -t 2 && echo three; stty size; echo $TERM; : > /dev/tty && echo own; \
                       printf '\\033[31mred\\033[0m\\n'; export KEPT=1; cd /tmp 2>/dev/null || cd $TMPDIR";
        let result = world.call("terminal", json!({ "command": command, "pty": true })).await;
        let expected = "three\n24 120\nxterm-256color\nown\nred";
        assert_eq!(
            (&result["output"], &result["exit_code"]),
            (&json!(expected), &json!(0)),
            "{}",
            world.wall()
        );
        assert_eq!(world.sh("echo $KEPT; basename $PWD").await.0.lines().next(), Some("1"));
        if world.is_strict() {
            let (name, _) = world.sh("echo none").await;
            assert_eq!(name, "none");
            let tty = world.call("terminal", json!({ "command": "tty", "pty": true })).await;
            assert_eq!(tty["output"], "/dev/pts/0", "a name that means something inside");
        }
        let id = world
            .leave_with(json!({ "command": "read -r x; echo \"<$x>\"; sleep 100; echo after $?", "background": true, "pty": true }))
            .await;
        world.process("submit", &id, json!({ "data": "typed" })).await;
        world.prints(&id, "<typed>").await;
        // Ctrl-C reaches what is in front, as with a person.
        world.process("write", &id, json!({ "data": "\u{3}" })).await;
        let done = world.wait(&id).await;
        assert_eq!(ended(&done), ("exited", 130), "{}: {done}", world.wall());
    }
}

#[tokio::test]
async fn no_way_to_its_end_leaves_anything_behind() {
    for world in World::each() {
        let hide =
            |mark: &str| format!("(setsid bash -c 'exec -a {mark} sleep 1000' &); exec -a {mark} sleep 1000");
        let id = world.leave(&hide("bg-kill")).await;
        running("bg-kill", 2).await;
        let killed = world.process("kill", &id, json!({})).await;
        assert_eq!((ended(&killed), alive("bg-kill")), (("exited", 137), 0), "{killed}");

        let stop = CancellationToken::new();
        let arguments = json!({ "command": hide("bg-stop"), "background": true });
        let started = world.raw("one", "terminal", arguments, &stop, true).await;
        let started: Value = serde_json::from_str(&started.text).unwrap();
        running("bg-stop", 2).await;
        stop.cancel();
        let stopped = world.wait(started["session_id"].as_str().unwrap()).await;
        assert_eq!((ended(&stopped), alive("bg-stop")), (("exited", 130), 0), "{stopped}");
        assert!(stopped["error"].as_str().unwrap().contains("stopped"), "{stopped}");

        world.leave(&hide("bg-gone")).await;
        running("bg-gone", 2).await;
        drop(world);
        let start = std::time::Instant::now();
        while alive("bg-gone") > 0 {
            assert!(start.elapsed() < Duration::from_secs(20));
            tokio::task::yield_now().await;
        }
    }
}

fn alive(mark: &str) -> usize {
    crate::support::pids(mark).len()
}

#[tokio::test]
async fn it_belongs_to_its_session_and_leaves_nothing_to_later_calls() {
    let world = World::new();
    world.sh("export GIVEN=1").await;
    let id = world.leave("echo \"$GIVEN\"; mkdir -p sub; cd sub; export LEFT=1; echo done").await;
    assert_eq!(world.wait(&id).await["output"], "1\ndone");
    assert_eq!(world.sh("basename $PWD; echo \"<$LEFT>\"").await.0, "workspace\n<>");
    let other = world.call_in("two", "process", json!({ "action": "poll", "session_id": id })).await;
    assert_eq!((&other["code"], &other["status"]), (&json!("not_found"), &json!("not_found")), "{other}");
    let list = world.call_in("two", "process", json!({ "action": "list" })).await;
    assert_eq!(list, json!({ "processes": [] }));
}

#[tokio::test]
async fn a_flood_is_kept_by_its_end_and_shown_by_lines() {
    let world = World::new();
    let id = world.leave("for n in $(seq 60000); do echo line $n; done; echo end").await;
    let done = world.wait(&id).await;
    assert!(done["output"].as_str().unwrap().ends_with("line 60000\nend"), "{done}");
    assert!(done["output"].as_str().unwrap().len() <= 2_000);
    let log = world.process("log", &id, json!({})).await;
    let total = log["total_lines"].as_u64().unwrap();
    assert_eq!(
        (log["shown_lines"].as_u64(), log["offset"].as_u64()),
        (Some(200), Some(total - 200)),
        "{log}"
    );
    assert!(log["dropped_bytes"].as_u64().unwrap() > 0 && total < 60_000, "{total}");
    let two = world.process("log", &id, json!({ "offset": total - 2, "limit": 5 })).await;
    assert_eq!((&two["output"], &two["shown_lines"]), (&json!("line 60000\nend"), &json!(2)));
    let none = world.process("log", &id, json!({ "offset": 1_000_000 })).await;
    assert_eq!((&none["output"], &none["shown_lines"]), (&json!(""), &json!(0)));
}

#[tokio::test]
async fn its_limits_hold() {
    let world = World::with(|config| {
        config.terminal.background_max = Duration::from_secs(1);
        config.terminal.limits.output = 1 << 20;
    });
    let late = world.leave("sleep 1000").await;
    let done = world.wait(&late).await;
    assert_eq!(ended(&done), ("exited", 124), "{done}");
    assert!(done["error"].as_str().unwrap().contains("terminal.background_max"), "{done}");
    let loud = world.leave("yes").await;
    let done = world.wait(&loud).await;
    assert_eq!(ended(&done), ("exited", 137), "{done}");
    assert!(done["error"].as_str().unwrap().contains("terminal.limits.output"), "{done}");
}

#[tokio::test]
async fn a_profile_has_only_so_many() {
    let world = World::new();
    for _ in 0..16 {
        world.leave("exec sleep 1000").await;
    }
    let refused = world.call("terminal", json!({ "command": "touch ran", "background": true })).await;
    assert_eq!(refused["code"], "too_many_processes", "{refused}");
    let list = world.call("process", json!({ "action": "list" })).await;
    let first = list["processes"][0]["session_id"].as_str().unwrap();
    world.process("kill", first, json!({})).await;
    let id = world.leave("echo room").await;
    assert_eq!(world.wait(&id).await["output"], "room");
    assert!(!world.workspace().join("ran").exists());
}

#[tokio::test]
async fn waiting_ends_with_its_time_and_with_the_run() {
    let world = World::new();
    let id = world.leave("sleep 1000").await;
    let waited = world.process("wait", &id, json!({ "timeout": 1 })).await;
    assert_eq!((&waited["status"], &waited["timed_out"]), (&json!("running"), &json!(true)), "{waited}");
    let stop = CancellationToken::new();
    let wait = world.raw("one", "process", json!({ "action": "wait", "session_id": id }), &stop, true);
    let stopper = async {
        tokio::task::yield_now().await;
        stop.cancel();
    };
    let (waited, ()) = tokio::join!(wait, stopper);
    assert!(waited.failed && waited.text.contains("stopped"), "{}", waited.text);
    assert_eq!(world.process("poll", &id, json!({})).await["status"], "running", "it was another run's");
}

#[tokio::test]
async fn what_is_asked_wrongly_changes_nothing() {
    let world = World::new();
    let id = world.leave("cat").await;
    let cases = [
        (json!({}), "invalid_arguments"),
        (json!({ "action": "dance" }), "invalid_arguments"),
        (json!({ "action": ["list"] }), "invalid_arguments"),
        (json!({ "action": "poll" }), "invalid_arguments"),
        (json!({ "action": "poll", "session_id": 7 }), "invalid_arguments"),
        (json!({ "action": "poll", "session_id": "proc_000000000000" }), "not_found"),
        (json!({ "action": "wait", "session_id": id, "timeout": 0 }), "invalid_arguments"),
        (json!({ "action": "log", "session_id": id, "limit": "all" }), "invalid_arguments"),
        (json!({ "action": "write", "session_id": id }), "invalid_arguments"),
        (json!({ "action": "write", "session_id": id, "data": 5 }), "invalid_arguments"),
        (json!({ "action": "submit", "session_id": id, "data": "x".repeat(100_000) }), "invalid_arguments"),
    ];
    for (arguments, code) in cases {
        let answer = world.call("process", arguments.clone()).await;
        assert_eq!(answer["code"], code, "{arguments}: {answer}");
    }
    assert_eq!(world.process("poll", &id, json!({})).await["output"], "");
    let deaf = world.leave("exec sleep 1000").await;
    let full = "y".repeat(60_000);
    world.process("write", &deaf, json!({ "data": full })).await;
    let refused = world.process("write", &deaf, json!({ "data": full })).await;
    assert_eq!(refused["code"], "input_full", "nobody waits for ever for one that does not read: {refused}");
}
