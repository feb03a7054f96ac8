//! The chat for browsers without scripts, and for terminals: pages made here, an answer that comes formatted in the one response, and the answer as text.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};
use perennial_history::{Content, Conversation, NewConversation, Query as Pages, Role, Turn};
use perennial_log::{After, Kind, Outcome, Record, StreamId};
use perennial_markdown::{Html, Settings, batch};
use perennial_protocol::{ContentBlock, Delta, Event, EventDecoder, Received};
use reqwest::Url;

use super::ask::Ask;
use super::growing::Growing;
use super::settings::USUAL_MODEL;
use super::turns::{Question, asked};
use super::{Visit, answered, beside, refused, show};
use crate::record::Ending;
use crate::refusal::Refusal;
use crate::service::Service;
use crate::streams::{Attached, attach};
use crate::{front as text_page, headers, request, web};

/// How many conversations the page without scripts names.
const LISTED: usize = 30;

/// `GET /`.
pub(crate) async fn front(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    if !web::wants_page(&headers) {
        return text_page::page(State(service), headers).await;
    }
    let Ok(Visit { conversations, .. }) = Visit::of(&service, &headers) else { return web::chat(&headers) };
    let mut pages = Pages::default();
    pages.limit = LISTED;
    let Ok(page) = conversations.list(&pages).await else { return web::chat(&headers) };
    let mut out = String::new();
    if !page.data.is_empty() {
        out.push_str("<nav class=\"plain\" aria-label=\"Conversations\"><ul>\n");
        for Conversation { id, title, .. } in &page.data {
            let title = if title.is_empty() { "Untitled" } else { title };
            let _ = writeln!(out, "<li><a href=\"/c/{}\">{}</a></li>", escaped(id), escaped(title));
        }
        out.push_str("</ul></nav>\n");
    }
    document(web::chat_with(&out))
}

/// `GET /c/{id}`.
pub(crate) async fn conversation(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if web::wants_page(&headers) {
        // Who has a key shows it to scripts, and these ask for the conversation.
        let Ok(Visit { conversations, .. }) = Visit::of(&service, &headers) else {
            return web::chat(&headers);
        };
        let Ok((conversation, turns)) = show::whole(&conversations, &id).await else {
            return web::chat(&headers);
        };
        let head = conversation.head;
        let written = beside(move || {
            let branch = show::shown_branch(&turns, head.as_deref());
            branch.into_iter().map(written).collect::<String>()
        });
        let Ok(mut out) = written.await else { return web::chat(&headers) };
        if conversation.live.is_some() {
            out.push_str("<p>The answer is still coming; load this page again to see it.</p>\n");
        }
        out.push_str(&form(&id));
        return document(web::chat_with(&out));
    }
    answered(async {
        let Visit { conversations, .. } = Visit::of(&service, &headers)?;
        show::text(&service, &conversations, &id).await
    })
    .await
}

/// `POST /c`: a question from a form, in a new conversation or in one that is there.
pub(crate) async fn ask(State(service): State<Arc<Service>>, request: Request) -> Response {
    answered(async {
        let (head, body) = request.into_parts();
        let Visit { rooms, caller, conversations } = Visit::of(&service, &head.headers)?;
        let body = request::read(body, service.limits.body, &service.clocks).await?;
        let form = Form::read(&body)?;
        let id = match form.conversation {
            Some(id) => id,
            None => {
                let new = NewConversation::with_model(USUAL_MODEL);
                let made = conversations.create(&new).await.map_err(|error| refused(&error))?;
                rooms.changes.tell(&conversations, &made.id).await;
                made.id
            }
        };
        let question = Question { parent: None, content: Content::text(&form.text), queue: false, key: None };
        let ask = Ask::of(&service, &caller, &head.headers);
        let made = asked(&service, &rooms, conversations, id.clone(), ask, question).await?;
        let stream = made.assistant.stream.as_deref().and_then(|stream| stream.parse::<StreamId>().ok());
        let attached = match stream {
            Some(stream) => attach(&service, stream, After::Start).await.ok(),
            None => None,
        };
        let begin = format!("{}{}<article class=\"plain answer prose\">\n", opened(&id), written(&made.user));
        let mut end = "</article>\n".to_owned();
        if attached.is_none() {
            end = format!("</article>\n{}", trouble(&made.assistant));
        }
        end.push_str(&form_and_end(&id));
        let mut response = match attached {
            Some(attached) => {
                document_of(Body::from_stream(coming(attached, begin, end, service.clocks.ping)))
            }
            None => document(begin + &end),
        };
        if let Some(name) = stream.and_then(|stream| HeaderValue::try_from(stream.to_string()).ok()) {
            response.headers_mut().insert(headers::STREAM, name);
        }
        Ok(response)
    })
    .await
}

struct Form {
    text: String,
    conversation: Option<String>,
}

impl Form {
    fn read(body: &Bytes) -> Result<Self, Refusal> {
        let wrong = || Refusal::invalid("a form with `text` is expected, and maybe `conversation`");
        let body = std::str::from_utf8(body).map_err(|_| wrong())?;
        let mut url = Url::parse("http://form/").map_err(|_| wrong())?;
        url.set_query(Some(body));
        let (mut text, mut conversation) = (String::new(), None);
        for (name, value) in url.query_pairs() {
            match &*name {
                "text" => text = value.replace("\r\n", "\n"),
                "conversation" => conversation = Some(value.into_owned()).filter(|id| !id.is_empty()),
                _ => {}
            }
        }
        if text.trim().is_empty() { Err(wrong()) } else { Ok(Self { text, conversation }) }
    }
}

/// An answer on its way into a page.
struct Coming {
    attached: Attached,
    decoder: EventDecoder,
    page: Growing,
    begin: Option<String>,
    end: String,
    is_over: bool,
}

/// The page as it grows: its beginning, the answer's blocks as each is final, its end.
fn coming(
    attached: Attached,
    begin: String,
    end: String,
    ping: Duration,
) -> impl stream::Stream<Item = Result<Bytes, Infallible>> + Send {
    let coming = Coming {
        attached,
        decoder: EventDecoder::new(),
        page: Growing::default(),
        begin: Some(begin),
        end,
        is_over: false,
    };
    stream::unfold(coming, move |mut coming| async move {
        if let Some(begin) = coming.begin.take() {
            return Some((Ok(Bytes::from(begin)), coming));
        }
        while !coming.is_over {
            let mut out = String::new();
            let Ok(next) = tokio::time::timeout(ping, coming.attached.reader.next()).await else {
                // A sign of life, which is nothing in a page.
                return Some((Ok(Bytes::from_static(b"\n")), coming));
            };
            match next {
                Ok(Some(run)) => run.iter().for_each(|record| coming.take(record, &mut out)),
                Ok(None) => coming.finish("", &mut out),
                Err(_) => coming.finish("<p>The answer cannot be read any further now.</p>\n", &mut out),
            }
            if !out.is_empty() {
                return Some((Ok(Bytes::from(out)), coming));
            }
        }
        None
    })
}

impl Coming {
    fn take(&mut self, record: &Record, out: &mut String) {
        if let Some(outcome) = record.outcome() {
            let error = Ending::decode(&record.payload).error.map(|error| error.message).unwrap_or_default();
            let words = match outcome {
                Outcome::Completed => String::new(),
                Outcome::Cancelled => "<p role=\"alert\">The answer was stopped here.</p>\n".to_owned(),
                _ => format!("<p role=\"alert\">The answer ends here: {}</p>\n", escaped(&error)),
            };
            return self.finish(&words, out);
        }
        if record.kind != Kind::Event {
            return;
        }
        let mut input = &record.payload[..];
        while let Some(received) = self.decoder.next_event(&mut input) {
            let Ok(Received { event: Some(event), .. }) = received else { continue };
            match event {
                Event::ContentBlockStart { block, .. } => {
                    if let ContentBlock::Text(text) = &*block {
                        out.push_str(&self.page.push(&text.text));
                    }
                }
                Event::ContentBlockDelta { delta: Delta::Text(text), .. } => {
                    out.push_str(&self.page.push(&text));
                }
                Event::ContentBlockStop { .. } => out.push_str(&self.page.finish()),
                _ => {}
            }
        }
    }

    fn finish(&mut self, words: &str, out: &mut String) {
        if !self.is_over {
            self.is_over = true;
            out.push_str(&self.page.finish());
            out.push_str(words);
            out.push_str(&self.end);
        }
    }
}

fn document(html: String) -> Response {
    document_of(Body::from(html))
}

fn document_of(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(web::POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A form's request says where it comes from only to its own origin, which is what lets it in.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    headers::unbuffered(headers);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    response
}

fn opened(id: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Perennial</title>\n\
         <link rel=\"stylesheet\" href=\"/shell/shell.css\">\n<link rel=\"stylesheet\" href=\"/shell/prose.css\">\n\
         <link rel=\"stylesheet\" href=\"/chat/chat.css\">\n</head>\n<body>\n\
         <p><a href=\"/\">Perennial</a> · <a href=\"/c/{id}\">this conversation</a></p>\n<main id=\"main\">\n",
        id = escaped(id)
    )
}

fn form(id: &str) -> String {
    format!(
        "<form class=\"plain\" method=\"post\" action=\"/c\">\n<input type=\"hidden\" name=\"conversation\" value=\"{}\">\n\
         <label for=\"more\">Message</label>\n<textarea id=\"more\" name=\"text\" rows=\"4\" required></textarea>\n\
         <button type=\"submit\">Send</button>\n</form>\n",
        escaped(id)
    )
}

fn form_and_end(id: &str) -> String {
    format!("{}</main>\n</body>\n</html>\n", form(id))
}

/// A turn as a page has it.
fn written(turn: &Turn) -> String {
    let text = turn.content.visible_text();
    if turn.role == Role::User {
        if turn.by.is_some() {
            return String::new();
        }
        return format!("<article class=\"plain question\"><pre>{}</pre></article>\n", escaped(&text));
    }
    let mut page = Html::new();
    page.apply(&batch(&text, Settings::default()));
    format!("<article class=\"plain answer prose\">\n{}{}</article>\n", page.html(), trouble(turn))
}

/// Why an answer is none, or not whole.
fn trouble(turn: &Turn) -> String {
    let error: Option<serde_json::Value> = turn.error.as_ref().and_then(|error| error.read().ok());
    let message = error.as_ref().and_then(|error| error["message"].as_str());
    message.map(|message| format!("<p role=\"alert\">{}</p>\n", escaped(message))).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#x27;"),
            c => out.push(c),
        }
    }
    out
}
