"""What the benchmarks share: building, the machine's description, tables, the file of results."""

import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent


def build(workspace: pathlib.Path, *arguments: str) -> pathlib.Path:
    """Builds for release and gives the folder of what was built.

    Without `--locked`: this workspace's lock file follows the project's own dependencies; rivals are pinned in their manifest.
    """
    command = ["cargo", "build", "--release", "--manifest-path", str(workspace / "Cargo.toml"), *arguments]
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit(f"failed: {' '.join(command)}")
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or workspace / "target")
    return target / "release"


def output(*command: str) -> str:
    """What a command prints; its end is the benchmark's end when it fails."""
    ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        sys.exit(f"failed ({ran.returncode}): {' '.join(map(str, command))}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def json_output(*command: str) -> dict:
    """The JSON line a command prints."""
    return json.loads(output(*command).strip().splitlines()[-1])


def table(head: list[str], rows: list[list[object]]) -> str:
    """A Markdown table whose source reads well too."""
    cells = [head, *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def machine() -> str:
    """The machine, the tool chain and the commit, in a few lines of Markdown."""
    model = next(
        (line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")),
        platform.processor(),
    )
    commit = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    load = " ".join(f"{figure:.1f}" for figure in os.getloadavg())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return "\n".join(
        [
            f"- {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC, commit {commit.stdout.strip() or 'unknown'}",
            f"- {model}, {os.cpu_count()} cores, {memory:.0f} GiB, load {load}; {platform.system()} {platform.release()}",
            f"- {output('rustc', '--version').strip()}",
        ]
    )


def write_results(name: str, text: str) -> None:
    """Keeps a report as bench/results/DATE-NAME.md."""
    path = BENCH / "results" / f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}-{name}.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"\nwritten to {path.relative_to(ROOT)}")
