"""The table of faults x gateways: Perennial beside LiteLLM and Portkey, before the same simulator; writes docs/gateways.md.

Each gateway has a simulator of its own and is asked by a client of bytes, for the matrix, and by the official Python SDK without
retries of its own, for every fault of the catalogue. Verdicts follow from rules that the page states; nothing is judged by hand.
"""

import argparse
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import house
import peers
import rows

PATIENCE = 45.0
PYTHON = house.ROOT / "tests/python/.venv/bin/python"
ERRORS = {"error", "foreign error"}
EXPECTED = {
    "whole": {"whole"},
    "retried": {"whole"},
    "refused": ERRORS,
    "cut": ERRORS | {"whole"},
    "overdue": ERRORS | {"whole"},
}


class Sdk:
    """The official SDK in a process of its own, which is begun anew when it hangs."""

    def __init__(self) -> None:
        self.process: subprocess.Popen | None = None

    def ask(self, **what: object) -> dict:
        if self.process is None:
            command = [str(PYTHON), str(pathlib.Path(__file__).with_name("sdk.py"))]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        timer = threading.Timer(PATIENCE, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if line:
            return json.loads(line)
        self.stop()
        return {"ending": "hang", "seconds": PATIENCE}

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None


def judge(answer: dict, posts: list[dict], whole: str, expect: str) -> str:
    """What the SDK's user got."""
    if answer["ending"] != "message":
        return answer["ending"]
    texts = {whole}
    # Where a fault adds to the text, what was sent last is what is right.
    if expect in ("whole", "retried") and posts:
        texts.add("".join(piece["text"] for piece in posts[-1]["content"] if piece["kind"] == "text"))
    if answer["text"] in texts and answer["stop_reason"]:
        return "whole"
    return "silently cut" if whole.startswith(answer["text"]) else "wrong"


def resent(posts: list[dict]) -> bool:
    """Whether the same request was sent again although content of it had come."""
    digests = [post["request_digest"] for post in posts]
    return any(post["content"] and post["request_digest"] in digests[at + 1 :] for at, post in enumerate(posts))


def run_peer(kind: type[peers.Peer], binary: pathlib.Path, options: argparse.Namespace) -> dict:
    simulator = peers.Simulator(binary)
    peer = kind(binary, simulator)
    try:
        peer.start()
        lane = rows.Lane(peer)
        if not lane.whole:
            sys.exit(f"{peer.name} does not even pass an undisturbed stream")
        matrix = {}
        for name, _, row in rows.ROWS:
            if not options.row or any(part in name for part in options.row):
                matrix[name] = row(lane)
                print(f"{peer.name:12} {name}: {matrix[name]}", flush=True)
        catalogue = simulator.ask("GET", "/sim/faults")["catalogue"]
        return {"matrix": matrix, "catalogue": catalogue, "faults": {} if options.row else run_catalogue(peer, lane, catalogue, options.fault)}
    finally:
        peer.stop()
        simulator.stop()


def run_catalogue(peer: peers.Peer, lane: rows.Lane, catalogue: list[dict], only: list[str]) -> dict:
    sdk, outcomes = Sdk(), {}
    for fault in catalogue:
        if only and fault["name"] not in only:
            continue
        # One token a second is slow, and not a fault; ten are as slow as a test can wait for.
        words = "drip=10" if fault["name"] == "drip" else fault["words"]
        lane.simulator.arm(words)
        request = lane.request()
        answer = sdk.ask(base_url=peer.url, key=peer.key, headers=lane.headers(), request=request)
        posts = lane.simulator.posts()
        verdict = judge(answer, posts, lane.whole, fault["expect"])
        outcome = {"verdict": verdict, "kind": answer.get("kind"), "error": answer.get("error"), "posts": len(posts), "resent": resent(posts)}
        outcome["right"] = verdict in EXPECTED[fault["expect"]] and not outcome["resent"]
        outcome["leaks"] = peers.UPSTREAM_KEY in json.dumps(answer)
        outcomes[fault["name"]] = {**outcome, "seconds": answer["seconds"]}
        print(f"{peer.name:12} {fault['name']:22} {verdict}, {len(posts)} requests, {answer['seconds']:.1f} s", flush=True)
    sdk.stop()
    return outcomes


def cell(words: str) -> str:
    return f"**{words[1:].replace('**', '')}**" if words.startswith("!") else words


def fault_cell(outcome: dict) -> str:
    text = outcome["verdict"] if outcome["right"] else f"**{outcome['verdict']}**"
    if outcome["kind"]:
        text += f" `{outcome['kind']}`"
    if outcome["posts"] != 1:
        text += f", {outcome['posts']} requests"
    return text + (", **sent again after content**" if outcome["resent"] else "")


def page(done: dict[str, dict], kinds: list[type[peers.Peer]]) -> str:
    names = [kind.name for kind in kinds]
    matrix = [[name, should, *[cell(done[peer]["matrix"][name]) for peer in names]] for name, should, _ in rows.ROWS]
    catalogue = done[names[0]]["catalogue"]
    faults = [[f"`{fault['name']}`", fault["expect"], *[fault_cell(done[peer]["faults"][fault["name"]]) for peer in names]] for fault in catalogue]
    sums = []
    for peer in names:
        outcomes = done[peer]["faults"].values()
        verdicts = [outcome["verdict"] for outcome in outcomes]
        retried = [fault["name"] for fault in catalogue if fault["expect"] == "retried"]
        wrong = sum(value.startswith("!") for value in done[peer]["matrix"].values())
        sums.append(
            [
                peer,
                f"{len(rows.ROWS) - wrong} of {len(rows.ROWS)}",
                f"{sum(outcome['right'] for outcome in outcomes)} of {len(outcomes)}",
                f"{sum(done[peer]['faults'][name]['verdict'] == 'whole' for name in retried)} of {len(retried)}",
                *[verdicts.count(word) for word in ("silently cut", "wrong", "hang")],
                sum(outcome["resent"] for outcome in outcomes),
            ]
        )
    head = ["", "matrix", "catalogue", "retried", "silently cut", "wrong", "hang", "sent again after content"]
    about = "\n".join(f"- **{kind.name}**{f' {kind.version}' if kind.version else ''}: {kind.about}" for kind in kinds)
    return f"""# Faults and gateways

What becomes of a streamed answer when something goes wrong behind a gateway, gateway by gateway. This page is written by a program:
`bench/run gateways` puts each gateway before a [simulator](simulator.md) of its own, arms it with one trouble after the other, and judges by the rules below.

{house.machine()}
- {house.output("node", "--version").strip()} of Node, Python {sys.version.split()[0]}

{about}

## Sums

{house.table(head, sums)}

## The matrix

A client of bytes asks, which knows nothing of any SDK. Bold is what should not be. Simulator, gateways and clients share the machine, and each row is one run: the seconds
tell a wait from none, and no more.

{house.table(["trouble", "should give", *names], matrix)}

## Every fault of the catalogue

The official Python SDK asks, with `max_retries=0`, so that what is tried again is the gateway's doing. What the faults are: [the catalogue](simulator.md#the-catalogue).

{house.table(["fault", "right is", *names], faults)}

## How it is judged

- **whole**: the text that an undisturbed stream has, with a stop reason. **silently cut**: a normal end with a part of it, or without a stop reason. **wrong**: a normal end with another text.
  **error**: of the SDK's own type; **foreign error**: any other. **hang**: no end within {PATIENCE:.0f} s.
- Right is *whole* for what the catalogue calls whole or retried, an error for what it calls refused, and either of them for an answer that is cut or overdue: to go on with it is better, to say so is right.
- "N requests" is how many reached the simulator. "Sent again after content": the same request once more, although a part of the answer had come: paid for twice, and it no longer fits.
- An `error` event is right with a type that the API has. A clean end of the body without `message_stop` or `error` is a silent cut, whatever the client makes of it.
- Portkey's and LiteLLM's own settings for retries are on; what they do without is not shown.
- Not in it: Busbar, AISIX, agentgateway, Kong, Envoy and others, which no package registry that this program may use offers as a program; and anything about speed.

The programs: [bench/gateways](../bench/gateways).
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/run gateways", description=__doc__)
    parser.add_argument("--peer", action="append", choices=[kind.name for kind in peers.PEERS], help="only this one; prints, writes nothing")
    parser.add_argument("--row", action="append", help="only rows of the matrix with this in their name; prints, writes nothing")
    parser.add_argument("--fault", action="append", help="only this fault of the catalogue; prints, writes nothing")
    parser.add_argument("--perennial", type=pathlib.Path, help="a program that was built before")
    options = parser.parse_args()
    if not PYTHON.exists():
        sys.exit("the official SDK is not installed here: run ./test python first")
    peers.install()
    binary = options.perennial or house.build(house.ROOT, "--package", "perennial-cli") / "perennial"
    peers.Perennial.version = house.output(str(binary), "--version").split()[-1]
    kinds = [kind for kind in peers.PEERS if not options.peer or kind.name in options.peer]
    began = time.monotonic()
    # Nearly all of the time is spent waiting, so all can wait at once.
    with concurrent.futures.ThreadPoolExecutor(len(kinds)) as pool:
        running = {kind.name: pool.submit(run_peer, kind, binary.resolve(), options) for kind in kinds}
        done = {name: future.result() for name, future in running.items()}
    print(f"{time.monotonic() - began:.0f} s")
    if options.peer or options.row or options.fault:
        return 0
    results = house.BENCH / "results" / f"{time.strftime('%Y-%m-%d', time.gmtime())}-gateways.json"
    results.write_text(json.dumps(done, indent=1) + "\n", encoding="utf-8")
    (house.ROOT / "docs/gateways.md").write_text(page(done, kinds), encoding="utf-8")
    print(f"written to docs/gateways.md and {results.relative_to(house.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
