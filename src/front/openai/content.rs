//! What a message may hold: text, or parts with images among them. Nothing is cut and nothing dropped in silence.

use crate::{
    domain::{Code, Content, ImageUrl, Part},
    front::{
        error::ApiError,
        json::{Object, wrong_type},
    },
};
use serde_json::Value;
use std::fmt::Display;

/// Most parts of one message.
pub const MAX_PARTS: usize = 1_000;

/// Content of a user's message.
///
/// # Errors
///
/// 400 at `place`: a wrong type, a part that is not served, a bad image.
pub fn parse(value: Value, place: impl Display) -> Result<Content, ApiError> {
    let items = match value {
        Value::Null => return Ok(Content::Text(String::new())),
        Value::String(text) => return Ok(Content::Text(text)),
        Value::Array(items) => items,
        other @ (Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
            return Err(wrong_type(place, "a string or an array of parts", &other));
        }
    };
    if items.len() > MAX_PARTS {
        let message = format!("`{place}` has {} parts; the limit is {MAX_PARTS}.", items.len());
        return Err(ApiError::invalid(place, message));
    }
    let mut parts = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        parts.extend(part(item, &place, index)?);
    }
    Ok(joined(parts))
}

/// Content of a message that is text alone: system, assistant, tool.
///
/// # Errors
///
/// As [`parse`], and for images.
pub fn parse_text(value: Value, place: impl Display) -> Result<String, ApiError> {
    match parse(value, &place)? {
        Content::Text(text) => Ok(text),
        Content::Parts(_) => {
            let message = format!("`{place}` takes text only; images go into messages of the user.");
            Err(ApiError::new(Code::UnsupportedContentType, message).at(place))
        }
    }
}

/// Text alone becomes one string, parts joined by line breaks.
fn joined(parts: Vec<Part>) -> Content {
    if parts.iter().any(|part| matches!(part, Part::ImageUrl { .. })) {
        return Content::Parts(parts);
    }
    Content::Text(Content::Parts(parts).text().into_owned())
}

/// One part; `None` for text that is not there.
fn part(item: Value, place: &impl Display, index: usize) -> Result<Option<Part>, ApiError> {
    if let Value::String(text) = item {
        return Ok(Some(Part::Text { text }));
    }
    let mut part = Object::at(item, format!("{place}[{index}]"))?;
    let kind = part.string("type")?.unwrap_or_default();
    match kind.as_str() {
        "text" | "input_text" | "output_text" => {
            let text = part.string("text")?.filter(|text| !text.is_empty());
            Ok(text.map(|text| Part::Text { text }))
        }
        "image_url" | "input_image" => image(part, place).map(Some),
        "file" | "input_file" => Err(unsupported(
            "Inline image inputs are supported, but uploaded files and document inputs are not supported on this \
             endpoint.",
            place,
        )),
        other => Err(unsupported(
            &format!(
                "Unsupported content part type '{other}'. Only text and image_url/input_image parts are supported."
            ),
            place,
        )),
    }
}

fn unsupported(message: &str, place: &impl Display) -> ApiError {
    ApiError::new(Code::UnsupportedContentType, message).at(place)
}

/// `image_url` may be `{"url", "detail"}` or the URL itself; `detail` may stand beside it.
fn image<P: Display>(mut part: Object<P>, place: &impl Display) -> Result<Part, ApiError> {
    let beside = part.take("detail");
    let (url, inside) = match part.take("image_url") {
        Some(Value::String(url)) => (Some(url), None),
        Some(Value::Object(members)) => {
            let mut image = Object::at(Value::Object(members), part.place_of("image_url"))?;
            (image.string("url")?, image.take("detail"))
        }
        None => (None, None),
        Some(other) => {
            let place = part.place_of("image_url");
            return Err(wrong_type(place, "a string or an object with `url`", &other));
        }
    };
    let url = url.map(|url| url.trim().to_owned()).filter(|url| !url.is_empty());
    let Some(url) = url else {
        let message = "Image parts must include a non-empty image URL.";
        return Err(ApiError::new(Code::InvalidImageUrl, message).at(place));
    };
    check_url(&url).map_err(|error| error.at(place))?;
    let detail = match inside.or(beside) {
        None => None,
        Some(Value::String(detail)) if !detail.trim().is_empty() => Some(detail),
        Some(_) => {
            let message = "Image detail must be a non-empty string when provided.";
            return Err(ApiError::new(Code::InvalidContentPart, message).at(place));
        }
    };
    let image_url = ImageUrl { url, detail };
    Ok(Part::ImageUrl { image_url })
}

fn check_url(url: &str) -> Result<(), ApiError> {
    let begins =
        |prefix: &str| url.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix));
    if begins("http://") || begins("https://") || (begins("data:image/") && url.contains(',')) {
        return Ok(());
    }
    if begins("data:") && !begins("data:image/") {
        let message = "Only image data URLs are supported. Non-image data payloads are not supported.";
        return Err(ApiError::new(Code::UnsupportedContentType, message));
    }
    let message = "Image inputs must use http(s) URLs or data:image/... URLs.";
    Err(ApiError::new(Code::InvalidImageUrl, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_is_kept_whole() {
        let long = "x".repeat(100_000);
        let cases = [
            ("string", json!(long), long.as_str()),
            ("null", json!(null), ""),
            (
                "parts",
                json!([{"type": "text", "text": "a"}, "b", {"type": "input_text", "text": "c"}]),
                "a\nb\nc",
            ),
            ("empty part", json!([{"type": "text", "text": null}, {"type": "text", "text": "a"}]), "a"),
            ("no parts", json!([]), ""),
        ];
        for (case, value, text) in cases {
            assert_eq!(parse(value, "c").unwrap(), Content::Text(text.to_owned()), "{case}");
        }
    }

    #[test]
    fn images_keep_their_place_among_the_text() {
        let url = "data:image/png;base64,AAAA";
        let image = |detail: Option<&str>| Part::ImageUrl {
            image_url: ImageUrl { url: url.to_owned(), detail: detail.map(str::to_owned) },
        };
        let cases = [
            (json!({"type": "image_url", "image_url": {"url": url, "detail": "low"}}), image(Some("low"))),
            (json!({"type": "input_image", "image_url": url}), image(None)),
            (json!({"type": "image_url", "image_url": url, "detail": "high"}), image(Some("high"))),
        ];
        for (item, part) in cases {
            let text = Part::Text { text: "see".to_owned() };
            let content = parse(json!([{"type": "text", "text": "see"}, item.clone()]), "c").unwrap();
            assert_eq!(content, Content::Parts(vec![text, part]), "{item}");
        }
    }

    #[test]
    fn what_is_not_served_is_refused_by_name() {
        let many: Vec<_> = (0..=MAX_PARTS).map(|_| json!("x")).collect();
        let image = |url: &str| json!([{"type": "image_url", "image_url": {"url": url}}]);
        let cases = [
            ("number", json!(42), "invalid_request", "m[0].content"),
            ("object", json!({}), "invalid_request", "m[0].content"),
            ("too many", json!(many), "invalid_request", "m[0].content"),
            ("scalar part", json!([1]), "invalid_request", "m[0].content[0]"),
            (
                "text type",
                json!(["a", {"type": "text", "text": 5}]),
                "invalid_request",
                "m[0].content[1].text",
            ),
            ("file", json!([{"type": "file", "file": {}}]), "unsupported_content_type", "m[0].content"),
            ("audio", json!([{"type": "input_audio"}]), "unsupported_content_type", "m[0].content"),
            ("no type", json!([{}]), "unsupported_content_type", "m[0].content"),
            ("no url", json!([{"type": "image_url"}]), "invalid_image_url", "m[0].content"),
            ("blank url", image(" "), "invalid_image_url", "m[0].content"),
            ("scheme", image("file:///etc/passwd"), "invalid_image_url", "m[0].content"),
            ("cut data", image("data:image/png"), "invalid_image_url", "m[0].content"),
            ("other data", image("data:text/plain,x"), "unsupported_content_type", "m[0].content"),
            ("not ascii", image("höttps://x"), "invalid_image_url", "m[0].content"),
            (
                "detail",
                json!([{"type": "image_url", "image_url": {"url": "https://x", "detail": ""}}]),
                "invalid_content_part",
                "m[0].content",
            ),
        ];
        for (case, value, code, place) in cases {
            let error = parse(value, "m[0].content").unwrap_err();
            assert_eq!((error.code.wire(), error.param.as_deref()), (code, Some(place)), "{case}");
        }
        assert!(parse_text(json!([{"type": "image_url", "image_url": "https://x"}]), "c").is_err());
    }
}
