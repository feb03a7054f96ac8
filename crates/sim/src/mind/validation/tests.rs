use serde_json::json;

use super::*;

const OLD: &str = "claude-sonnet-4-5";

fn headers(version: &str, betas: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("anthropic-version", version.parse().unwrap());
    headers.insert("anthropic-beta", betas.parse().unwrap());
    headers
}

fn hello() -> Value {
    json!({"model": "claude-opus-4-7", "max_tokens": 4096, "messages": [{"role": "user", "content": "Hi"}]})
}

/// A request that says hello, with some fields replaced; `null` takes a field away.
fn with(fields: &Value) -> Value {
    let mut request = hello();
    let request_fields = request.as_object_mut().unwrap();
    for (name, value) in fields.as_object().unwrap() {
        if value.is_null() {
            request_fields.shift_remove(name);
        } else {
            request_fields.insert(name.clone(), value.clone());
        }
    }
    request
}

fn verdict(request: &Value, version: &str, betas: &str) -> Checked {
    check(7, request, &headers(version, betas))
}

/// Refused with 400 and this message, or taken when the message is empty.
#[track_caller]
fn check_field(fields: &Value, message: &str) {
    check_under(fields, STRICT_VERSION, "", message);
}

#[track_caller]
fn check_under(fields: &Value, version: &str, betas: &str, message: &str) {
    match verdict(&with(fields), version, betas) {
        Ok(()) => assert_eq!("", message, "{fields}"),
        Err(refused) => {
            assert_eq!(refused.message, message, "{fields}");
            assert_eq!((refused.status, refused.error_type), (400, "invalid_request_error"));
        }
    }
}

#[track_caller]
fn check_messages(model: &str, messages: &Value, message: &str) {
    check_field(&json!({"model": model, "messages": messages}), message);
}

#[test]
fn headers_name_a_version() {
    assert_eq!(
        check(7, &hello(), &HeaderMap::new()).unwrap_err().message,
        "anthropic-version: header is required"
    );
    let message = verdict(&hello(), "2024-01-01", "").unwrap_err().message;
    assert!(message.starts_with("anthropic-version: \"2024-01-01\" is not a valid version"), "{message}");
    for version in VERSIONS {
        assert_eq!(verdict(&hello(), version, "some-beta, another"), Ok(()));
    }
}

#[test]
fn required_and_unknown_fields() {
    check_field(&json!({}), "");
    check_field(&json!({"model": null}), "model: Field required");
    check_field(&json!({"model": 3}), "model: Input should be a valid string");
    check_field(&json!({"max_tokens": null}), "max_tokens: Field required");
    check_field(&json!({"max_tokens": "9"}), "max_tokens: Input should be a valid integer");
    check_field(&json!({"max_tokens": 1.5}), "max_tokens: Input should be a valid integer");
    check_field(&json!({"max_tokens": -1}), "max_tokens: Input should be greater than or equal to 0");
    check_field(&json!({"max_tokens": 0}), "");
    check_field(&json!({"messages": null}), "messages: Field required");
    check_field(&json!({"messages": "hi"}), "messages: Input should be a valid list");
    check_field(&json!({"messages": []}), "messages: at least one message is required");
    check_field(&json!({"foo": 1}), "foo: Extra inputs are not permitted");
    check_field(&json!({"stream": "yes"}), "stream: Input should be a valid boolean");
    check_field(
        &json!({"stop_sequences": [" "]}),
        "stop_sequences: each stop sequence must contain non-whitespace",
    );
    check_field(&json!({"metadata": {"user": "x"}}), "metadata.user: Extra inputs are not permitted");
    check_field(&json!({"service_tier": "fast"}), "service_tier: Input should be 'auto' or 'standard_only'");
    check_field(&json!({"fallbacks": "default"}), "fallbacks: Extra inputs are not permitted");
    check_under(&json!({"fallbacks": "default"}), STRICT_VERSION, "server-side-fallback-2026-07-01", "");
    let not_found = verdict(&with(&json!({"model": "claude-9"})), STRICT_VERSION, "").unwrap_err();
    assert_eq!(
        (not_found.status, not_found.error_type, not_found.message.as_str()),
        (404, "not_found_error", "model: claude-9")
    );
    assert_eq!(verdict(&json!({"model": "replay:anything"}), STRICT_VERSION, ""), Ok(()));
}

#[test]
fn limits_follow_the_model() {
    check_field(&json!({"model": OLD, "max_tokens": 64_000}), "");
    check_field(
        &json!({"model": OLD, "max_tokens": 64_001}),
        "max_tokens: 64001 > 64000, which is the maximum allowed number of output tokens for claude-sonnet-4-5-20250929",
    );
    let long = "word ".repeat(200_100);
    let message = verdict(
        &with(&json!({"model": OLD, "messages": [{"role": "user", "content": long}]})),
        STRICT_VERSION,
        "",
    )
    .unwrap_err()
    .message;
    assert!(
        message.starts_with("prompt is too long: 200") && message.ends_with(" tokens > 200000 maximum"),
        "{message}"
    );
}

#[test]
fn sampling_depends_on_the_version() {
    for name in ["temperature", "top_p", "top_k"] {
        check_field(&json!({name: 1}), &format!("{name}: Extra inputs are not permitted"));
        check_under(&json!({name: 1}), "2023-06-01", "", "");
    }
    check_under(&json!({"temperature": 2}), "2023-06-01", "", "temperature: range: 0..1");
    check_under(
        &json!({"temperature": 0.5, "thinking": {"type": "adaptive"}}),
        "2023-06-01",
        "",
        "`temperature` may only be set to 1 when thinking is enabled.",
    );
}

#[test]
fn shapes_of_messages() {
    let check = |messages: Value, message: &str| check_messages("claude-opus-4-7", &messages, message);
    let user = |content: Value| json!([{"role": "user", "content": content}]);
    check(json!(["hi"]), "messages.0: Input does not match the expected shape.");
    check(json!([{"content": "hi"}]), "messages.0.role: Field required");
    check(json!([{"role": "user"}]), "messages.0.content: Field required");
    check(
        json!([{"role": "bot", "content": "hi"}]),
        "messages.0.role: Input should be 'user', 'assistant' or 'system'",
    );
    check(
        json!([{"role": "user", "content": "hi", "name": "x"}]),
        "messages.0.name: Extra inputs are not permitted",
    );
    check(
        json!([{"role": "assistant", "content": "hi"}]),
        "messages: first message must use the \"user\" role",
    );
    check(
        user(json!("")),
        "messages.0: all messages must have non-empty content except for the optional final assistant message",
    );
    check(
        user(json!([])),
        "messages.0: all messages must have non-empty content except for the optional final assistant message",
    );
    check(user(json!(" \n")), "messages: text content blocks must contain non-whitespace text");
    check(user(json!([{"type": "text", "text": ""}])), "messages: text content blocks must be non-empty");
    check(user(json!([{"type": "text"}])), "messages.0.content.0.text.text: Field required");
    check(
        user(json!([{"type": "text", "text": "hi", "id": 1}])),
        "messages.0.content.0.text.id: Extra inputs are not permitted",
    );
    check(user(json!([{"text": "hi"}])), "messages.0.content.0.type: Field required");
    check(user(json!([{"type": "image"}])), "messages.0.content.0.image.source: Field required");
    check(
        user(
            json!([{"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": "x"}}]),
        ),
        "messages.0.content.0.image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'",
    );
    check(
        user(json!([{"type": "thinking", "thinking": "", "signature": ""}])),
        "messages.0: `thinking` blocks can only be in `assistant` messages",
    );
    let message = verdict(&with(&json!({"messages": user(json!([{"type": "blob"}]))})), STRICT_VERSION, "")
        .unwrap_err()
        .message;
    assert!(message.starts_with("messages.0.content.0: Input tag 'blob' found using 'type' does not match any of the expected tags: 'text', "));
    check_field(&json!({"system": [{"type": "image"}]}), "system.0.type: Input should be 'text'");
    check_field(&json!({"system": "be brief"}), "");
}

#[test]
fn the_newest_version_is_stricter_about_blocks() {
    let cited = json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "citations": [{}]}]}]});
    check_under(&cited, "2023-06-01", "", "");
    check_field(
        &cited,
        "messages.0.content.0.text.citations: Citations are not permitted on text blocks of user messages",
    );
    let document = json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": [
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}]}, {"role": "user", "content": "so?"}]});
    check_under(&document, "2023-06-01", "", "");
    check_field(
        &document,
        "messages.1.content.0: `document` blocks are not permitted in `assistant` messages",
    );
}

#[test]
fn calls_and_results_belong_together() {
    let check = |rest: &[Value], message: &str| {
        let mut messages = vec![json!({"role": "user", "content": "hi"})];
        messages.extend_from_slice(rest);
        check_messages("claude-opus-4-7", &json!(messages), message);
    };
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "f", "input": {}});
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "ok"});
    let said = |role: &str, blocks: &[Value]| json!({"role": role, "content": blocks});
    let text = json!({"type": "text", "text": "so"});
    check(&[said("assistant", &[call("a")]), said("user", &[result("a")])], "");
    check(
        &[
            said("assistant", &[call("a"), call("b")]),
            said("user", &[result("b"), result("a"), text.clone()]),
        ],
        "",
    );
    check(
        &[
            said("assistant", &[call("a"), call("b")]),
            said("user", &[result("b")]),
            said("user", &[result("a")]),
        ],
        "",
    );
    let missing = "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: b. Each `tool_use` block \
                   must have a corresponding `tool_result` block in the next message.";
    check(&[said("assistant", &[call("a"), call("b")]), said("user", &[result("a")])], missing);
    check(&[said("assistant", &[call("b")]), said("user", std::slice::from_ref(&text))], missing);
    check(&[said("assistant", &[call("b")]), said("user", &[text, result("b")])], missing);
    check(
        &[said("user", &[result("zz")])],
        "messages.1.content.0: unexpected `tool_use_id` found in `tool_result` blocks: zz. Each \
        `tool_result` block must have a corresponding `tool_use` block in the previous message.",
    );
    check(
        &[said("assistant", &[call("a")]), said("user", &[result("a"), result("a")])],
        "messages.2.content: each tool_use must have a single result. Found multiple `tool_result` blocks with id: a",
    );
    check(
        &[said("assistant", &[call("a"), call("a")]), said("user", &[result("a")])],
        "messages.1.content.1: `tool_use` ids must be unique",
    );
    check(
        &[said("assistant", &[json!({"type": "tool_use", "id": "a b", "name": "f", "input": {}})])],
        "messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
    );
    check(
        &[said("assistant", &[result("a")])],
        "messages.1: `tool_result` blocks can only be in `user` messages",
    );
}

#[test]
fn prefill_ends_with_generation_4_5() {
    let prefill =
        |text: &str| json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": text}]);
    for model in ["claude-opus-4-6", "claude-sonnet-5", "claude-opus-5-5", "claude-sonnet-5-5"] {
        check_messages(
            model,
            &prefill("The"),
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        );
    }
    check_messages(OLD, &prefill("The"), "");
    check_messages(OLD, &prefill(""), "");
    check_messages(
        OLD,
        &prefill("The "),
        "messages: final assistant content cannot end with trailing whitespace",
    );
    let thinking = json!({"model": OLD, "messages": prefill("The"), "thinking": {"type": "enabled", "budget_tokens": 1024}});
    let message = verdict(&with(&thinking), STRICT_VERSION, "").unwrap_err().message;
    assert!(
        message.starts_with(
            "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`."
        ),
        "{message}"
    );
    // What the service paused comes back as it is.
    let paused = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}]}]);
    check_messages("claude-opus-5-5", &paused, "");
}

#[test]
fn forms_of_thinking_follow_the_generation() {
    let check = |model: &str, thinking: Value, message: &str| {
        check_field(&json!({"model": model, "thinking": thinking}), message);
    };
    let enabled = json!({"type": "enabled", "budget_tokens": 2000});
    let (adaptive, disabled, notes) =
        (json!({"type": "adaptive"}), json!({"type": "disabled"}), json!({"type": "between_tools"}));
    let no_enabled = "\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\" and \
                      \"output_config.effort\" to control thinking behavior.";
    let no_notes = "\"thinking.type.between_tools\" is not supported for this model.";
    let no_disabled = "\"thinking.type.disabled\" is not supported for this model. Omit `thinking` or use \"thinking.type.adaptive\".";
    for (model, rules) in [
        (OLD, ["", "adaptive thinking is not supported on this model", "", no_notes]),
        ("claude-opus-4-6", ["", "", "", no_notes]),
        ("claude-opus-4-8", [no_enabled, "", "", no_notes]),
        ("claude-sonnet-5", [no_enabled, "", "", no_notes]),
        ("claude-fable-5-2", [no_enabled, "", no_disabled, no_notes]),
        ("claude-opus-5-5", [no_enabled, "", no_disabled, no_notes]),
        (
            "claude-sonnet-5-5",
            [
                no_enabled,
                "",
                "\"thinking.type.disabled\" is not supported for this model. Use \"thinking.type.between_tools\".",
                "",
            ],
        ),
    ] {
        for (form, message) in [&enabled, &adaptive, &disabled, &notes].into_iter().zip(rules) {
            check(model, form.clone(), message);
        }
    }
    check(OLD, json!({"type": "enabled"}), "thinking.enabled.budget_tokens: Field required");
    check(
        OLD,
        json!({"type": "enabled", "budget_tokens": 1023}),
        "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
    );
    check(
        OLD,
        json!({"type": "enabled", "budget_tokens": 4096}),
        "`max_tokens` must be greater than `thinking.budget_tokens`.",
    );
    check(
        OLD,
        json!({"type": "off"}),
        "thinking: Input tag 'off' found using 'type' does not match any of the expected tags: 'enabled', 'disabled', 'adaptive', 'between_tools'",
    );
    check(
        "claude-opus-5",
        json!({"type": "adaptive", "display": "updates"}),
        "thinking.adaptive.display: Input should be 'summarized' or 'omitted'",
    );
    check_under(
        &json!({"thinking": {"type": "adaptive", "display": "updates"}}),
        STRICT_VERSION,
        "thinking-display-updates-2026-08-18",
        "",
    );
    check_field(
        &json!({"model": "claude-opus-5", "thinking": disabled, "output_config": {"effort": "max"}}),
        "\"thinking.type.disabled\" is only supported at effort 'high' or lower for this model.",
    );
}

#[test]
fn definitions_of_tools() {
    let check = |tool: Value, message: &str| check_field(&json!({"tools": [tool]}), message);
    check(json!({"name": "f", "input_schema": {"type": "object"}}), "");
    check(json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 3}), "");
    check(json!({"name": "f"}), "tools.0.custom.input_schema: Field required");
    check(json!({"input_schema": {"type": "object"}}), "tools.0.custom.name: Field required");
    check(
        json!({"name": "a b", "input_schema": {"type": "object"}}),
        "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'",
    );
    check(json!({"name": "f", "input_schema": {}}), "tools.0.custom.input_schema.type: Field required");
    check(
        json!({"name": "f", "input_schema": {"type": "string"}}),
        "tools.0.custom.input_schema.type: Input should be 'object'",
    );
    check(
        json!({"name": "f", "parameters": {}, "input_schema": {"type": "object"}}),
        "tools.0.custom.parameters: Extra inputs are not permitted",
    );
    check(
        json!({"name": "f", "strict": true, "input_schema": {"type": "object"}}),
        "tools.0.custom: For 'object' type, 'additionalProperties' must be explicitly set to false",
    );
    check(
        json!({"name": "f", "strict": true, "input_schema": {"type": "object", "additionalProperties": false, "properties": {"n": {"$ref": "#/$defs/Node"}},
            "$defs": {"Node": {"type": "object", "additionalProperties": false, "properties": {"next": {"$ref": "#/$defs/Node"}}}}}}),
        "tools.0.custom: Invalid schema: Circular reference detected in schema definitions: Node -> Node. Self-referencing or \
         mutually-referencing definitions are not supported.",
    );
    let tool = json!({"name": "f", "input_schema": {"type": "object"}});
    check_field(&json!({"tools": [tool, tool]}), "tools: Tool names must be unique.");
    let strict: Vec<_> = (0..21).map(|n| json!({"name": format!("f{n}"), "strict": true, "input_schema": {"type": "object", "additionalProperties": false}})).collect();
    check_field(
        &json!({"tools": strict}),
        "Too many strict tools (21). The maximum number of strict tools supported is 20. Try \
        reducing the number of tools marked as strict.",
    );
}

#[test]
fn choices_among_tools() {
    let tools = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    let check =
        |choice: Value, message: &str| check_field(&json!({"tools": tools, "tool_choice": choice}), message);
    check(json!({"type": "auto", "disable_parallel_tool_use": true}), "");
    check(json!({"type": "tool", "name": "f"}), "");
    check(json!({"type": "tool", "name": "g"}), "Tool 'g' not found in provided tools");
    check(json!({"type": "tool"}), "tool_choice.tool.name: Field required");
    check(
        json!({"type": "some"}),
        "tool_choice: Input tag 'some' found using 'type' does not match any of the expected tags: 'auto', 'any', 'tool', 'none'",
    );
    check_field(
        &json!({"tool_choice": {"type": "any"}}),
        "tool_choice: tool_choice may only be specified while providing tools",
    );
    check_field(
        &json!({"model": "claude-opus-5-5", "tools": tools, "tool_choice": {"type": "any"}}),
        "tool_choice: forcing tool use is not supported for claude-opus-5-5. Use 'auto' or 'none'.",
    );
    check_field(
        &json!({"model": OLD, "thinking": {"type": "enabled", "budget_tokens": 1024}, "tools": tools, "tool_choice": {"type": "any"}}),
        "Thinking may not be enabled when tool_choice forces tool use.",
    );
}

#[test]
fn marks_of_the_cache() {
    let block = |mark: Value| json!({"type": "text", "text": "hi", "cache_control": mark});
    let check = |blocks: &[Value], message: &str| {
        check_field(&json!({"messages": [{"role": "user", "content": blocks}]}), message);
    };
    let (short, long) = (json!({"type": "ephemeral"}), json!({"type": "ephemeral", "ttl": "1h"}));
    check(&[block(long.clone()), block(short.clone())], "");
    check(
        &vec![block(short.clone()); 5],
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    );
    check(
        &[block(json!({"type": "ephemeral", "ttl": "2h"}))],
        "messages.0.content.0.cache_control.ephemeral.ttl: Input should be '5m' or '1h'",
    );
    check(
        &[block(json!({"type": "forever"}))],
        "messages.0.content.0.cache_control: Input tag 'forever' found using 'type' does not match any of the expected tags: 'ephemeral'",
    );
    check(
        &[block(short.clone()), block(long)],
        "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note \
        that blocks are processed in the following order: `tools`, `system`, `messages`.",
    );
    check_field(&json!({"cache_control": short}), "");
}

#[test]
fn output_and_effort() {
    check_field(
        &json!({"output_config": {"effort": "huge"}}),
        "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'",
    );
    check_field(
        &json!({"model": "claude-opus-4-6", "output_config": {"effort": "xhigh"}}),
        "This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium.",
    );
    let format =
        |schema: Value| json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}});
    check_field(
        &format(
            json!({"type": "object", "additionalProperties": false, "properties": {"a": {"type": "string"}}}),
        ),
        "",
    );
    check_field(
        &format(json!({"type": "object"})),
        "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
    );
    check_field(
        &format(json!({"type": "integer", "minimum": 1, "maximum": 3})),
        "output_config.format.schema: For 'integer' type, properties maximum, minimum are not supported",
    );
    check_field(
        &json!({"output_config": {"format": {"type": "json"}}}),
        "output_config.format: Input tag 'json' found using 'type' does not match any of the expected tags: 'json_schema'",
    );
}

#[test]
fn counting_needs_no_limit() {
    let request = with(&json!({"max_tokens": null}));
    assert_eq!(check_count(7, &request, &headers(STRICT_VERSION, "")), Ok(()));
    assert!(check(7, &request, &headers(STRICT_VERSION, "")).is_err());
}

#[test]
fn batches_are_checked_from_outside() {
    let message = |body: Value| {
        check_batch(&body, &headers(STRICT_VERSION, ""))
            .map_or_else(|refused| refused.message, |()| String::new())
    };
    let one = |id: &str, params: Value| json!({"custom_id": id, "params": params});
    assert_eq!(message(json!({"requests": [one("a", hello()), one("b", json!({}))]})), "");
    assert_eq!(message(json!({})), "requests: Field required");
    assert_eq!(
        message(json!({"requests": []})),
        "requests: List should have at least 1 item after validation, not 0"
    );
    assert_eq!(
        message(json!({"requests": [one("a b", hello())]})),
        "requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'"
    );
    assert_eq!(
        message(json!({"requests": [one("a", hello()), one("a", hello())]})),
        "requests.1.custom_id: custom_id must be unique within a batch: a"
    );
    assert_eq!(
        message(json!({"requests": [one("a", with(&json!({"stream": true})))]})),
        "requests.0.params.stream: Streaming is not supported in batches"
    );
}
