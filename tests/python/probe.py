"""The official Python SDK on one stream, for the table of faults: `probe.py BASE_URL MODEL` prints one JSON line.

As its users write it, with the timeout that the SDK has and its retries as they are by default.
"""

import json
import sys

import anthropic

# As the other clients ask it: bench/clients/src/lib.rs.
REQUEST = {"max_tokens": 4096, "messages": [{"role": "user", "content": "What is a river?"}]}


def probe(base_url: str, model: str) -> dict:
    client = anthropic.Anthropic(base_url=base_url, api_key="test-key", timeout=5.0)
    seen = {"text": "", "input": "", "stop_reason": None, "events": 0}
    try:
        with client.messages.stream(model=model, **REQUEST) as stream:
            for event in stream:
                seen["events"] += 1
                if event.type == "text":
                    seen["text"] += event.text
            message = stream.get_final_message()
    except Exception as error:  # Whatever comes out of the SDK is what its user gets.
        own = isinstance(error, anthropic.AnthropicError)
        return {**seen, "ending": "error" if own else "foreign error", "kind": type(error).__name__, "error": str(error)[:300]}
    seen["text"] = "".join(block.text or "" for block in message.content if block.type == "text")
    return {**seen, "ending": "message", "kind": None, "error": None, "stop_reason": message.stop_reason}


if __name__ == "__main__":
    print(json.dumps(probe(*sys.argv[1:3])))
