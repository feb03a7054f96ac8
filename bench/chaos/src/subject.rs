//! What is asked: both generations of models, and answers of every form that streams take.

use serde_json::{Value, json};

/// Up to 4.5: a partial answer can be given back as the beginning of the next.
const WITH_PREFILL: &str = "claude-sonnet-4-5";
/// Later ones: a conversation has to end with a user's turn.
const WITHOUT_PREFILL: &str = "claude-opus-4-8";

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// `table of claude-opus-4-8`
    pub(crate) name: String,
    /// For the body of a request that wants a stream.
    pub(crate) streamed: String,
    /// For the body of one that does not.
    pub(crate) plain: String,
    /// Beside the faults.
    pub(crate) orders: &'static str,
    pub(crate) form: Form,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Prose,
    Table,
    Code,
    Cjk,
    Tool,
    Tools,
    Thinking,
    Structured,
}

impl Form {
    const ALL: [Self; 8] = [
        Self::Prose,
        Self::Table,
        Self::Code,
        Self::Cjk,
        Self::Tool,
        Self::Tools,
        Self::Thinking,
        Self::Structured,
    ];

    /// Whether an answer of nothing but text, which can be gone on with wherever it was cut.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Prose | Self::Table | Self::Code | Self::Cjk)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Prose => "prose",
            Self::Table => "table",
            Self::Code => "code",
            Self::Cjk => "cjk",
            Self::Tool => "tool",
            Self::Tools => "tools",
            Self::Thinking => "thinking",
            Self::Structured => "structured",
        }
    }

    fn question(self) -> &'static str {
        match self {
            Self::Prose => "Write about forty words on the sea.",
            Self::Table => "Compare Rust and Go in a table.",
            Self::Code => "Write a Rust function that reverses a string.",
            Self::Cjk => "日本の文化について教えてください",
            Self::Tool | Self::Tools => "What is the weather in Paris?",
            Self::Thinking => "Explain black holes in about thirty words.",
            Self::Structured => "Explain black holes.",
        }
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Subject> {
    let both = [WITH_PREFILL, WITHOUT_PREFILL];
    both.iter().flat_map(|model| Form::ALL.iter().map(|form| subject(model, *form))).collect()
}

fn subject(model: &str, form: Form) -> Subject {
    let mut body = json!({
        "model": model,
        "max_tokens": 2000,
        "messages": [{"role": "user", "content": form.question()}],
    });
    match form {
        Form::Tool | Form::Tools => body["tools"] = tools(),
        Form::Thinking if model == WITH_PREFILL => {
            body["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
        }
        Form::Thinking => body["thinking"] = json!({"type": "adaptive", "display": "summarized"}),
        Form::Structured => {
            body["output_config"] = json!({"format": {"type": "json_schema", "schema": schema()}});
        }
        _ => {}
    }
    let with = |stream: bool| {
        let mut body = body.clone();
        body["stream"] = Value::Bool(stream);
        body.to_string()
    };
    let orders = if form == Form::Tools { "tools=all" } else { "" };
    let name = format!("{} of {model}", form.name());
    Subject { name, streamed: with(true), plain: with(false), orders, form }
}

fn tools() -> Value {
    json!([
        {"name": "get_weather", "description": "The weather of a place", "input_schema": {
            "type": "object",
            "properties": {
                "place": {"type": "string"},
                "unit": {"type": "string", "enum": ["c", "f"]},
                "days": {"type": "integer"},
                "notes": {"type": "string"},
            },
            "required": ["place", "unit", "days", "notes"],
        }},
        {"name": "search", "description": "Searches the web", "input_schema": {
            "type": "object",
            "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}},
            "required": ["query", "limit"],
        }},
    ])
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "points": {"type": "array", "items": {"type": "string"}},
            "count": {"type": "integer"},
        },
        "required": ["title", "points", "count"],
        "additionalProperties": false,
    })
}
