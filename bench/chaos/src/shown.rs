//! What a reader was shown, folded from events: blocks, ends, and whatever was odd about them.

use serde_json::Value;

/// An answer, as far as it came.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shown {
    pub(crate) blocks: Vec<Block>,
    pub(crate) stop_reason: Option<String>,
    pub(crate) ends: Vec<End>,
    /// How many times the message began.
    pub(crate) starts: u32,
    /// What no reader should have to make sense of.
    pub(crate) oddities: Vec<String>,
}

/// One block of content.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Block {
    /// As the service calls it, with the name of a tool: `tool_use get_weather`.
    pub(crate) kind: String,
    /// What the deltas add up to.
    pub(crate) content: String,
    pub(crate) signature: String,
    pub(crate) is_closed: bool,
}

/// How the events say that it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Stop,
    Error(String),
}

impl Shown {
    /// Takes the data of an event.
    pub(crate) fn take(&mut self, name: &str, data: &[u8]) {
        // Nobody reads a ping's data.
        if name == "ping" {
            return;
        }
        let Ok(event) = serde_json::from_slice::<Value>(data) else {
            self.oddities.push(format!("event `{name}` has data that is not JSON"));
            return;
        };
        let kind = event["type"].as_str().unwrap_or(name);
        if !self.ends.is_empty() && kind != "ping" {
            self.oddities.push(format!("`{kind}` after the end"));
            if !matches!(kind, "message_stop" | "error") {
                return;
            }
        }
        match kind {
            "message_start" => {
                self.starts += 1;
                if self.starts > 1 {
                    self.oddities.push("`message_start` again".to_owned());
                }
            }
            "content_block_start" => self.begin(&event),
            "content_block_delta" => self.delta(&event),
            "content_block_stop" => match self.block(&event) {
                Some(block) => block.is_closed = true,
                None => self.oddities.push("`content_block_stop` of no open block".to_owned()),
            },
            "message_delta" => {
                if let Some(reason) = event["delta"]["stop_reason"].as_str() {
                    self.stop_reason = Some(reason.to_owned());
                }
            }
            "message_stop" => self.ends.push(End::Stop),
            "error" => {
                self.ends.push(End::Error(event["error"]["type"].as_str().unwrap_or_default().to_owned()));
            }
            _ => {}
        }
    }

    /// A whole message, as it is answered without a stream.
    pub(crate) fn of_message(message: &Value) -> Self {
        let blocks = message["content"].as_array().map(Vec::as_slice).unwrap_or_default();
        Self {
            blocks: blocks.iter().map(whole_block).collect(),
            stop_reason: message["stop_reason"].as_str().map(str::to_owned),
            ends: vec![End::Stop],
            starts: 1,
            oddities: Vec::new(),
        }
    }

    /// The text of text blocks.
    pub(crate) fn text(&self) -> String {
        self.blocks.iter().filter(|block| block.kind == "text").map(|block| block.content.as_str()).collect()
    }

    /// The blocks, of which those of text that stand side by side are one: at a seam there may be two.
    pub(crate) fn joined(&self) -> Vec<Block> {
        let mut joined: Vec<Block> = Vec::new();
        for block in &self.blocks {
            match joined.last_mut() {
                Some(last) if last.kind == "text" && block.kind == "text" => {
                    last.content.push_str(&block.content);
                    last.is_closed = block.is_closed;
                }
                _ => joined.push(block.clone()),
            }
        }
        joined
    }

    fn begin(&mut self, event: &Value) {
        let index = event["index"].as_u64();
        if index != Some(self.blocks.len() as u64) {
            self.oddities.push(format!("block {index:?} begins where block {} is due", self.blocks.len()));
        }
        if self.blocks.last().is_some_and(|block| !block.is_closed) {
            self.oddities.push("a block begins in another".to_owned());
        }
        let start = &event["content_block"];
        let mut block = Block { kind: kind_of(start), ..Block::default() };
        for member in ["text", "thinking", "data"] {
            block.content.push_str(start[member].as_str().unwrap_or_default());
        }
        block.signature.push_str(start["signature"].as_str().unwrap_or_default());
        self.blocks.push(block);
    }

    fn delta(&mut self, event: &Value) {
        let delta = event["delta"].clone();
        let Some(block) = self.block(event) else {
            self.oddities.push("a delta for no open block".to_owned());
            return;
        };
        for member in ["text", "thinking", "partial_json"] {
            block.content.push_str(delta[member].as_str().unwrap_or_default());
        }
        block.signature.push_str(delta["signature"].as_str().unwrap_or_default());
    }

    fn block(&mut self, event: &Value) -> Option<&mut Block> {
        let index = usize::try_from(event["index"].as_u64()?).ok()?;
        self.blocks.get_mut(index).filter(|block| !block.is_closed)
    }
}

fn kind_of(block: &Value) -> String {
    let kind = block["type"].as_str().unwrap_or_default();
    match block["name"].as_str() {
        Some(name) => format!("{kind} {name}"),
        None => kind.to_owned(),
    }
}

/// A block of a message; the input of a tool is written anew, so that inputs are compared as values.
fn whole_block(block: &Value) -> Block {
    let content = match block.get("input") {
        Some(input) => input.to_string(),
        None => ["text", "thinking", "data"].iter().filter_map(|member| block[member].as_str()).collect(),
    };
    let signature = block["signature"].as_str().unwrap_or_default().to_owned();
    Block { kind: kind_of(block), content, signature, is_closed: true }
}

impl Block {
    /// Whether this is a beginning of `whole`, or all of it.
    pub(crate) fn begins(&self, whole: &Self) -> bool {
        self.kind == whole.kind
            && whole.content.starts_with(&self.content)
            && whole.signature.starts_with(&self.signature)
    }

    /// Whether both are the same; inputs of tools as values.
    pub(crate) fn is(&self, whole: &Self) -> bool {
        let same = self.content == whole.content
            || (self.kind.starts_with("tool_use") && value(&self.content) == value(&whole.content));
        self.kind == whole.kind && same && self.signature == whole.signature
    }
}

/// The input of a tool; where it has none, deltas add up to nothing.
fn value(input: &str) -> Option<Value> {
    if input.is_empty() {
        Some(Value::Object(serde_json::Map::new()))
    } else {
        serde_json::from_str(input).ok()
    }
}
