"""`create` without `stream`: the gateway asks for a stream and folds it, and the SDK gets the same message."""

import copy

import anthropic
import pytest

import recordings
from conftest import REQUEST, as_json
from recordings import Recording
from test_stream import ALL, CUT, whole

# Where our fold and the SDK's own accumulation of the same stream differ, by recording: name -> (why, change to expected).
DIFFERENCES: dict[str, tuple[str, object]] = {}


@pytest.mark.parametrize("recording", [r for r in ALL if whole(r)], ids=str)
def test_final_message(recording: Recording, replaying) -> None:
    message = replaying(recording).beta.messages.create(model=recording.model, **REQUEST)
    expected = copy.deepcopy(recording.expected)
    if recording.name in DIFFERENCES:
        _, change = DIFFERENCES[recording.name]
        change(expected)
    assert as_json(message) == expected


@pytest.mark.parametrize("recording", [r for r in ALL if r.name in CUT], ids=str)
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
