"""Streams that break in every way, and what must hold for each; the long run writes docs/chaos.md.

Builds the run (`bench/chaos`) and the program under test, runs it, and writes the report of what it counted. With --short it is the
section `chaos` of ./test: a few thousand streams, no report. Ends with 1 where a law was broken; each breach prints the line that
repeats just that stream.
"""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import house
from report import page

SHORT = ["--streams", "1500", "--leavers", "5", "--at-once", "48", "--short"]


# Both in one go: what they have in common is built once then.
BOTH = ["--package", "bench-chaos", "--package", "perennial-cli"]


def program(options: argparse.Namespace) -> pathlib.Path | None:
    if options.inside:
        return None
    return (options.perennial or house.build(house.ROOT, *BOTH) / "perennial").resolve()


def chaos(is_short: bool) -> pathlib.Path:
    """The run itself; the short one is built without what makes it fast, by the command that built the other tests, so that it is there already."""
    if not is_short:
        return house.build(house.ROOT, *BOTH) / "bench-chaos"
    command = ["cargo", "build", "--quiet", "--workspace", "--bins", "--tests", "--examples"]
    if subprocess.run(command, cwd=house.ROOT, check=False).returncode != 0:
        sys.exit(f"failed: {' '.join(command)}")
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or house.ROOT / "target").resolve() / "debug/bench-chaos"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/run chaos", description=__doc__)
    parser.add_argument("--streams", type=int, help="how many (100,000)")
    parser.add_argument("--seed", type=int, help="everything follows from it (1)")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="only this stream, told in detail")
    parser.add_argument("--at-once", type=int, help="streams at the same time (128)")
    parser.add_argument("--leavers", type=int, help="clients that leave in each phase, by each way and on each form (100)")
    parser.add_argument("--short", action="store_true", help="the run that is part of ./test")
    parser.add_argument("--inside", action="store_true", help="the gateway as a library, with a log in memory, instead of the program")
    parser.add_argument("--perennial", type=pathlib.Path, help="a program that was built before")
    options = parser.parse_args()
    tested = program(options)
    command = [str(chaos(options.short)), *(SHORT if options.short else [])]
    for name in ("streams", "seed", "only", "at_once", "leavers"):
        value = getattr(options, name)
        if value is not None and not (options.short and name in ("streams", "leavers", "at_once")):
            command += [f"--{name.replace('_', '-')}", str(value)]
    if tested:
        command += ["--perennial", str(tested)]
    is_long = not options.short and options.only is None
    with tempfile.TemporaryDirectory() as folder:
        figures = pathlib.Path(folder, "chaos.json")
        ran = subprocess.run([*command, "--json", str(figures)], check=False)
        if not is_long or not figures.exists():
            return ran.returncode
        counted = json.loads(figures.read_text(encoding="utf-8"))
    day = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    raw = house.BENCH / "results" / f"{day}-chaos.json"
    # Before anything is written, so that it says of which commit it is.
    text = page(counted, raw.relative_to(house.ROOT))
    raw.write_text(json.dumps({"machine": house.machine().splitlines(), **counted}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (house.ROOT / "docs/chaos.md").write_text(text, encoding="utf-8")
    print(f"written to docs/chaos.md and {raw.relative_to(house.ROOT)}")
    return ran.returncode


if __name__ == "__main__":
    sys.exit(main())
