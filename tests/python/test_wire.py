"""What curl sees: the first byte at once, every event when it happens, errors in the service's shape."""

import json
import pathlib
import shutil
import subprocess
import threading

import pytest

import recordings

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="SKIPPED: curl is not here")

BODY = {"model": "bench:deltas=8", "max_tokens": 100, "stream": True, "messages": [{"role": "user", "content": "."}]}

# Nothing takes longer, unless it never comes.
PATIENCE = 120


def curl(url: str, *arguments: str, body: dict = BODY, orders: str | None = None) -> subprocess.Popen:
    more = ["-H", f"perennial-sim: {orders}"] if orders else []
    # What breaks is to stay broken: the bytes of each recording are asked for, as they are.
    more += ["-H", "perennial-recovery: off"]
    command = ["curl", "-sS", "-N", "-H", "x-api-key: test-key", "-H", "anthropic-version: 2023-06-01"]
    command += ["-H", "content-type: application/json", "-d", json.dumps(body), *more, *arguments, f"{url}/v1/messages"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_first_byte_at_once_and_nothing_held_back(servers, count: int) -> None:
    # So many events and then nothing: what a buffer would wait for never comes.
    process = curl(servers(recordings.OWN).url, orders=f"stall@event={count}")
    patience = threading.Timer(PATIENCE, process.kill)
    patience.start()
    ends = 0
    for line in iter(process.stdout.readline, b""):
        ends += line == b"\n"
        if ends == count:
            break
    patience.cancel()
    process.kill()
    process.communicate()
    assert ends == count


def test_bytes_are_the_recorded_bytes(servers) -> None:
    for path in sorted(recordings.OWN.glob("*.sse")):
        if path.stem.startswith("cut_"):
            continue
        process = curl(servers(recordings.OWN).url, body={**BODY, "model": f"replay:{path.stem}"}, orders="pace=instant")
        assert process.communicate(timeout=PATIENCE)[0] == path.read_bytes(), path.stem


def test_a_cut_body_gets_an_error_event_of_its_own(servers) -> None:
    for path in sorted(recordings.OWN.glob("cut_*.sse")):
        process = curl(servers(recordings.OWN).url, body={**BODY, "model": f"replay:{path.stem}"}, orders="pace=instant")
        body = process.communicate(timeout=PATIENCE)[0]
        # The beginning of an event that was cut is none, and stays in the log.
        recorded = path.read_bytes()
        recorded = recorded[: recorded.rfind(b"\n\n") + 2]
        assert body.startswith(recorded), path.stem
        frames = body[len(recorded) :].replace(b"\r\n", b"\n").split(b"\n\n")
        errors = [frame for frame in frames if frame.startswith(b"event: error\ndata: ")]
        assert len(errors) == 1, (path.stem, frames)
        error = json.loads(errors[0].removeprefix(b"event: error\ndata: "))
        assert error["type"] == "error" and error["error"]["message"], path.stem


def test_headers(servers, tmp_path: pathlib.Path) -> None:
    dump = tmp_path / "headers"
    process = curl(servers(recordings.OWN).url, "-D", str(dump), body={**BODY, "model": "replay:text"}, orders="pace=instant")
    process.communicate(timeout=PATIENCE)
    head = dump.read_text().lower()
    assert head.startswith("http/1.1 200")
    assert "content-type: text/event-stream" in head
    assert "no-transform" in head and "x-accel-buffering: no" in head
    assert "request-id: req_" in head


def test_wrong_turnings_are_claude_errors(servers) -> None:
    url = servers(recordings.OWN).url
    rows = [
        (["-X", "GET", f"{url}/v1/messages"], "405"),
        ([f"{url}/v1/nothing"], "404"),
        (["-H", "x-api-key: k", "-H", "anthropic-version: 2023-06-01", "-d", "{not json", f"{url}/v1/messages"], "400"),
    ]
    for arguments, status in rows:
        out = subprocess.run(["curl", "-sS", "-w", "\n%{http_code}", *arguments], capture_output=True, text=True, timeout=PATIENCE)
        body, code = out.stdout.rsplit("\n", 1)
        assert code == status, (arguments, out.stdout)
        error = json.loads(body)
        assert error["type"] == "error" and error["error"]["message"] and error["request_id"], arguments
