"""The gateways that are compared, and the fake upstream: started, asked what they cost, stopped."""

import contextlib
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

LIMITS = dict.fromkeys(("--max-connections", "--max-streams", "--max-streams-per-key", "--max-readers"), "100000")
NGINX = """
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {folder}/pid;
error_log {folder}/log warn;
{user}
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream fake {{ server {upstream}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen {listen} backlog=4096;
    location / {{
      proxy_pass http://fake;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 300s;
    }}
  }}
}}
"""


class Invalid(Exception):
    """A stream was not whole, or not as it was sent, or the gateway died: nothing of such a run is reported."""


class Server:
    """A process, those that it starts, and a folder of its own that goes with it."""

    name = ""

    def __init__(self, upstream: str = "") -> None:
        self.upstream = upstream
        self.url = ""

    def __enter__(self) -> "Server":
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="perennial-bench-"))
        self.said = open(self.folder / "said", "w", encoding="utf-8")
        try:
            self.process = subprocess.Popen(
                self.command(), stdout=subprocess.PIPE, stderr=self.said, text=True, env=environment(), start_new_session=True
            )
            self.await_start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        process = getattr(self, "process", None)
        if process:
            # nginx takes its workers along; ours ends its streams at the second time.
            for sign in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
                process.send_signal(sign)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(3)
                    break
        self.said.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self) -> list[str]:
        raise NotImplementedError

    def await_start(self) -> None:
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            sys.exit(f"{self.name} did not start: {line}{(self.folder / 'said').read_text(encoding='utf-8')}")
        self.url = line.removeprefix("listening on ").strip()

    def tree(self) -> list[int]:
        if self.process.poll() is not None:
            said = (self.folder / "said").read_text(encoding="utf-8").strip().splitlines()
            raise Invalid(f"{self.name} ended by itself with {self.process.returncode}: {' / '.join(said[-3:])}")
        found, new = [], [self.process.pid]
        while new:
            found += new
            new = [int(child) for pid in new for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return found

    def cpu(self) -> float:
        """Seconds of processor time so far, user and system, of all threads that are or were: the kernel's clock of a process."""
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self.tree())

    def pss(self) -> int:
        """Bytes of memory; what is shared with others by halves."""
        rollups = (pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self.tree())
        return sum(int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.M).group(1)) * 1024 for rollup in rollups)


class Upstream(Server):
    name = "upstream"

    def __init__(self, binary: pathlib.Path) -> None:
        super().__init__()
        self.binary = binary

    def command(self) -> list[str]:
        return [str(self.binary)]


class Direct:
    """No gateway at all: what the upstream, the load client and the machine cost by themselves."""

    name = "direct"

    def __init__(self, upstream: str) -> None:
        self.url = upstream

    def __enter__(self) -> "Direct":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def cpu(self) -> float:
        return 0.0

    def pss(self) -> int:
        return 0


class Nginx(Server):
    name = "nginx"

    def command(self) -> list[str]:
        listen = free_address()
        self.url = f"http://{listen}"
        files = os.sysconf("SC_OPEN_MAX")
        text = NGINX.format(
            folder=self.folder,
            listen=listen,
            upstream=self.upstream.removeprefix("http://"),
            files=files,
            connections=min(files, 16384),
            user="user root;" if os.geteuid() == 0 else "",
        )
        (self.folder / "conf").write_text(text, encoding="utf-8")
        return [str(nginx_binary()), "-p", str(self.folder), "-c", str(self.folder / "conf")]

    def await_start(self) -> None:
        for _ in range(200):
            if self.process.poll() is not None:
                sys.exit(f"nginx did not start: {(self.folder / 'said').read_text(encoding='utf-8')}")
            with socket.socket() as probe:
                if probe.connect_ex(address(self.url)) == 0:
                    return
            time.sleep(0.02)
        sys.exit("nginx does not answer")


class Perennial(Server):
    def __init__(self, upstream: str, binary: pathlib.Path, name: str = "perennial", flags: str = "", under: str = "") -> None:
        super().__init__(upstream)
        self.binary, self.name, self.flags, self.under = binary, name, shlex.split(flags), shlex.split(under)

    def command(self) -> list[str]:
        command = [*self.under, str(self.binary), "serve", "--listen", "127.0.0.1:0", "--upstream", self.upstream, "--upstream-key", "bench"]
        known = subprocess.run([self.binary, "serve", "--help"], capture_output=True, text=True, check=True).stdout
        for flag, value in {"--data": str(self.folder / "data"), **LIMITS}.items():
            if re.search(rf"{flag}(?![\w-])", known):
                command += [flag, value]
        return command + self.flags


def environment() -> dict[str, str]:
    """Ours without the settings of a gateway or of a key."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "PERENNIAL_"))}


def address(url: str) -> tuple[str, int]:
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def nginx_binary() -> pathlib.Path | None:
    """nginx, installed where it is missing and that is possible."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    if not shutil.which("nginx", path=path) and os.geteuid() == 0 and shutil.which("apt-get"):
        print("installing nginx")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": False}
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        # Only the program: no service of it is to run.
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confdef", "nginx"]
        subprocess.run(install, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}, **quiet)
    found = shutil.which("nginx", path=path)
    return pathlib.Path(found) if found else None


def nginx_version() -> str:
    return subprocess.run([nginx_binary(), "-v"], capture_output=True, text=True, check=True).stderr.strip().removeprefix("nginx version: ")
