"""What a newcomer does first, without a key: the embedded simulator through the gateway, with the SDK and no recording."""

import anthropic
import pytest

from conftest import as_json

MODEL = "claude-sonnet-4-5"
WEATHER = {
    "name": "get_weather",
    "description": "Get the current weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def test_a_tool_loop(client: anthropic.Anthropic) -> None:
    messages = [{"role": "user", "content": "What is the weather in Lisbon?"}]
    request = {"model": MODEL, "max_tokens": 1024, "tools": [WEATHER]}
    with client.messages.stream(messages=messages, **request) as stream:
        first = stream.get_final_message()
    assert first.stop_reason == "tool_use"
    call = next(block for block in first.content if block.type == "tool_use")
    assert call.name == "get_weather" and set(call.input) == {"city"}
    messages += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "Sunny, 23 degrees."}]},
    ]
    with client.messages.stream(messages=messages, **request) as stream:
        second = stream.get_final_message()
    assert second.stop_reason == "end_turn"
    assert "23" in second.content[0].text


def test_thinking_is_given_back_unchanged(client: anthropic.Anthropic) -> None:
    messages = [{"role": "user", "content": "How many primes are below 30?"}]
    request = {"model": MODEL, "max_tokens": 4096, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    with client.messages.stream(messages=messages, **request) as stream:
        first = stream.get_final_message()
    assert [block.type for block in first.content] == ["thinking", "text"]
    assert first.content[0].signature
    again = [*messages, {"role": "assistant", "content": first.content}, {"role": "user", "content": "And below 20?"}]
    with client.messages.stream(messages=again, **request) as stream:
        assert stream.get_final_message().stop_reason == "end_turn"
    # The simulator holds signatures against the text, as the service does: one changed letter is refused.
    forged = first.content[0].model_copy(update={"thinking": first.content[0].thinking + "!"})
    again[1] = {"role": "assistant", "content": [forged, *first.content[1:]]}
    with pytest.raises(anthropic.BadRequestError):
        client.messages.create(messages=again, **request)


def test_stream_and_create_give_the_same(client: anthropic.Anthropic) -> None:
    request = {"model": MODEL, "max_tokens": 500, "messages": [{"role": "user", "content": "Write a haiku about rivers."}]}
    with client.messages.stream(**request) as stream:
        streamed = stream.get_final_message()
    created = client.messages.create(**request)
    # Two answers, so two ids; everything else is the same.
    assert as_json(created) | {"id": None} == as_json(streamed) | {"id": None}


def test_max_tokens_and_stop_sequences(client: anthropic.Anthropic) -> None:
    ask = [{"role": "user", "content": "Count to 30."}]
    cut = client.messages.create(model=MODEL, max_tokens=5, messages=ask)
    assert cut.stop_reason == "max_tokens" and cut.usage.output_tokens == 5
    stopped = client.messages.create(model=MODEL, max_tokens=500, messages=ask, stop_sequences=["7"])
    assert stopped.stop_reason == "stop_sequence" and stopped.stop_sequence == "7"
    assert "7" not in stopped.content[0].text


def test_the_other_resources(client: anthropic.Anthropic) -> None:
    ask = [{"role": "user", "content": "Hello."}]
    assert client.messages.count_tokens(model=MODEL, messages=ask).input_tokens > 0
    listed = {model.id for model in client.models.list()}
    assert client.models.retrieve(MODEL).id in listed
    parameters = {"model": MODEL, "max_tokens": 50, "messages": ask}
    batch = client.messages.batches.create(requests=[{"custom_id": name, "params": parameters} for name in ("a", "b")])
    assert client.messages.batches.retrieve(batch.id).id == batch.id
