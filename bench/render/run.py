"""What it costs to show markdown while it comes: CPU per piece of four characters, each way in a process of its own, on the same text.

Rendering all of it anew at each piece grows with the square of the text, so it is shown for the shorter ones only.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import house

SEED = 20261126
CHARACTERS = 4
SIZES = (20_000, 80_000, 4_000_000)
LONGEST_ANEW = 100_000
TIMES = 3
WAYS = {
    "terminal": "ours, to a terminal",
    "tape": "ours, to a tape in JSON",
    "mdstream": "mdstream 0.3.0, its last block by pulldown-cmark",
    "anew": "all of it anew, by pulldown-cmark",
}


def cpu(binary: pathlib.Path, way: str, path: pathlib.Path) -> tuple[float, dict]:
    """Seconds of CPU of one run, and what it said."""
    ran = subprocess.Popen([binary, "show", way, str(CHARACTERS), path], stdout=subprocess.PIPE, text=True)
    said = ran.stdout.read() if ran.stdout else ""
    _, status, usage = os.wait4(ran.pid, 0)
    ran.returncode = os.waitstatus_to_exitcode(status)
    if ran.returncode != 0:
        sys.exit(f"failed: {way} {path}")
    return usage.ru_utime + usage.ru_stime, json.loads(said)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/run render", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the report in bench/results")
    options = parser.parse_args()
    binary = house.build(house.BENCH, "--package", "bench-render") / "bench-render"
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            path = pathlib.Path(folder) / f"{size}.md"
            house.output(str(binary), "write", str(size), str(SEED), str(path))
            ways = [way for way in WAYS if way != "anew" or size <= LONGEST_ANEW]
            # One after the other in turn, so that a busy moment does not meet one of them only.
            runs = [{way: cpu(binary, way, path) for way in ways} for _ in range(TIMES)]
            least = {way: min(run[way][0] for run in runs) for way in ways}
            for way in ways:
                said = runs[0][way][1]
                each = least[way] / said["pieces"] * 1e6
                rows.append([f"{said['bytes'] / 1000:,.0f} KB", WAYS[way], f"{each:,.1f}", f"{least[way] / least['terminal']:,.1f}", f"{said['made'] / said['bytes']:,.1f}"])
    head = ["text", "way", "us of CPU per piece", "x ours, to a terminal", "bytes to paint per byte of text"]
    report = f"# Showing markdown while it comes\n\n{house.machine()}\n- pieces of {CHARACTERS} characters, seed {SEED}, the least of {TIMES} runs\n\n{house.table(head, rows)}\n"
    print(report)
    if options.write:
        house.write_results("render", report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
