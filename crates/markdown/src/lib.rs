//! Incremental markdown: text in pieces of any size to a tape of operations, and sinks for HTML, plain text and terminals.
#![forbid(unsafe_code)]

mod credit;
mod cut;
mod definitions;
mod document;
mod grid;
mod highlight;
mod hold;
mod html;
mod ink;
mod late;
mod layout;
mod log;
mod parse;
mod piece;
mod policy;
mod renderer;
mod settings;
mod settle;
mod style;
mod tape;
mod terminal;
mod text;

pub use html::Html;
pub use policy::Links;
pub use renderer::{Renderer, batch};
pub use settings::Settings;
pub use tape::{Align, Change, Node, Op, TAPE_VERSION, Tape, TapeError, Token};
pub use terminal::{Ansi, Plain};
