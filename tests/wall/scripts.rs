//! `execute_code` without its tools: Python behind the wall.

use crate::support::{World, pids, running};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

impl World {
    async fn script(&self, code: &str) -> Value {
        self.call("execute_code", json!({ "code": code })).await
    }
}

#[tokio::test]
async fn a_script_runs_behind_each_wall_and_its_end_is_told() {
    for world in World::each() {
        let cases = [
            ("print('up')", "success", 0, "up"),
            (
                "import os, sys\nprint(os.getcwd().endswith('/workspace'), sys.stdin.read() == '')",
                "success",
                0,
                "True True",
            ),
            (
                "import subprocess\nprint(subprocess.run(['echo', 'child'], capture_output=True, text=True).stdout)",
                "success",
                0,
                "child",
            ),
            ("import sys\nprint('quiet', file=sys.stderr)", "success", 0, ""),
            (
                "import sys\nprint('out')\nprint('why', file=sys.stderr)\nsys.exit(4)",
                "error",
                4,
                "out\n--- stderr ---\nwhy",
            ),
            ("import os\nos.kill(os.getpid(), 9)", "error", 137, ""),
            (
                "if __name__ == '__main__':\n    def f(): return g()\n    def g(): return 7\n    print(f())",
                "success",
                0,
                "7",
            ),
        ];
        for (code, status, exit, output) in cases {
            let done = world.script(code).await;
            let got = (&done["status"], &done["exit_code"], &done["output"]);
            assert_eq!(
                got,
                (&json!(status), &json!(exit), &json!(output)),
                "{} {code}: {done}",
                world.wall()
            );
            assert_eq!(done["tool_calls_made"], 0);
        }
        let failed = world.script("x = 1\nraise ValueError('bad')").await;
        let output = failed["output"].as_str().unwrap();
        assert!(
            output.contains("File \"<script>\", line 2") && output.ends_with("ValueError: bad"),
            "{output}"
        );
        assert!(!output.contains("exec("), "none of our own frames: {output}");
        let broken = world.script("def f(:\n").await;
        assert!(broken["output"].as_str().unwrap().contains("SyntaxError"), "{broken}");
    }
}

#[tokio::test]
async fn a_flood_is_cut_and_counted() {
    let world = World::new();
    let done = world.script("print('first')\nfor n in range(20000): print('line', n)\nprint('last')").await;
    let output = done["output"].as_str().unwrap();
    assert!(output.starts_with("first\n") && output.ends_with("\nlast") && output.len() < 51_000);
    let [captured, total, omitted] =
        ["captured", "total", "omitted"].map(|name| done[format!("stdout_bytes_{name}")].as_u64().unwrap());
    assert_eq!((&done["stdout_truncated"], captured + omitted), (&json!(true), total));
    let loud = world.script("import sys\nsys.stderr.write('x' * 3000000 + 'end')\nsys.exit(1)").await;
    let output = loud["output"].as_str().unwrap();
    assert!(output.ends_with("end") && output.len() < 10_100, "{}", output.len());
}

#[tokio::test]
async fn it_ends_with_its_time_and_with_the_run_and_leaves_nothing() {
    let hide = "import os, subprocess\n\
                subprocess.Popen(['bash', '-c', 'exec -a py-hide sleep 1000'], start_new_session=True)\n";
    for world in World::each() {
        let code = format!("{hide}import time\nwhile not os.path.exists('go'): time.sleep(0.01)");
        let release = async {
            running("py-hide", 1).await;
            std::fs::write(world.workspace().join("go"), "").unwrap();
        };
        let (done, ()) = tokio::join!(world.script(&code), release);
        assert_eq!((&done["exit_code"], pids("py-hide").len()), (&json!(0), 0), "{done}");
        std::fs::remove_file(world.workspace().join("go")).unwrap();
        let stop = CancellationToken::new();
        let code = format!("{hide}print('begun')\nimport time\ntime.sleep(1000)");
        let call = world.raw("one", "execute_code", json!({ "code": code }), &stop, true);
        let stopper = async {
            running("py-hide", 1).await;
            stop.cancel();
        };
        let (output, ()) = tokio::join!(call, stopper);
        let stopped: Value = serde_json::from_str(&output.text).unwrap();
        assert_eq!((&stopped["status"], pids("py-hide").len()), (&json!("interrupted"), 0), "{stopped}");
    }
    let hasty = World::with(|config| config.terminal.max_timeout = Duration::from_secs(1));
    let late = hasty.script("print('before')\nwhile True: pass").await;
    assert_eq!(
        (&late["status"], &late["exit_code"], &late["output"]),
        (&json!("timeout"), &json!(124), &json!("before"))
    );
}

#[tokio::test]
async fn a_hostile_script_and_a_hostile_workspace_do_no_harm() {
    let world = World::new();
    // Modules of the workspace are for the script, not for what runs it.
    for name in ["json", "os", "traceback", "threading", "linecache"] {
        std::fs::create_dir_all(world.workspace()).unwrap();
        std::fs::write(world.workspace().join(format!("{name}.py")), "raise SystemExit('hijacked')").unwrap();
    }
    std::fs::write(world.workspace().join("helper.py"), "WORD = 'own module'").unwrap();
    let done = world.script("import helper\nprint(helper.WORD)").await;
    assert_eq!(done["output"], "own module", "{done}");
    // The socket, called in every wrong way.
    let raw = "import sys\nframe = sys._getframe()\nwhile 'out' not in frame.f_locals: frame = frame.f_back\n\
               back, out = frame.f_locals['back'], frame.f_locals['out']\n\
               for line in [b'{}', b'null', b'no json', b'\\xff', b'{\"tool\": 7}', b'{\"tool\": \"read_file\", \"arguments\": {}}', b'[' * 100000]:\n    \
               out.write(line + b'\\n'); out.flush(); assert b'\"error\"' in back.readline()\n\
               out.write(b'{\"stderr\": \"forged\"}\\n'); out.flush(); print('still here')";
    let done = world.script(raw).await;
    assert_eq!((&done["output"], &done["tool_calls_made"]), (&json!("still here"), &json!(0)), "{done}");
    let endless = "import sys\nframe = sys._getframe()\nwhile 'out' not in frame.f_locals: frame = frame.f_back\n\
                   out = frame.f_locals['out']\nfor _ in range(100): out.write(b'x' * 100000)\nout.flush()";
    assert_ne!(world.script(endless).await["exit_code"], 0, "one line of 10 MB ends the conversation");
    assert_eq!(world.script("print('next')").await["output"], "next");
}

#[tokio::test]
async fn what_is_asked_wrongly_runs_nothing() {
    let world = World::new();
    for arguments in
        [json!({}), json!({ "code": " " }), json!({ "code": 7 }), json!({ "code": "#".repeat(300_000) })]
    {
        assert_eq!(world.call("execute_code", arguments).await["code"], "invalid_arguments");
    }
}
