//! The question: what is sent, made of the arguments and of standard input.

use std::io::{self, IsTerminal as _, Read as _};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::AskArgs;
use crate::exit::{Exit, Failure, say};

/// After so long the wait for standard input is mentioned: some programs start others with an input that never ends.
const MENTION: Duration = Duration::from_secs(3);
/// The budget of thinking for models that take one.
const BUDGET_TOKENS: u64 = 4_096;

/// What stands on standard input, unless a terminal does.
pub(super) fn context(has_prompt: bool, quiet: bool) -> Result<Option<String>, Failure> {
    if io::stdin().is_terminal() {
        return Ok(None);
    }
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes);
        // Nobody waits any more where the process ends.
        drop(send.send(read));
    });
    let read = receive.recv_timeout(MENTION).or_else(|_| {
        if has_prompt && !quiet {
            say("reading the context from standard input (end it, or use `< /dev/null` for none)");
        }
        receive.recv()
    });
    let bytes = match read {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => {
            return Err(Failure::new(Exit::Other, format!("standard input cannot be read: {error}")));
        }
        Err(_) => return Err(Failure::new(Exit::Other, "standard input cannot be read")),
    };
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::new(Exit::Usage, "standard input is not UTF-8 text"))?;
    Ok(Some(text).filter(|text| !text.trim().is_empty()))
}

/// The request.
pub(super) fn compose(args: &AskArgs, context: Option<String>) -> Result<Value, Failure> {
    let prompt = args.prompt.join(" ");
    let content = match (prompt.trim().is_empty(), context) {
        (true, None) => {
            return Err(Failure::new(
                Exit::Usage,
                "nothing to ask: give a prompt, or text on standard input",
            ));
        }
        (true, Some(context)) => json!(context),
        (false, None) => json!(prompt),
        // Two blocks, so that the model takes neither for the other.
        (false, Some(context)) => json!([
            {"type": "text", "text": format!("<stdin>\n{}\n</stdin>", context.trim_end_matches('\n'))},
            {"type": "text", "text": prompt},
        ]),
    };
    let mut request = Map::new();
    request.insert("model".to_owned(), json!(args.model));
    request.insert("max_tokens".to_owned(), json!(args.max_tokens));
    if let Some(system) = &args.system {
        request.insert("system".to_owned(), json!(system));
    }
    if args.thinking {
        request.insert("thinking".to_owned(), thinking(&args.model, args.max_tokens));
    }
    request.insert("messages".to_owned(), json!([{"role": "user", "content": content}]));
    for option in &args.options {
        set(&mut request, option)?;
    }
    Ok(Value::Object(request))
}

/// Thinking in the form of the model's generation. Newer models keep it to themselves unless it is asked for.
fn thinking(model: &str, max_tokens: u64) -> Value {
    let budgeted = ["-4-5", "-4-1", "-4-0", "claude-3", "-4-2025"].iter().any(|part| model.contains(part));
    if budgeted {
        json!({"type": "enabled", "budget_tokens": BUDGET_TOKENS.min(max_tokens / 2).max(1_024)})
    } else {
        json!({"type": "adaptive", "display": "summarized"})
    }
}

fn set(request: &mut Map<String, Value>, option: &str) -> Result<(), Failure> {
    let wrong = |why: &str| Failure::new(Exit::Usage, format!("--option `{option}`: {why}"));
    let (path, value) = option.split_once('=').ok_or_else(|| wrong("it is not KEY=VALUE"))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
    let mut names = path.split('.').map(str::trim).collect::<Vec<_>>();
    let last = names.pop().filter(|last| !last.is_empty()).ok_or_else(|| wrong("the key is empty"))?;
    if last == "stream" && names.is_empty() {
        return Err(wrong("an answer is always read from a stream; --no-stream prints it at the end"));
    }
    let mut object = request;
    for name in names {
        object = object
            .entry(name)
            .or_insert_with(|| json!({}))
            .as_object_mut()
            .ok_or_else(|| wrong(&format!("`{name}` is no object")))?;
    }
    object.insert(last.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: AskArgs,
    }

    fn request(arguments: &[&str], context: Option<&str>) -> Result<Value, String> {
        let command = Command::try_parse_from(["ask"].iter().chain(arguments)).unwrap();
        compose(&command.args, context.map(str::to_owned)).map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn the_context_is_kept_apart_from_the_instruction() {
        let content = |arguments: &[&str], context| {
            request(arguments, context).unwrap()["messages"][0]["content"].clone()
        };
        assert_eq!(content(&["What", "is it?"], None), json!("What is it?"));
        assert_eq!(content(&[], Some("What?\n")), json!("What?\n"));
        assert_eq!(
            content(&["Sum up"], Some("long\n")),
            json!([{"type": "text", "text": "<stdin>\nlong\n</stdin>"}, {"type": "text", "text": "Sum up"}])
        );
        assert!(request(&[], None).unwrap_err().contains("nothing to ask"));
    }

    #[test]
    fn options_are_fields_of_the_request() {
        let request = request(
            &[
                "-o",
                "temperature=0.5",
                "-o",
                "output_config.effort=high",
                "-o",
                "metadata={\"user_id\":\"u\"}",
                "-o",
                "max_tokens=7",
                "x",
            ],
            None,
        )
        .unwrap();
        assert_eq!(request["temperature"], json!(0.5));
        assert_eq!(request["output_config"], json!({"effort": "high"}));
        assert_eq!(request["metadata"]["user_id"], json!("u"));
        assert_eq!(request["max_tokens"], json!(7));
    }

    #[test]
    fn options_that_are_none_are_refused_in_words() {
        for (option, part) in [
            ("temperature", "not KEY=VALUE"),
            ("=1", "the key is empty"),
            ("stream=false", "--no-stream"),
            ("model.x=1", "`model` is no object"),
        ] {
            let message = request(&["-o", option, "x"], None).unwrap_err();
            assert!(message.contains(part), "{option}: {message}");
        }
    }

    #[test]
    fn thinking_has_the_form_of_the_models_generation() {
        for (model, kind) in [
            ("claude-haiku-4-5", "enabled"),
            ("claude-sonnet-4-5-20250929", "enabled"),
            ("claude-opus-4-6", "adaptive"),
            ("claude-sonnet-5-5", "adaptive"),
        ] {
            assert_eq!(
                request(&["--thinking", "-m", model, "x"], None).unwrap()["thinking"]["type"],
                json!(kind)
            );
        }
    }
}
