use super::{UNKNOWN, Unreadable, read};

/// Programs with their arguments, wrappers off.
fn programs(text: &str) -> Vec<String> {
    let script = read(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let core = |command: &super::Command| {
        command.core.iter().map(|word| word.text.replace(UNKNOWN, "…")).collect::<Vec<_>>().join("|")
    };
    script.commands.iter().map(core).filter(|core| !core.is_empty()).collect()
}

#[test]
fn commands_are_found_wherever_they_stand() {
    let cases: &[(&str, &[&str])] = &[
        ("a b; c && d || e & f", &["a|b", "c", "d", "e", "f"]),
        ("a # b; c\nd", &["a", "d"]),
        ("echo x#y", &["echo|x#y"]),
        ("echo $(rm x) `rm y` <(rm z)", &["rm|x", "rm|y", "rm|z", "echo|…|…|…"]),
        ("echo \"a $(rm x) b\"", &["rm|x", "echo|a … b"]),
        ("echo '$(rm x)'", &["echo|$(rm x)"]),
        ("if a; then b; elif c; then d; else e; fi; f", &["a", "b", "c", "d", "e", "f"]),
        ("while read l; do a $l; done < in; b", &["read|l", "a|…", "b"]),
        ("for f in x $(rm y); do z $f; done", &["rm|y", "z|…"]),
        ("for ((i=0; i<3; i++)); do a; done", &["a"]),
        ("case $x in a|b) c;; (d) e;& *) f ;; esac; g", &["c", "e", "f", "g"]),
        ("f() { a; }; function g { b; }; f", &["a", "b", "f"]),
        ("(a; (b)) | c", &["a", "b", "c"]),
        ("{ a; } && ! b", &["a", "b"]),
        ("[[ $x == a && -f b || ( c < d ) ]] && e", &["[[|…|==|a|-f|b|c|d", "e"]),
        ("((x = 1 + $(a))) && b", &["a", "b"]),
        ("echo $((1 + (2)))", &["echo|…"]),
        ("x=(a $(b) c); d", &["b", "d"]),
        ("cat <<EOF\n$(a)\n'\nEOF\nb", &["cat", "a", "b"]),
        ("cat <<'EOF' | c\n$(a)\nEOF\nb", &["cat", "c", "b"]),
        ("cat <<-EOF\n\tx\n\tEOF\nb", &["cat", "b"]),
        ("a 2>&1 >out <in 3<>x && b", &["a", "b"]),
        ("a |& b", &["a", "b"]),
        ("coproc a; time -p b", &["a", "b"]),
        ("> out", &[]),
    ];
    for (text, wanted) in cases {
        assert_eq!(programs(text), *wanted, "{text}");
    }
}

#[test]
fn quotes_escapes_braces_and_known_variables_are_resolved() {
    let cases: &[(&str, &[&str])] = &[
        ("r\\m 'a b' \"c\"d ''", &["rm|a b|cd|"]),
        ("rm${IFS}-rf${IFS}/", &["rm|-rf|/"]),
        ("\\\nrm \\\n x", &["rm|x"]),
        ("$'\\x72\\155' $'a\\'b'", &["rm|a'b"]),
        ("{rm,-rf,/} a{b,c{d,e}} {x} {1..3}", &["rm|-rf|/|ab|acd|ace|{x}|{1..3}"]),
        ("echo \"{a,b}\"", &["echo|{a,b}"]),
        ("X=rm; $X \"$X\" ${X}s", &["rm|rm|rms"]),
        ("X='rm -rf'; $X y; \"$X\" y", &["rm|-rf|y", "rm -rf|y"]),
        ("X=a; X=b; $X", &["…"]),
        ("${x:-rm} ${y:+z} ${z%%a}", &["rm|z|…"]),
        ("a=1 b=$1 c", &["c"]),
        ("ls ~ $HOME/x \"$HOME\" '~' \\~", &["ls|~|~/x|~|./~|./~"]),
        ("echo ${#x} $$ $? \"$@\" ${x[@]}", &["echo|…|…|…|…|…"]),
    ];
    for (text, wanted) in cases {
        assert_eq!(programs(text), *wanted, "{text}");
    }
}

#[test]
fn wrappers_are_looked_through_and_scripts_among_arguments_are_read() {
    let cases: &[(&str, &[&str])] = &[
        ("sudo -u bob /bin/rm x", &["rm|x"]),
        ("A=1 env -i B=2 nice -n 3 timeout -k 1 5s nohup rm x", &["rm|x"]),
        ("xargs -I {} -n1 rm {}", &["rm|{}"]),
        ("flock -w 3 file rm x", &["rm|x"]),
        ("command -v rm", &["command|-v|rm"]),
        ("sudo -l", &["sudo|-l"]),
        ("bash -euo pipefail -c 'a; b'", &["bash|-euo|pipefail|-c|a; b", "a", "b"]),
        ("sh -c \"sh -c 'a'\"", &["sh|-c|sh -c 'a'", "sh|-c|a", "a"]),
        ("eval a \"b; c\"", &["eval|a|b; c", "a|b", "c"]),
        ("find . -exec a {} \\; -execdir b +", &["find|.|-exec|a|{}|;|-execdir|b|+", "a|{}", "b"]),
        ("bash <<EOF\na\nEOF", &["bash", "a"]),
        ("bash <<< 'a; b'", &["bash", "a", "b"]),
        ("env -S 'rm x'", &["rm x", "rm|x"]),
        ("su - bob -c 'a'", &["su|-|bob|-c|a", "a"]),
        ("trap 'a' EXIT", &["trap|a|EXIT", "a"]),
    ];
    for (text, wanted) in cases {
        assert_eq!(programs(text), *wanted, "{text}");
    }
}

#[test]
fn what_a_command_reads_writes_and_where_it_runs_is_known() {
    let script = read("cd /a && x <in | { y; z; } >out 2>>err; (cd b; w); v &>all").unwrap();
    let find =
        |name: &str| script.commands.iter().find(|c| c.core.first().is_some_and(|w| w.text == name)).unwrap();
    assert_eq!(find("x").reads[0].text, "in");
    assert!(!find("x").piped && find("y").piped && find("z").piped && !find("w").piped);
    assert_eq!((find("w").dir.as_deref(), find("v").dir.as_deref()), (Some("/a/b"), Some("/a")));
    assert_eq!(find("v").writes[0].text, "all");
    let written: Vec<&str> =
        script.commands.iter().flat_map(|c| &c.writes).map(|w| w.text.as_str()).collect();
    assert_eq!(written, ["out", "err", "all"]);
}

#[test]
fn what_cannot_be_followed_says_why() {
    let deep = format!("{}a{}", "$(".repeat(100), ")".repeat(100));
    let backticks = "echo ${a:-".repeat(100);
    for text in [
        "echo 'a", "echo \"a", "(a", "a )", "echo $(a", "a b (c)", "cat <", "[[ a", &deep, &backticks,
        "@(a|b)",
    ] {
        assert!(matches!(read(text), Err(Unreadable(_))), "{text}");
    }
}

#[test]
fn hostile_text_costs_no_more_than_its_length() {
    let doubling: String =
        (0..60).map(|n| format!("v{}=\"$v{n}$v{n}\"; ", n + 1)).collect::<String>() + "eval $v60 $v60";
    let texts = [
        doubling,
        "{a,b}".repeat(1_000),
        "(".repeat(60_000),
        "`".repeat(60_001),
        "$((".repeat(20_000),
        "${".repeat(50_000),
        "<<A ".repeat(20_000),
        "case a in ".repeat(10_000),
        "a|".repeat(60_000),
        "\"$(".repeat(30_000),
        "{".repeat(60_000),
        format!("eval {}", "'eval '".repeat(10_000)),
        "rm ".repeat(40_000),
        "\u{f0001}a\u{f0002}b\u{f0003}".repeat(100),
    ];
    for text in texts {
        // The answer is not the point; that there is one is.
        let _ = read(&text);
    }
}
