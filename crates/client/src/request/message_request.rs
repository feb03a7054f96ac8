//! The request for one answer.

use std::borrow::Cow;

use perennial_protocol::Raw;
use schemars::JsonSchema;
use serde::Serialize;

use super::body::Body;
use super::object::Object;
use super::{Cache, Content, InputMessage, RequestError, Thinking, Tool, ToolChoice, schema};
use crate::Error;
use crate::request_body::{IntoRequest, RequestBody};

/// A request for one answer: the body of `POST /v1/messages`.
///
/// Model, token limit and at least one message are needed; see the [module's example](super). `stream` is not set here but by what is done with the request.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct MessageRequest {
    /// All fields but those that have a place of their own below.
    pub(super) fields: Object,
    pub(super) output: Object,
    pub(super) tools: Vec<Tool>,
    pub(super) messages: Vec<InputMessage>,
    betas: Vec<Cow<'static, str>>,
}

/// How much work the model puts into an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effort {
    /// Least.
    Low,
    /// Less than usual.
    Medium,
    /// The default of most models.
    High,
    /// More than usual.
    ExtraHigh,
    /// All it can.
    Max,
}

/// Which capacity may serve the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceTier {
    /// Priority capacity if there is any, else standard.
    Auto,
    /// Standard capacity only.
    StandardOnly,
}

impl MessageRequest {
    /// A request to `model` (any string; known ones are in [`models`](super::models)) for at most `max_tokens` of output. 0 only fills the prompt cache.
    pub fn new(model: impl AsRef<str>, max_tokens: u32) -> Self {
        Self {
            fields: Object::new().with("model", model.as_ref()).with("max_tokens", &max_tokens),
            output: Object::new(),
            tools: Vec::new(),
            messages: Vec::new(),
            betas: Vec::new(),
        }
    }

    /// Asks another model.
    pub fn model(self, model: impl AsRef<str>) -> Self {
        self.field("model", model.as_ref())
    }

    /// Sets the limit of output tokens.
    pub fn max_tokens(self, max_tokens: u32) -> Self {
        self.field("max_tokens", max_tokens)
    }

    /// Adds a message.
    pub fn message(mut self, message: impl Into<InputMessage>) -> Self {
        self.push(message);
        self
    }

    /// Adds messages.
    pub fn messages<M: Into<InputMessage>>(mut self, messages: impl IntoIterator<Item = M>) -> Self {
        self.messages.extend(messages.into_iter().map(Into::into));
        self
    }

    /// Adds a message of the user.
    pub fn user(self, content: impl Into<Content>) -> Self {
        self.message(InputMessage::user(content))
    }

    /// Adds a message of the assistant. An answer that was received goes into [`message`](Self::message).
    pub fn assistant(self, content: impl Into<Content>) -> Self {
        self.message(InputMessage::assistant(content))
    }

    /// Adds a message in place.
    pub fn push(&mut self, message: impl Into<InputMessage>) {
        self.messages.push(message.into());
    }

    /// What is said to the model before the conversation.
    pub fn system(mut self, content: impl Into<Content>) -> Self {
        let content = content.into();
        if let Err(fault) = content.check() {
            self.fields.fail(fault.within("system"));
        }
        self.field("system", content)
    }

    /// Lets the service set cache breakpoints by itself. For breakpoints of your own see [`Block::cache`](super::Block::cache).
    pub fn cache(self, cache: Cache) -> Self {
        self.field("cache_control", cache)
    }

    /// How the model thinks.
    pub fn thinking(self, thinking: Thinking) -> Self {
        self.field("thinking", thinking)
    }

    /// Adds a tool.
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Adds tools.
    pub fn tools(mut self, tools: impl IntoIterator<Item = Tool>) -> Self {
        self.tools.extend(tools);
        self
    }

    /// Whether and which tool is to be called.
    pub fn tool_choice(self, choice: ToolChoice) -> Self {
        self.field("tool_choice", choice)
    }

    /// How much work goes into the answer.
    pub fn effort(mut self, effort: Effort) -> Self {
        let effort = match effort {
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::ExtraHigh => "xhigh",
            Effort::Max => "max",
        };
        self.output.set("effort", effort);
        self
    }

    /// Demands an answer that is JSON of this type; read it by [`ParseOutput`](crate::ParseOutput). Bounds that the service cannot enforce are put into
    /// descriptions.
    pub fn output<T: JsonSchema>(self) -> Self {
        let mut schema = schema::of_type::<T>();
        schema::make_strict(&mut schema);
        self.output_schema(Raw::from(schema))
    }

    /// Demands an answer that is JSON by this schema, which is sent as given.
    pub fn output_schema(mut self, schema: impl Into<Raw>) -> Self {
        let format = Object::tagged("json_schema").with("schema", &schema.into());
        self.output.set("format", &format);
        self
    }

    /// Strings at which the answer is to end.
    pub fn stop_sequences<S: AsRef<str>>(self, sequences: impl IntoIterator<Item = S>) -> Self {
        let sequences: Vec<String> = sequences.into_iter().map(|text| text.as_ref().to_owned()).collect();
        self.field("stop_sequences", sequences)
    }

    /// An opaque id of the end user, for abuse detection. No name, no address.
    pub fn user_id(self, id: impl AsRef<str>) -> Self {
        self.field("metadata", serde_json::json!({ "user_id": id.as_ref() }))
    }

    /// Which capacity may serve the request.
    pub fn service_tier(self, tier: ServiceTier) -> Self {
        self.field(
            "service_tier",
            match tier {
                ServiceTier::Auto => "auto",
                ServiceTier::StandardOnly => "standard_only",
            },
        )
    }

    /// The container for server tools: an id from an earlier answer.
    pub fn container(self, id: impl AsRef<str>) -> Self {
        self.field("container", id.as_ref())
    }

    /// Edits that the service makes to a long context (needs the beta `context-management-2025-06-27`).
    pub fn context_management(self, edits: impl Into<Raw>) -> Self {
        self.field("context_management", edits.into())
    }

    /// Lets models of the service's choice answer where this one declines (sets the beta `server-side-fallback-2026-07-01`).
    pub fn default_fallbacks(self) -> Self {
        self.field("fallbacks", "default").beta(FALLBACK_BETA)
    }

    /// Lets these models answer, in turn, where this one declines; at most three (sets the beta `server-side-fallback-2026-07-01`).
    pub fn fallbacks<S: AsRef<str>>(self, models: impl IntoIterator<Item = S>) -> Self {
        let models: Vec<_> =
            models.into_iter().map(|model| serde_json::json!({ "model": model.as_ref() })).collect();
        self.field("fallbacks", models).beta(FALLBACK_BETA)
    }

    /// How freely the model chooses words. The API version `2026-10-21`, the default, rejects it at any value: pin `2023-06-01` to use it.
    pub fn temperature(self, temperature: f64) -> Self {
        self.field("temperature", temperature)
    }

    /// Nucleus sampling. The API version `2026-10-21`, the default, rejects it: pin `2023-06-01` to use it.
    pub fn top_p(self, top_p: f64) -> Self {
        self.field("top_p", top_p)
    }

    /// Sampling from the likeliest tokens. The API version `2026-10-21`, the default, rejects it: pin `2023-06-01` to use it.
    pub fn top_k(self, top_k: u32) -> Self {
        self.field("top_k", top_k)
    }

    /// Sets any field, known here or not; it wins over what the typed methods set.
    pub fn field(mut self, name: impl Into<Cow<'static, str>>, value: impl Serialize) -> Self {
        self.fields.set(name, &value);
        self
    }

    /// Adds a value to the `anthropic-beta` header of this request.
    pub fn beta(mut self, beta: impl Into<Cow<'static, str>>) -> Self {
        let beta = beta.into();
        if !self.betas.contains(&beta) {
            self.betas.push(beta);
        }
        self
    }

    /// The values for the `anthropic-beta` header that this request needs.
    pub fn betas(&self) -> impl Iterator<Item = &str> {
        self.betas.iter().map(|beta| &**beta)
    }

    /// The messages added so far.
    #[must_use]
    pub fn conversation(&self) -> &[InputMessage] {
        &self.messages
    }

    /// Adds the tools whose names the request does not have yet.
    pub(crate) fn offer<'a>(&mut self, tools: impl Iterator<Item = &'a Tool>) {
        let known: Vec<_> = self.tools.iter().filter_map(Tool::name).collect();
        // A set with two tools of one name is kept as it is, for the check to find.
        let new = tools.filter(|tool| tool.name().is_none_or(|name| !known.contains(&name)));
        self.tools.extend(new.cloned());
    }

    /// Takes the messages from `at` on out again.
    pub(crate) fn take_from(&mut self, at: usize) -> Vec<InputMessage> {
        self.messages.split_off(at.min(self.messages.len()))
    }

    /// The value of a field that was set, as JSON.
    pub(crate) fn get(&self, name: &str) -> Option<Raw> {
        self.fields.get(name).map(Cow::into_owned)
    }

    pub(crate) fn set(&mut self, name: &'static str, value: Option<&Raw>) {
        match value {
            Some(value) => self.fields.set(name, value),
            None => self.fields.remove(name),
        }
    }

    /// Finds what can never be right. Sending a request does this first.
    ///
    /// # Errors
    /// [`RequestError`], which says where and what to do.
    pub fn check(&self) -> Result<(), RequestError> {
        for object in [&self.fields, &self.output] {
            if let Some(fault) = object.fault() {
                return Err(fault.clone());
            }
        }
        if self.fields.text("model").is_some_and(|model| model.trim().is_empty()) {
            return Err(RequestError::missing("model", "name a model, such as `claude-sonnet-5-5`"));
        }
        if self.fields.get("stream").is_some() {
            return Err(RequestError::invalid("stream", "leave it out: `stream` and `create` both stream"));
        }
        self.check_thinking()?;
        self.check_tools()?;
        if self.messages.is_empty() && self.fields.get("messages").is_none() {
            return Err(RequestError::missing("messages", "add one with `.user(\"...\")`"));
        }
        let last = self.messages.len().saturating_sub(1);
        self.messages.iter().enumerate().try_for_each(|(i, message)| {
            message.check(i == last).map_err(|error| error.within(&format!("messages[{i}]")))
        })
    }

    fn check_thinking(&self) -> Result<(), RequestError> {
        #[derive(serde::Deserialize)]
        struct Budget {
            budget_tokens: u64,
        }
        let budget = self.fields.get("thinking").and_then(|raw| raw.parse::<Budget>().ok());
        match budget {
            Some(Budget { budget_tokens: tokens @ 0..1024 }) => Err(RequestError::invalid(
                "thinking",
                format!(
                    "a budget of {tokens} tokens is too small; give at least 1024, or `Thinking::disabled()`"
                ),
            )),
            _ => Ok(()),
        }
    }

    fn check_tools(&self) -> Result<(), RequestError> {
        let mut names = std::collections::HashSet::new();
        for (i, tool) in self.tools.iter().enumerate() {
            let at = format!("tools[{i}]");
            tool.check().map_err(|error| error.within(&at))?;
            if let Some(name) = tool.name()
                && !names.insert(name.clone())
            {
                return Err(RequestError::invalid(
                    &at,
                    format!("a second tool named `{name}`; names must differ"),
                ));
            }
        }
        Ok(())
    }

    /// The body for `POST /v1/messages/count_tokens`: the same request without what has no bearing on the count.
    #[must_use]
    pub fn for_count(&self) -> impl Serialize + '_ {
        Body::for_count(self)
    }
}

const FALLBACK_BETA: &str = "server-side-fallback-2026-07-01";

impl IntoRequest for &MessageRequest {
    fn into_request(self) -> Result<RequestBody, Error> {
        self.check()?;
        let body = RequestBody::serialize(self)?;
        Ok(self.betas().fold(body, |body, beta| body.beta(beta)))
    }
}

impl IntoRequest for MessageRequest {
    fn into_request(self) -> Result<RequestBody, Error> {
        (&self).into_request()
    }
}
