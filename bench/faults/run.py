"""The table of faults x clients: every fault of the simulator's catalogue against every client; writes docs/faults.md.

Each client has a simulator of its own, armed with one fault at a time, and a small probe program that reads one stream and
prints one line of JSON. What became of it is judged from that line and from the simulator's journal, by the rules that the
page itself states. Nothing is judged by hand.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/python"))
import house

MODEL = "claude-sonnet-4-5"
# Longer than any client's own timeout (5 s, with retries), so that what is not over by then is not going to be.
PATIENCE = 40.0
# One token a second is slow, and not a fault: as long as the answer takes, and some more.
PATIENCE_FOR_DRIP = 150.0

CLIENTS = {
    "ours": "perennial",
    "python": "Python SDK 2.10.0",
    "typescript": "TypeScript SDK 1.10.0",
    "async-anthropic": "async-anthropic 0.6.0",
    "misanthropic": "misanthropic 1.0.0-alpha.25",
    "usual": "reqwest + eventsource-stream",
}

WORDS = {
    "whole": "the whole answer, as it was sent",
    "error": "an error of the client's own kind",
    "foreign error": "an error that is not of the client's own type: of its HTTP library, or of the language (`AssertionError`)",
    "silently cut": "a normal end with a part of the answer, or without its stop reason",
    "wrong": "a normal end with another text or stop reason than was sent",
    "nothing": "an end with neither a message nor an error",
    "hang": f"no end within {PATIENCE:.0f} s, although every client was given a timeout of 5 s where it has one",
    "crash": "the program died",
}

# An error is an error, whoever owns it; a panic is none.
ERRORS = {"error", "foreign error"}
EXPECTATIONS = {
    "whole": ("the whole answer", {"whole"}),
    "retried": ("the whole answer, by asking again; a client without retries may give an error", {"whole", *ERRORS}),
    "refused": ("an error", ERRORS),
    "cut": ("an error, since the answer is not whole", ERRORS),
    "overdue": ("an error, after a deadline", ERRORS),
}


@dataclasses.dataclass
class Outcome:
    verdict: str
    posts: int
    # Requests sent after content of an earlier one had come: a second bill, and a splice.
    resent: bool
    kind: str | None
    detail: str | None
    seconds: float


class Simulator:
    """`perennial sim`, seen through its admin calls."""

    def __init__(self, binary: pathlib.Path) -> None:
        command = [str(binary), "sim", "--listen", "127.0.0.1:0", "--pace", "instant", "--seed", "7"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().removeprefix("listening on ").strip()

    def ask(self, method: str, path: str, body: dict | None = None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers={"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"{}")

    def arm(self, words: str | None) -> None:
        self.ask("DELETE", "/sim/faults")
        self.ask("DELETE", "/sim/journal")
        if words:
            self.ask("POST", "/sim/faults", {"faults": words, "count": 0})

    def posts(self) -> list[dict]:
        return [entry for entry in self.ask("GET", "/sim/journal")["entries"] if entry["method"] == "POST"]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def text_of(entry: dict) -> str:
    return "".join(piece["text"] for piece in entry["content"] if piece["kind"] == "text")


def probe(command: list[str], simulator: Simulator, words: str | None, patience: float) -> tuple[dict, list[dict], float]:
    """What the program printed, what the simulator saw, and how long it took."""
    simulator.arm(words)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANTHROPIC_")}
    began = time.monotonic()
    process = subprocess.Popen(
        [*command, simulator.url, MODEL], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        out, err = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return {"ending": "hang"}, simulator.posts(), time.monotonic() - began
    seconds = time.monotonic() - began
    try:
        line = json.loads(out.strip().splitlines()[-1])
    except (IndexError, ValueError):
        line = {"ending": "crash", "kind": None, "error": (err.strip().splitlines() or ["no output"])[-1][:200]}
    return line, simulator.posts(), seconds


def judge(line: dict, posts: list[dict], seconds: float, normal: dict | None, expect: str) -> Outcome:
    resent = any(text_of(entry) for entry in posts[:-1])
    ending = line["ending"]
    verdict = ending
    if ending == "message":
        # What counts as whole is what an undisturbed run gave, or what was really sent, where the fault adds text.
        wholes = {normal["text"]} | ({text_of(posts[-1])} if expect in ("whole", "retried") and posts else set())
        if line["text"] in wholes and line["stop_reason"]:
            verdict = "whole"
        elif line["text"] in wholes or normal["text"].startswith(line["text"]):
            verdict = "silently cut"
        else:
            verdict = "wrong"
    return Outcome(verdict, len(posts), resent, line.get("kind"), line.get("error"), seconds)


def run_client(name: str, command: list[str], binary: pathlib.Path, only: list[str]) -> tuple[list[dict], dict[str, Outcome]]:
    simulator = Simulator(binary)
    try:
        faults = simulator.ask("GET", "/sim/faults")["catalogue"]
        normal, posts, _ = probe(command, simulator, None, PATIENCE)
        if normal["ending"] != "message" or normal["text"] != text_of(posts[-1]):
            sys.exit(f"{name} does not even read an undisturbed stream: {normal}")
        outcomes = {}
        for fault in faults:
            if only and fault["name"] not in only:
                continue
            patience = PATIENCE_FOR_DRIP if fault["name"] == "drip" else PATIENCE
            outcome = judge(*probe(command, simulator, fault["words"], patience), normal, fault["expect"])
            outcomes[fault["name"]] = outcome
            print(f"{name:16} {fault['name']:22} {outcome.verdict}, {outcome.posts} requests, {outcome.seconds:.1f} s", flush=True)
        return faults, outcomes
    finally:
        simulator.stop()


def right(outcome: Outcome, expect: str) -> bool:
    return outcome.verdict in EXPECTATIONS[expect][1] and not outcome.resent


def cell(outcome: Outcome, expect: str) -> str:
    text = outcome.verdict if right(outcome, expect) else f"**{outcome.verdict}**"
    if outcome.verdict in ("error", "foreign error", "crash") and outcome.kind:
        text += f" `{outcome.kind}`"
    if outcome.posts > 1:
        text += f", {outcome.posts} requests"
    if outcome.resent:
        text += ", **sent again after content**"
    return text


def page(faults: list[dict], outcomes: dict[str, dict[str, Outcome]]) -> str:
    names = list(CLIENTS)
    rows = [
        [f"`{fault['name']}`", fault["about"], EXPECTATIONS[fault["expect"]][0].split(";")[0].split(",")[0]]
        + [cell(outcomes[name][fault["name"]], fault["expect"]) for name in names]
        for fault in faults
    ]
    totals = []
    for name in names:
        each = [(outcomes[name][fault["name"]], fault["expect"]) for fault in faults]
        verdicts = [outcome.verdict for outcome, _ in each]
        totals.append(
            [
                CLIENTS[name],
                f"{sum(right(*pair) for pair in each)} of {len(each)}",
                sum(outcome.verdict == "whole" for outcome, expect in each if expect == "retried"),
                verdicts.count("silently cut"),
                verdicts.count("wrong") + verdicts.count("nothing"),
                verdicts.count("hang"),
                verdicts.count("crash"),
                verdicts.count("foreign error"),
                sum(outcome.resent for outcome, _ in each),
            ]
        )
    retried = sum(fault["expect"] == "retried" for fault in faults)
    head = ["client", "as it should be", f"recovered by asking again, of {retried}", "silently cut", "wrong or nothing", "hang", "crash", "foreign error", "sent again after content"]
    rules = "\n".join(f"- **{word}**: {about}." for word, about in WORDS.items())
    expectations = "\n".join(f"- *{what}* for faults that the catalogue marks `{mark}`." for mark, (what, _) in EXPECTATIONS.items())
    return f"""# Faults and clients

What becomes of one streamed answer when something goes wrong, client by client. This page is written by a program:
`bench/run faults` arms `perennial sim` with each fault of its catalogue in turn (see [simulator.md](simulator.md)), lets each
client read one answer, and judges by the rules below.

{house.machine()}

## Sums

{house.table(head, totals)}

## Each fault

Bold is what should not be. "N requests" is how many the simulator received.

{house.table(["fault", "what happens", "should give", *[CLIENTS[name] for name in names]], rows)}

## How it is judged

Each client is a small program that asks for one streamed answer as the client's own documentation shows it, with the client's
retries as they are by default and a timeout of 5 s where it has one (ours: first byte, silence and progress; Python and
TypeScript SDK: `timeout`; async-anthropic and the usual stack: reqwest's `read_timeout`; misanthropic has none). The programs are
[bench/clients](../bench/clients/src), [tests/python/probe.py](../tests/python/probe.py) and
[tests/typescript/probe.mjs](../tests/typescript/probe.mjs). Each prints how the reading ended, the text, the stop reason and the
kind of error; an error is the client's own when it is of the client's error type (always so in Rust, where there is no other). The simulator's journal says how many
requests came and what had been sent on each. From these:

{rules}

"Sent again after content" means that a request came although text had been sent on an earlier one: the answer is paid for
twice, and where the reader has seen the first, it no longer fits. A client stops at the first error that it is given, as most
programs do; what a client would do if it were read on is not shown.

It should give:

{expectations}
"""


def commands(rivals: pathlib.Path) -> dict[str, list[str]]:
    python, modules = house.ROOT / "tests/python/.venv/bin/python", house.ROOT / "tests/typescript/node_modules"
    if not python.exists() or not modules.is_dir():
        sys.exit("the official SDKs are not installed here: run ./test python typescript first")
    own = {name: [str(rivals / name), "probe"] for name in CLIENTS if name not in ("python", "typescript")}
    return {
        **own,
        "python": [str(python), str(house.ROOT / "tests/python/probe.py")],
        "typescript": ["node", str(house.ROOT / "tests/typescript/probe.mjs")],
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/run faults", description=__doc__)
    parser.add_argument("--client", action="append", choices=CLIENTS, help="only this client; prints, writes nothing")
    parser.add_argument("--fault", action="append", help="only this fault; prints, writes nothing")
    options = parser.parse_args()
    rivals = house.build(house.BENCH, "--package", "bench-clients")
    binary = house.build(house.ROOT, "--package", "perennial-cli") / "perennial"
    each = {name: command for name, command in commands(rivals).items() if not options.client or name in options.client}
    # Nearly all of the time is spent waiting for timeouts, so all clients can wait at once.
    with concurrent.futures.ThreadPoolExecutor(len(each)) as pool:
        running = {name: pool.submit(run_client, name, command, binary, options.fault or []) for name, command in each.items()}
        done = {name: future.result() for name, future in running.items()}
    faults = next(iter(done.values()))[0]
    outcomes = {name: outcomes for name, (_, outcomes) in done.items()}
    if options.client or options.fault:
        for name, of in outcomes.items():
            for fault in faults:
                if fault["name"] in of and not right(of[fault["name"]], fault["expect"]):
                    print(f"{name} {fault['name']}: expected {fault['expect']}, {of[fault['name']]}")
        return 0
    (house.ROOT / "docs/faults.md").write_text(page(faults, outcomes), encoding="utf-8")
    print("written to docs/faults.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
