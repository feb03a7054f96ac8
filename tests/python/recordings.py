"""Where the streams are that the suites replay, and what the SDK makes of each."""

import dataclasses
import json
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
OWN = ROOT / "tests" / "fixtures"
SHARED = pathlib.Path(os.environ.get("PERENNIAL_FIXTURES") or ROOT.parent / "shared" / "fixtures")


@dataclasses.dataclass(frozen=True)
class Recording:
    """One stream, in the folder that a server replays from."""

    folder: pathlib.Path
    name: str
    expected_path: pathlib.Path

    @property
    def model(self) -> str:
        return f"replay:{self.name}"

    @property
    def body(self) -> bytes:
        return (self.folder / f"{self.name}.sse").read_bytes()

    @property
    def expected(self) -> dict | None:
        """The SDK's final message; None where the SDK makes none of it."""
        if not self.expected_path.exists():
            return None
        return json.loads(self.expected_path.read_text())

    def __str__(self) -> str:
        return f"{self.folder.name}/{self.name}"


def _in(folder: pathlib.Path, expected: pathlib.Path) -> list[Recording]:
    names = sorted(path.stem for path in folder.glob("*.sse"))
    return [Recording(folder, name, expected / f"{name}.json") for name in names]


def all_recordings() -> list[Recording]:
    """Our own, always; the recorded ones where the folder is there."""
    return [
        *_in(OWN, OWN / "expected"),
        *_in(SHARED / "recorded", SHARED / "expected"),
        *_in(SHARED / "handwritten", SHARED / "expected_handwritten"),
    ]
