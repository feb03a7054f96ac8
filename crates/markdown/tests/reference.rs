//! Law: a whole text reads as the parser's own HTML, where no policy of ours differs.

mod support;

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html::push_html};
use support::{examples, whole};

/// The parser's HTML with the policies applied to its events: raw HTML is text, images are placeholders, addresses are not followed.
fn reference(text: &str) -> String {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_MATH;
    let mut in_html = false;
    let events = Parser::new_ext(text, options).map(|event| match event {
        Event::Start(Tag::HtmlBlock) => {
            in_html = true;
            Event::Start(Tag::HtmlBlock)
        }
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        Event::InlineMath(tex) => Event::InlineMath(CowStr::from(format!("${tex}$"))),
        Event::DisplayMath(tex) => Event::DisplayMath(CowStr::from(format!("$${tex}$$"))),
        other => other,
    });
    let mut events: Vec<Event<'_>> = events.collect();
    // A block of HTML has an element of its own here.
    for event in &mut events {
        match event {
            Event::Start(Tag::HtmlBlock) => *event = Event::Html("\n<pre class=\"html\">".into()),
            Event::End(TagEnd::HtmlBlock) => *event = Event::Html("</pre>\n".into()),
            _ => {}
        }
    }
    let _ = in_html;
    let mut html = String::new();
    push_html(&mut html, events.into_iter());
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
    let (mut compared, mut failed) = (0, Vec::new());
    for example in examples() {
        let text = &example.markdown;
        // Images, addresses with a scheme that is not allowed, bare addresses, and white space that is written out.
        let policy =
            ["![", "ftp:", "irc:", "made-up", "localhost:", "MAILTO:", "javascript:", "a+b+c:", "\u{a0}"]
                .iter()
                .any(|mark| text.contains(mark));
        let bare = example.section == "Autolinks" && !text.trim().starts_with('<')
            || text.contains("[foo]: <bar>(baz)");
        if policy || bare {
            continue;
        }
        compared += 1;
        let (got, expected) = (plain(&whole(text)), plain(&reference(text)));
        if got != expected {
            failed.push(format!(
                "example {}: {text:?}\n--- parser\n{expected}\n--- ours\n{got}\n",
                example.number
            ));
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {compared} differ\n{}",
        failed.len(),
        failed[..failed.len().min(12)].join("\n")
    );
    assert!(compared > 600, "only {compared} were compared");
}
