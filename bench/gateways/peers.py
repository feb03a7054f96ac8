"""The gateways that are compared, as registries offer them: installed, configured, started, stopped."""

import json
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import house

LITELLM = "1.106.2"
PORTKEY = "1.15.2"
MODEL = "claude-sonnet-4-5"
# What goes up; it must be in nothing that a client sees.
UPSTREAM_KEY = "sk-peers-upstream-7e2b91"
# An upstream that is silent for so long is given up, where a gateway has such a clock.
SILENCE = 5
FOLDER = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or house.BENCH / "target") / "peers"
# Portkey's package answers every stream with 500, `TypeError: immutable`, where it adds headers of its own to an answer of `fetch`
# on the Node of its time: without them it streams.
SHIM = """for (const name of ["append", "set", "delete"]) {
  const original = Headers.prototype[name];
  Headers.prototype[name] = function (...given) {
    try { return original.apply(this, given); } catch (error) { if (error.message !== "immutable") throw error; }
  };
}
"""


class Server:
    """A process that listens on a port of its own, with a folder that goes with it."""

    def __init__(self, command: list[str], port: int, **environment: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "PERENNIAL_"))}
        self.said = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command, env={**inherited, **environment}, stdin=subprocess.DEVNULL, stdout=self.said, stderr=subprocess.STDOUT
        )

    def await_port(self, patience: float = 120.0) -> None:
        until = time.monotonic() + patience
        port = int(self.url.rsplit(":", 1)[1])
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.2)
        self.said.seek(0)
        sys.exit(f"{self.process.args[0]} does not start:\n{self.said.read()[-2000:]}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Simulator(Server):
    """`perennial sim`, seen through its admin calls."""

    def __init__(self, binary: pathlib.Path) -> None:
        port = free_port()
        super().__init__([str(binary), "sim", "--listen", f"127.0.0.1:{port}", "--pace", "instant", "--seed", "7"], port)
        self.await_port()

    def ask(self, method: str, path: str, body: dict | None = None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers={"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"{}")

    def arm(self, words: str) -> None:
        """All requests from now on meet these orders, and no others; the journal is empty."""
        self.ask("DELETE", "/sim/faults")
        self.ask("DELETE", "/sim/journal")
        if words:
            self.ask("POST", "/sim/faults", {"faults": words, "count": 0})

    def posts(self) -> list[dict]:
        """The requests for messages, the oldest first."""
        return [entry for entry in self.ask("GET", "/sim/journal")["entries"] if entry["method"] == "POST"]


class Peer:
    """One way from a client to the simulator."""

    name = ""
    version = ""
    about = ""

    def __init__(self, binary: pathlib.Path, simulator: Simulator) -> None:
        self.binary, self.simulator = binary, simulator
        self.key = "sk-any"
        self.headers: dict[str, str] = {}
        self.server: Server | None = None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="perennial-peers-"))

    @property
    def url(self) -> str:
        return self.server.url if self.server else self.simulator.url

    def start(self) -> None:
        """Starts it; nothing to start where there is nothing in between."""

    def stop(self) -> None:
        if self.server:
            self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Direct(Peer):
    name = "no gateway"
    version = "official Python SDK alone"
    about = "The official SDK with `max_retries=0`, straight at the simulator."


class Perennial(Peer):
    name = "Perennial"
    about = f"`perennial serve` with its log on disk; silence of {SILENCE} s ends an attempt, 8 s without a head or without content too; the budget for retries and the breaker are set aside. Everything else is as it is by default."

    def start(self) -> None:
        port = free_port()
        # One trouble after the other, as here, is what a breaker and a budget for retries are there to stop.
        settings = f"[clocks]\nsilence = {SILENCE}\nfirst_byte = 8\nprogress = 8\n[retry]\nreserve = 1000000.0\nshare = 10.0\n[breaker]\nmin_attempts = 1000000\n"
        (self.folder / "perennial.toml").write_text(settings, encoding="utf-8")
        command = [str(self.binary), "serve", "--listen", f"127.0.0.1:{port}", "--upstream", self.simulator.url]
        command += ["--config", str(self.folder / "perennial.toml"), "--data", str(self.folder / "log")]
        self.server = Server(command, port, ANTHROPIC_API_KEY=UPSTREAM_KEY)
        self.server.await_port()


class LiteLLM(Peer):
    name = "LiteLLM"
    version = LITELLM
    about = (
        f"`litellm[proxy]` from PyPI, one worker, no database. `num_retries: 3`, `stream_timeout: {SILENCE}`, `cancel_on_disconnect: true`, `disable_cooldowns: true`; "
        "the model is `anthropic/` + the name, at the simulator."
    )

    def start(self) -> None:
        self.key = f"sk-{secrets.token_hex(16)}"
        config = {
            "model_list": [
                {
                    "model_name": MODEL,
                    "litellm_params": {
                        "model": f"anthropic/{MODEL}",
                        "api_base": self.simulator.url,
                        "api_key": UPSTREAM_KEY,
                        "stream_timeout": SILENCE,
                    },
                }
            ],
            "router_settings": {"num_retries": 3, "disable_cooldowns": True},
            "general_settings": {"master_key": self.key, "cancel_on_disconnect": True},
        }
        # JSON is YAML.
        (self.folder / "config.yaml").write_text(json.dumps(config), encoding="utf-8")
        port = free_port()
        command = [str(FOLDER / "litellm/bin/litellm"), "--config", str(self.folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)]
        self.server = Server(command, port, LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_TELEMETRY="False")
        self.server.await_port()


class Portkey(Peer):
    name = "Portkey"
    version = PORTKEY
    about = (
        f"`@portkey-ai/gateway` from npm, with a preloaded shim of a few lines without which it does not stream at all. Config: `retry` with 3 attempts on "
        f"408, 409, 429, 500, 502, 503, 504 and 529 and `use_retry_after_header`, `request_timeout` {SILENCE} s."
    )

    def start(self) -> None:
        config = {
            "provider": "anthropic",
            "custom_host": f"{self.simulator.url}/v1",
            "api_key": UPSTREAM_KEY,
            "retry": {
                "attempts": 3,
                "on_status_codes": [408, 409, 429, 500, 502, 503, 504, 529],
                "use_retry_after_header": True,
            },
            "request_timeout": SILENCE * 1000,
        }
        self.headers = {"x-portkey-config": json.dumps(config)}
        (self.folder / "shim.cjs").write_text(SHIM, encoding="utf-8")
        program = FOLDER / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
        port = free_port()
        self.server = Server(["node", "--require", str(self.folder / "shim.cjs"), str(program), f"--port={port}", "--headless"], port)
        self.server.await_port()


PEERS = [Direct, Perennial, LiteLLM, Portkey]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def install() -> None:
    """Installs what is not there yet, each in a folder of its own below the build's."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    venv = FOLDER / "litellm"
    if not any(venv.glob(f"lib/*/site-packages/litellm-{LITELLM}.dist-info")):
        print(f"installing LiteLLM {LITELLM}", flush=True)
        house.output(sys.executable, "-m", "venv", "--clear", str(venv))
        house.output(str(venv / "bin/pip"), "install", "--quiet", f"litellm[proxy]=={LITELLM}")
    package = FOLDER / "portkey/node_modules/@portkey-ai/gateway/package.json"
    if not package.exists() or json.loads(package.read_text())["version"] != PORTKEY:
        print(f"installing Portkey {PORTKEY}", flush=True)
        (FOLDER / "portkey").mkdir(exist_ok=True)
        (FOLDER / "portkey/package.json").write_text("{}", encoding="utf-8")
        house.output("npm", "--prefix", str(FOLDER / "portkey"), "install", "--no-audit", "--no-fund", f"@portkey-ai/gateway@{PORTKEY}")
