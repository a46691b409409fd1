//! What is found, in whichever form and in however many pieces, and what is left alone.

use super::Redactor;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use serde_json::json;

const CANARY: &str = "cAn4ry/7+\"q'\\z & ü=end";

fn redactor() -> Redactor {
    Redactor::new([("CANARY", CANARY)].into_iter().collect())
}

/// The text in pieces of `size` bytes, or more where a letter is longer.
fn streamed(redactor: &Redactor, text: &str, size: usize) -> String {
    let mut stream = redactor.stream();
    let (mut shown, mut piece) = (String::new(), String::new());
    for letter in text.chars() {
        piece.push(letter);
        if piece.len() >= size {
            shown.push_str(&stream.push(std::mem::take(&mut piece)));
        }
    }
    shown.push_str(&stream.push(piece));
    shown + &stream.finish()
}

#[test]
fn a_secret_is_found_in_every_form() {
    let redactor = redactor();
    let json = serde_json::to_string(CANARY).unwrap();
    let percent: String = CANARY.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let form = url::form_urlencoded::byte_serialize(CANARY.as_bytes()).collect::<String>();
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut cases = vec![
        ("raw", CANARY.to_owned()),
        ("JSON", json.clone()),
        ("JSON in JSON", serde_json::to_string(&json).unwrap()),
        ("JSON in JSON in JSON", serde_json::to_string(&serde_json::to_string(&json).unwrap()).unwrap()),
        ("JSON in ASCII", json.replace('ü', "\\u00fc")),
        ("a form", form.clone()),
        (
            "a form in small letters",
            form.replace("%2F", "%2f")
                .replace("%2B", "%2b")
                .replace("%5C", "%5c")
                .replace("%C3%BC%3D", "%c3%bc%3d"),
        ),
        ("a form that escapes all", percent),
        ("hexadecimal", hex.clone()),
        ("HEXADECIMAL", hex.to_ascii_uppercase()),
        ("a shell's quotes", format!("'{}'", CANARY.replace('\'', "'\\''"))),
        ("broken lines", format!("{}\n{}\r\n{}", &CANARY[..5], &CANARY[5..9], &CANARY[9..])),
    ];
    for before in ["", "x", "xy", "xyz"] {
        let text = format!("{before}{CANARY}tail");
        cases.push(("base64", STANDARD.encode(&text)));
        cases.push(("base64 of URLs", URL_SAFE.encode(&text)));
        let wide = STANDARD.encode(format!("A=1\nSOME_OTHER_ENTRY=of some length\n{text}"));
        cases.push((
            "base64 in lines",
            wide.as_bytes()
                .chunks(20)
                .map(|line| format!("{}\n", std::str::from_utf8(line).unwrap()))
                .collect(),
        ));
    }
    for (case, text) in cases {
        let clean = redactor.clean(&text);
        assert!(clean.contains("[redacted:CANARY]"), "{case}: {text} became {clean}");
        for size in [1, 2, 3, 7, 1_000] {
            assert_eq!(streamed(&redactor, &text, size), clean, "{case} in pieces of {size}");
        }
    }
}

#[test]
fn what_is_left_is_whole() {
    let redactor = redactor();
    let told = format!("before {CANARY} between {CANARY}{CANARY} after");
    let expected = "before [redacted:CANARY] between [redacted:CANARY][redacted:CANARY] after";
    assert_eq!(redactor.clean(&told), expected);
    let told = json!({ "output": told }).to_string();
    let clean: serde_json::Value = serde_json::from_str(&redactor.clean(&told)).unwrap();
    assert_eq!(clean["output"], expected);
    let innocent = "cAn4ry/7 is the beginning of one, \\n stays, and ü does too: C:\\new\\run";
    assert!(matches!(redactor.clean(innocent), std::borrow::Cow::Borrowed(_)));
}

#[test]
fn text_is_held_back_only_while_it_may_become_a_secret() {
    let redactor = redactor();
    let mut stream = redactor.stream();
    let shown = ["plain text ", "cAn4", "ry is no secret ", "cAn4ry/7", "+\"q'\\z & ü=en", "d."]
        .map(|piece| stream.push(piece.to_owned()));
    assert_eq!(shown, ["plain text ", "", "cAn4ry is no secret ", "", "", "[redacted:CANARY]."]);
    assert_eq!((stream.push("cAn".to_owned()), stream.finish()), (String::new(), "cAn".to_owned()));
    assert_eq!(stream.push("4ry".to_owned()), "4ry", "another text");
}

#[test]
fn secrets_that_overlap_leave_nothing_of_either() {
    let entries = [("A", "abcdefgh-1"), ("B", "gh-1ijklmnop"), ("C", "aaaaaaaa")];
    let redactor = Redactor::new(entries.into_iter().collect());
    assert_eq!(redactor.clean("x abcdefgh-1ijklmnop y"), "x [redacted:A] y");
    for size in 1..20 {
        assert_eq!(streamed(&redactor, "x abcdefgh-1ijklmnop y", size), "x [redacted:A] y");
        assert_eq!(streamed(&redactor, &"a".repeat(1_000), size), "[redacted:C]");
    }
}

#[test]
fn a_key_is_known_by_its_form() {
    let redactor = Redactor::default();
    let key = format!("hk_0123abcd_{}", "0123456789".repeat(4));
    assert_eq!(redactor.clean(&format!("Bearer {key}, hk_short")), "Bearer [redacted:API key], hk_short");
    assert_eq!(streamed(&redactor, &format!("hhk_{key}"), 1), "hhk_[redacted:API key]");
}

#[test]
fn secrets_come_and_go_with_the_configuration() {
    let redactor = redactor();
    redactor.learn("a key", "learnt-at-work");
    assert_eq!(redactor.clean("learnt-at-work"), "[redacted:a key]");
    redactor.replace([("OTHER", "another-secret")].into_iter().collect());
    let text = format!("{CANARY} another-secret learnt-at-work");
    assert_eq!(redactor.clean(&text), format!("{CANARY} [redacted:OTHER] [redacted:a key]"));
}

#[test]
fn arguments_stay_json_and_numbers_count() {
    let redactor = Redactor::new([("PIN_TOKEN", "20264711"), ("WORD", "quoted-word")].into_iter().collect());
    let mut value = json!({ "pin": 20_264_711, "quoted-word": ["quoted-word", 1.5, null] });
    redactor.clean_value(&mut value);
    assert_eq!(
        value,
        json!({ "pin": "[redacted:PIN_TOKEN]", "[redacted:WORD]": ["[redacted:WORD]", 1.5, null] })
    );
}

proptest::proptest! {
    /// However a text is cut, a stream shows what a whole reading shows.
    #[test]
    fn pieces_make_no_difference(text in "[abhk_n\\\\\n012]{0,80}", size in 1usize..9) {
        let entries = [("A_KEY", "abab01"), ("B_KEY", "b01n2a\\k"), ("C_KEY", "nabba2_")];
        let redactor = Redactor::new(entries.into_iter().collect());
        let clean = redactor.clean(&text).into_owned();
        proptest::prop_assert_eq!(streamed(&redactor, &text, size), clean.clone());
        proptest::prop_assert!(!entries.iter().any(|(_, secret)| clean.contains(secret)));
    }
}
