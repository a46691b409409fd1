//! A page as Markdown, made of its tags in one pass.
//!
//! No tree is built: a page that is nested without end would take the stack of whoever walks it, and a tree's rules of
//! repair take quadratic time where a page asks for it. What is hidden from people is left out.

use html5ever::{
    Attribute, LocalName,
    tendril::StrTendril,
    tokenizer::{
        BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
        states::{RawKind, RawKind::Rawtext, RawKind::Rcdata, RawKind::ScriptData},
    },
};
use std::cell::RefCell;
use url::Url;

/// Nested lists, links and quotes that are told apart.
const DEEPEST: usize = 12;
const LONGEST_TITLE: usize = 300;
const LONGEST_LINK: usize = 1_000;

/// The readable part of an answer.
#[derive(Debug, Default, PartialEq)]
pub struct Page {
    pub title: Option<String>,
    pub text: String,
}

/// Blocking, in time linear to the page's length.
pub fn markdown(html: &str, base: &Url) -> Page {
    let sink = Sink(RefCell::new(Writer { base: Some(base.clone()), ..Writer::default() }));
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(html));
    let _script = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.0.into_inner().page()
}

struct Sink(RefCell<Writer>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut writer = self.0.borrow_mut();
        match token {
            Token::CharacterTokens(text) => writer.text(&text),
            Token::TagToken(tag) => {
                writer.tag(&tag);
                if tag.kind == TagKind::StartTag
                    && let Some(kind) = raw(&tag.name)
                {
                    return TokenSinkResult::RawData(kind);
                }
            }
            Token::DoctypeToken(_)
            | Token::CommentToken(_)
            | Token::NullCharacterToken
            | Token::EOFToken
            | Token::ParseError(_) => {}
        }
        TokenSinkResult::Continue
    }
}

/// Elements whose content has no tags.
fn raw(name: &LocalName) -> Option<RawKind> {
    match &**name {
        "script" => Some(ScriptData),
        "style" | "xmp" | "iframe" | "noembed" | "noframes" | "noscript" => Some(Rawtext),
        "title" | "textarea" => Some(Rcdata),
        _ => None,
    }
}

/// Nothing of these is for reading.
const SKIPPED: [&str; 14] = [
    "script", "style", "noscript", "noembed", "noframes", "template", "svg", "math", "iframe", "canvas",
    "object", "select", "textarea", "nav",
];
const VOID: [&str; 13] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];

#[derive(Default)]
struct Writer {
    out: String,
    base: Option<Url>,
    title: String,
    in_title: bool,
    /// The element that is left out, and how often it is open.
    skipped: Option<(LocalName, usize)>,
    /// Line breaks that come before what is written next.
    breaks: usize,
    space: bool,
    pre: usize,
    quotes: usize,
    /// Numbers of ordered lists.
    lists: Vec<Option<u64>>,
    /// Targets of open links, and where their text begins.
    links: Vec<(Option<String>, usize)>,
    /// Where the main part begins and ends.
    main: Option<(usize, Option<usize>)>,
    cells: usize,
}

impl Writer {
    fn page(mut self) -> Page {
        let main = self.main.and_then(|(from, to)| self.out.get(from..to.unwrap_or(self.out.len())));
        // A main part of a few words is none.
        if let Some(main) = main.map(str::trim).filter(|main| main.len() >= 200) {
            self.out = main.to_owned();
        }
        let title = self.title.split_whitespace().collect::<Vec<_>>().join(" ");
        Page { title: (!title.is_empty()).then_some(title), text: self.out.trim().to_owned() }
    }

    fn text(&mut self, text: &str) {
        if self.in_title {
            let room = LONGEST_TITLE.saturating_sub(self.title.chars().count());
            self.title.extend(text.chars().take(room));
        } else if self.skipped.is_some() {
        } else if self.pre > 0 {
            self.flush();
            self.out.push_str(text);
        } else {
            self.space |= text.starts_with(char::is_whitespace);
            for word in text.split_whitespace() {
                self.flush();
                self.out.push_str(word);
                self.space = true;
            }
            self.space &= text.ends_with(char::is_whitespace) || text.trim().is_empty();
        }
    }

    /// Writes the breaks, or the blank, that are due.
    fn flush(&mut self) {
        let begins = self.out.is_empty();
        if self.breaks > 0 && !begins {
            let kept = self.out.trim_end_matches(' ').len();
            self.out.truncate(kept);
            for _ in 0..self.breaks {
                self.out.push('\n');
            }
        }
        if self.breaks > 0 || begins {
            (0..self.quotes).for_each(|_| self.out.push_str("> "));
        } else if self.space {
            self.out.push(' ');
        }
        (self.breaks, self.space) = (0, false);
    }

    fn mark(&mut self, mark: &str) {
        self.flush();
        self.out.push_str(mark);
    }

    /// A mark behind words: what separates stays behind it.
    fn close(&mut self, mark: &str) {
        self.out.push_str(mark);
    }

    fn block(&mut self, breaks: usize) {
        self.breaks = self.breaks.max(breaks);
        self.space = false;
    }

    fn tag(&mut self, tag: &Tag) {
        let start = tag.kind == TagKind::StartTag;
        if let Some((name, open)) = &mut self.skipped {
            if *name == tag.name {
                *open = if start { *open + 1 } else { *open - 1 };
                if *open == 0 {
                    self.skipped = None;
                }
            }
            return;
        }
        let name = &*tag.name;
        if start && !VOID.contains(&name) && (SKIPPED.contains(&name) || is_hidden(&tag.attrs)) {
            if !tag.self_closing {
                self.skipped = Some((tag.name.clone(), 1));
            }
            return;
        }
        match name {
            "title" => self.in_title = start && self.title.is_empty(),
            "main" | "article" => self.main_part(start),
            "p" | "div" | "section" | "header" | "footer" | "aside" | "figure" | "figcaption" | "table"
            | "form" | "dl" | "details" | "fieldset" | "address" => self.block(2),
            "dt" | "dd" | "summary" => self.block(1),
            "br" => self.block(1),
            "hr" => {
                self.block(2);
                self.mark("---");
                self.block(2);
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.block(2);
                if start {
                    let level = name.as_bytes().get(1).map_or(1, |digit| usize::from(digit - b'0'));
                    self.mark(&format!("{} ", "#".repeat(level)));
                }
            }
            "ul" | "ol" => self.list(start, name == "ol"),
            "li" => self.item(start),
            "pre" => self.preformatted(start),
            "blockquote" => {
                self.block(2);
                self.quotes =
                    if start { (self.quotes + 1).min(DEEPEST) } else { self.quotes.saturating_sub(1) };
            }
            "tr" => {
                self.block(1);
                self.cells = 0;
            }
            "td" | "th" => self.cell(start),
            "a" => self.link(start, &tag.attrs),
            "img" if start => self.image(&tag.attrs),
            "code" | "kbd" | "samp" if self.pre == 0 => self.inline(start, "`"),
            "strong" | "b" => self.inline(start, "**"),
            "em" | "i" => self.inline(start, "*"),
            _ => {}
        }
    }

    fn inline(&mut self, start: bool, mark: &str) {
        if self.pre > 0 {
            return;
        }
        if start { self.mark(mark) } else { self.close(mark) }
    }

    fn main_part(&mut self, start: bool) {
        self.block(2);
        match &mut self.main {
            None if start => self.main = Some((self.out.len(), None)),
            Some((_, end)) if !start => *end = Some(self.out.len()),
            Some(_) | None => {}
        }
    }

    fn list(&mut self, start: bool, ordered: bool) {
        self.block(if self.lists.is_empty() || !start && self.lists.len() == 1 { 2 } else { 1 });
        if !start {
            self.lists.pop();
        } else if self.lists.len() < DEEPEST {
            self.lists.push(ordered.then_some(0));
        }
    }

    fn item(&mut self, start: bool) {
        self.block(1);
        if !start {
            return;
        }
        let indent = "  ".repeat(self.lists.len().saturating_sub(1));
        let marker = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number += 1;
                format!("{number}. ")
            }
            Some(None) | None => "- ".to_owned(),
        };
        self.mark(&format!("{indent}{marker}"));
    }

    fn preformatted(&mut self, start: bool) {
        self.block(2);
        if start {
            self.mark("```\n");
            self.pre += 1;
        } else if self.pre > 0 {
            self.pre -= 1;
            let end = if self.out.ends_with('\n') { "```" } else { "\n```" };
            self.close(end);
        }
    }

    fn cell(&mut self, start: bool) {
        if start {
            self.mark(if self.cells == 0 { "| " } else { "" });
            self.cells += 1;
        } else {
            self.close(" | ");
            self.space = false;
        }
    }

    fn link(&mut self, start: bool, attributes: &[Attribute]) {
        if start {
            if self.links.len() < DEEPEST && self.pre == 0 {
                let target = attribute(attributes, "href").and_then(|href| self.absolute(href));
                self.mark(if target.is_some() { "[" } else { "" });
                self.links.push((target, self.out.len()));
            }
            return;
        }
        if let Some((Some(target), from)) = self.links.pop() {
            if self.out.len() == from {
                self.out.truncate(from - 1);
            } else {
                self.close(&format!("]({target})"));
            }
        }
    }

    fn image(&mut self, attributes: &[Attribute]) {
        let alt = attribute(attributes, "alt").map(str::trim).filter(|alt| !alt.is_empty());
        let source = attribute(attributes, "src").and_then(|source| self.absolute(source));
        if let (Some(alt), Some(source)) = (alt, source) {
            self.mark(&format!("![{}]({source})", alt.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
    }

    /// Targets on the web; `javascript:` and the like are none.
    fn absolute(&self, target: &str) -> Option<String> {
        let target = target.trim();
        if target.starts_with('#') || target.len() > LONGEST_LINK {
            return None;
        }
        let url = self.base.as_ref()?.join(target).ok()?;
        matches!(url.scheme(), "http" | "https" | "mailto").then(|| url.to_string())
    }
}

fn attribute<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    attributes.iter().find(|one| &*one.name.local == name).map(|one| &*one.value)
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    let style = attribute(attributes, "style").map(|style| style.replace(' ', "").to_ascii_lowercase());
    attribute(attributes, "hidden").is_some()
        || attribute(attributes, "aria-hidden") == Some("true")
        || style.is_some_and(|style| style.contains("display:none") || style.contains("visibility:hidden"))
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
