//! Incremental markdown: text in pieces of any size to a tape of operations, and sinks for HTML, plain text and terminals.
//!
//! An answer is read while it is written, so it must look right at every moment, not only at its end; what somebody has seen
//! must stay; and the time must not grow with the length of what is there already. Markdown is CommonMark with GitHub's
//! tables, strikethrough, task lists, bare addresses and footnotes, and TeX kept as text, as [`pulldown_cmark`] reads them.
//!
//! ```
//! use perennial_markdown::{Html, Renderer};
//!
//! let mut renderer = Renderer::new();
//! let mut page = Html::new();
//! for piece in ["# Hel", "lo\n\nSome **bo", "ld** text and [a li", "nk](https://a.example)."] {
//!     page.apply(&renderer.push(piece));
//! }
//! page.apply(&renderer.finish());
//! assert!(page.html().starts_with("<h1>Hello</h1>\n<p>Some <strong>bold</strong> text and <a href="));
//! ```
//!
//! # The parts
//!
//! [`Renderer`] turns pieces into operations ([`Op`]), a [`Tape`] carries them over a wire, and a sink applies them: [`Html`] holds the
//! document and writes it, [`Ansi`] and [`Plain`] print it and never move the cursor. All policy is applied before the tape:
//! links lead only where an allowed scheme leads, raw HTML is text, images are placeholders, and control and direction
//! characters are written out. A sink has nothing to add to that to be safe.
//!
//! # The algorithm
//!
//! 1. **Freeze.** Blocks are decided line by line, and of an open container only the last child can still change. So after a
//!    whole line everything before the last child is final, at every depth. It is frozen: no rollback reaches it any more,
//!    and its source is dropped.
//! 2. **Cut.** The parser is started anew from the cut. Deep inside a list or quote that needs a context: for each open
//!    container one made-up line that brings the parser into it again. A fence and a table are cut between lines, behind
//!    the fence's first line and the table's header. A cut is taken only if the parser, started from the context, finds the
//!    same pieces as it did without it; a definition right above a block stays with the block.
//! 3. **Hold back.** Of the open line, what may still become something else is not shown: markers, the row above a table's
//!    dashes, a row that is not whole, a link's text until it is known to be one, marks at the very end.
//! 4. **Complete.** What opened and did not close is taken as if it closed at the end: `**bo` is bold already.
//! 5. **Compare.** What is shown now and what was shown before are compared, operation by operation. As a rule the one begins
//!    with the other, and a few characters are all that is written; else the rest is rolled back.
//! 6. **Patch.** A frozen block that refers to a label nobody has defined keeps its source. When the definition comes, the block's
//!    paragraphs that read differently are patched. That, and a list that turns out loose, are the only changes behind the frozen line.
//! 7. **Pay.** Every byte that arrives earns the parsing of [`Settings::work`] bytes, and nothing is parsed that is not paid for.
//!    Where an open block is too long for that, the next pieces are shown together. So the work is linear for every text.
//!
//! # What holds
//!
//! - For every text in any pieces the document at the end is that of [`batch`]; it reads as the parser's own HTML, policies aside.
//! - What is frozen is changed by patches only, and content only by those that a definition calls for.
//! - Of recorded answers no character is taken back, whatever the pieces; a heading underlined with `---` and a star that
//!   is never closed are what it happens with elsewhere.
//! - On a terminal nothing is printed but text, line ends and colours.
//!
//! # What does not
//!
//! - Pieces are `str`: who has bytes decodes them first.
//! - Bare e-mail addresses are not links: their beginning does not tell. Of `<a@b.example>` one is made.
//! - A paragraph of many kilobytes is one block. It is parsed anew as a whole, and shown in larger steps as it grows.
//! - The parser stops to resolve references after 100 KB of addresses, and to fill up rows after 262,144 cells; both limits count
//!   for the text between cuts here, and for a whole text in [`batch`].
//! - A terminal cannot be patched: there a reference that is defined later stays as it was written.
//!
//! # Features
//!
//! `highlight`: the tokens of code are told apart, line by line, as [`Node::Token`]. A line of code is then shown when it is whole.
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
