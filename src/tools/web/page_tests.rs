use super::*;
use std::time::{Duration, Instant};

fn text(html: &str) -> String {
    markdown(html, &"https://h.example/a/b".parse().unwrap()).text
}

#[test]
fn a_page_reads_as_its_author_meant_it() {
    let cases = [
        ("<h1>A  b</h1><p>One\ntwo</p><p>three</p>", "# A b\n\nOne two\n\nthree"),
        ("a <b>bold</b>, <em>more</em> and <code>x &lt; y</code>.", "a **bold**, *more* and `x < y`."),
        ("<a href='../c?d=1'>link</a> <a href='javascript:x'>no</a>", "[link](https://h.example/c?d=1) no"),
        ("<a href='/x'></a>y", "y"),
        ("<ul><li>a<li>b<ul><li>c</ul></ul><ol><li>d</li><li>e</li></ol>", "- a\n- b\n  - c\n\n1. d\n2. e"),
        ("<pre>  x\n   y</pre>z", "```\n  x\n   y\n```\n\nz"),
        ("<blockquote>said</blockquote>", "> said"),
        ("<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>", "| a | b |\n| 1 | 2 |"),
        ("<img src=p.png alt='A  cat'><img src=q.png>", "![A cat](https://h.example/a/p.png)"),
        ("one<br>two<hr>three", "one\ntwo\n\n---\n\nthree"),
        ("un<b>finish", "un**finish"),
        ("plain & simple &amp; &eacute;", "plain & simple & é"),
    ];
    for (html, expected) in cases {
        assert_eq!(text(html), expected, "{html}");
    }
}

#[test]
fn what_people_do_not_see_the_model_does_not_read() {
    let cases = [
        "<script>x < y; '</p>'</script><style>p{}</style>seen",
        "<div hidden>no<div>no</div></div>seen",
        "<p style='Display : none'>no</p>seen",
        "<span aria-hidden=true>no</span>seen",
        "<!-- no -->seen<template>no</template>",
        "<nav><a href=/x>no</a></nav>seen<svg><text>no</text></svg>",
        "<input hidden>seen",
    ];
    for html in cases {
        assert_eq!(text(html), "seen", "{html}");
    }
}

#[test]
fn the_title_and_the_main_part_are_told_apart_from_the_rest() {
    let body = "word ".repeat(60);
    let html = format!("<title> A\n page </title><div>menu</div><main>{body}</main><div>imprint</div>");
    let page = markdown(&html, &"https://h/".parse().unwrap());
    assert_eq!(page, Page { title: Some("A page".to_owned()), text: body.trim().to_owned() });
    assert_eq!(text("<div>all</div><main>short</main>"), "all\n\nshort");
}

#[test]
fn hostile_pages_take_neither_the_stack_nor_the_time() {
    let many = 100_000;
    let pages = [
        "<div>".repeat(many),
        "<b><p>".repeat(many),
        (0..many).map(|n| format!("<b a={n}>")).collect(),
        "<ul><li>".repeat(many),
        "<blockquote>".repeat(many),
        "<a href=x>".repeat(many),
        "<table><tr><td>".repeat(many),
        "</p>".repeat(many),
        "<pre>".repeat(many),
        format!("<p {}>", "a ".repeat(many)),
        "&#x10ffff;&ampx&".repeat(many),
    ];
    for page in pages {
        let begun = Instant::now();
        let length = text(&page).len();
        assert!(length < 16 * page.len(), "{length}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?} for {}…", begun.elapsed(), &page[..20]);
    }
}
