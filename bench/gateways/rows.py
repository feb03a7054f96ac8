"""The matrix: what each gateway makes of each trouble, in figures and words, one function for each row.

Every function gets a `Lane`, does one thing with it, and gives what the table shows; what should not be begins with `!`.
"""

import json
import time

import peers
import raw

QUESTION = "What is a river?"
TOOLS = [
    {
        "name": "get_weather",
        "description": "The weather of a place",
        "input_schema": {"type": "object", "properties": {"place": {"type": "string"}, "notes": {"type": "string"}}, "required": ["place", "notes"]},
    }
]
# As a model writes, only faster: what is read in one piece with its end could be held back by a gateway that looks ahead.
PACE = "pace=real,tps=400,ttft=20ms"
# Places of the truncation sweep.
PLACES = 40
PATIENCE = 30.0


class Lane:
    """A gateway, its simulator, and the ways to ask through it."""

    def __init__(self, peer: peers.Peer) -> None:
        self.peer, self.simulator = peer, peer.simulator
        self.count = 0
        self.seen = b""
        self.whole = self.ask("").text()
        # Some load half of themselves with the first request.
        self.ask("")

    def request(self, tools: bool = False) -> dict:
        """Another body each time with the same answer to it, so that attempts of two runs are not taken for those of one."""
        self.count += 1
        question = "What is the weather in Paris?" if tools else QUESTION
        body = {"model": peers.MODEL, "max_tokens": 1024, "messages": [{"role": "user", "content": question}]}
        body["metadata"] = {"user_id": f"run-{self.count}"}
        return {**body, **({"tools": TOOLS} if tools else {})}

    def headers(self) -> dict:
        """Of the last request: by one of them the simulator knows its attempts, also one that asks for the rest of an answer."""
        return {**self.peer.headers, "perennial-sim-key": f"run-{self.count}"}

    def ask(self, words: str, patience: float = PATIENCE, tools: bool = False, leave_after: float | None = None) -> raw.Stream:
        self.simulator.arm(f"{PACE};{words}")
        request = self.request(tools)
        stream = raw.ask(self.peer.url, self.peer.key, self.headers(), request, patience, leave_after)
        self.seen += stream.body + json.dumps(stream.headers).encode()
        return stream

    def verdict(self, stream: raw.Stream) -> str:
        """What a reader of this stream knows of its end."""
        ends = stream.terminals()
        if stream.close == "hang":
            return f"!no end within {stream.seconds:.0f} s"
        if stream.status != 200:
            kind = stream.error_type()
            return f"status {stream.status}, `{kind}`" if kind else f"!status {stream.status} without an error of the API's form"
        if ends == ["message_stop"]:
            return "whole" if stream.text() == self.whole else "!a normal end with another text"
        if len(ends) > 1:
            return f"!{len(ends)} ends"
        if ends == ["error"]:
            kind = stream.error_type()
            fits = kind in ("api_error", "overloaded_error", "timeout_error", "rate_limit_error")
            return f"`error` event, `{kind}`" if fits else f"!`error` event with the type {kind!r}"
        return "!**cut silently**: a clean end without an end" if stream.close == "clean" else "!broken off without a word"


def plain(words: str, patience: float = PATIENCE):
    """A row that says how one stream with these orders ends, after how long, and with how many requests."""

    def row(lane: Lane) -> str:
        stream = lane.ask(words, patience)
        posts = lane.simulator.posts()
        count = f", {len(posts)} requests" if len(posts) != 1 else ""
        return f"{lane.verdict(stream)}, {stream.seconds:.1f} s{count}"

    return row


def fidelity(lane: Lane) -> str:
    direct = raw.ask(lane.simulator.url, "sk-any", {}, lane.request(), PATIENCE)
    stream = lane.ask("")
    faults = []
    if stream.body != direct.body:
        faults.append("body changed")
    lost = [
        name
        for name in direct.headers
        if name.startswith(("request-id", "anthropic-")) and name not in stream.headers
    ]
    if lost:
        faults.append(f"{len(lost)} headers of the API lost")
    up = dict(lane.simulator.posts()[-1]["headers"])
    if up.get("anthropic-version") != "2026-10-21":
        faults.append(f"asks with version {up.get('anthropic-version')}")
    if "anthropic-beta" in up:
        faults.append(f"adds `anthropic-beta: {up['anthropic-beta']}`")
    return "!" + ", ".join(faults) if faults else "body, version and headers unchanged"


def silence(words: str, patience: float):
    """What a client hears while the upstream says nothing."""

    def row(lane: Lane) -> str:
        stream = lane.ask(words, patience)
        verdict = lane.verdict(stream)
        longest = stream.longest_silence()
        return f"{verdict}, {stream.seconds:.0f} s; {stream.pings()} pings, longest silence {longest:.0f} s"

    return row


def tool_input(lane: Lane) -> str:
    """A tool's input, cut at each of many places: what looks whole must be whole."""
    whole = inputs(lane.ask("", tools=True))
    ends = {"whole": 0, "error": 0, "wrong": 0}
    for place in range(PLACES // 2):
        stream = lane.ask(f"fin@event={6 + place % 8},times=1", tools=True)
        if stream.terminals() == ["message_stop"]:
            ends["whole" if inputs(stream) == whole else "wrong"] += 1
        else:
            ends["error" if stream.terminals() == ["error"] or stream.status != 200 else "wrong"] += 1
    words = f"{ends['whole']} whole, {ends['error']} errors, {ends['wrong']} silently cut or mixed"
    return f"!{words}" if ends["wrong"] else words


def inputs(stream: raw.Stream) -> list[str]:
    texts: dict[int, str] = {}
    for name, data in stream.events():
        if name == "content_block_delta":
            event = json.loads(data)
            texts[event["index"]] = texts.get(event["index"], "") + event["delta"].get("partial_json", "")
    return [text for text in texts.values() if text]


def sweep(fault: str, times: str):
    """The body, broken at many of its bytes."""

    def row(lane: Lane) -> str:
        total = len(lane.ask("").body)
        counts: dict[str, int] = {}
        for place in range(PLACES):
            stream = lane.ask(f"{fault}@byte={1 + place * (total - 2) // (PLACES - 1)}{times}")
            verdict = lane.verdict(stream)
            word = "whole" if verdict == "whole" else "wrong" if verdict.startswith("!") else "error"
            counts[word] = counts.get(word, 0) + 1
        words = ", ".join(f"{counts.get(word, 0)} {word}" for word in ("whole", "error", "wrong"))
        return f"!{words}" if counts.get("wrong") else words

    return row


def leaving(words: str):
    """How long the upstream goes on when the client leaves after a second."""

    def row(lane: Lane) -> str:
        lane.ask(words, leave_after=1.0)
        left = time.monotonic()
        if not lane.simulator.posts():
            return "!nothing was asked"
        while time.monotonic() - left < 12:
            last = lane.simulator.posts()[-1]
            if last["outcome"] != "running":
                took = time.monotonic() - left
                return f"closed after {took * 1e3:.0f} ms" if took < 0.5 else f"!closed after {took:.1f} s"
            time.sleep(0.01)
        return "!still running after 12 s"

    return row


def asked_on(lane: Lane) -> str:
    """Whether an overloaded service is asked on for a client that has left."""
    stream = lane.ask("status=529", leave_after=1.0)
    before = len(lane.simulator.posts())
    if stream.close != "hang":
        return f"had given up by then, after {before} requests"
    time.sleep(8)
    more = len(lane.simulator.posts()) - before
    return f"!{more} requests more" if more else "nothing more is asked"


def blip(lane: Lane) -> str:
    """Ten requests, one of which meets an overloaded service."""
    lane.ask("status=529,times=1")
    lane.simulator.arm(PACE)
    verdicts = [lane.verdict(raw.ask(lane.peer.url, lane.peer.key, lane.peer.headers, lane.request(), PATIENCE)) for _ in range(9)]
    wrong = [verdict for verdict in verdicts if verdict != "whole"]
    return f"!{len(wrong)} of 9 not answered after it: {wrong[0]}" if wrong else "all that follow are answered"


def keys(lane: Lane) -> str:
    return "!the upstream's key was shown" if peers.UPSTREAM_KEY.encode() in lane.seen else "in none of the bytes"


ROWS = [
    ("Nothing goes wrong", "unchanged", fidelity),
    ("529 twice, then well", "the answer, asked for again", plain("status=529,times=2")),
    ("429 with `retry-after: 1`, then well", "the answer, no sooner", plain("status=429,retry-after=1,times=1")),
    ("400", "the error, one request", plain("status=400")),
    ("Connection closed before the head, then well", "the answer", plain("fin@headers,times=1")),
    ("200, `message_start`, `error` event, then well", "the answer", plain("error=overloaded_error@event=1,times=1")),
    ("200, `message_start`, connection closed, then well", "the answer", plain("fin@event=1,times=1")),
    ("`error` event in mid-text, once", "the answer, gone on with, or the error", plain("error=overloaded_error@event=6,times=1")),
    ("Connection closed in mid-text, once", "the answer, gone on with, or an error", plain("fin@event=6,times=1")),
    ("Connection reset in mid-text, once", "the answer, gone on with, or an error", plain("rst@event=6,times=1")),
    ("Body ends cleanly in mid-text, once", "the answer, gone on with, or an error", plain("end@event=6,times=1")),
    ("Silence for ever in mid-text, once", "the answer, gone on with, or an error", plain("stall@event=6,times=1", 45)),
    ("Body closed at 40 of its bytes, once each", "whole or an error, each time", sweep("fin", ",times=1")),
    ("Body ends cleanly at 40 of its bytes, once each", "whole or an error, each time", sweep("end", ",times=1")),
    ("Tool input closed at 20 places, once each", "whole or an error, nothing mixed", tool_input),
    ("Connection closed in mid-text, always", "an error", plain("fin@event=6")),
    ("Body ends cleanly in mid-text, always", "an error", plain("end@event=6")),
    ("Nothing but pings for ever in mid-text", "an error, some time", silence("ping-stall@event=6", 45)),
    ("20 s without a byte before the head", "some sign of life", silence("stall=20s@headers", 45)),
    ("Web page with status 200", "an error", plain("body=html")),
    ("Empty body with status 200", "an error", plain("body=empty")),
    ("Client leaves while the head is awaited", "upstream closed at once", leaving("stall@headers")),
    ("Client leaves in silence before content", "upstream closed at once", leaving("stall@event=1")),
    ("Client leaves in silence in mid-text", "upstream closed at once", leaving("stall@event=6")),
    ("Client leaves while events flow", "upstream closed at once", leaving("pace=real,tps=8,ttft=100ms")),
    ("Client leaves while the service is overloaded", "nothing more is asked", asked_on),
    ("One 529 among ten requests", "the others are answered", blip),
    ("Upstream's key", "never shown", keys),
]
