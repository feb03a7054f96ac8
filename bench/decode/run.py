"""Instructions per event for splitting, decoding and folding, and the cost of partial tool input.

Instructions are counted by callgrind and are the same on a busy and on an idle machine, so they are what a budget can be
held to. CPU seconds are shown beside them for people.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import house

SEED = 20261120
CHUNKS = (1024, 16384)
# Instructions per event; seconds of CPU; times the work for twice the input.
BUDGETS = {"split": 500, "fold": 1000}
TOOL_SECONDS = 0.5
TOOL_GROWTH = 2.2
VARIANTS = {
    "split": "ours: frames",
    "fold": "ours: frames, events, folded message",
    "peer-split": "sse-core",
    "peer-fold": "sse-core, serde_json by tag, text gathered",
}
SHAPES = {"string": "one long string", "objects": "an array of small objects"}


class Bench:
    def __init__(self, binary: pathlib.Path, folder: pathlib.Path) -> None:
        self.binary, self.folder = binary, folder
        self.failures: list[str] = []
        self.checks = 0

    def write(self, name: str, *words: object) -> tuple[pathlib.Path, dict]:
        path = self.folder / name
        return path, house.json_output(str(self.binary), "write", *map(str, words), str(path))

    def instructions(self, variant: str, chunk: int, path: pathlib.Path) -> int:
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(self.binary), "read", variant, str(chunk), str(path)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        found = re.search(r"Collected : (\d+)", ran.stderr)
        if ran.returncode != 0 or not found:
            sys.exit(f"failed: {' '.join(command)}\n{ran.stderr}")
        return int(found.group(1))

    def above_nothing(self, variant: str, chunk: int, path: pathlib.Path) -> int:
        return self.instructions(variant, chunk, path) - self.instructions("nothing", chunk, path)

    def hold(self, what: str, figure: float, most: float) -> str:
        self.checks += 1
        if figure <= most:
            return "holds"
        self.failures.append(f"{what}: {figure:,.2f} is over the budget of {most:,}")
        return "OVER"

    def mix(self, size: int) -> str:
        path, stream = self.write("mix", "mix", size, SEED)
        rows = []
        for variant, about in VARIANTS.items():
            figures = [self.above_nothing(variant, chunk, path) / stream["events"] for chunk in CHUNKS]
            verdict = "(peer)"
            if variant in BUDGETS:
                most = BUDGETS[variant]
                verdict = f"{self.hold(f'{variant}, instructions per event', max(figures), most)}, at most {most:,}"
            rows.append([about, *[f"{figure:,.0f}" for figure in figures], verdict])
        head = ["instructions per event", *[f"reads of {chunk // 1024} KB" for chunk in CHUNKS], "budget"]
        about = (
            f"{stream['bytes']:,} bytes, {stream['events']:,} events, {stream['bytes'] / stream['events']:.1f} bytes each, "
            f"{stream['text_bytes'] / stream['bytes']:.0%} text, seed {SEED}"
        )
        return f"## A stream of text\n\n{about}\n\n{house.table(head, rows)}\n"

    def tool(self, size: int, *, by_clock: bool) -> str:
        rows = []
        for shape, about in SHAPES.items():
            once, twice = (self.write(f"{shape}-{times}", "tool", shape, size * times) for times in (1, 2))
            work = [self.above_nothing("partial", 16384, path) for path, _ in (once, twice)]
            growth = work[1] / work[0]
            row = [about, f"{work[0] / once[1]['events']:,.0f}", f"{growth:.2f}", f"{self.hold(f'{shape}, growth', growth, TOOL_GROWTH)}, at most {TOOL_GROWTH}"]
            if by_clock:
                # The best of several: a busy machine adds to a run and never takes away.
                seconds = [
                    min(house.json_output(str(self.binary), "read", "partial", "16384", str(path))["cpu_s"] for _ in range(7))
                    for path, _ in (once, twice)
                ]
                verdict = self.hold(f"{shape}, CPU seconds", seconds[0], TOOL_SECONDS)
                row += [f"{seconds[0]:.3f} s", f"{seconds[1]:.3f} s", f"{verdict}, at most {TOOL_SECONDS} s"]
            rows.append(row)
        head = ["input", "instructions per delta", "twice the input", "budget"]
        if by_clock:
            head += [f"CPU, {size / 2**20:g} MB", f"CPU, {2 * size / 2**20:g} MB", "budget"]
        about = f"{size:,} bytes of tool input in 10-byte deltas; the input so far is read at every delta, from the bytes of the stream."
        return f"## Partial tool input\n\n{about}\n\n{house.table(head, rows)}\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/run decode", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a small stream, and no clock: for ./test")
    parser.add_argument("--check", action="store_true", help="end with 1 where a budget does not hold; keep no results")
    options = parser.parse_args()
    binary = house.build(house.BENCH, "--package", "bench-decode") / "bench-decode"
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(binary, pathlib.Path(folder))
        parts = [bench.mix(1_000_000 if options.small else 8_000_000)]
        parts.append(bench.tool(1 << 18 if options.small else 1 << 20, by_clock=not options.small))
    report = "\n".join(parts)
    print(report)
    for failure in bench.failures:
        print(failure)
    if options.check:
        print(f"{bench.checks - len(bench.failures)} passed, {len(bench.failures)} failed")
        return 1 if bench.failures else 0
    house.write_results("decode", f"# Decoding\n\n{house.machine()}\n\n{report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
