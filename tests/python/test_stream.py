"""Every recording through the gateway with the official SDK: its final message is what it is without us."""

import json

import anthropic
import pytest

import expect
import recordings
from conftest import REQUEST, as_json, client_for
from recordings import Recording

ALL = recordings.all_recordings()

# What the gateway changes on purpose: where the SDK alone takes a cut answer for a whole one, or meets what is no JSON, the gateway's
# error event makes it raise as for any error of the service. By name.
CUT = {
    "own-bad_json_data",
    "own-no_message_start",
    "cut_before_stop",
    "cut_between_events",
    "cut_in_text",
    "cut_in_tool",
    "own-truncated_at_event_boundary",
    "own-truncated_before_message_stop",
    "own-truncated_inside_event",
    "own-truncated_inside_utf8",
}


# Streams with something behind their end, which the SDK writes into the message: the gateway gives nobody what stands there.
GOES_ON = {
    "tool_search-vercel-tool_search_bm25_1",
    "tool_search-vercel-tool_search_deferred_bm25",
    "tool_search-vercel-tool_search_deferred_regex",
    "own-events_after_message_stop",
}


def first_message_only(recording: Recording) -> dict:
    end = recording.body.index(b"event: message_stop")
    end = recording.body.index(b"\n\n", end) + 2
    return json.loads(json.dumps(expect.final_message(recording.body[:end])))


def whole(recording: Recording) -> bool:
    return recording.name not in CUT and recording.expected is not None


@pytest.mark.parametrize("recording", [r for r in ALL if whole(r)], ids=str)
def test_final_message(recording: Recording, replaying) -> None:
    with replaying(recording).beta.messages.stream(model=recording.model, **REQUEST) as stream:
        message = stream.get_final_message()
    assert as_json(message) == (first_message_only(recording) if recording.name in GOES_ON else recording.expected)


@pytest.mark.parametrize("recording", [r for r in ALL if r.name in CUT], ids=str)
def test_a_cut_answer_is_an_error(recording: Recording, replaying) -> None:
    client = replaying(recording)
    with pytest.raises(anthropic.APIStatusError) as raised:
        with client.beta.messages.stream(model=recording.model, **REQUEST) as stream:
            stream.get_final_message()
    assert raised.value.body["type"] == "error"
    assert raised.value.body["error"]["message"]


def failing(recording: Recording) -> bool:
    return recording.expected is None and recording.name not in CUT


@pytest.mark.parametrize("recording", [r for r in ALL if failing(r)], ids=str)
def test_what_fails_the_sdk_still_does(recording: Recording, replaying) -> None:
    # Errors of the service and streams beyond the SDK's grammar: the gateway neither hides nor repairs them.
    with pytest.raises(Exception) as alone:
        expect.final_message(recording.body)
    with pytest.raises(type(alone.value)) as raised:
        with replaying(recording).beta.messages.stream(model=recording.model, **REQUEST) as stream:
            stream.get_final_message()
    if isinstance(alone.value, anthropic.APIStatusError):
        assert raised.value.body == alone.value.body


def test_text_events(client: anthropic.Anthropic) -> None:
    with client.messages.stream(model="replay:text", **REQUEST) as stream:
        assert list(stream.text_stream) == ["A stream", " is a promise", " kept in", " small pieces."]
        assert stream.get_final_text() == "A stream is a promise kept in small pieces."
        assert stream.request_id


def test_thinking_and_tool_events(client: anthropic.Anthropic) -> None:
    with client.messages.stream(model="replay:thinking", **REQUEST) as stream:
        kinds = [event.type for event in stream]
    assert kinds.count("thinking") == 3 and kinds.count("signature") == 1 and kinds.count("text") == 2
    with client.messages.stream(model="replay:tool", **REQUEST) as stream:
        snapshots = [event.snapshot for event in stream if event.type == "input_json"]
    assert snapshots[-1] == {"city": "Zürich", "days": 3, "exact": 12345678901.5, "tags": ["a", None, True]}


def test_raw_events(client: anthropic.Anthropic) -> None:
    with client.messages.create(model="replay:text", stream=True, **REQUEST) as stream:
        kinds = [event.type for event in stream]
    # Pings do not come out of this SDK.
    assert kinds == ["message_start", "content_block_start", *["content_block_delta"] * 4, "content_block_stop", "message_delta", "message_stop"]


@pytest.mark.parametrize("sent", ["authorization", "x-api-key", "both"])
def test_either_way_of_sending_the_key(servers, sent: str) -> None:
    url = servers(recordings.OWN).url
    plain = {"x-api-key": "test-key"}
    options = {
        "authorization": {},
        "x-api-key": {"default_headers": {**plain, "authorization": anthropic.Omit()}},
        "both": {"default_headers": plain},
    }[sent]
    with client_for(url, **options).messages.stream(model="replay:text", **REQUEST) as stream:
        assert stream.get_final_message().stop_reason == "end_turn"


def test_a_query_is_accepted(client: anthropic.Anthropic) -> None:
    with client.messages.stream(model="replay:text", extra_query={"beta": "true"}, **REQUEST) as stream:
        assert stream.get_final_message().stop_reason == "end_turn"


@pytest.mark.anyio
async def test_async_client(servers) -> None:
    url = servers(recordings.OWN).url
    client = anthropic.AsyncAnthropic(base_url=url, api_key="test-key", default_headers={"perennial-sim": "pace=instant"})
    async with client, client.messages.stream(model="replay:text", **REQUEST) as stream:
        assert [text async for text in stream.text_stream][-1] == " small pieces."


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_an_authored_answer(client: anthropic.Anthropic) -> None:
    # The simulator's own mind, not a recording: what a newcomer meets first.
    request = {"max_tokens": 300, "messages": [{"role": "user", "content": "Say hello in one sentence."}]}
    with client.messages.stream(model="claude-sonnet-4-5", **request) as stream:
        message = stream.get_final_message()
    assert message.stop_reason == "end_turn"
    assert message.content[0].text.strip()
    assert message.usage.output_tokens > 1
