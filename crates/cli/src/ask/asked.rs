//! What is asked: the request, made of arguments, a template and standard input.

use serde_json::{Value, json};

use super::AskArgs;
use crate::Run;
use crate::exit::{Exit, Failure, say};
use crate::question::{self, Fetcher, Schema, Settings, Template, Words};

/// The request.
pub(super) async fn request(args: &AskArgs) -> Result<Value, Failure> {
    let mut template = args.template.as_deref().map(Template::load).transpose()?.unwrap_or_default();
    let mut fragments = template.fragments.clone();
    fragments.extend_from_slice(&args.fragments);
    let mut attachments = template.attachments.clone();
    attachments.extend_from_slice(&args.attachments);

    let mut prompt = args.prompt.join(" ");
    let names_stdin = fragments.iter().chain(&attachments).any(|name| name == "-");
    let mut context = None;
    if !names_stdin {
        let has_prompt = !prompt.trim().is_empty() || template.prompt.is_some();
        context = question::context(has_prompt, args.answer.quiet)?;
    }
    if prompt.trim().is_empty() && template.takes_input() {
        prompt = context.take().unwrap_or_default();
    }
    if args.template.is_some() {
        template.fill(&prompt, &args.params)?;
        prompt = template.prompt.take().unwrap_or_default();
    }

    let mut fetcher = Fetcher::default();
    let words = Words { prompt, context, fragments, attachments };
    let content = words.content(&mut fetcher).await?;
    let schema = match args.schema.clone().or(template.schema.take()) {
        Some(schema) => Some(Schema(schema).read(&mut fetcher).await?),
        None => None,
    };
    let mut options = template.options.clone();
    options.extend_from_slice(&args.options);
    let settings = Settings {
        model: args.model(template.model.as_deref()),
        max_tokens: args.max_tokens(template.max_tokens),
        system: args.system.clone().or(template.system),
        thinking: args.thinking.is_some() || template.thinking,
        schema,
        options,
    };
    question::request(&settings, vec![json!({"role": "user", "content": content})])
}

/// Keeps the question as a template.
pub(super) fn save(args: &AskArgs, name: &str) -> Run {
    let prompt = args.prompt.join(" ");
    let template = Template {
        model: args.named_model(),
        max_tokens: args.max_tokens,
        system: args.system.clone(),
        prompt: Some(prompt).filter(|prompt| !prompt.trim().is_empty()),
        thinking: args.thinking.is_some(),
        schema: args.schema.clone(),
        options: args.options.clone(),
        fragments: args.fragments.clone(),
        attachments: args.attachments.clone(),
        ..Template::default()
    };
    if template == Template::default() {
        return Err(Failure::new(Exit::Usage, "nothing to keep: give a prompt, a system prompt or settings"));
    }
    let file = template.save(name)?;
    if !args.answer.quiet {
        say(format_args!("kept in {}; ask -t {name} asks it", file.display()));
    }
    Ok(Exit::Done)
}
