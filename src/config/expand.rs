//! `${VAR}` in the values of `config.yaml`.

/// Replaces each `${NAME}`; other dollars stay as they are.
///
/// # Errors
///
/// The name that has no value.
pub(super) fn expand(text: &str, value_of: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        whole.push_str(before);
        match after.split_once('}') {
            Some((name, behind)) if is_env_name(name) => {
                whole.push_str(&value_of(name).ok_or_else(|| name.to_owned())?);
                rest = behind;
            }
            Some(_) | None => {
                whole.push_str("${");
                rest = after;
            }
        }
    }
    whole.push_str(rest);
    Ok(whole)
}

/// Whether a text can be the name of a `.env` entry.
pub(super) fn is_env_name(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(word) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_braced_names_are_replaced() {
        let value_of = |name: &str| (name == "A").then(|| "1${A}".to_owned());
        let cases = [
            ("none", "plain $A $ {A}", Ok("plain $A $ {A}")),
            ("once, not again", "x${A}y", Ok("x1${A}y")),
            ("open", "${A", Ok("${A")),
            ("no name", "${A B}${}${1}", Ok("${A B}${}${1}")),
            ("nested", "${${A}}", Ok("${1${A}}")),
            ("unknown", "${A}${B}", Err("B")),
        ];
        for (case, text, expected) in cases {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(expand(text, value_of), expected, "{case}");
        }
    }
}
