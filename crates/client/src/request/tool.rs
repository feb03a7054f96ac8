//! Tools: what the model may call, and whether it must.

use std::borrow::Cow;

use perennial_protocol::Raw;
use schemars::JsonSchema;

use super::object::{Object, request_object};
use super::{Cache, RequestError, schema};

request_object! {
    /// A tool that the model may call.
    ///
    /// ```
    /// use perennial::request::Tool;
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
    /// let tool = Tool::of::<GetWeather>();
    /// assert_eq!(tool.name().as_deref(), Some("get_weather"));
    /// ```
    pub struct Tool, "a tool"
}

request_object! {
    /// Whether and which tool the model is to call.
    pub struct ToolChoice, "`tool_choice`"
}

impl Tool {
    /// A tool whose input is a `T`: its name is the type's in snake case, its description the type's doc comment, and its schema comes from the fields
    /// and their doc comments.
    pub fn of<T: JsonSchema>() -> Self {
        let mut schema = schema::of_type::<T>();
        let described = schema::take_description(&mut schema);
        let tool = Self::new(schema::snake_case(&T::schema_name()), Raw::from(schema));
        match described {
            Some(text) => tool.description(text),
            None => tool,
        }
    }

    /// A tool with a JSON Schema of your own, sent as given.
    pub fn new(name: impl AsRef<str>, input_schema: impl Into<Raw>) -> Self {
        let schema = input_schema.into();
        let mut object = Object::new().with("name", name.as_ref());
        if !schema.is_object() {
            object.fail(RequestError::invalid(
                "input_schema",
                "a JSON Schema must be an object, such as {\"type\":\"object\"}",
            ));
        }
        Self(object.with("input_schema", &schema))
    }

    /// A tool that the service runs, such as `("web_search_20250305", "web_search")`. Its settings are fields.
    pub fn server(kind: impl AsRef<str>, name: impl AsRef<str>) -> Self {
        Self(Object::new().with("type", kind.as_ref()).with("name", name.as_ref()))
    }

    /// The tool's name.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.0.text("name")
    }

    /// Gives the tool another name.
    pub fn named(self, name: impl AsRef<str>) -> Self {
        self.field("name", name.as_ref())
    }

    /// What the tool does and when to use it; the model decides by this.
    pub fn description(self, text: impl AsRef<str>) -> Self {
        self.field("description", text.as_ref())
    }

    /// Streams the input as it is written, without waiting for whole values and unchecked: the first pieces come much sooner, and the finished input
    /// can be invalid. See [`ToolInput`](perennial_protocol::ToolInput).
    pub fn eager_input_streaming(self) -> Self {
        self.field("eager_input_streaming", true)
    }

    /// Demands that the input fits the schema. What strict schemas cannot say (bounds, patterns) is moved into descriptions.
    pub fn strict(mut self) -> Self {
        if let Some(mut schema) = self.0.get("input_schema").and_then(|raw| raw.parse().ok()) {
            schema::make_strict(&mut schema);
            self.0.set("input_schema", &schema);
        }
        self.field("strict", true)
    }

    /// Keeps the tool out of the prompt until a tool search finds it.
    pub fn defer_loading(self) -> Self {
        self.field("defer_loading", true)
    }

    /// Sets a cache breakpoint after this tool and those before it.
    pub fn cache(self, cache: Cache) -> Self {
        self.field("cache_control", cache)
    }

    pub(crate) fn check(&self) -> Result<(), RequestError> {
        match (self.0.fault(), self.0.get("name"), self.0.get("type")) {
            (Some(fault), ..) => Err(fault.clone()),
            (None, Some(name), _) if name.get() == "\"\"" => {
                Err(RequestError::missing("name", "a tool needs a name"))
            }
            // Tools of the service may have no name; tools of the caller cannot be called without.
            (None, None, None) => Err(RequestError::missing("name", "a tool needs a name")),
            _ => Ok(()),
        }
    }
}

impl ToolChoice {
    /// The model decides; the default.
    pub fn auto() -> Self {
        Self(Object::tagged("auto"))
    }

    /// It must call a tool. Newest models refuse to be forced, and so do older ones with thinking on.
    pub fn any() -> Self {
        Self(Object::tagged("any"))
    }

    /// It must call this tool. Newest models refuse to be forced, and so do older ones with thinking on.
    pub fn tool(name: impl Into<Cow<'static, str>>) -> Self {
        Self(Object::tagged("tool").with("name", &name.into()))
    }

    /// It must not call a tool.
    pub fn none() -> Self {
        Self(Object::tagged("none"))
    }

    /// At most one call per answer.
    pub fn no_parallel(self) -> Self {
        self.field("disable_parallel_tool_use", true)
    }
}
