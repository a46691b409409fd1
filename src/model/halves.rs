//! Halves of letters: `\ud83d` without its other half, which servers write that cut a text in the middle of a letter. No
//! reader of JSON takes them.

#[derive(PartialEq, Eq)]
enum Half {
    First,
    Second,
}

/// The JSON text without them; `None` when it has none.
pub(super) fn left_out(json: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    let (mut at, mut kept) = (0, 0);
    while let Some(rest) = json.get(at..).filter(|rest| !rest.is_empty()) {
        if rest[0] != b'\\' {
            at += 1;
            continue;
        }
        match half(rest) {
            // Another escape: what stands behind the sign belongs to it.
            None => at += 2,
            Some(Half::First) if rest.get(6..).and_then(half) == Some(Half::Second) => at += 12,
            Some(Half::First | Half::Second) => {
                whole.extend_from_slice(json.get(kept..at).unwrap_or_default());
                at += 6;
                kept = at;
            }
        }
    }
    (kept > 0).then(|| {
        whole.extend_from_slice(json.get(kept..).unwrap_or_default());
        whole
    })
}

/// Which half an escape at the beginning of the text is.
fn half(text: &[u8]) -> Option<Half> {
    let digits = std::str::from_utf8(text.strip_prefix(b"\\u")?.get(..4)?).ok()?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..=0xdbff => Some(Half::First),
        0xdc00..=0xdfff => Some(Half::Second),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_lost_its_other_half_is_left_out() {
        let cases = [
            (r#""whole \ud83d\ude00""#, None),
            (r#""plain \u00fc \\ud83d \n""#, None),
            (r#""a\ud83d""#, Some(r#""a""#)),
            (r#""\ude00b""#, Some(r#""b""#)),
            (r#""\ud83d\ud83d\ude00""#, Some(r#""\ud83d\ude00""#)),
            (r#""a\uD83D\n\ude00b""#, Some(r#""a\nb""#)),
            (r#""\ud8"#, None),
            ("\\", None),
        ];
        for (text, expected) in cases {
            let found = left_out(text.as_bytes()).map(|whole| String::from_utf8(whole).unwrap());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
