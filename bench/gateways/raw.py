"""A client of bytes: what really stands on the wire, when it came, and how it ended."""

import dataclasses
import http.client
import json
import socket
import time
import urllib.parse

TERMINALS = ("message_stop", "error")


@dataclasses.dataclass
class Stream:
    """One answer, as it came."""

    status: int = 0
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    # `clean`, `broken` or `hang`.
    close: str = "clean"
    # Seconds after the request at which something came, the head of the answer included.
    times: list[float] = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    def events(self) -> list[tuple[str, str]]:
        """Names and data. The name is the data's own type where there is one."""
        found = []
        text = self.body.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
        for block in text.split("\n\n"):
            lines = block.split("\n")
            data = "\n".join(line[5:].removeprefix(" ") for line in lines if line.startswith("data:"))
            name = next((line[6:].strip() for line in lines if line.startswith("event:")), "")
            if data:
                found.append((typed(data) or name, data))
        return found

    def text(self) -> str:
        return "".join(json.loads(data)["delta"].get("text", "") for name, data in self.events() if name == "content_block_delta")

    def terminals(self) -> list[str]:
        return [name for name, _ in self.events() if name in TERMINALS]

    def pings(self) -> int:
        return sum(name == "ping" for name, _ in self.events())

    def error_type(self) -> str | None:
        """`error.type`, in an event or in a body."""
        texts = [data for name, data in self.events() if name == "error"] or [self.body.decode("utf-8", "replace")]
        try:
            return json.loads(texts[-1])["error"]["type"]
        except (ValueError, KeyError, TypeError):
            return None

    def longest_silence(self) -> float:
        moments = [0.0, *self.times, self.seconds]
        return max(after - before for before, after in zip(moments, moments[1:]))


def typed(data: str) -> str | None:
    try:
        value = json.loads(data)
    except ValueError:
        return None
    return value.get("type") if isinstance(value, dict) else None


def ask(url: str, key: str, headers: dict[str, str], request: dict, patience: float, leave_after: float | None = None) -> Stream:
    """Reads one streamed answer; leaves after so many seconds, if told to."""
    stream, began = Stream(), time.monotonic()
    host = urllib.parse.urlsplit(url).netloc
    connection = http.client.HTTPConnection(host, timeout=patience)
    own = {"content-type": "application/json", "x-api-key": key, "authorization": f"Bearer {key}", "anthropic-version": "2026-10-21"}
    end = leave_after if leave_after is not None else patience
    try:
        connection.request("POST", "/v1/messages", json.dumps({**request, "stream": True}), {**own, **headers})
        connection.sock.settimeout(max(0.01, began + end - time.monotonic()))
        answer = connection.getresponse()
        stream.status, stream.headers = answer.status, {name.lower(): value for name, value in answer.getheaders()}
        stream.times.append(time.monotonic() - began)
        while True:
            left = began + end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.sock and connection.sock.settimeout(left)
            piece = answer.read1(65536)
            if not piece:
                break
            stream.body += piece
            stream.times.append(time.monotonic() - began)
        # What is said to follow and does not is a body that was broken off, of which `read1` says nothing.
        if answer.chunked and not answer.isclosed():
            stream.close = "broken"
    except TimeoutError:
        stream.close = "hang"
    except (http.client.HTTPException, ConnectionError, OSError):
        stream.close = "broken"
    finally:
        stream.seconds = time.monotonic() - began
        connection.close()
    return stream


def socket_of(url: str) -> socket.socket:
    host, port = urllib.parse.urlsplit(url).netloc.split(":")
    return socket.create_connection((host, int(port)))
