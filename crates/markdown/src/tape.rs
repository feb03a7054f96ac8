//! The tape: the operations in which a document is written down.
//!
//! A tape only ever grows at its end or loses a piece of its end: `open`, `text` and `close` write, `rollback` takes the
//! last operations back, `freeze` promises that the oldest ones stay. A `patch` alone reaches behind that promise, and
//! says which node it means.

use serde::{Deserialize, Serialize};

/// The version of the wire form that [`Tape`] writes and reads.
pub const TAPE_VERSION: u32 = 1;

/// How the columns of a table stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Align {
    /// As the reader likes.
    None,
    /// To the left.
    Left,
    /// In the middle.
    Center,
    /// To the right.
    Right,
}

/// What a run of code is, for a theme to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Token {
    /// A remark.
    Comment,
    /// A word of the language.
    Keyword,
    /// Text between quotes.
    String,
    /// A number.
    Number,
    /// A value that the language names, such as `true`.
    Constant,
    /// The name of a function.
    Function,
    /// The name of a type.
    Type,
    /// The name of an element, of markup or of a mapping.
    Tag,
    /// The name of an attribute.
    Attribute,
    /// Of a difference: what came.
    Inserted,
    /// Of a difference: what went.
    Deleted,
}

impl Token {
    /// The name in the wire form, and in the class `hl-NAME`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Comment => "comment",
            Self::Keyword => "keyword",
            Self::String => "string",
            Self::Number => "number",
            Self::Constant => "constant",
            Self::Function => "function",
            Self::Type => "type",
            Self::Tag => "tag",
            Self::Attribute => "attribute",
            Self::Inserted => "inserted",
            Self::Deleted => "deleted",
        }
    }
}

/// What an [`Op::Open`] opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Node {
    /// A paragraph. Text in a list item always stands in one; whether it shows is the list's [`Change::Loose`].
    Paragraph,
    /// A heading of level 1 to 6.
    Heading {
        /// 1 to 6.
        level: u8,
    },
    /// A block quote.
    Quote,
    /// A block of code.
    CodeBlock {
        /// The first word of the fence's info string; empty where there is none.
        lang: String,
    },
    /// A list; tight until a patch says otherwise.
    List {
        /// The first number of an ordered list.
        start: Option<u64>,
    },
    /// An item of a list.
    Item,
    /// A table.
    Table {
        /// One for each column.
        align: Vec<Align>,
    },
    /// The row of headers of a table.
    TableHead,
    /// A row of a table.
    TableRow,
    /// A cell of a row.
    TableCell,
    /// A block of raw HTML, which is text here.
    HtmlBlock,
    /// The text of a footnote.
    Footnote {
        /// The label it is referred to by.
        label: String,
    },
    /// A thematic break; nothing is inside.
    Rule,
    /// Emphasis.
    Emphasis,
    /// Strong emphasis.
    Strong,
    /// Text struck through.
    Strike,
    /// A span of code.
    Code,
    /// A run of code in a block of code, when code is highlighted.
    Token {
        /// What it is.
        token: Token,
    },
    /// TeX, as text with its dollar signs.
    Math {
        /// Between two dollar signs each.
        display: bool,
    },
    /// A link.
    Link {
        /// Where it leads; `None` where the policy does not let it.
        href: Option<String>,
        /// What is shown when pointed at; may be empty.
        title: String,
    },
    /// A placeholder for an image, with its description inside.
    Image {
        /// Where the image is; `None` where the policy does not let it.
        src: Option<String>,
        /// What is shown when pointed at; may be empty.
        title: String,
    },
    /// A reference to a footnote; nothing is inside.
    FootnoteRef {
        /// The footnote's label.
        label: String,
    },
    /// The box of a task; nothing is inside.
    Task {
        /// Ticked.
        done: bool,
    },
    /// The end of a line in the source that is no more than a blank; nothing is inside.
    SoftBreak,
    /// The end of a line that is to be seen; nothing is inside.
    HardBreak,
}

impl Node {
    /// Holds inline content directly: a paragraph, a heading, a cell.
    #[must_use]
    pub fn is_leaf(&self) -> bool {
        matches!(self, Self::Paragraph | Self::Heading { .. } | Self::TableCell)
    }

    /// Stands within a line of text.
    #[must_use]
    pub fn is_inline(&self) -> bool {
        matches!(
            self,
            Self::Emphasis
                | Self::Strong
                | Self::Strike
                | Self::Code
                | Self::Token { .. }
                | Self::Math { .. }
                | Self::Link { .. }
                | Self::Image { .. }
                | Self::FootnoteRef { .. }
                | Self::Task { .. }
                | Self::SoftBreak
                | Self::HardBreak
        )
    }
}

/// What a patch changes of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// Whether the paragraphs in a list's items stand apart.
    Loose(bool),
    /// All that is inside the node, anew: a definition came after its use. Only `open`, `text` and `close`.
    Content(Vec<Op>),
}

/// One operation of a tape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Op {
    /// A node begins, inside the one that is open.
    Open {
        /// Its number, never used twice in a document.
        id: u64,
        /// What it is.
        node: Node,
    },
    /// Text goes on.
    Text {
        /// At least one character, each of them fit to be shown.
        text: String,
    },
    /// The node that was opened last and is open ends.
    Close,
    /// The last `ops` operations that are not frozen did not happen; only `open`, `text` and `close` count.
    Rollback {
        /// How many.
        ops: usize,
    },
    /// The oldest `ops` operations that are not frozen are never rolled back.
    Freeze {
        /// How many.
        ops: usize,
    },
    /// A node that is there already, frozen or not, changes.
    Patch {
        /// The node's number.
        id: u64,
        /// What changes.
        change: Change,
    },
}

/// Operations as they go over the wire.
///
/// ```
/// use perennial_markdown::{Renderer, Tape};
///
/// let mut renderer = Renderer::new();
/// let tape = Tape::new(0, renderer.push("Hello, *wor"));
/// let wire = tape.to_json();
/// assert!(wire.starts_with(r#"{"v":1,"seq":0,"ops":[{"op":"open","id":1,"node":{"kind":"paragraph"}},"#));
/// assert_eq!(Tape::from_json(&wire)?, tape);
/// # Ok::<(), perennial_markdown::TapeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tape {
    v: u32,
    /// The number of operations of the document before these.
    pub seq: u64,
    /// The operations.
    pub ops: Vec<Op>,
}

impl Tape {
    /// A tape of this version.
    #[must_use]
    pub fn new(seq: u64, ops: Vec<Op>) -> Self {
        Self { v: TAPE_VERSION, seq, ops }
    }

    /// The wire form.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a tape has string keys and finite numbers only")
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// [`TapeError`] for what is no tape, or one of another version.
    pub fn from_json(json: &str) -> Result<Self, TapeError> {
        let tape: Self = serde_json::from_str(json).map_err(TapeError::NoTape)?;
        if tape.v == TAPE_VERSION { Ok(tape) } else { Err(TapeError::Version(tape.v)) }
    }
}

/// A text is no tape that can be read here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TapeError {
    /// It is not JSON of the form of a tape.
    #[error("this is no tape")]
    NoTape(#[source] serde_json::Error),
    /// It was written by another version.
    #[error("the tape is of version {0}, and only version {TAPE_VERSION} is read")]
    Version(u32),
}
