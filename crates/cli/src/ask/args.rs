//! The arguments of `perennial ask`.

use std::path::PathBuf;

use clap::Args;

use crate::exit::EXIT_CODES;
use crate::question::Parameter;
use crate::service::ServiceArgs;
use crate::show::{Delivery, Thinking, Which, Wishes};
use crate::wishes::LookArgs;

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct AskArgs {
    /// The instruction. What comes by standard input is its context; without an instruction it is the question
    #[arg(value_name = "PROMPT", trailing_var_arg = false)]
    pub(super) prompt: Vec<String>,
    /// The system prompt
    #[arg(short, long, value_name = "TEXT")]
    pub(super) system: Option<String>,
    /// The model [env: PERENNIAL_MODEL] [default: claude-sonnet-5-5]
    #[arg(short, long, value_name = "MODEL")]
    pub(super) model: Option<String>,
    /// Go on with the last conversation
    #[arg(short = 'c', long = "continue", conflicts_with = "cid")]
    pub(super) goes_on: bool,
    /// Go on with this conversation: its id, or so much of its beginning that no other one begins so
    #[arg(long, value_name = "ID")]
    pub(super) cid: Option<String>,
    /// Keep nothing of question and answer
    #[arg(short = 'n', long)]
    pub(super) no_log: bool,
    /// A text to be read with the question: a file, an address, or `-` for standard input
    #[arg(short = 'f', long = "fragment", value_name = "SOURCE")]
    pub(super) fragments: Vec<String>,
    /// An image or a PDF: a file, an address, or `-` for standard input
    #[arg(short = 'a', long = "attachment", value_name = "SOURCE")]
    pub(super) attachments: Vec<String>,
    /// A template: a name, or a TOML file
    #[arg(short, long, value_name = "NAME")]
    pub(super) template: Option<String>,
    /// What fills a hole of the template
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = Parameter::read, requires = "template")]
    pub(super) params: Vec<Parameter>,
    /// Keep this question as a template, and ask nobody
    #[arg(long, value_name = "NAME", conflicts_with_all = ["template", "goes_on", "cid"])]
    pub(super) save: Option<String>,
    /// The most tokens that the answer may have, thinking included [default: 16000]
    #[arg(long, value_name = "N")]
    pub(super) max_tokens: Option<u64>,
    /// Ask for thinking, and show it on standard error: how long it took, or all of it
    #[arg(long, value_name = "HOW")]
    pub(super) thinking: Option<Thinking>,
    /// The answer is JSON of this schema: a file of it, or the schema itself
    #[arg(long, value_name = "SCHEMA")]
    pub(super) schema: Option<String>,
    /// Any field of the request: JSON or else text; dots go into objects (`-o output_config.effort=high`)
    #[arg(short = 'o', long = "option", value_name = "KEY=VALUE")]
    pub(super) options: Vec<String>,
    /// Print the request as JSON, and ask nobody
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten, next_help_heading = "The answer")]
    pub(super) answer: AnswerArgs,
    #[command(flatten, next_help_heading = "Where to ask")]
    pub(super) service: ServiceArgs,
}

/// In which form the answer is printed, and what is said beside it.
#[derive(Debug, Args)]
pub(super) struct AnswerArgs {
    /// Print the whole message as one line of JSON, at the end
    #[arg(long, group = "form")]
    pub(super) json: bool,
    /// Print each event as one line of JSON, as it comes
    #[arg(long, group = "form")]
    pub(super) events: bool,
    /// Print the stream as it comes, byte for byte
    #[arg(long, group = "form")]
    pub(super) sse: bool,
    /// Print the text at the end, not as it comes
    #[arg(long, group = "form")]
    no_stream: bool,
    /// Print the first block of code and nothing else; the whole answer where there is none
    #[arg(short = 'x', long, group = "form")]
    extract: bool,
    /// The same, of the last block of code
    #[arg(long = "xl", visible_alias = "extract-last", group = "form")]
    extract_last: bool,
    #[command(flatten)]
    look: LookArgs,
    /// Say on standard error what the answer took: tokens, cost, times, and how it came
    #[arg(short, long)]
    pub(super) usage: bool,
    /// Show nothing of thinking
    #[arg(short = 'R', long, conflicts_with = "thinking")]
    no_thinking: bool,
    /// Exit 7 where the answer was cut by a limit on its tokens
    #[arg(long)]
    pub(super) fail_on_truncate: bool,
    /// Say nothing but errors on standard error
    #[arg(short, long)]
    pub(super) quiet: bool,
}

impl AskArgs {
    /// The same, recorded into this file.
    pub(crate) fn teeing(mut self, file: PathBuf) -> Self {
        self.service.tee(file);
        self
    }

    pub(super) fn wishes(&self) -> Wishes {
        let answer = &self.answer;
        let look = answer.look.wishes();
        Wishes {
            // What is JSON by wish is for a program, and no markdown.
            raw: look.raw || self.schema.is_some(),
            quiet: answer.quiet,
            hide_thinking: answer.no_thinking,
            thinking: self.thinking,
            ..look
        }
    }
}

impl AnswerArgs {
    pub(super) fn delivery(&self) -> Delivery {
        match self {
            Self { json: true, .. } | Self { events: true, .. } | Self { sse: true, .. } => Delivery::Nothing,
            Self { no_stream: true, .. } => Delivery::AtTheEnd,
            Self { extract: true, .. } => Delivery::Code(Which::First),
            Self { extract_last: true, .. } => Delivery::Code(Which::Last),
            _ => Delivery::AsItComes,
        }
    }
}
