//! From the bytes of an answer to its text. Blocking: it may be some megabytes.

use super::{
    super::failure::Failure,
    fetch::Fetched,
    page::{self, Page},
};
use encoding_rs::{Encoding, UTF_8};
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use std::io::Read;

/// An unpacked body is not read beyond this: some kilobytes may unpack to gigabytes.
pub const LARGEST: usize = 5 << 20;
/// A page's own word about its letters stands in its first bytes.
const HEAD: usize = 1_024;

/// The text of an answer: of a page its Markdown, of other text itself.
pub fn read(fetched: Fetched) -> Result<(Page, bool), Failure> {
    let Fetched { url, media, charset, packed, body, mut cut } = fetched;
    let body = match packed.as_deref() {
        None | Some("identity") => body,
        Some("gzip" | "x-gzip") => unpacked(MultiGzDecoder::new(&body[..]), &mut cut)?,
        Some("deflate") => unpacked(ZlibDecoder::new(&body[..]), &mut cut)?,
        Some(other) => {
            let text = format!("the server packs its answer as `{other}`, unasked, which is not read here");
            return Err(Failure::new("unsupported_content", text));
        }
    };
    let is_html = matches!(&*media, "text/html" | "application/xhtml+xml")
        || media.is_empty() && body.trim_ascii_start().starts_with(b"<");
    if !is_html && !is_text(&media) || has_zeros(&body) && charset.is_none() {
        let media = if media.is_empty() { "an unnamed kind" } else { &media };
        let text = format!("this is {media} of {} bytes, not text", body.len());
        return Err(Failure::new("unsupported_content", text).hint("fetch it with a command if it is needed"));
    }
    let said = charset.or_else(|| is_html.then(|| charset_of_page(&body)).flatten());
    let encoding = said.and_then(|label| Encoding::for_label(label.as_bytes())).unwrap_or(UTF_8);
    let (text, _, _) = encoding.decode(&body);
    let page =
        if is_html { page::markdown(&text, &url) } else { Page { title: None, text: text.into_owned() } };
    Ok((page, cut))
}

fn unpacked(packed: impl Read, cut: &mut bool) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let read = packed.take(LARGEST as u64 + 1).read_to_end(&mut body);
    if let Err(error) = read
        && !*cut
    {
        return Err(Failure::new("unsupported_content", format!("the packed answer is damaged: {error}")));
    }
    *cut |= body.len() > LARGEST;
    body.truncate(LARGEST);
    Ok(body)
}

fn is_text(media: &str) -> bool {
    let names = ["json", "xml", "javascript", "ecmascript", "yaml", "x-yaml", "toml", "x-ndjson", "sql"];
    media.is_empty()
        || media.starts_with("text/")
        || media.strip_prefix("application/").is_some_and(|kind| {
            names.contains(&kind)
                || kind.ends_with("+json")
                || kind.ends_with("+xml")
                || kind.ends_with("+yaml")
        })
}

fn has_zeros(body: &[u8]) -> bool {
    body.iter().take(HEAD).any(|byte| *byte == 0)
}

/// `<meta charset=…>`, or the same within `content`.
fn charset_of_page(body: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(body.get(..HEAD.min(body.len()))?).to_ascii_lowercase();
    let (_, after) = head.split_once("charset=")?;
    let label = after.trim_start_matches(['"', '\'', ' ']);
    let end = label.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c))).unwrap_or(label.len());
    Some(label[..end].to_owned()).filter(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn fetched(media: &str, charset: Option<&str>, packed: Option<&str>, body: &[u8]) -> Fetched {
        Fetched {
            url: "http://h/".parse().unwrap(),
            media: media.to_owned(),
            charset: charset.map(str::to_owned),
            packed: packed.map(str::to_owned),
            body: body.to_owned(),
            cut: false,
        }
    }

    #[test]
    fn letters_are_read_as_the_server_or_the_page_says() {
        let cases: [(&str, Option<&str>, &[u8], &str); 6] = [
            ("text/plain", None, "grüß".as_bytes(), "grüß"),
            ("text/plain", Some("iso-8859-1"), b"gr\xfc\xdf", "grüß"),
            ("text/html", None, b"<meta charset='windows-1252'><p>\x80", "€"),
            ("text/plain", None, b"\xef\xbb\xbfx", "x"),
            ("text/plain", Some("utf-16le"), b"h\0i\0", "hi"),
            ("application/problem+json", Some("nonsense"), b"{}", "{}"),
        ];
        for (media, charset, body, expected) in cases {
            let (page, cut) = read(fetched(media, charset, None, body)).unwrap();
            assert_eq!((&*page.text, cut), (expected, false), "{media} {charset:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused_by_name() {
        for (media, body) in [("image/png", &b"x"[..]), ("text/plain", b"a\0b"), ("", b"\x7fELF\0")] {
            let failure = read(fetched(media, None, None, body)).unwrap_err().output();
            assert!(failure.text.contains("unsupported_content"), "{media}: {}", failure.text);
        }
        let unknown = read(fetched("text/plain", None, Some("br"), b"x")).unwrap_err().output();
        assert!(unknown.text.contains("`br`"), "{}", unknown.text);
    }

    #[test]
    fn a_body_that_unpacks_to_too_much_is_cut() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        for _ in 0..64 {
            packed.write_all(&[b'x'; 1 << 20]).unwrap();
        }
        let packed = packed.finish().unwrap();
        assert!(packed.len() < 1 << 20);
        let (page, cut) = read(fetched("text/plain", None, Some("gzip"), &packed)).unwrap();
        assert_eq!((page.text.len(), cut), (LARGEST, true));
        assert!(read(fetched("text/plain", None, Some("gzip"), b"no gzip")).is_err());
    }
}
