//! The open end: what is shown of a text that is not finished, as HTML.

mod support;

use perennial_markdown::{Html, Links, Renderer, Settings};

fn check(text: &str, expected: &str) {
    let mut settings = Settings::default();
    settings.links = Links::Relative;
    let mut renderer = Renderer::with_settings(settings);
    let mut page = Html::new();
    page.apply(&renderer.push(text));
    // A blank at the end is not seen.
    let html = page.html().replace(" </p>", "</p>").replace(" rel=\"noopener noreferrer nofollow\"", "");
    assert_eq!(html.trim_end(), expected, "{text:?}");
}

#[test]
fn what_is_open_is_completed() {
    check("a **bo", "<p>a <strong>bo</strong></p>");
    check("a *b **c", "<p>a <em>b <strong>c</strong></em></p>");
    check("***a", "<p><em><strong>a</strong></em></p>");
    check("a ~~b", "<p>a <del>b</del></p>");
    check("a `b*c", "<p>a <code>b*c</code></p>");
    check("a ``b`c", "<p>a <code>b`c</code></p>");
    check("# a **b", "<h1>a <strong>b</strong></h1>");
    check("- a\n  - b **c", "<ul>\n<li>a\n<ul>\n<li>b <strong>c</strong></li>\n</ul>\n</li>\n</ul>");
    check(
        "```rust\nfn ma",
        if cfg!(feature = "highlight") {
            "<pre><code class=\"language-rust\"></code></pre>"
        } else {
            "<pre><code class=\"language-rust\">fn ma</code></pre>"
        },
    );
    check("这是**重", "<p>这是<strong>重</strong></p>");
}

#[test]
fn what_is_no_mark_stays() {
    check("2*3 is", "<p>2*3 is</p>");
    check("a * b", "<p>a * b</p>");
    check("snake_case_na", "<p>snake_case_na</p>");
    check("~100 to", "<p>~100 to</p>");
    check("a \\*b c", "<p>a *b c</p>");
    check("x ` y", "<p>x ` y</p>");
    check("a[0] is", "<p>a[0] is</p>");
    check("5 < 6 and", "<p>5 &lt; 6 and</p>");
    check("costs $5 and $1", "<p>costs $5 and $1</p>");
    check("**a\n\n", "<p>**a</p>");
}

#[test]
fn what_is_ambiguous_waits() {
    for (text, shown) in [
        ("a\n\n#", "<p>a</p>"),
        ("a\n\n- ", "<p>a</p>"),
        ("a\n\n1.", "<p>a</p>"),
        ("a\n\n```ru", "<p>a</p>"),
        ("a\n\n| b | c", "<p>a</p>"),
        ("a\n\n| b | c |\n", "<p>a</p>"),
        ("a\n\n| b | c |\n|--", "<p>a</p>"),
        ("a\n-", "<p>a</p>"),
        ("a **", "<p>a</p>"),
        ("a **b*", "<p>a <strong>b</strong></p>"),
        ("a [b", "<p>a</p>"),
        ("a [b](htt", "<p>a</p>"),
        ("a ![b](htt", "<p>a</p>"),
        ("a &am", "<p>a</p>"),
        ("a <https://b", "<p>a</p>"),
        ("a htt", "<p>a</p>"),
        ("a https://b.example.", "<p>a <a href=\"https://b.example\">https://b.example</a></p>"),
        ("a $x_1", "<p>a</p>"),
        ("a\\", "<p>a</p>"),
        ("a!", "<p>a</p>"),
        ("[a]: htt", ""),
    ] {
        check(text, shown);
    }
    check("| a |\n|---|\n| 1", "<table><thead><tr><th>a</th></tr></thead>\n</table>");
    check("| a |\nb", "<p>| a |\nb</p>");
}

#[test]
fn what_is_complete_is_shown() {
    check("a [b](/c) d", "<p>a <a href=\"/c\">b</a> d</p>");
    check("a [b](c d", "<p>a [b](c d</p>");
    check("[1] a", "<p>[1] a</p>");
    check("a &amp; b", "<p>a &amp; b</p>");
    check("a $x_1$ b", "<p>a <span class=\"math math-inline\">$x_1$</span> b</p>");
}

#[test]
fn what_waits_is_shown_when_asked_for() {
    let mut renderer = Renderer::new();
    let mut page = Html::new();
    page.apply(&renderer.push("a [b"));
    assert_eq!(page.html(), "<p>a</p>\n");
    page.apply(&renderer.reveal());
    assert_eq!(page.html(), "<p>a [b</p>\n");
    page.apply(&renderer.push("](https://c.example)"));
    page.apply(&renderer.finish());
    assert!(page.html().starts_with("<p>a <a href="), "{}", page.html());
}

#[test]
fn a_late_definition_patches() {
    use perennial_markdown::{Change, Op};
    let mut renderer = Renderer::new();
    let mut page = Html::new();
    page.apply(&renderer.push("[a] and [^1]\n\nb\n\nc\n\n"));
    assert_eq!(page.html(), "<p>[a] and [^1]</p>\n<p>b</p>\n<p>c</p>\n");
    let mut ops = renderer.push("[a]: https://d.example\n\n[^1]: e\n\nf\n\n");
    ops.extend(renderer.finish());
    let patched: Vec<u64> = ops
        .iter()
        .filter_map(|op| match op {
            Op::Patch { id, change: Change::Content(_) } => Some(*id),
            _ => None,
        })
        .collect();
    assert!(!patched.is_empty() && patched.iter().all(|id| *id == 1), "{patched:?}");
    page.apply(&ops);
    assert!(page.html().starts_with("<p><a href=\"https://d.example\""), "{}", page.html());
}

#[test]
fn nothing_of_a_hostile_text_becomes_markup() {
    let text = "<script>alert(1)</script>\n\n[a](javascript:alert(1)) [b](<java\u{1}script:c>) ![d](https://e.example/f.png \"t\\\"><img src=x>\")\n\n```\"><script>\nx\n```\n\n[^\"><i>]: y\n\n<img src=x onerror=alert(1)> \u{202e}z\n";
    let html = support::whole(text);
    for tag in ["<script", "<img", "<i>", "javascript:"] {
        assert!(!html.contains(tag), "{tag} in {html}");
    }
    assert!(html.contains("&lt;U+202E&gt;z"), "{html}");
}
