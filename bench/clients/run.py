"""CPU and memory from socket to final message: ours and the rivals, taken in turns against one fast upstream.

The upstream is bench/upstream: one write and one HTTP chunk for each event, 12-character deltas, about 125 bytes an event. It
sends as fast as the socket takes them, where events pile up in the socket and a client's own work shows; and at 2.5 us an event,
where a client that is faster than the upstream pays for a wake-up at nearly every event. Every client runs on one thread. A
round runs each client once, in an order that changes from round to round; shown are medians over the rounds, and ratios of them.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import house

RIVALS = {
    "async-anthropic": "async-anthropic 0.6.0, own fold",
    "misanthropic": "misanthropic 1.0.0-alpha.25, with_message",
    "usual": "reqwest 0.13 + eventsource-stream + serde_json, own fold",
}
# Title, deltas, copies, nanoseconds between two deltas.
WORKLOADS = [
    ("1 x 100,000 deltas", 100_000, 1, 0),
    ("20 x 5,000 deltas", 5_000, 20, 0),
    ("1 x 100,000 deltas, 2.5 us apart", 100_000, 1, 2_500),
    ("20 x 5,000 deltas, 2.5 us apart", 5_000, 20, 2_500),
]
# Of the best rival's CPU.
BUDGET = 0.6
TEXT_BYTES = 12


class Upstream:
    def __init__(self, binary: pathlib.Path) -> None:
        self.process = subprocess.Popen([binary], stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().removeprefix("listening on ").strip()

    def __enter__(self) -> "Upstream":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def measure(commands: dict[str, list[str]], upstream: Upstream, deltas: int, copies: int, gap_ns: int, rounds: int) -> dict[str, list[dict]]:
    """The JSON lines of each client, round by round."""
    lines: dict[str, list[dict]] = {name: [] for name in commands}
    names = list(commands)
    for number in range(rounds):
        # Who comes first meets another machine than who comes last.
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            line = house.json_output(*commands[name], upstream.url, f"bench:deltas={deltas},gap_ns={gap_ns}", str(copies))
            if line["out_bytes"] != deltas * copies * TEXT_BYTES:
                sys.exit(f"{name} read {line['out_bytes']} bytes of text instead of {deltas * copies * TEXT_BYTES}")
            lines[name].append(line)
            print(f"  round {number + 1}: {name:16} {line['cpu_s']:.3f} s, peak {line['rss_peak_mib']:.1f} MiB", flush=True)
    return lines


def median(lines: list[dict], field: str) -> float:
    return statistics.median(line[field] for line in lines)


def report(title: str, lines: dict[str, list[dict]], events: int) -> tuple[str, bool]:
    best = min((name for name in lines if name != "ours"), key=lambda name: median(lines[name], "cpu_s"))
    leanest = min(median(lines[name], "rss_peak_mib") for name in lines if name != "ours")
    rows = []
    for name, about in {"ours": "perennial", **RIVALS}.items():
        each = [line["cpu_s"] / events * 1e6 for line in lines[name]]
        ratio = median(lines[name], "cpu_s") / median(lines[best], "cpu_s")
        rows.append(
            [
                about,
                f"{statistics.median(each):.2f} ({min(each):.2f}-{max(each):.2f})",
                f"{ratio:.2f}",
                f"{median(lines[name], 'rss_peak_mib'):.1f} ({median(lines[name], 'rss_before_mib'):.1f})",
            ]
        )
    ratio = median(lines["ours"], "cpu_s") / median(lines[best], "cpu_s")
    memory = median(lines["ours"], "rss_peak_mib")
    holds = ratio <= BUDGET and memory <= leanest
    verdict = (
        f"Budget: at most {BUDGET} x the best rival's CPU ({best}), measured {ratio:.2f}: {'holds' if ratio <= BUDGET else 'OVER'}. "
        f"Peak memory no higher than the leanest rival's {leanest:.1f} MiB, measured {memory:.1f}: {'holds' if memory <= leanest else 'OVER'}."
    )
    head = ["client", "CPU, us per event (min-max)", "x best rival", "peak memory, MiB (before)"]
    return f"## {title}\n\n{house.table(head, rows)}\n\n{verdict}\n", holds


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/run clients", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--check", action="store_true", help="end with 1 where the budget does not hold; keep no results")
    options = parser.parse_args()
    rivals = house.build(house.BENCH, "--package", "bench-clients", "--package", "bench-upstream")
    ours = house.build(house.ROOT, "--package", "perennial", "--example", "consume") / "examples" / "consume"
    commands = {"ours": [str(ours)], **{name: [str(rivals / name), "consume"] for name in RIVALS}}
    parts, raw, held = [], [], True
    with Upstream(rivals / "bench-upstream") as upstream:
        for title, deltas, copies, gap_ns in WORKLOADS:
            print(title)
            lines = measure(commands, upstream, deltas, copies, gap_ns, options.rounds)
            part, holds = report(title, lines, deltas * copies)
            parts.append(part)
            held = held and holds
            raw += [f"{title}\t{name}\t{house.json.dumps(line)}" for name in lines for line in lines[name]]
    text = "\n".join(parts)
    print(f"\n{text}")
    if not options.check:
        runs = "\n".join(raw)
        house.write_results("clients", f"# Clients\n\n{house.machine()}\n\n{text}\n## Raw\n\n```\n{runs}\n```\n")
    return 0 if held or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())
