//! Tools that run here: handlers with typed input, and the loop that answers the model's calls.

mod run;

use std::fmt::{self, Display};
use std::sync::Arc;

use futures_core::future::BoxFuture;
use perennial_protocol::Raw;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::request::{Block, Content, Tool};

pub use run::{AgentRun, MaxTurns, RunEnd, Step};

/// Tools with their handlers. Cloning it is cheap.
///
/// ```
/// use perennial::ToolSet;
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// /// The weather at a place, now.
/// #[derive(Deserialize, JsonSchema)]
/// struct GetWeather {
///     /// A city, such as `Oslo`.
///     city: String,
/// }
///
/// async fn get_weather(input: GetWeather) -> Result<String, std::io::Error> {
///     Ok(format!("Sunny in {}.", input.city))
/// }
///
/// let tools = ToolSet::new().on(get_weather);
/// ```
///
/// Handlers of one answer run at the same time, in the task that reads the [run](AgentRun). A handler that computes for long, or that must survive the run
/// being dropped, should spawn. A panic in a handler is not caught.
#[derive(Clone, Default)]
#[must_use]
pub struct ToolSet {
    tools: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    name: String,
    tool: Tool,
    run: Arc<dyn Fn(Raw) -> BoxFuture<'static, ToolOutput> + Send + Sync>,
}

/// What a tool gave.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ToolOutput {
    /// What the model is told.
    pub content: Content,
    /// Whether the tool failed.
    pub is_error: bool,
}

/// What a handler may return: text, blocks, JSON, a [`ToolOutput`], or a `Result` of these with an error that can be displayed. An error is told to the
/// model, which may try otherwise; it does not end the run.
pub trait IntoToolOutput {
    /// What the model is told.
    fn into_tool_output(self) -> ToolOutput;
}

impl ToolSet {
    /// No tools.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tool that is described by the type of its input; see [`Tool::of`].
    pub fn on<T, F, Fut>(self, handler: F) -> Self
    where
        T: JsonSchema + DeserializeOwned,
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: IntoToolOutput,
    {
        self.on_tool(Tool::of::<T>(), handler)
    }

    /// Adds a tool with a description of its own. Use [`Raw`] as the input to take whatever JSON comes.
    pub fn on_tool<T, F, Fut>(mut self, tool: Tool, handler: F) -> Self
    where
        T: DeserializeOwned,
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: IntoToolOutput,
    {
        let run = move |input: Raw| -> BoxFuture<'static, ToolOutput> {
            match input.parse::<T>() {
                Ok(input) => {
                    let running = handler(input);
                    Box::pin(async move { running.await.into_tool_output() })
                }
                Err(error) => {
                    let text = format!("The input does not fit the schema of this tool: {error}");
                    Box::pin(std::future::ready(ToolOutput::error(text)))
                }
            }
        };
        self.tools.push(Entry { name: tool.name().unwrap_or_default(), tool, run: Arc::new(run) });
        self
    }

    /// What the model is told of the tools.
    pub fn tools(&self) -> impl Iterator<Item = &Tool> {
        self.tools.iter().map(|entry| &entry.tool)
    }

    fn find(&self, name: &str) -> Option<&Entry> {
        self.tools.iter().find(|entry| entry.name == name)
    }

    /// The work of a call; an error for the model where there is no such tool.
    fn start(&self, name: &str, input: &Raw) -> Result<BoxFuture<'static, ToolOutput>, ToolOutput> {
        match self.find(name) {
            Some(entry) => Ok((entry.run)(input.clone())),
            None => {
                let names: Vec<&str> = self.tools.iter().map(|entry| entry.name.as_str()).collect();
                let names = names.join(", ");
                Err(ToolOutput::error(format!("There is no tool named {name}. The tools are: {names}.")))
            }
        }
    }
}

impl fmt::Debug for ToolSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ToolSet ")?;
        f.debug_list().entries(self.tools.iter().map(|entry| &entry.name)).finish()
    }
}

impl ToolOutput {
    /// What the tool found.
    pub fn new(content: impl Into<Content>) -> Self {
        Self { content: content.into(), is_error: false }
    }

    /// Why it found nothing.
    pub fn error(content: impl Into<Content>) -> Self {
        Self { content: content.into(), is_error: true }
    }

    /// A value as JSON text.
    pub fn json(value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(text) => Self::new(text),
            Err(error) => Self::error(format!("The result cannot be written as JSON: {error}")),
        }
    }
}

impl IntoToolOutput for ToolOutput {
    fn into_tool_output(self) -> ToolOutput {
        self
    }
}

impl IntoToolOutput for serde_json::Value {
    fn into_tool_output(self) -> ToolOutput {
        ToolOutput::json(&self)
    }
}

macro_rules! outputs {
    ($($type:ty),*) => { $(
        impl IntoToolOutput for $type {
            fn into_tool_output(self) -> ToolOutput {
                ToolOutput::new(self)
            }
        }
    )* };
}
outputs!(&str, String, Block, Vec<Block>, Content);

impl<T: IntoToolOutput, E: Display> IntoToolOutput for Result<T, E> {
    fn into_tool_output(self) -> ToolOutput {
        match self {
            Ok(output) => output.into_tool_output(),
            Err(error) => ToolOutput::error(error.to_string()),
        }
    }
}
