//! The forms in which programs print a text: as it is, quoted, escaped, encoded.
//!
//! Escapes by backslash need no form of their own, at any depth: texts are read without backslashes and line breaks
//! ([`super::scan`]), and so are the forms. That also finds what a program has broken into lines.

use super::scan;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use std::{collections::BTreeSet, fmt::Write as _};

/// Shorter forms would be found anywhere.
const SHORTEST: usize = 6;

/// Every form of `secret`, each as a scan reads it.
pub(super) fn of(secret: &str) -> BTreeSet<Vec<u8>> {
    let mut forms = vec![secret.to_owned()];
    forms.extend(quoted(secret));
    forms.extend(percent(secret));
    forms.extend(base64(secret.as_bytes()));
    forms.extend(hex(secret.as_bytes()));
    let mut read: BTreeSet<Vec<u8>> = forms.iter().map(|form| scan::normal(form.as_bytes())).collect();
    // Behind a backslash that is not its own the first letter would be taken for an escape.
    if secret.starts_with(['n', 'r']) {
        read.insert(scan::normal(&secret.as_bytes()[1..]));
    }
    read.retain(|form| form.len() >= SHORTEST);
    read
}

/// JSON with letters escaped by number, as some writers have it, and a shell's single quotes.
fn quoted(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    let json = serde_json::to_string(secret).unwrap_or_default();
    forms.push(json.trim_matches('"').to_owned());
    for upper in [false, true] {
        for more in ["", "<>&", "<>&'\"+/="] {
            let mut form = String::new();
            for c in secret.chars() {
                if c.is_ascii() && !c.is_ascii_control() && !more.contains(c) {
                    form.push(c);
                    continue;
                }
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = if upper { write!(form, "u{unit:04X}") } else { write!(form, "u{unit:04x}") };
                }
            }
            forms.push(form);
        }
    }
    forms.push(secret.replace('\'', "'''"));
    forms.push(secret.replace('\'', "'\"'\"'"));
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    forms.push(html.replace('"', "&quot;").replace('\'', "&#39;"));
    forms.push(html);
    forms
}

/// URL escapes: writers differ in what they leave alone, in the case of digits, and in how they write a blank.
fn percent(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for left_alone in ["-_.~", "-_.~/", "-_.!~*'()", "*-._", "-_.~!$&'()*+,;=:@", "-_.~!$&'()*+,;=:@/?"] {
        for upper in [true, false] {
            for blank in ["%20", "+"] {
                let mut form = String::new();
                for byte in secret.bytes() {
                    if byte.is_ascii_alphanumeric() || left_alone.as_bytes().contains(&byte) {
                        form.push(char::from(byte));
                    } else if byte == b' ' {
                        form.push_str(blank);
                    } else {
                        // Writing to a string cannot fail.
                        let _ = if upper { write!(form, "%{byte:02X}") } else { write!(form, "%{byte:02x}") };
                    }
                }
                forms.push(form);
            }
        }
    }
    for hex in hex(secret.as_bytes()) {
        let pairs = hex.as_bytes().chunks(2);
        forms.push(pairs.flat_map(|pair| [&b"%"[..], pair].concat()).map(char::from).collect());
    }
    forms
}

/// Wherever in an encoded text the secret begins: without the digits at its ends that its neighbours have a part in.
fn base64(secret: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let shifted = [&[0; 2][..before], secret].concat();
        // Of the first digits some bits are the neighbour's; so are those of the last, unless it ends with a digit.
        let first = (before * 8).div_ceil(6);
        let last = shifted.len() * 8 / 6;
        for encoded in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            forms.extend(encoded.get(first..last).map(str::to_owned));
        }
    }
    forms
}

fn hex(secret: &[u8]) -> [String; 2] {
    let lower: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let upper = lower.to_ascii_uppercase();
    [lower, upper]
}
