"""One run of the load client against one gateway, and what it cost."""

import dataclasses
import json
import os
import pathlib
import resource
import subprocess
import time

from gateways import Direct, Invalid, Server, Upstream


class Unable(Exception):
    """The gateway has nothing of the kind."""


@dataclasses.dataclass
class Run:
    findings: dict
    # Seconds of the gateway's processor time, from before the first request until it has settled after the last.
    cpu: float
    # At each mark: events that had been read, the gateway's processor time, its memory.
    marks: dict[str, tuple[int, float, int]]
    # The share of the machine that was busy with something else.
    elsewhere: float

    def cpu_between(self, begin: str, end: str) -> tuple[float, int]:
        """Seconds, and the events that they were for."""
        return self.marks[end][1] - self.marks[begin][1], self.marks[end][0] - self.marks[begin][0]


@dataclasses.dataclass
class Client:
    binary: pathlib.Path
    upstream: Upstream

    def run(self, gateway: Server | Direct, mode: str, *, memory: bool = False, **words: int) -> Run:
        """`words` are those of the load client; `memory` looks at the gateway's memory at each mark."""
        before, machine, others = gateway.cpu(), busy(), self.cpu()
        text = ",".join(f"{name}={number}" for name, number in words.items())
        process = subprocess.Popen(
            [self.binary, mode, gateway.url, text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        marks, line = {}, ""
        try:
            for line in process.stdout:
                if line.startswith("{"):
                    break
                name, events = line.split()
                cpu = gateway.cpu()
                marks[name] = (int(events), cpu, gateway.pss() if memory else 0)
                if "hold_us" in words and name == "half":
                    process.stdin.write("\n")
                    process.stdin.flush()
        finally:
            if not line.startswith("{"):
                process.kill()
            process.wait()
        findings = json.loads(line) if line.startswith("{") else {"invalid": f"the load client ended with {process.returncode}"}
        if "invalid" in findings:
            raise Invalid(f"{gateway.name}: {findings['invalid']}")
        if "unable" in findings:
            raise Unable(findings["unable"])
        # What was put off, such as writing a log, is part of the price.
        time.sleep(0.3)
        cpu, taken = gateway.cpu() - before, [late - early for late, early in zip(busy(), machine)]
        elsewhere = max(0.0, taken[0] - cpu - (self.cpu() - others)) / taken[1]
        return Run(findings, cpu, marks, elsewhere)

    def close(self, gateway: Server | Direct, phase: str, tries: int) -> list[float | None]:
        """Milliseconds from the client's close to the upstream's notice, in each try; none where it never came."""
        command = [self.binary, "close", gateway.url, self.upstream.url, phase, str(tries)]
        findings = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout or "{}")
        if "closed_ms" not in findings:
            raise Invalid(f"{gateway.name}: {findings.get('invalid', 'the load client died')}")
        return findings["closed_ms"]

    def cpu(self) -> float:
        """Of everything here that is not a gateway."""
        children, own = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
        return self.upstream.cpu() + children.ru_utime + children.ru_stime + own.ru_utime + own.ru_stime


def busy() -> tuple[float, float]:
    """Seconds that the machine's processors were busy, and seconds that they had."""
    figures = [int(figure) for figure in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    tick = os.sysconf("SC_CLK_TCK")
    return (sum(figures) - figures[3] - figures[4]) / tick, sum(figures) / tick
