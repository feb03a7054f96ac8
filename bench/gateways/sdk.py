"""The official Python SDK on one stream at a time: a line of JSON in says what to ask, a line of JSON out what came of it.

As its users write it, but without retries of its own: what is tried again is the gateway's doing.
"""

import json
import sys
import time

import anthropic


def probe(base_url: str, key: str, headers: dict, request: dict) -> dict:
    client = anthropic.Anthropic(base_url=base_url, api_key=key, timeout=30.0, max_retries=0, default_headers=headers)
    began = time.monotonic()
    try:
        with client.messages.stream(**request) as stream:
            for _ in stream:
                pass
            message = stream.get_final_message()
    except Exception as error:  # Whatever comes out of the SDK is what its user gets.
        own = isinstance(error, anthropic.AnthropicError)
        ending = {"ending": "error" if own else "foreign error", "kind": type(error).__name__, "error": str(error)[:300]}
        return {**ending, "seconds": time.monotonic() - began}
    text = "".join(block.text or "" for block in message.content if block.type == "text")
    inputs = [json.dumps(block.input, sort_keys=True) for block in message.content if block.type == "tool_use"]
    return {"ending": "message", "text": text, "inputs": inputs, "stop_reason": message.stop_reason, "seconds": time.monotonic() - began}


for line in sys.stdin:
    print(json.dumps(probe(**json.loads(line))), flush=True)
