//! Tools that the service runs itself: web search, web fetch, code execution. Nothing is really fetched or run.

use serde_json::{Map, Value, json};

use super::conversation::Request;
use super::digest;
use super::facts::Facts;
use super::tools::spaced_json;
use crate::answer::Block;

/// What the service does by itself before it answers.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Calls and their results, in order.
    pub(super) blocks: Vec<Block>,
    /// Text after the results, with citations where the tool gives some.
    pub(super) closing: Vec<Block>,
    pub(super) searches: u64,
    pub(super) fetches: u64,
    /// Whether code ran, and so a container exists.
    pub(super) container: bool,
}

const SITES: &[(&str, &str)] = &[
    ("https://example.org/guide", "A guide"),
    ("https://example.com/notes", "Field notes"),
    ("https://example.net/questions", "Questions and answers"),
];

/// Whether a server tool of this kind is offered.
fn offered(request: Request<'_>, prefix: &str) -> Option<String> {
    let tool = request
        .list("tools")
        .iter()
        .find(|tool| tool["type"].as_str().is_some_and(|kind| kind.starts_with(prefix)))?;
    Some(tool["type"].as_str()?.to_owned())
}

/// Runs the server tools of the request that fit the question.
pub(super) fn run(hash: u64, request: Request<'_>, asked: &str) -> Option<Run> {
    let choice = request.get("tool_choice");
    if choice.is_some_and(|choice| choice["type"] == "none") {
        return None;
    }
    let forced = choice.and_then(|choice| choice["name"].as_str()).unwrap_or_default();
    let facts = Facts::of(asked);
    let says = |words: &[&str]| words.iter().any(|word| facts.mentions(word));
    if offered(request, "web_fetch_").is_some() && (!facts.urls.is_empty() || forced == "web_fetch") {
        return Some(fetch(hash, &facts));
    }
    if let Some(kind) = offered(request, "code_execution_") {
        let fits = says(&[
            "run",
            "execute",
            "calculate",
            "compute",
            "code",
            "python",
            "script",
            "mean",
            "plot",
            "simulate",
        ]);
        if fits || forced.contains("code_execution") {
            return Some(execute(hash, &facts, &kind));
        }
    }
    if offered(request, "web_search_").is_some() {
        let fits = says(&[
            "search",
            "latest",
            "news",
            "today",
            "current",
            "currently",
            "web",
            "find",
            "online",
            "recent",
            "weather",
            "who",
            "when",
        ]);
        if fits || forced == "web_search" {
            return Some(search(hash, asked));
        }
    }
    None
}

/// A call without result, as it stands when the service pauses the turn.
pub(super) fn paused(hash: u64, asked: &str) -> Vec<Block> {
    let run = search(hash, asked);
    vec![
        text("I'll look into this and search the web first."),
        run.blocks.into_iter().next().expect("a search begins with its call"),
    ]
}

/// The result that a paused call was waiting for.
pub(super) fn result_of(call: &Value) -> Block {
    let id = call["id"].as_str().unwrap_or_default();
    let query = call["input"]["query"].as_str().unwrap_or("streaming");
    Block::Whole(json!({"type": "web_search_tool_result", "tool_use_id": id, "content": results(query)}))
}

fn search(hash: u64, asked: &str) -> Run {
    let facts = Facts::of(asked);
    let query = query(&facts);
    let id = digest::id("srvtoolu_", digest::of(hash, &["search"]));
    let sites = results(&query);
    let cited: Vec<_> = sites
        .iter()
        .take(2)
        .map(|site| {
            let title = site["title"].as_str().unwrap_or_default();
            let sentence = format!("{title} treats {query} as something to try out rather than to look up.");
            let citation = json!({
                "type": "web_search_result_location",
                "cited_text": sentence,
                "url": site["url"],
                "title": title,
                "encrypted_index": digest::base64(format!("index of {title}").as_bytes()),
            });
            Block::Text { text: sentence, citations: vec![citation] }
        })
        .collect();
    let [one, two] = <[Block; 2]>::try_from(cited).expect("two results are cited");
    let closing = vec![
        text(&format!(
            "I searched for *{query}*. The simulator has no web, so these results are made up, but their shape is real.\n\n"
        )),
        one,
        text(" "),
        two,
        text("\n\nTaken together, the sources agree on the outline and differ in the details."),
    ];
    Run {
        blocks: vec![
            call(&id, "web_search", &json!({"query": query})),
            result_of(&json!({"id": id, "input": {"query": query}})),
        ],
        closing,
        searches: 1,
        ..Run::default()
    }
}

fn results(query: &str) -> Vec<Value> {
    SITES
        .iter()
        .map(|(url, title)| {
            let title = format!("{title} to {query}");
            json!({
                "type": "web_search_result",
                "title": title,
                "url": format!("{url}/{}", slug(query)),
                "encrypted_content": digest::base64(format!("the content of {title}, which only the service can read").as_bytes()),
                "page_age": null,
            })
        })
        .collect()
}

fn fetch(hash: u64, facts: &Facts) -> Run {
    let url = facts.urls.first().map_or("https://example.org/", String::as_str);
    let id = digest::id("srvtoolu_", digest::of(hash, &["fetch"]));
    let body = "Example page\n\nThis page stands in for the one that was asked for. It was written by the simulator. Nothing was fetched.";
    let cited = "This page stands in for the one that was asked for.";
    let start = body.find(cited).unwrap_or_default();
    let result = json!({
        "type": "web_fetch_tool_result",
        "tool_use_id": id,
        "content": {
            "type": "web_fetch_result",
            "url": url,
            "retrieved_at": "2026-11-20T09:30:00.000000+00:00",
            "content": {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": body},
                "title": "Example page",
                "citations": {"enabled": true},
            },
        },
        "caller": {"type": "direct"},
    });
    let citation = json!({
        "type": "char_location",
        "cited_text": cited,
        "document_index": 0,
        "document_title": "Example page",
        "start_char_index": start,
        "end_char_index": start + cited.len(),
    });
    let closing = vec![
        text(&format!("I opened {url}. ")),
        Block::Text {
            text: "The page says of itself that it stands in for the real one.".to_owned(),
            citations: vec![citation],
        },
        text(" There is little more to it, because the simulator has no web."),
    ];
    Run {
        blocks: vec![call(&id, "web_fetch", &json!({"url": url})), Block::Whole(result)],
        closing,
        fetches: 1,
        ..Run::default()
    }
}

fn execute(hash: u64, facts: &Facts, kind: &str) -> Run {
    let id = digest::id("srvtoolu_", digest::of(hash, &["execute"]));
    let numbers: Vec<f64> = facts.numbers.iter().filter_map(|number| number.parse().ok()).collect();
    let (code, stdout, said) = if numbers.is_empty() {
        ("print('hello')".to_owned(), "hello\n".to_owned(), "The program ran and printed `hello`.".to_owned())
    } else {
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        let code = format!("data = [{}]\nprint(sum(data) / len(data))", facts.numbers.join(", "));
        (code, format!("{mean}\n"), format!("The mean of these {} numbers is **{mean}**.", numbers.len()))
    };
    // The first version of the tool ran Python only; the later ones run a shell.
    let (name, input, result_type, inner) = if kind == "code_execution_20250522" {
        ("code_execution", json!({"code": code}), "code_execution_tool_result", "code_execution_result")
    } else {
        let command = format!("python3 - <<'EOF'\n{code}\nEOF");
        (
            "bash_code_execution",
            json!({"command": command}),
            "bash_code_execution_tool_result",
            "bash_code_execution_result",
        )
    };
    let result = json!({
        "type": result_type,
        "tool_use_id": id,
        "content": {"type": inner, "stdout": stdout, "stderr": "", "return_code": 0, "content": []},
    });
    Run {
        blocks: vec![call(&id, name, &input), Block::Whole(result)],
        closing: vec![text(&said)],
        container: true,
        ..Run::default()
    }
}

fn call(id: &str, name: &str, input: &Value) -> Block {
    let mut extra = Map::new();
    extra.insert("caller".to_owned(), json!({"type": "direct"}));
    // The service streams the input of its own tools in small fragments.
    Block::ToolUse {
        kind: "server_tool_use",
        id: id.to_owned(),
        name: name.to_owned(),
        input: spaced_json(input),
        eager: true,
        extra,
    }
}

fn text(text: &str) -> Block {
    Block::Text { text: text.to_owned(), citations: Vec::new() }
}

fn query(facts: &Facts) -> String {
    let line = facts.text.lines().next().unwrap_or_default().trim_end_matches(['?', '.', '!']);
    let lower = line.to_lowercase();
    let lead = [
        "search the web for ",
        "search for ",
        "look up ",
        "find ",
        "what is ",
        "what's ",
        "who is ",
        "tell me ",
    ];
    let skip = lead.iter().find(|lead| lower.starts_with(**lead)).map_or(0, |lead| lead.len());
    let query: String = line.get(skip..).unwrap_or(line).chars().take(80).collect();
    if query.trim().is_empty() { "streaming".to_owned() } else { query.trim().to_owned() }
}

fn slug(text: &str) -> String {
    let slug: String =
        text.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    slug.trim_matches('-').to_owned()
}
