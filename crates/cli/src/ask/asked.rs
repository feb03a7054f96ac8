//! What is asked: the request, made of arguments, a template and standard input.

use serde_json::json;

use super::AskArgs;
use crate::Run;
use crate::exit::{Exit, Failure, say};
use crate::history::Place;
use crate::question::{self, Fetcher, Request, Schema, Settings, Template, Words};
use crate::record::{self, Past};

/// Names the model where nothing that is nearer does.
const MODEL: &str = "PERENNIAL_MODEL";

/// What is asked, and what is kept of it.
pub(super) struct Asked {
    pub(super) request: Request,
    /// `None` where nothing is kept.
    pub(super) kept: Option<record::Question>,
    /// Why nothing can be kept, where it should be.
    pub(super) unkept: Option<String>,
}

/// What is said where something should be kept and is not.
pub(super) fn not_kept(why: &str) -> String {
    format!("the answer is not kept: {why}; -n keeps none")
}

/// Puts everything together.
pub(super) async fn asked(args: &AskArgs) -> Result<Asked, Failure> {
    let (place, past) = match (&args.cid, args.goes_on) {
        (None, false) => (Place::find(), None),
        (id, _) => {
            let place = Place::find()?;
            let past = Past::find(&place, id.as_deref()).await?;
            (Ok(place), Some(past))
        }
    };
    let mut template = args.template.as_deref().map(Template::load).transpose()?.unwrap_or_default();
    let mut fetcher = Fetcher::default();
    let words = words(args, &mut template)?;
    let content = words.content(&mut fetcher).await?;
    let schema = match args.schema.clone().or(template.schema.take()) {
        Some(schema) => Some(Schema(schema).read(&mut fetcher).await?),
        None => None,
    };
    let mut settings = settings(args, template, past.as_ref());
    let lasting = json!({"thinking": settings.thinking, "options": settings.options});
    settings.schema = schema;
    let messages = match &past {
        Some(past) => past.messages(&content)?,
        None => question::first(&content)?,
    };
    let request = question::request(&settings, messages)?;
    let place = match place {
        Ok(place) if !args.no_log && !args.dry_run && place.is_on() => place,
        Err(failure) if !args.no_log => {
            return Ok(Asked { request, kept: None, unkept: Some(not_kept(failure.line())) });
        }
        _ => return Ok(Asked { request, kept: None, unkept: None }),
    };
    let behind = past.as_ref().map(|past| (past.conversation.id.clone(), past.conversation.head.clone()));
    let kept = record::Question {
        place,
        opened: past.map(|past| past.opened),
        behind,
        model: settings.model,
        system: settings.system,
        settings: lasting,
        words: words.prompt,
        content,
    };
    Ok(Asked { request, kept: Some(kept), unkept: None })
}

/// The words of the message, the template's holes filled.
fn words(args: &AskArgs, template: &mut Template) -> Result<Words, Failure> {
    let mut fragments = std::mem::take(&mut template.fragments);
    fragments.extend_from_slice(&args.fragments);
    let mut attachments = std::mem::take(&mut template.attachments);
    attachments.extend_from_slice(&args.attachments);
    let mut prompt = args.prompt.join(" ");
    let mut context = None;
    if !fragments.iter().chain(&attachments).any(|name| name == "-") {
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
    Ok(Words { prompt, context, fragments, attachments })
}

/// A flag before the template, the template before what the conversation began with, that before the environment and what is usual.
fn settings(args: &AskArgs, template: Template, past: Option<&Past>) -> Settings {
    let began = |name| past.and_then(|past| past.setting(name));
    let past_model = past.map(|past| past.conversation.model.clone()).filter(|model| !model.is_empty());
    let mut options: Vec<String> =
        began("options").and_then(|options| serde_json::from_value(options).ok()).unwrap_or_default();
    options.extend(template.options);
    options.extend_from_slice(&args.options);
    Settings {
        model: args
            .model
            .clone()
            .or(template.model)
            .or(past_model)
            .or_else(|| std::env::var(MODEL).ok().filter(|model| !model.is_empty()))
            .unwrap_or_else(|| question::DEFAULT_MODEL.to_owned()),
        max_tokens: args.max_tokens.or(template.max_tokens).unwrap_or(question::DEFAULT_MAX_TOKENS),
        system: args
            .system
            .clone()
            .or(template.system)
            .or_else(|| past.and_then(|past| past.conversation.system.clone())),
        thinking: args.thinking.is_some() || template.thinking || began("thinking") == Some(json!(true)),
        schema: None,
        // Of a single question nothing is read again.
        cached: past.is_some(),
        options,
    }
}

/// Keeps the question as a template.
pub(super) fn save(args: &AskArgs, name: &str) -> Run {
    let prompt = args.prompt.join(" ");
    let template = Template {
        model: args.model.clone(),
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
