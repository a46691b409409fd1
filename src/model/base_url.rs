//! From the configured base URL to the addresses below it.

use http::Uri;

/// `/v1` is added only when the URL has no path; a query stays where it is.
///
/// # Errors
/// What is wrong with the URL, as a sentence.
pub(super) fn chat_completions(base_url: &str) -> Result<Uri, String> {
    below(base_url, "/chat/completions")
}

/// Where an endpoint lists its models.
///
/// # Errors
/// As [`chat_completions`].
pub(super) fn models(base_url: &str) -> Result<Uri, String> {
    below(base_url.trim().trim_end_matches('/').trim_end_matches("/chat/completions"), "/models")
}

/// The address of `path` (with its slash); an address that ends with it already stays as it is.
///
/// # Errors
/// As [`chat_completions`].
pub(super) fn below(base_url: &str, path: &str) -> Result<Uri, String> {
    let base_url = base_url.trim();
    let wrong =
        |why: &str| format!("`model.base_url` is `{base_url}`: {why}, e.g. `https://api.example.com/v1`");
    let (base, query) =
        base_url.split_once('?').map_or((base_url, None), |(base, query)| (base, Some(query)));
    let base = base.trim_end_matches('/');
    let uri: Uri = base.parse().map_err(|_| wrong("not a URL; write one"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong("it must begin with http:// or https://"));
    }
    let version = if matches!(uri.path(), "/" | "") { "/v1" } else { "" };
    let path = if uri.path().ends_with(path) { "" } else { path };
    let address = format!("{base}{version}{path}");
    let address = query.map_or_else(|| address.clone(), |query| format!("{address}?{query}"));
    address.parse().map_err(|_| wrong("not a URL; write one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v1_is_added_only_where_there_is_no_path() {
        let cases = [
            ("http://h:1", "http://h:1/v1/chat/completions"),
            ("http://h:1/", "http://h:1/v1/chat/completions"),
            (" https://h/v1/ ", "https://h/v1/chat/completions"),
            ("https://h/api/v2", "https://h/api/v2/chat/completions"),
            ("https://h/v1/chat/completions", "https://h/v1/chat/completions"),
            ("https://h?api-version=3", "https://h/v1/chat/completions?api-version=3"),
            ("https://h/d?api-version=3", "https://h/d/chat/completions?api-version=3"),
            ("http://[::1]:1", "http://[::1]:1/v1/chat/completions"),
        ];
        for (base, expected) in cases {
            assert_eq!(chat_completions(base).map(|uri| uri.to_string()), Ok(expected.to_owned()), "{base}");
        }
    }

    #[test]
    fn what_is_no_url_is_named() {
        for base in ["", "localhost:8080", "ftp://h/v1", "/v1", "http://", "http://h h"] {
            let error = chat_completions(base).unwrap_err();
            assert!(error.contains(&format!("`{base}`")), "{error}");
        }
    }
}
