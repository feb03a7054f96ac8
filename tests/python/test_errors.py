"""Refusals, failures and departures: what the SDK raises, and what the simulator's journal says of the client that left."""

import time

import anthropic
import pytest

import recordings
from conftest import REQUEST, client_for

MODEL = "claude-sonnet-4-5"

# Order for the simulator -> what the SDK raises, the type in the body.
STATUSES = [
    ("status=400", anthropic.BadRequestError, "invalid_request_error"),
    ("status=401", anthropic.AuthenticationError, "authentication_error"),
    ("status=403", anthropic.PermissionDeniedError, "permission_error"),
    ("status=404", anthropic.NotFoundError, "not_found_error"),
    ("status=429", anthropic.RateLimitError, "rate_limit_error"),
    ("status=500", anthropic.InternalServerError, "api_error"),
    ("status=529", anthropic.OverloadedError, "overloaded_error"),
]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(("orders", "error", "kind"), STATUSES, ids=[row[0] for row in STATUSES])
def test_status(servers, orders: str, error: type, kind: str, stream: bool) -> None:
    client = client_for(servers(recordings.OWN).url, orders=orders)
    with pytest.raises(error) as raised:
        client.messages.create(model=MODEL, stream=stream, **REQUEST)
    assert raised.value.body["type"] == "error"
    assert raised.value.body["error"]["type"] == kind
    assert raised.value.request_id.startswith("req_")


def test_retry_after_reaches_the_client(servers) -> None:
    client = client_for(servers(recordings.OWN).url, orders="status=429,retry-after=70")
    with pytest.raises(anthropic.RateLimitError) as raised:
        client.messages.create(model=MODEL, stream=True, **REQUEST)
    assert raised.value.response.headers["retry-after"] == "70"


def test_the_sdk_retries_through_the_gateway(servers) -> None:
    client = client_for(servers(recordings.OWN).url, orders="status=529,retry-after=0,times=1; pace=instant", max_retries=2)
    with client.messages.stream(model="replay:text", **REQUEST) as stream:
        assert stream.get_final_message().stop_reason == "end_turn"


def test_a_real_refusal_of_the_request(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError) as raised:
        client.messages.create(model=MODEL, max_tokens=10, messages=[])
    assert "messages" in raised.value.message
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="claude-that-never-was", **REQUEST)


def test_an_error_in_mid_stream(client: anthropic.Anthropic) -> None:
    seen = []
    with pytest.raises(anthropic.APIStatusError) as raised:
        with client.messages.stream(model="replay:error_overloaded", **REQUEST) as stream:
            seen.extend(stream.text_stream)
    assert "".join(seen) == "The river ran on and on until the bridge was gone."
    assert raised.value.body["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize("fault", ["fin@event=5", "rst@event=5"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_an_upstream_that_drops_is_an_error(servers, fault: str, stream: bool) -> None:
    client = client_for(servers(recordings.OWN).url, orders=f"{fault}; pace=instant")
    with pytest.raises(anthropic.APIStatusError) as raised:
        if stream:
            with client.messages.stream(model="replay:text", **REQUEST) as events:
                events.get_final_message()
        else:
            client.messages.create(model="replay:text", **REQUEST)
    assert raised.value.body["type"] == "error"


def test_an_answer_opened_early_can_still_be_refused(servers) -> None:
    """After ten seconds the gateway opens the answer by itself; what comes then still has its own type.

    The upstream takes its time even for a machine that stands still when it is to be opened.
    """
    client = client_for(servers(recordings.OWN).url, orders="stall=25s@headers; status=400")
    opened = False
    with pytest.raises(anthropic.APIStatusError) as raised:
        with client.messages.stream(model=MODEL, **REQUEST) as stream:
            opened = True
            stream.get_final_message()
    assert raised.value.body["error"]["type"] == "invalid_request_error"
    assert opened and raised.value.status_code == 200, "it was opened before the upstream answered"


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-opus-4-8"])
@pytest.mark.parametrize("fault", ["rst@event=25,times=1", "error=overloaded_error@event=30,times=1"])
def test_an_answer_that_breaks_goes_on(servers, model: str, fault: str) -> None:
    """With prefill and without: the SDK sees one message, whole to the letter."""
    url = servers(recordings.OWN).url
    request = {"model": model, "max_tokens": 2000, "messages": [{"role": "user", "content": "Write 150 words about rivers."}]}
    with client_for(url).messages.stream(**request) as stream:
        whole = stream.get_final_message()
    headers = {"perennial-recovery": "on", "perennial-sim-key": f"{model} {fault}"}
    with client_for(url, orders=f"{fault}; pace=instant", default_headers=headers).messages.stream(**request) as stream:
        mended = stream.get_final_message()
    assert mended.content[0].text == whole.content[0].text
    assert mended.stop_reason == whole.stop_reason
    assert mended.usage.input_tokens > whole.usage.input_tokens, "the usage of both attempts"


def test_leaving_reaches_the_upstream(simulator, gateway) -> None:
    client = client_for(gateway.url, orders="ttft=10ms,tps=5")
    request = {"max_tokens": 500, "messages": [{"role": "user", "content": "Write 300 words about rivers."}]}
    with client.messages.stream(model=MODEL, **request) as stream:
        next(iter(stream.text_stream))
        identity = stream.current_message_snapshot.id
    entry = until(lambda: next((e for e in simulator.journal() if e["message_id"] == identity and e["outcome"] != "running"), None))
    assert entry["outcome"] == "client_left"
    assert entry["events"] > 0


def until(question, seconds: float = 120.0):
    """Asks until there is an answer: each question is a request of its own, so this does not spin."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = question()
        if answer is not None:
            return answer
    raise AssertionError(f"no answer within {seconds} s")
