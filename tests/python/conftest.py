"""What all suites share: one server for each folder of recordings, one pair of simulator and gateway, and clients."""

import json
import pathlib
from collections.abc import Callable, Iterator

import anthropic
import pytest

import command
import recordings
from recordings import Recording

REQUEST = {"max_tokens": 1024, "messages": [{"role": "user", "content": "Go on."}]}


def pytest_report_header() -> list[str]:
    lines = [f"binary: {command.BINARY}", f"anthropic {anthropic.__version__}"]
    if not recordings.SHARED.is_dir():
        lines.append("SKIPPED: the recorded streams are not here; set PERENNIAL_FIXTURES to their folder")
    return lines


def client_for(url: str, *, orders: str = "pace=instant", **options: object) -> anthropic.Anthropic:
    """The SDK as its users make it; `orders` are words for the simulator. What breaks is to stay broken, unless the test says otherwise."""
    headers = {"perennial-sim": orders, "perennial-recovery": "off", **options.pop("default_headers", {})}
    options = {"api_key": "test-key", "max_retries": 0, "timeout": 120.0, **options}
    return anthropic.Anthropic(base_url=url, default_headers=headers, **options)


def as_json(message: anthropic.BaseModel) -> dict:
    """The message as it reads in a file: a pair of surrogates that came in two deltas is one character there."""
    return json.loads(json.dumps(message.model_dump(mode="json")))


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[pathlib.Path], command.Command]]:
    """`perennial serve --replay FOLDER`, started once for each folder."""
    running: dict[pathlib.Path, command.Command] = {}

    def server_for(folder: pathlib.Path) -> command.Command:
        if folder not in running:
            running[folder] = command.serve("--replay", str(folder))
        return running[folder]

    yield server_for
    for server in running.values():
        server.stop()


@pytest.fixture
def client(servers: Callable[[pathlib.Path], command.Command]) -> anthropic.Anthropic:
    """A client of the gateway with the embedded simulator and our own recordings."""
    return client_for(servers(recordings.OWN).url)


@pytest.fixture
def replaying(servers: Callable[[pathlib.Path], command.Command]) -> Callable[[Recording], anthropic.Anthropic]:
    """A client of the gateway that replays this recording."""
    return lambda recording: client_for(servers(recording.folder).url)


@pytest.fixture(scope="session")
def simulator() -> Iterator[command.Command]:
    """A simulator of its own, whose journal can be asked."""
    with command.sim("--replay", str(recordings.OWN)) as running:
        yield running


@pytest.fixture(scope="session")
def gateway(simulator: command.Command) -> Iterator[command.Command]:
    """A gateway before that simulator."""
    with command.serve("--upstream", simulator.url) as running:
        yield running
