"""What is measured: each section runs one kind of load against one gateway and gives figures by name."""

import dataclasses
import statistics
import time
from collections.abc import Callable

from gateways import Direct, Server
from loads import Client

Figures = dict[str, float]


@dataclasses.dataclass
class Figure:
    """A figure in the report."""

    name: str
    about: str
    unit: str
    # Of DESIGN: at most so many times nginx's, or at most so much.
    most_ratio: float | None = None
    most: float | None = None
    # Shown above what the same run without a gateway had.
    added: bool = False
    note: str = ""

    def budget(self) -> str:
        words = []
        if self.most_ratio is not None:
            words.append("no worse than nginx" if self.most_ratio == 1 else f"{self.most_ratio} x nginx")
        if self.most is not None:
            words.append(f"{self.most:g} {self.unit}")
        return ", ".join([*words, self.note] if self.note else words)


@dataclasses.dataclass
class Section:
    name: str
    about: str
    figures: list[Figure]
    measure: Callable[[Client, Server | Direct, bool], Figures]
    # Gateways start anew for each round, since they keep memory that they once had.
    fresh: bool = False
    direct: bool = True
    most_rounds: int = 100
    # Part of a quick look too.
    small: bool = True


def paced(client: Client, gateway: Server | Direct, small: bool) -> Figures:
    # Short, for many turns: what else the machine does changes within seconds. With beginnings 2.2 ms apart the streams' events are
    # spread over the 20 ms, one each 0.2 ms.
    run = client.run(gateway, "streams", streams=100, step_us=2_200, deltas=100 if small else 150, gap_us=20_000)
    seconds, events = run.cpu_between("flowing", "ending")
    return {
        "cpu_us": seconds / events * 1e6,
        "cpu_all_us": run.cpu / run.findings["events"] * 1e6,
        **{f"latency_{name}_us": run.findings["latency_us"][name] for name in ("p50", "p99")},
        **{f"first_{name}_us": run.findings["first_us"][name] for name in ("p50", "p99")},
        "elsewhere": run.elsewhere,
    }


def saturated(client: Client, gateway: Server | Direct, small: bool) -> Figures:
    run = client.run(gateway, "streams", streams=50, deltas=2_000 if small else 5_000)
    return {
        "cpu_us": run.cpu / run.findings["events"] * 1e6,
        "events_per_s": run.findings["events"] / run.findings["seconds"],
        "events_per_read": run.findings["events"] / run.findings["reads"],
        "elsewhere": run.elsewhere,
    }


def requests(client: Client, gateway: Server | Direct, small: bool) -> Figures:
    run = client.run(gateway, "streams", streams=16, requests=2_000 if small else 5_000, deltas=1)
    return {
        "cpu_us": run.cpu / run.findings["requests"] * 1e6,
        "requests_per_s": run.findings["requests"] / run.findings["seconds"],
        "elsewhere": run.elsewhere,
    }


def memory(streams: int) -> Callable[[Client, Server | Direct, bool], Figures]:
    def measure(client: Client, gateway: Server | Direct, small: bool) -> Figures:
        idle = idle_memory(client, gateway)
        hold = 2_000_000 if small else 5_000_000
        words = {"streams": streams, "step_us": 500, "deltas": 1_000_000, "gap_us": 1_000_000, "hold_us": hold}
        run = client.run(gateway, "streams", memory=True, **words)
        taken = run.marks["half"][2] - idle
        return {
            "kb": taken / streams / 1000,
            "idle_mib": idle / 2**20,
            "taken_mib": taken / 2**20,
            # What a log keeps in memory for readers to come cannot be less than this, where it keeps all.
            "answer_kb": run.findings["bytes"] / streams / 1000,
            "elsewhere": run.elsewhere,
        }

    return measure


def idle_memory(client: Client, gateway: Server | Direct) -> int:
    client.run(gateway, "streams", streams=4, requests=64, deltas=10)
    time.sleep(0.5)
    return gateway.pss()


def fanout(client: Client, gateway: Server | Direct, small: bool) -> Figures:
    """Ours: a thousand readers of one stream. The peer, which has no such thing: a thousand streams with one reader each."""
    idle = idle_memory(client, gateway)
    readers, step = 1_000, 1_000
    words = {"streams": readers, "step_us": step, "gap_us": 100_000, "deltas": 30 if small else 100}
    if gateway.name == "nginx":
        run = client.run(gateway, "streams", memory=True, **words)
    else:
        # The first delta comes when all readers are there.
        run = client.run(gateway, "fanout", memory=True, pause_us=3_000_000, **words)
    seconds, events = run.cpu_between("flowing", "ending")
    return {
        "cpu_us": seconds / events * 1e6,
        **{f"latency_{name}_us": run.findings["latency_us"][name] for name in ("p50", "p99")},
        **({} if gateway.name == "nginx" else {f"last_{name}_us": run.findings["last_us"][name] for name in ("p50", "p99")}),
        "mib": (run.marks["half"][2] - idle) / 2**20,
        "elsewhere": run.elsewhere,
    }


def closes(client: Client, gateway: Server | Direct, small: bool) -> Figures:
    figures = {}
    for phase in ("head", "silent", "flowing"):
        times = client.close(gateway, phase, 5 if small else 25)
        seen = [time for time in times if time is not None]
        never = len(times) - len(seen)
        figures[f"{phase}_p50_ms"] = statistics.median(seen) if seen else float("inf")
        figures[f"{phase}_max_ms"] = float("inf") if never else max(seen)
    return figures


MEMORY = "log's ring not counted in it"
SECTIONS = [
    Section(
        "paced",
        "100 streams, a delta every 20 ms each",
        [
            Figure("cpu_us", "CPU per event", "us", most_ratio=1.1),
            Figure("cpu_all_us", "CPU per event, with the requests", "us"),
            Figure("latency_p50_us", "added latency per event, p50", "us", most_ratio=1, added=True),
            Figure("latency_p99_us", "added latency per event, p99", "us", most_ratio=1, added=True),
            Figure("first_p50_us", "added time to the first delta, p50", "us", added=True),
            Figure("first_p99_us", "added time to the first delta, p99", "us", added=True),
        ],
        paced,
    ),
    Section(
        "saturated",
        "50 streams as fast as they go, one write per event upstream",
        [
            Figure("cpu_us", "CPU per event", "us", most_ratio=1.5),
            Figure("events_per_s", "events per second", ""),
            Figure("events_per_read", "events per read of the client", ""),
        ],
        saturated,
    ),
    Section(
        "requests",
        "16 connections, answers of one delta, one after the other",
        [Figure("cpu_us", "CPU per request", "us"), Figure("requests_per_s", "requests per second", "")],
        requests,
    ),
    *[
        Section(
            f"memory-{streams}",
            f"{streams:,} streams open, an event a second each",
            [
                Figure("kb", "memory per stream", "KB", most=12, note="the log's ring on top"),
                Figure("answer_kb", "of the answer so far, per stream", "KB"),
                Figure("idle_mib", "memory before", "MiB"),
            ],
            memory(streams),
            fresh=True,
            direct=False,
            most_rounds=2,
            small=streams <= 1_000,
        )
        for streams in (1_000, 5_000)
    ],
    Section(
        "fanout",
        "one stream with 1,000 readers, 10 events a second; nginx: 1,000 streams with one reader",
        [
            Figure("cpu_us", "CPU per delivered event", "us"),
            Figure("latency_p50_us", "delivery to each reader, p50", "us"),
            Figure("latency_p99_us", "delivery to each reader, p99", "us", most=2_500, note="Electric's claim, not measured here"),
            Figure("last_p50_us", "delivery to the last reader, p50", "us"),
            Figure("last_p99_us", "delivery to the last reader, p99", "us"),
            Figure("mib", "memory for all readers", "MiB", most=27, note="Electric's claim, not measured here"),
        ],
        fanout,
        fresh=True,
        direct=False,
        most_rounds=3,
    ),
    Section(
        "close",
        "from the client's close to the upstream's notice",
        [
            Figure(f"{phase}_{name}_ms", f"{about}, {name}", "ms", most=5)
            for phase, about in (("head", "before the head"), ("silent", "in silence"), ("flowing", "while events flow"))
            for name in ("p50", "max")
        ],
        closes,
        most_rounds=1,
    ),
]
