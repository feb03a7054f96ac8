"""`create` without `stream`: the gateway asks for a stream and folds it, and the SDK gets the same message."""

import copy
import json

import anthropic
import pytest

from conftest import REQUEST, as_json
from recordings import Recording
from test_stream import ALL, CUT, GOES_ON, first_message_only, whole

# The messages that are not what the SDK's own accumulation gives, with what is right about them instead. All of them are streams
# that the SDK reads wrongly.


def input_kept_as_text(recording: Recording) -> dict:
    """Tool input that was cut: the SDK hands out the part that parses as if it were the input. Ours cannot be executed."""
    expected = copy.deepcopy(recording.expected)
    events = [json.loads(line[5:]) for line in recording.body.decode().splitlines() if line.startswith("data:")]
    for index, block in enumerate(expected["content"]):
        deltas = [e["delta"] for e in events if e["type"] == "content_block_delta" and e["index"] == index]
        if block["type"] == "tool_use":
            block["input"] = {"INVALID_JSON": "".join(delta["partial_json"] for delta in deltas)}
    return expected


DIFFERENCES = {
    **dict.fromkeys(GOES_ON, first_message_only),
    "tool_cut_by_max_tokens": input_kept_as_text,
    "own-tool_input_cut_by_max_tokens": input_kept_as_text,
    "sdkpy-incomplete_partial_json_response": input_kept_as_text,
}

# Another message begins in the middle of the first, which thereby never ends: the SDK mixes both and calls it whole.
NEVER_ENDS = {"vercel-spliced_message_start"}


@pytest.mark.parametrize("recording", [r for r in ALL if whole(r) and r.name not in NEVER_ENDS], ids=str)
def test_final_message(recording: Recording, replaying) -> None:
    message = replaying(recording).beta.messages.create(model=recording.model, **REQUEST)
    differs = DIFFERENCES.get(recording.name)
    expected = differs(recording) if differs else recording.expected
    assert as_json(message) == expected


@pytest.mark.parametrize("recording", [r for r in ALL if r.name in CUT | NEVER_ENDS], ids=str)
def test_a_cut_answer_is_an_error(recording: Recording, replaying) -> None:
    with pytest.raises(anthropic.APIStatusError) as raised:
        replaying(recording).beta.messages.create(model=recording.model, **REQUEST)
    assert raised.value.status_code >= 500
    assert raised.value.body["type"] == "error"
    assert raised.value.request_id


def test_an_error_of_the_stream_is_an_error_answer(client: anthropic.Anthropic) -> None:
    for name in ("error_overloaded", "error_first"):
        with pytest.raises(anthropic.APIStatusError) as raised:
            client.messages.create(model=f"replay:{name}", **REQUEST)
        assert raised.value.body["error"]["type"] == "overloaded_error", name
