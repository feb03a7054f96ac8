//! The inquiry: small requests, each with what is assumed of its answer.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::assume::{GENERATIONS, Generation, HEADERS};
use super::report::{Check, Verdict};
use super::seen::{Seen, StreamSeen};
use super::wire::{Credential, Wire};

const MESSAGES: &str = "/v1/messages";
const MAX_TOKENS: u64 = 1_500;
/// Requests that do not depend on the model.
const GENERAL_REQUESTS: usize = 7;
const REQUESTS_PER_MODEL: usize = 5;
const PART: &str = "A B C D E F G H I J";
const REST: &str = " K L M N O P Q R S T U V W X Y Z";
const RECITE: &str = "Recite the English alphabet: capital letters, separated by single blanks, on one line, and nothing else.";

/// Which models to ask: those named, else the cheapest of each generation that the service lists.
pub(super) async fn models(wire: &Wire, named: &[String]) -> Vec<String> {
    if !named.is_empty() {
        return named.to_vec();
    }
    let listed: Vec<String> = match wire.get("/v1/models?limit=1000").await {
        Ok(answer) => {
            let list: Value =
                serde_json::from_str(&answer.text().await.unwrap_or_default()).unwrap_or_default();
            let models = list["data"].as_array().into_iter().flatten();
            models.filter_map(|model| model["id"].as_str().map(str::to_owned)).collect()
        }
        Err(_) => Vec::new(),
    };
    GENERATIONS
        .iter()
        .filter_map(|generation| {
            generation.models.iter().find_map(|known| {
                listed
                    .iter()
                    .find(|id| id.starts_with(known) && Generation::of(id).name == generation.name)
                    .cloned()
            })
        })
        .collect()
}

pub(super) fn requests(models: &[String]) -> usize {
    GENERAL_REQUESTS + REQUESTS_PER_MODEL * models.len()
}

/// Asks everything, one request after the other.
pub(super) async fn inquire(wire: &Wire, models: &[String], mut says: impl FnMut(&str)) -> Vec<Check> {
    let mut checks = Vec::new();
    for model in models {
        let generation = Generation::of(model);
        for (name, body, judge) in of_model(model, generation) {
            says(&format!("{model}: {name}"));
            checks.push(ask(wire, MESSAGES, name, Some(model), &body, None, judge).await);
        }
    }
    let Some(model) = models.first() else { return checks };
    for (name, path, body, key, judge) in general(model) {
        says(name);
        checks.push(ask(wire, path, name, None, &body, key.as_ref(), judge).await);
    }
    checks
}

/// Compares what was seen with what is assumed; empty where they agree.
type Judge = Box<dyn Fn(&Seen) -> Vec<String> + Send>;

async fn ask(
    wire: &Wire,
    path: &str,
    name: &'static str,
    model: Option<&String>,
    body: &Value,
    key: Option<&Credential>,
    judge: Judge,
) -> Check {
    let asked = Instant::now();
    let seen = match wire.post(path, body, key).await {
        Ok(answer) => Seen::read(answer, asked).await,
        Err(error) => Err(error),
    };
    let (verdict, seen) = match seen {
        Ok(seen) => {
            let busy = matches!(seen.status, 429 | 500..) && name != "error: wrong key";
            let differences = judge(&seen);
            let verdict = match (differences.is_empty(), busy) {
                (true, _) => Verdict::AsAssumed,
                (false, true) => Verdict::NotShown(format!("the service answered {}", seen.status)),
                (false, false) => Verdict::Different(differences),
            };
            (verdict, Some(seen))
        }
        // Without the URL, which may be private.
        Err(error) => (Verdict::NotShown(error.without_url().to_string()), None),
    };
    let noted = seen.as_ref().map(|seen| noted(name, seen)).unwrap_or_default();
    Check { name, model: model.cloned(), verdict, noted, seen }
}

fn of_model(model: &str, generation: Generation) -> Vec<(&'static str, Value, Judge)> {
    let user = |text: &str| json!({"role": "user", "content": text});
    let request = |messages: Value| json!({"model": model, "max_tokens": MAX_TOKENS, "stream": true, "messages": messages});
    let with = |mut request: Value, name: &str, value: Value| {
        request[name] = value;
        request
    };
    let interrupted = format!(
        "Your previous answer was interrupted. It ended with:\n<tail>{PART}</tail>\nGo on exactly where it stopped, without repeating and without comment."
    );
    let prefilled: Judge = if generation.prefill {
        Box::new(stream_is_right)
    } else {
        Box::new(|seen| {
            let mut differences = error_is(seen, 400, "invalid_request_error");
            let message = seen.error.as_ref().map(|error| error.message.as_str()).unwrap_or_default();
            if seen.status == 400 && !message.contains("prefill") {
                differences.push(format!("the refusal does not speak of prefill: {message}"));
            }
            differences
        })
    };
    vec![
        (
            "text",
            request(json!([user("Count from one to ten in English words, separated by commas.")])),
            Box::new(text_is_right),
        ),
        (
            "tool",
            with(
                request(json!([user(
                    "Call the tool record_city for Oslo: country, population, and three landmarks."
                )])),
                "tools",
                json!([city_tool(false)]),
            ),
            Box::new(tool_is_right),
        ),
        (
            "thinking",
            with(
                with(
                    request(json!([user(
                        "What is 17 times 23, minus 19 times 11? Think it through, then answer with the number."
                    )])),
                    "thinking",
                    generation.thinking(),
                ),
                "max_tokens",
                json!(4_000),
            ),
            Box::new(thinking_is_right),
        ),
        (
            "continuation by prefill",
            request(json!([user(RECITE), {"role": "assistant", "content": PART}])),
            prefilled,
        ),
        (
            "continuation by a user turn",
            request(json!([user(RECITE), {"role": "assistant", "content": PART}, user(&interrupted)])),
            Box::new(stream_is_right),
        ),
    ]
}

type General = (&'static str, &'static str, Value, Option<Credential>, Judge);

fn general(model: &str) -> Vec<General> {
    let hello = json!([{"role": "user", "content": "Say hello."}]);
    let request = |extra: Value| {
        let mut request = json!({"model": model, "max_tokens": 50, "stream": true, "messages": hello});
        if let (Some(request), Value::Object(extra)) = (request.as_object_mut(), extra) {
            request.extend(extra);
        }
        request
    };
    let error =
        |status: u16, kind: &'static str| -> Judge { Box::new(move |seen| error_is(seen, status, kind)) };
    let wrong_key = Credential::ApiKey("sk-ant-api03-wrong".to_owned());
    let eager = json!({"max_tokens": MAX_TOKENS, "tools": [city_tool(true)],
        "messages": [{"role": "user", "content": "Call the tool record_city for Oslo: country, population, and three landmarks."}]});
    let count = json!({"model": model, "messages": hello});
    vec![
        ("tool with eager input", MESSAGES, request(eager), None, Box::new(tool_is_right)),
        (
            "cut by max_tokens",
            MESSAGES,
            request(json!({"max_tokens": 8, "messages": [{"role": "user", "content": RECITE}]})),
            None,
            Box::new(cut_is_right),
        ),
        (
            "count_tokens",
            "/v1/messages/count_tokens",
            count,
            None,
            Box::new(|seen| expect(&[(seen.status == 200, "count_tokens does not answer 200")])),
        ),
        (
            "error: unknown model",
            MESSAGES,
            request(json!({"model": "claude-none-1"})),
            None,
            error(404, "not_found_error"),
        ),
        (
            "error: temperature",
            MESSAGES,
            request(json!({"temperature": 1.0})),
            None,
            error(400, "invalid_request_error"),
        ),
        (
            "error: no messages",
            MESSAGES,
            request(json!({"messages": []})),
            None,
            error(400, "invalid_request_error"),
        ),
        (
            "error: wrong key",
            MESSAGES,
            request(json!({})),
            Some(wrong_key),
            error(401, "authentication_error"),
        ),
    ]
}

fn city_tool(eager: bool) -> Value {
    let mut tool = json!({
        "name": "record_city",
        "description": "Record facts about a city.",
        "input_schema": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "country": {"type": "string"},
                "population": {"type": "integer"},
                "landmarks": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["city", "country", "population", "landmarks"],
        },
    });
    if eager {
        tool["eager_input_streaming"] = json!(true);
    }
    tool
}

fn expect(assumptions: &[(bool, &str)]) -> Vec<String> {
    assumptions.iter().filter(|(holds, _)| !holds).map(|(_, difference)| (*difference).to_owned()).collect()
}

/// What is assumed of every stream.
fn stream_is_right(seen: &Seen) -> Vec<String> {
    let Some(stream) = &seen.stream else {
        let error = seen
            .error
            .as_ref()
            .map(|error| format!(": {}: {}", error.kind, error.message))
            .unwrap_or_default();
        return vec![format!("no stream but HTTP {}, `{}`{error}", seen.status, seen.content_type)];
    };
    let mut differences = expect(&[
        (seen.status == 200, "the status of a stream is not 200"),
        (stream.ids == 0, "events have ids"),
        (stream.comments == 0, "there are comments"),
        (!stream.crlf, "lines end in CRLF"),
        (stream.usage_at_end.contains("output_tokens"), "message_delta has no usage.output_tokens"),
        (stream.usage_at_start.contains("input_tokens"), "message_start has no usage.input_tokens"),
    ]);
    differences.extend(stream.findings.iter().map(|finding| format!("grammar: {finding}")));
    differences.extend(stream.unknown.iter().map(|unknown| format!("not known to this version: {unknown}")));
    let missing: Vec<_> = HEADERS.iter().filter(|name| !seen.headers.contains(**name)).copied().collect();
    if !missing.is_empty() {
        differences.push(format!("headers that are missing: {}", missing.join(", ")));
    }
    differences
}

fn with_stream(seen: &Seen, judge: impl Fn(&StreamSeen, &mut Vec<String>)) -> Vec<String> {
    let mut differences = stream_is_right(seen);
    if let Some(stream) = &seen.stream {
        judge(stream, &mut differences);
    }
    differences
}

fn text_is_right(seen: &Seen) -> Vec<String> {
    with_stream(seen, |stream, differences| {
        let text =
            stream.blocks.iter().any(|block| block.kind == "text" && block.deltas.starts_with("text_delta"));
        differences.extend(expect(&[
            (stream.stop_reason.as_deref() == Some("end_turn"), "the stop reason is not end_turn"),
            (text, "no block of text with text deltas only"),
        ]));
    })
}

fn cut_is_right(seen: &Seen) -> Vec<String> {
    with_stream(seen, |stream, differences| {
        differences.extend(expect(&[(
            stream.stop_reason.as_deref() == Some("max_tokens"),
            "the stop reason is not max_tokens",
        )]));
    })
}

fn tool_is_right(seen: &Seen) -> Vec<String> {
    with_stream(seen, |stream, differences| {
        let Some(call) = stream.blocks.iter().find(|block| block.kind == "tool_use") else {
            differences.push("no tool_use block: the model did not call the tool".to_owned());
            return;
        };
        differences.extend(expect(&[
            (stream.stop_reason.as_deref() == Some("tool_use"), "the stop reason is not tool_use"),
            (call.input_is_complete == Some(true), "the input is not complete JSON"),
            (call.first_delta_is_empty, "the first fragment of the input is not empty"),
            (
                ["id", "input", "name", "type"]
                    .iter()
                    .all(|name| call.start_fields.iter().any(|field| field == name)),
                "the start of a tool_use block lacks a field",
            ),
        ]));
    })
}

fn thinking_is_right(seen: &Seen) -> Vec<String> {
    with_stream(seen, |stream, differences| {
        let Some(block) = stream.blocks.iter().find(|block| block.kind == "thinking") else {
            differences.push("no thinking block: the model did not think".to_owned());
            return;
        };
        differences.extend(expect(&[
            (
                block.deltas.ends_with("signature_delta"),
                "thinking does not end with exactly one signature_delta",
            ),
            (
                block.start_fields.iter().any(|field| field == "signature"),
                "the start of a thinking block has no signature",
            ),
        ]));
    })
}

fn error_is(seen: &Seen, status: u16, kind: &str) -> Vec<String> {
    let Some(error) = &seen.error else {
        return vec![format!("no error but HTTP {}", seen.status)];
    };
    let mut differences = expect(&[
        (error.id_is_the_headers, "request_id of the body is not the header request-id"),
        (seen.headers.contains("request-id"), "there is no header request-id"),
    ]);
    if (seen.status, &*error.kind) != (status, kind) {
        differences.push(format!(
            "{} {} where {status} {kind} is assumed: {}",
            seen.status, error.kind, error.message
        ));
    }
    differences
}

/// What is worth knowing beside the verdict.
fn noted(name: &str, seen: &Seen) -> String {
    if let Some(error) = &seen.error {
        return format!("{} {}: {}", seen.status, error.kind, error.message);
    }
    let Some(stream) = &seen.stream else { return format!("HTTP {}", seen.status) };
    let mut noted = format!(
        "first byte {} ms, content {} ms, longest silence {} ms, pings at {:?} ms, {} padded; {}",
        stream.first_byte_ms,
        stream.first_content_ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string()),
        stream.longest_silence_ms,
        stream.pings_ms,
        stream.padded,
        stream.order,
    );
    for block in &stream.blocks {
        noted.push_str(&format!("; {}: {}", block.kind, block.deltas));
    }
    if name.starts_with("continuation") {
        noted.push_str(&format!("; seam: {}", seam(&seen.transcript.text())));
    }
    noted
}

/// How a continuation begins, without its words.
fn seam(text: &str) -> &'static str {
    let bare = text.trim_start();
    if text.starts_with(REST.get(..8).unwrap_or(REST)) {
        "exact"
    } else if bare.starts_with(REST.trim_start().get(..7).unwrap_or(REST)) {
        "exact but for blanks"
    } else if bare.starts_with(PART.get(..7).unwrap_or(PART)) {
        "begins anew"
    } else if bare.len() >= 3 && PART.contains(bare.get(..3).unwrap_or("?")) {
        "repeats the tail"
    } else if bare.is_empty() {
        "no text"
    } else {
        "begins with other words"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seams_are_told_apart_without_words() {
        for (text, kind) in [
            (REST, "exact"),
            ("K L M N O P", "exact but for blanks"),
            ("\nK L M N O", "exact but for blanks"),
            ("A B C D E F", "begins anew"),
            ("I J K L M", "repeats the tail"),
            ("Sure: K L M", "begins with other words"),
            ("", "no text"),
        ] {
            assert_eq!(seam(text), kind, "{text:?}");
        }
    }
}
