"""`csstream demo` as people start it: it ends by itself and when told to, and answers meanwhile."""

import fcntl
import gzip
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).parents[2]
SOON_S = 6
"""Two seconds, and what a busy machine adds."""


class Demo:
    """A demo in a process of its own, its lines as they come."""

    def __init__(self, *arguments: str, stdin: int | IO[bytes] = subprocess.DEVNULL) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "csstream",
                "demo",
                "--plain",
                "--port",
                "0",
                "--wall-port",
                "0",
                *arguments,
            ],
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def wait_for(self, pattern: str, seconds: float = 30) -> re.Match[str]:
        """The first line from now on that matches."""
        assert self.process.stdout is not None
        until = time.monotonic() + seconds
        while time.monotonic() < until and select.select([self.process.stdout], [], [], 1)[0] is not None:
            line = self.process.stdout.readline().decode()
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found
            if not line and self.process.poll() is not None:
                break
        raise AssertionError(f"no line like {pattern!r} in:\n{''.join(self.lines)}")

    def end(self, seconds: float) -> tuple[int, str]:
        """Its status and what it said last."""
        rest, _ = self.process.communicate(timeout=seconds)
        return self.process.returncode, rest.decode()


@pytest.fixture
def demos() -> Iterator[list[Demo]]:
    """Demos of a test; what still runs is ended."""
    started: list[Demo] = []
    yield started
    for demo in started:
        demo.process.kill()
        demo.process.communicate()


def started(demos: list[Demo], *arguments: str, stdin: int | IO[bytes] = subprocess.DEVNULL) -> Demo:
    """Start one."""
    demos.append(Demo(*arguments, stdin=stdin))
    return demos[-1]


def test_it_ends_by_itself_and_answers_meanwhile(demos: list[Demo]) -> None:
    demo = started(demos, "--for", "5s", "--speed", "5")
    address = demo.wait_for(r"http://127\.0\.0\.1:\d+/metrics")[0]
    demo.wait_for("waiting")
    with urllib.request.urlopen(address, timeout=5) as answer:
        metrics = answer.read().decode()
    waits = re.search(r'^csstream_day_waits\{shop="s01"\} (\d+)$', metrics, re.MULTILINE)
    assert waits is not None
    assert int(waits[1]) > 100
    with urllib.request.urlopen(address.replace("metrics", "readyz"), timeout=5) as answer:
        assert answer.read() == b"ready\n"
    demo.wait_for("firing")
    status, said = demo.end(30)
    assert status == 0, said
    assert re.search(r"\d+ events in [5-9]\.\d s; \d+ waits, \d+ open; \d+ alerts", said)
    assert re.search(r"^the shop +\d+", said, re.MULTILINE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_and_soon(demos: list[Demo], number: signal.Signals) -> None:
    demo = started(demos)
    demo.wait_for("waiting")
    demo.process.send_signal(number)
    status, said = demo.end(SOON_S)
    assert status == 0, said
    assert "alerts" in said
    assert "Traceback" not in said


def test_a_signal_ends_it_while_it_waits_for_a_log_that_says_nothing(demos: list[Demo]) -> None:
    demo = started(demos, "--log", "-", stdin=subprocess.PIPE)
    demo.wait_for("/metrics is on")
    demo.process.send_signal(signal.SIGINT)
    status, said = demo.end(SOON_S)
    assert status == 0, said
    assert "no event: 0 events" in said


def test_a_log_is_read_from_standard_input(demos: list[Demo], tmp_path: Path) -> None:
    event = '{"id":"%d","type":"message","ts":%d,"shop":"s","customer":"c","sender":"customer"}\n'
    (tmp_path / "log").write_text("".join(event % (n, 1_795_264_200_000 + n * 1000) for n in range(20)))
    with (tmp_path / "log").open("rb") as log:
        status, said = started(demos, "--log", "-", "--speed", "1000", stdin=log).end(20)
    assert status == 0, said
    assert "20 events" in said
    assert "1 waits, 1 open; 1 alerts, 1 stand" in said


def test_a_packed_log_is_played_to_its_end(demos: list[Demo], tmp_path: Path) -> None:
    log = subprocess.run(
        [sys.executable, "-m", "csstream", "simulate", "--messages", "400", "--start", "2026-11-21T20:00:00+08:00"],
        cwd=ROOT, check=True, capture_output=True,
    ).stdout  # fmt: skip
    (tmp_path / "log.gz").write_bytes(gzip.compress(log + b"{\n"))
    status, said = started(demos, "--log", str(tmp_path / "log.gz"), "--speed", "100000").end(20)
    assert status == 0, said
    assert f"{len(log.splitlines()) + 1} events" in said
    assert "Dead letters: 1 not_json" in said


def test_a_log_that_is_not_there_fails_with_one_line(demos: list[Demo]) -> None:
    status, said = started(demos, "--log", "nowhere.jsonl").end(20)
    assert status == 1
    assert "nowhere.jsonl: cannot be read: No such file or directory; check the path" in said
    assert "Traceback" not in said


def test_keys_work_on_a_terminal_and_leave_it_as_it_was() -> None:
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(inside)
    environment = {
        name: value for name, value in os.environ.items() if name not in {"CI", "LC_ALL", "LINES", "COLUMNS"}
    }
    demo = subprocess.Popen(
        [sys.executable, "-m", "csstream", "demo", "--port", "0", "--wall-port", "0"],
        cwd=ROOT, env=environment | {"TERM": "xterm", "LANG": "C.UTF-8"}, stdin=inside, stdout=inside, stderr=inside,
    )  # fmt: skip
    try:
        shown = seen_until(terminal, b"LONGEST WAIT")
        assert termios.tcgetattr(inside) != before
        os.write(terminal, b"l")
        shown += seen_until(terminal, "最长等待".encode())
        os.write(terminal, b" ")
        shown += seen_until(terminal, "暂停".encode())
        os.write(terminal, b"q")
        shown += seen_until(terminal, b"the shop")
        assert demo.wait(5) == 0
        assert termios.tcgetattr(inside) == before
        assert shown.count(b"\x1b[?1049h") == shown.count(b"\x1b[?1049l") == 1
    finally:
        demo.kill()
        demo.wait()
        os.close(terminal)
        os.close(inside)


def seen_until(terminal: int, wanted: bytes, seconds: float = 20) -> bytes:
    """What a terminal is told until `wanted` is among it."""
    seen = b""
    until = time.monotonic() + seconds
    while wanted not in seen:
        assert time.monotonic() < until, seen[-2000:]
        if select.select([terminal], [], [], 0.5)[0]:
            seen += os.read(terminal, 65_536)
    return seen
