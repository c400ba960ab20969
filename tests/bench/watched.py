"""A worker in a process of its own, watched from outside: its metrics, and its CPU time."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from tests.kafka.node import free_ports


def total(text: str, name: str, label: str = "") -> float:
    """The sum of a metric's series in a scrape."""
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith((f"{name}{{", f"{name} ")) and label in line
    )


def applied(text: str) -> int:
    """Events of committed steps, as a scrape tells."""
    return int(sum(total(text, "csstream_events_total", f'result="{how}"') for how in ("applied", "late")))


class Worker:
    """`csstream worker` in a process of its own, watched from outside."""

    def __init__(self, broker: str, *more: str, tree: Path | None = None) -> None:
        """`tree`: where another csstream lies than the one that runs here, such as a compiled one."""
        self.port = free_ports()[0]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "csstream",
                "worker",
                "--broker",
                broker,
                "--metrics-port",
                str(self.port),
                *more,
            ],
            stdout=self._said,
            stderr=self._said,
            stdin=subprocess.DEVNULL,
            cwd=tree,
        )

    def cpu_seconds(self) -> float:
        """CPU seconds of the process so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def applied(self) -> int:
        """Events of committed steps."""
        return applied(self.text())

    def said(self) -> str:
        """What it said so far."""
        return os.pread(self._said.fileno(), 1 << 24, 0).decode()

    def loads(self) -> list[float]:
        """Of every partition so far, the seconds from its assignment until it was ready."""
        return [float(found) for found in re.findall(r"is ready after ([\d.]+) s", self.said())]

    def text(self) -> str:
        """One scrape; empty while nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                return str(answer.read(), "utf-8")
        except OSError:
            if self._process.poll() is not None:
                raise RuntimeError(f"the worker ended: {self.said()[-2000:]}") from None
            return ""

    def total(self, name: str, label: str = "") -> float:
        """The sum of a metric's series; 0 while nothing answers."""
        return total(self.text(), name, label)

    def end(self) -> None:
        """Ask it to end, and wait."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """End it at once."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def lose(self) -> None:
        """End it and what runs beside it, as where a machine is lost."""
        for task in Path(f"/proc/{self._process.pid}/task").iterdir():
            for child in (task / "children").read_text("utf-8").split():
                os.kill(int(child), signal.SIGKILL)
        self.kill()

    def until(self, name: str, least: float, seconds: float, label: str = "") -> float:
        """Wait until a metric has come so far; the seconds that took."""
        began = time.monotonic()
        while self.total(name, label) < least:
            if time.monotonic() - began > seconds:
                raise TimeoutError(f"{name} is {self.total(name, label)}, not {least}, after {seconds:.0f} s")
            time.sleep(0.05)
        return time.monotonic() - began
