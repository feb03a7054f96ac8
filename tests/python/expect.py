"""Writes tests/fixtures/expected/: what the official SDK makes of our own streams.

Each body is handed to the SDK as one HTTP response, without any server of ours between, so that the tests compare
against the SDK's own reading. Streams of which it makes no message (errors) and streams that are cut get no file: a cut
one would look whole, which is the very thing that must not happen.
"""

import json
import pathlib

import anthropic
import httpx2

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"


def final_message(body: bytes) -> dict:
    """The SDK's final message for one recorded body."""

    def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)

    transport = httpx2.Client(transport=httpx2.MockTransport(answer))
    client = anthropic.Anthropic(api_key="none", base_url="http://sdk.invalid", http_client=transport, max_retries=0)
    request = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "."}]}
    with client.beta.messages.stream(**request) as stream:
        return stream.get_final_message().model_dump(mode="json")


def main() -> None:
    for path in sorted(FIXTURES.glob("*.sse")):
        if path.stem.startswith(("cut_", "error_")):
            continue
        text = json.dumps(final_message(path.read_bytes()), indent=1, sort_keys=True, ensure_ascii=False)
        (FIXTURES / "expected" / f"{path.stem}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
