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
import subprocess
import sys
from collections.abc import Callable

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import gateways
import house
from gateways import Invalid
from loads import Client, Unable
from report import Rounds, raw, row, words
from sections import SECTIONS, Section

# A connection on either side for each of 5,000 streams, and some more.
FILES = 12_000


@dataclasses.dataclass
class Rig:
    client: Client
    make: list[Callable[[], gateways.Server | gateways.Direct]]
    small: bool

    def measure(self, section: Section, rounds: int) -> Rounds:
        """The figures of each gateway, round by round."""
        found: Rounds = []
        with contextlib.ExitStack() as stack:
            servers = [make() for make in self.make if section.direct or make().name != "direct"]
            if not section.fresh:
                for server in servers:
                    self.client.run(stack.enter_context(server), "streams", streams=16, requests=500, deltas=10)
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
        return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/run gateway", description=__doc__)
    parser.add_argument("--rounds", type=int, help="default 9, with --small 1")
    parser.add_argument("--small", action="store_true", help="a quick look, under a minute; keeps no results")
    parser.add_argument("--only", action="append", metavar="SECTION", help=", ".join(section.name for section in SECTIONS))
    parser.add_argument("--perennial", type=pathlib.Path, metavar="PATH", help="this program, instead of one built from here")
    parser.add_argument(
        "--variant", action="append", default=[], metavar="NAME=FLAGS", help="measure `perennial serve` with these flags beside it"
    )
    parser.add_argument("--under", default="", metavar="COMMAND", help="run ours under a profiler; keeps no results")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    rounds = options.rounds or (1 if options.small else 9)
    wanted = [section.name for section in SECTIONS if section.small or not options.small]
    chosen = [section for section in SECTIONS if section.name in (options.only or wanted)]
    if not chosen:
        parser.error(f"no such section: {', '.join(options.only)}")
    if not gateways.nginx_binary():
        sys.exit("nginx is not here, and could not be installed")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < FILES:
        sys.exit(f"at most {hard} open files are allowed here, and {FILES} are needed: raise the hard limit (ulimit -Hn)")
    built = house.build(house.BENCH, "--package", "bench-gateway")
    binary = (options.perennial or house.build(house.ROOT, "--package", "perennial-cli") / "perennial").resolve()

    ours = {"perennial": "", **dict(variant.split("=", 1) for variant in options.variant)}
    rows, parts, invalid = [], [], []
    with gateways.Upstream(built / "gateway-upstream") as upstream:
        make = [lambda: gateways.Direct(upstream.url), lambda: gateways.Nginx(upstream.url)]
        make += [lambda name=name, flags=flags: gateways.Perennial(upstream.url, binary, name, flags, options.under) for name, flags in ours.items()]
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
                rows += [[label, *line] for figure in section.figures if (line := row(figure, found, name))]
            parts.append(raw(section, found))
    head = ["section", "what", "direct", "nginx", "perennial", "perennial / nginx", "budget", ""]
    text = house.table(head, rows) + "\n" + "".join(f"\n**{line}**\n" for line in invalid)
    print(f"\n{text}")
    if not options.small and not options.under:
        version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        about = f"{house.machine()}; load as it began {load:.1f}\n- {gateways.nginx_version()}; {version}"
        each = "## Each round\n\n`elsewhere` is the share of the machine that was busy with something else.\n\n" + "\n".join(parts)
        house.write_results("gateway", f"# Gateway\n\n{about}\n\n{text}\n{each}")
    return 1 if invalid else 0


if __name__ == "__main__":
    sys.exit(main())
