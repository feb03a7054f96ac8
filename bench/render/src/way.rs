//! The ways to show markdown while it comes. Each does what an interface must: have something to paint after every piece.

use anyhow::{Result, bail};
use mdstream::adapters::pulldown::{PulldownAdapter, PulldownAdapterOptions};
use mdstream::{MdStream, Update};
use perennial_markdown::{Ansi, Renderer, Tape};
use pulldown_cmark::{Event, Options, Parser, html};

pub(crate) enum Way {
    /// Ours, for a terminal: what is certain, once.
    Terminal(Renderer, Ansi),
    /// Ours, for a browser: the operations, as JSON.
    Tape(Renderer, u64),
    /// All of it anew, by the parser that ours is made of: what renderers do that take a whole text.
    Anew(String),
    /// Blocks that are done are kept, the last one is parsed and written anew.
    Mdstream(Box<MdStream>, PulldownAdapter),
}

fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS | Options::ENABLE_FOOTNOTES
}

impl Way {
    pub(crate) fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "terminal" => Self::Terminal(Renderer::new(), Ansi::new(Some(80))),
            "tape" => Self::Tape(Renderer::new(), 0),
            "anew" => Self::Anew(String::new()),
            "mdstream" => {
                let adapter = PulldownAdapter::new(PulldownAdapterOptions {
                    pulldown: options(),
                    prefer_display_for_pending: true,
                });
                Self::Mdstream(Box::new(MdStream::streamdown_defaults()), adapter)
            }
            _ => bail!("no way is named {name}"),
        })
    }

    /// How many bytes there are to paint after this piece.
    pub(crate) fn push(&mut self, piece: &str) -> usize {
        match self {
            Self::Terminal(renderer, sink) => sink.apply(&renderer.push(piece)).len(),
            Self::Tape(renderer, seq) => written(&renderer.push(piece), seq),
            Self::Anew(text) => {
                text.push_str(piece);
                page(Parser::new_ext(text, options()))
            }
            Self::Mdstream(stream, adapter) => painted(&stream.append(piece), adapter),
        }
    }

    pub(crate) fn finish(&mut self) -> usize {
        match self {
            Self::Terminal(renderer, sink) => sink.apply(&renderer.finish()).len() + sink.finish().len(),
            Self::Tape(renderer, seq) => written(&renderer.finish(), seq),
            Self::Anew(text) => page(Parser::new_ext(text, options())),
            Self::Mdstream(stream, adapter) => painted(&stream.finalize(), adapter),
        }
    }
}

fn written(ops: &[perennial_markdown::Op], seq: &mut u64) -> usize {
    if ops.is_empty() {
        return 0;
    }
    let tape = Tape::new(*seq, ops.to_vec());
    *seq += ops.len() as u64;
    tape.to_json().len()
}

fn page<'a>(events: impl Iterator<Item = Event<'a>>) -> usize {
    let mut page = String::new();
    html::push_html(&mut page, events);
    page.len()
}

fn painted(update: &Update, adapter: &mut PulldownAdapter) -> usize {
    adapter.apply_update(update);
    let done = update.committed.iter().filter_map(|block| adapter.committed_events(block.id));
    let done: usize = done.map(|events| page(events.iter().cloned())).sum();
    done + update.pending.as_ref().map_or(0, |pending| page(adapter.parse_pending(pending).into_iter()))
}
