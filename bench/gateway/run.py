"""The gateway beside nginx and no gateway, in one run: CPU, latency, memory, fan-out, and what becomes of clients that leave.

A load client and a fake upstream of our own, each an event loop on one thread, measure `perennial serve` and nginx (one worker, `proxy_buffering off`, connections
to the upstream kept). All take turns, in an order that changes from round to round. Every byte of every stream is checked; a run in which one is missing or wrong
is invalid: it says so, its section is not reported, and the command ends with 1. It never ends so for a time or a size. Ratios are taken round by round; shown is their median.
"""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import gateways
import house
from loads import Client, Invalid, Unable
from sections import SECTIONS, Figure, Section

# A connection on either side for each of 5,000 streams, and some more.
FILES = 12_000

Rounds = list[dict[str, dict[str, float]]]


@dataclasses.dataclass
class Rig:
    client: Client
    make: list[type | object]
    small: bool

    def measure(self, section: Section, rounds: int) -> Rounds:
        """The figures of each gateway, round by round."""
        found: Rounds = []
        with contextlib.ExitStack() as stack:
            servers = [make() for make in self.make if section.direct or make().name != "direct"]
            if not section.fresh:
                for server in servers:
                    self.warm_up(stack.enter_context(server))
            for round_of in range(min(rounds, section.most_rounds)):
                found.append({})
                # Who comes first meets another machine than who comes last.
                turn = round_of % len(servers)
                for server in servers[turn:] + servers[:turn]:
                    with server if section.fresh else contextlib.nullcontext():
                        try:
                            found[-1][server.name] = section.measure(self.client, server, self.small)
                            print(f"  round {round_of + 1}: {server.name:10} {words(found[-1][server.name])}", flush=True)
                        except Unable as why:
                            print(f"  {server.name} is not measured: {why}", flush=True)
                        except Invalid as invalid:
                            raise Invalid(f"{server.name}: {invalid}") from None
        return found

    def warm_up(self, server: gateways.Server) -> None:
        self.client.run(server, "streams", streams=16, requests=500, deltas=10)


def words(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {number(value)}" for name, value in figures.items())


def number(value: float | None) -> str:
    if value is None:
        return "-"
    if value == float("inf"):
        return "never"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def series(rounds: Rounds, name: str, figure: Figure) -> list[float]:
    """One gateway's figure, round by round, above direct's where that is what counts."""
    floor = [each["direct"][figure.name] if figure.added and name != "direct" else 0.0 for each in rounds]
    return [each[name][figure.name] - under for each, under in zip(rounds, floor) if figure.name in each.get(name, {})]


def report(section: Section, rounds: Rounds, name: str) -> list[list[str]]:
    """The rows of one of ours in the table of ratios."""
    rows = []
    for figure in section.figures:
        ours, peer, direct = (series(rounds, each, figure) for each in (name, "nginx", "direct"))
        if not ours:
            continue
        middle, ratio = statistics.median(ours), None
        cells = [number(statistics.median(each)) if each else "-" for each in (direct, peer, ours)]
        shown = "-"
        if peer and all(value > 0 for value in peer):
            ratios = [mine / other for mine, other in zip(ours, peer)]
            ratio = statistics.median(ratios)
            shown = number(ratio) if len(ratios) == 1 else f"{number(ratio)} ({number(min(ratios))}-{number(max(ratios))})"
        verdict = ""
        if figure.most_ratio is not None and peer:
            # Where nginx adds nothing that can be measured there is no ratio, but still a comparison.
            met = ratio <= figure.most_ratio if ratio is not None else middle <= statistics.median(peer)
            verdict = "met" if met else "missed"
        if figure.most is not None:
            verdict = "met" if middle <= figure.most else "missed"
        if name == "perennial" or len(rows) == 0 or figure.budget():
            rows.append([f"{figure.about}{f', {figure.unit}' if figure.unit else ''}", *cells, shown, figure.budget(), verdict])
    return rows


def raw(section: Section, rounds: Rounds) -> str:
    names = list(dict.fromkeys(name for each in rounds for figures in each.values() for name in figures))
    rows = [
        [number_of + 1, name, *[number(figures.get(figure)) for figure in names]]
        for number_of, each in enumerate(rounds)
        for name, figures in each.items()
    ]
    return f"### {section.name}: {section.about}\n\n{house.table(['round', 'gateway', *names], rows)}\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/run gateway", description=__doc__)
    parser.add_argument("--rounds", type=int, help="default 5, with --small 1")
    parser.add_argument("--small", action="store_true", help="a quick look, under a minute; keeps no results")
    parser.add_argument("--only", action="append", metavar="SECTION", help=", ".join(section.name for section in SECTIONS))
    parser.add_argument("--perennial", type=pathlib.Path, metavar="PATH", help="this program, instead of one built from here")
    parser.add_argument(
        "--variant", action="append", default=[], metavar="NAME=FLAGS", help="measure `perennial serve` with these flags beside it"
    )
    options = parser.parse_args()
    rounds = options.rounds or (1 if options.small else 5)
    chosen = [section for section in SECTIONS if not options.only or section.name in options.only]
    if not chosen:
        parser.error(f"no such section: {', '.join(options.only)}")
    if not gateways.nginx_binary():
        sys.exit("nginx is not here, and could not be installed")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < FILES:
        sys.exit(f"at most {hard} open files are allowed here, and {FILES} are needed: raise the hard limit (ulimit -Hn)")
    built = house.build(house.BENCH, "--package", "bench-gateway")
    binary = (options.perennial or house.build(house.ROOT, "--package", "perennial-cli") / "perennial").resolve()

    ours = {"perennial": "", **dict(variant.split("=", 1) for variant in options.variant)}
    rows, parts, invalid = [], [], []
    with gateways.Upstream(built / "gateway-upstream") as upstream:
        make = [lambda: gateways.Direct(upstream.url), lambda: gateways.Nginx(upstream.url)]
        make += [lambda name=name, flags=flags: gateways.Perennial(upstream.url, binary, name, flags) for name, flags in ours.items()]
        rig = Rig(Client(built / "gateway-load", upstream), make, options.small)
        for section in chosen:
            print(f"{section.name}: {section.about}", flush=True)
            try:
                found = rig.measure(section, rounds)
            except Invalid as why:
                invalid.append(f"{section.name} is invalid, and not reported: {why}")
                print(f"  INVALID: {why}", flush=True)
                continue
            for name in ours:
                label = section.name if name == "perennial" else f"{section.name}, {name}"
                rows += [[label, *row] for row in report(section, found, name)]
            parts.append(raw(section, found))
    head = ["section", "what", "direct", "nginx", "perennial", "perennial / nginx", "budget", ""]
    text = house.table(head, rows) + "\n" + "".join(f"\n**{line}**\n" for line in invalid)
    print(f"\n{text}")
    if not options.small:
        version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        about = f"{house.machine()}\n- {gateways.nginx_version()}; {version}; load at the end {os.getloadavg()[0]:.1f}"
        each = "\n".join(parts)
        house.write_results("gateway", f"# Gateway\n\n{about}\n\n{text}\n## Each round\n\n`elsewhere` is the share of the machine that was busy with something else.\n\n{each}")
    return 1 if invalid else 0


if __name__ == "__main__":
    sys.exit(main())
