//! Law: a whole text reads as the parser's own HTML, where no policy of ours differs.

mod support;

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html::push_html};
use support::examples;

/// Examples that read differently on purpose: images are placeholders, addresses with other schemes lead nowhere, bare addresses
/// are links, and what is a scheme to us is a path to the parser (500).
const POLICY: &[u32] = &[
    500, 517, 520, 531, 572, 573, 574, 575, 576, 577, 578, 579, 580, 581, 582, 583, 584, 585, 586, 587, 588,
    589, 591, 596, 598, 599, 601, 608, 611,
];

/// Our HTML, code as it stands.
fn whole(text: &str) -> String {
    let settings = support::settings()[0];
    #[cfg(feature = "highlight")]
    let settings = {
        let mut off = settings;
        off.highlight = false;
        off
    };
    support::html(&perennial_markdown::batch(text, settings))
}

/// The parser's HTML with two policies applied to its events: raw HTML is text, and a block of it has an element of its own.
fn reference(text: &str) -> String {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_MATH;
    let events = Parser::new_ext(text, options).map(|event| match event {
        Event::Start(Tag::HtmlBlock) => Event::Html("\n<pre class=\"html\">".into()),
        Event::End(TagEnd::HtmlBlock) => Event::Html("</pre>\n".into()),
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        Event::InlineMath(tex) => Event::InlineMath(CowStr::from(format!("${tex}$"))),
        Event::DisplayMath(tex) => Event::DisplayMath(CowStr::from(format!("$${tex}$$"))),
        other => other,
    });
    let mut html = String::new();
    push_html(&mut html, events);
    html
}

/// Without what differs in form only: line ends between blocks, the relation of links, entities that need not be.
fn plain(html: &str) -> String {
    html.replace(" rel=\"noopener noreferrer nofollow\"", "")
        .replace("&quot;", "\"")
        .replace("&#x27;", "'")
        .replace("<tbody>", "")
        .replace("</tbody>", "")
        .lines()
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
        .replace("<pre class=\"html\">\n", "<pre class=\"html\">")
}

#[test]
fn examples_of_the_specification() {
    let (mut failed, mut differ) = (Vec::new(), Vec::new());
    for example in examples() {
        let text = &example.markdown;
        let (got, expected) = (plain(&whole(text)), plain(&reference(text)));
        if got != expected {
            differ.push(example.number);
            if !POLICY.contains(&example.number) {
                failed.push(format!(
                    "example {}: {text:?}\n--- parser\n{expected}\n--- ours\n{got}\n",
                    example.number
                ));
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} of 652 differ\n{}",
        failed.len(),
        failed[..failed.len().min(12)].join("\n")
    );
    assert_eq!(differ, POLICY, "an example no longer differs");
}

#[test]
fn other_texts() {
    for text in [
        "| a | b |\n|---|:-:|\n| 1 | **2** |\n| 3 |\n",
        "~~a~~ ~b~ ~~~c\n",
        "- [ ] a\n- [x] b\n\n  c\n",
        "$a_b$ $$c$$\n",
        "> a\n\n- b\n\n  ```\n  c\n  ```\n",
        "para\n| a |\n|---|\n",
    ] {
        assert_eq!(plain(&whole(text)), plain(&reference(text)), "{text}");
    }
}
