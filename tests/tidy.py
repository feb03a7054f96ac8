#!/usr/bin/env python3
"""The rules of the house that no compiler knows: sizes, first lines, names, words, lock files, links, behaviours.

Run from anywhere; prints each finding as `path:line: what to do` and ends with 1 if there is any. Needs nothing but Python.
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import unquote

ROOT = pathlib.Path(__file__).resolve().parent.parent

MOST_LINES = 500
# A table of tests may be longer than what it tests.
MOST_LINES_OF_TESTS = 800
# Data, not text of ours.
DATA_FOLDERS = {"fixtures", "seeds", "streams"}
# Longer files, each with the reason why it is one file.
LONGER: dict[str, str] = {}
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
PUBLIC_HOSTS = ("https://registry.npmjs.org/", "https://github.com/rust-lang/crates.io-index", "https://files.pythonhosted.org/")

# Put together from pieces, so that this file passes its own check.
MACHINE_PATHS = re.compile("(?<![\\w.])/(" + "|".join(("wo" + "rk", "tm" + "p", "ro" + "ot", "ho" + "me/[a-z]")) + ")(/|\\b)")
REGISTRY_OPTIONS = re.compile("|".join(("index" + "-url", "find" + "-links", "trusted" + "-host", "replace" + "-with")))
STUBS = re.compile(r"\b(to" + r"do!|unimple" + r"mented!)|//.*\b(FIX" + r"ME|X" + r"XX)\b|#\[ign" + "ore")
KEYS = re.compile("sk-" + r"ant-[a-z]+\d+-[\w-]{40,}")
TEXT = {".rs", ".toml", ".md", ".py", ".mjs", ".js", ".css", ".html", ".json", ".lock", ".txt", ".in", ".ini", ".sh", ".yml", ".yaml", ""}

Finding = tuple[pathlib.Path, int, str]


def files() -> list[pathlib.Path]:
    """What is or would be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        skipped = {"target", "node_modules", ".venv", "__pycache__", ".git"}
        paths = [
            pathlib.Path(folder, name)
            for folder, folders, names in os.walk(ROOT)
            if not skipped & set(pathlib.Path(folder).relative_to(ROOT).parts)
            for name in names
        ]
    return sorted(path for path in paths if path.is_file())


FILES = files()
LINES = {
    path: path.read_text(encoding="utf-8").splitlines()
    for path in FILES
    if path.suffix in TEXT and (path.suffix == ".rs" or not DATA_FOLDERS & set(path.relative_to(ROOT).parts))
}
RUST = [path for path in FILES if path.suffix == ".rs"]


def is_tests(path: pathlib.Path) -> bool:
    return path.name == "tests.rs" or "tests" in path.relative_to(ROOT).parts


def sizes() -> Iterator[Finding]:
    for path in RUST:
        most = MOST_LINES_OF_TESTS if is_tests(path) else MOST_LINES
        if len(LINES[path]) > most and str(path.relative_to(ROOT)) not in LONGER:
            yield path, len(LINES[path]), f"more than {most} lines: split it, or give the reason in LONGER of tests/tidy.py"
    for name in LONGER:
        if not (ROOT / name).exists():
            yield ROOT / "tests/tidy.py", 1, f"LONGER names {name}, which is not there: take it out"


def first_lines() -> Iterator[Finding]:
    for path in RUST:
        # A file `tests.rs` beside the code says by its name what it is.
        if path.name == "tests.rs":
            continue
        if not LINES[path] or not LINES[path][0].startswith("//! "):
            yield path, 1, "begin with a line `//! What this module is.`"
    for path in LINES:
        if path.suffix == ".py" and not any(line.startswith('"""') for line in LINES[path][:2]):
            yield path, 1, 'begin with a line `"""What this module is."""`'
        if path.suffix == ".mjs" and not LINES[path][0].startswith("// "):
            yield path, 1, "begin with a line `// What this module is.`"


def modules() -> Iterator[Finding]:
    """Each file below `src` is a module of its crate: one that nobody names is not compiled, and rots unseen."""
    for path in RUST:
        parts = path.relative_to(ROOT).parts
        if parts[0] != "crates" or "src" not in parts or "bin" in parts or path.name in ("lib.rs", "main.rs"):
            continue
        folder, name = (path.parent.parent, path.parent.name) if path.name == "mod.rs" else (path.parent, path.stem)
        parents = [folder / root for root in ("lib.rs", "main.rs", "mod.rs")] + [folder.with_suffix(".rs")]
        named = re.compile(rf"\bmod {name}\b")
        if not any(named.search(line) for parent in parents for line in LINES.get(parent, [])):
            yield path, 1, "no `mod` names this file: name it, or take it out"


def names() -> Iterator[Finding]:
    for path in FILES:
        if path.suffix in (".rs", ".py", ".mjs") and (path.stem in VAGUE_NAMES or path.parent.name in VAGUE_NAMES):
            yield path, 1, "name it by what it is, not `utils` and the like"


def words() -> Iterator[Finding]:
    for path, lines in LINES.items():
        for number, line in enumerate(lines, 1):
            if MACHINE_PATHS.search(line):
                yield path, number, "a path of one machine: use a relative one"
            if REGISTRY_OPTIONS.search(line):
                yield path, number, "registries are the user's own setting: leave them out"
            if KEYS.search(line):
                yield path, number, "this looks like a key: take it out, and revoke it"
            if path.suffix == ".rs" and STUBS.search(line):
                yield path, number, "unfinished: finish it, or leave it out"


def spaces() -> Iterator[Finding]:
    for path, lines in LINES.items():
        for number, line in enumerate(lines, 1):
            if line != line.rstrip() and path.suffix != ".md":
                yield path, number, "blanks at the end of the line"
            if "\t" in line and path.suffix in (".rs", ".py", ".mjs", ".toml"):
                yield path, number, "a tab: indent with blanks"
        if lines and not path.read_bytes().endswith(b"\n"):
            yield path, len(lines), "the last line has no end"


def crates() -> Iterator[Finding]:
    for manifest in [path for path in LINES if path.name == "Cargo.toml" and path.parent.parent.name == "crates"]:
        text = "\n".join(LINES[manifest])
        for wanted in ("description = ", "[lints]\nworkspace = true", "rust-version.workspace", "license.workspace"):
            if wanted not in text:
                yield manifest, 1, f"`{wanted}` is missing".replace("\n", " ")
        for root in (manifest.parent / "src/lib.rs", manifest.parent / "src/main.rs"):
            # An empty crate has nothing to forbid yet.
            if root in LINES and len(LINES[root]) > 3 and "#![forbid(unsafe_code)]" not in LINES[root]:
                yield root, 1, "`#![forbid(unsafe_code)]` is missing"


def locks() -> Iterator[Finding]:
    for path, lines in LINES.items():
        if path.name == "Cargo.lock":
            for number, line in enumerate(lines, 1):
                if line.startswith("source = ") and not any(host in line for host in PUBLIC_HOSTS):
                    yield path, number, "a source that others cannot reach"
        if path.name == "package-lock.json":
            for name, package in json.loads("\n".join(lines))["packages"].items():
                resolved = package.get("resolved")
                if resolved and not resolved.startswith(PUBLIC_HOSTS):
                    yield path, 1, f"{name} is resolved from a place that others cannot reach"
                if name and not package.get("integrity") and not package.get("link"):
                    yield path, 1, f"{name} has no integrity hash"


def links() -> Iterator[Finding]:
    link = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
    for path in [path for path in LINES if path.suffix == ".md"]:
        fenced = False
        for number, line in enumerate(LINES[path], 1):
            if line.lstrip().startswith("```"):
                fenced = not fenced
            for target, _ in link.findall(line) if not fenced and "crates/" not in str(path.relative_to(ROOT)) else []:
                if "://" not in target and not target.startswith("mailto:") and not (path.parent / unquote(target)).exists():
                    yield path, number, f"the link to {target} leads nowhere"


def behaviours() -> Iterator[Finding]:
    """Each behaviour of docs/behaviours.md has a test or a benchmark, and what it names is there."""
    page = ROOT / "docs/behaviours.md"
    named = re.compile(r"\[`([^`]+)`\]\(([^)#\s]+)\)")
    rows = [(number, line) for number, line in enumerate(LINES[page], 1) if re.match(r"\| \d+ \|", line)]
    if [int(line.split("|")[1]) for _, line in rows] != list(range(1, 26)):
        yield page, 1, "there are 25 behaviours, in their order"
    for number, line in rows:
        if not named.search(line):
            yield page, number, "name what shows it"
        for name, target in named.findall(line):
            file = (page.parent / target).resolve()
            # A folder or a link that leads nowhere is another rule's business.
            if file.is_file() and not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", file.read_text(encoding="utf-8")):
                yield page, number, f"there is no `{name}` in {target}"


RULES = [sizes, first_lines, modules, names, words, spaces, crates, locks, links, behaviours]


def main() -> int:
    failed = 0
    for rule in RULES:
        findings = list(rule())
        failed += bool(findings)
        for path, number, what in findings:
            print(f"{path.relative_to(ROOT)}:{number}: {what}")
    lengths = [len(LINES[path]) for path in RUST if not is_tests(path)] or [0]
    print(f"{len(lengths)} source files in Rust, median {statistics.median(lengths):.0f} lines, longest {max(lengths)}")
    print(f"{len(RULES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
