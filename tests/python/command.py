"""The command `perennial` as a process: started on a free port, known by the line it prints, ended by its id."""

import json
import os
import pathlib
import subprocess
import tempfile
import urllib.request

from recordings import ROOT

BINARY = pathlib.Path(os.environ.get("PERENNIAL_BIN") or ROOT / "target" / "debug" / "perennial")
READY = "listening on "


class Command:
    """A running `perennial sim` or `perennial serve`."""

    def __init__(self, *arguments: str) -> None:
        # A key in the caller's environment must not send a test to the real service.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANTHROPIC_")}
        self._stderr = tempfile.TemporaryFile("w+")
        # The folder for streams is for one gateway; each has its own here.
        self._data = tempfile.TemporaryDirectory(prefix="perennial-test-")
        environment.setdefault("PERENNIAL_DATA", self._data.name)
        self._process = subprocess.Popen(
            [str(BINARY), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )
        line = self._process.stdout.readline().strip()
        if not line.startswith(READY):
            self.stop()
            raise RuntimeError(f"{' '.join(arguments)} did not print `{READY}URL` but {line!r}; stderr:\n{self.stderr()}")
        self.url = line.removeprefix(READY)

    def stderr(self) -> str:
        """What it said so far, beside the answer."""
        self._stderr.seek(0)
        return self._stderr.read()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._data.cleanup()

    def journal(self) -> list[dict]:
        """The entries of a simulator's journal, oldest first."""
        with urllib.request.urlopen(f"{self.url}/sim/journal", timeout=120) as answer:
            journal = json.load(answer)
        return journal["entries"] if isinstance(journal, dict) else journal

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def serve(*arguments: str) -> Command:
    return Command("serve", "--listen", "127.0.0.1:0", *arguments)


def sim(*arguments: str) -> Command:
    return Command("sim", "--listen", "127.0.0.1:0", *arguments)
