"""Programs of others that these tests run: found on the machine, never fetched by a test.

Where one is missing the test is skipped with the line that says how to get it; `make tools` gets them all, and
`.ci/run` calls it, so that on a machine where Debian packages can be had nothing is skipped.
"""

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"

Found = TypeVar("Found")


def program(*names: str) -> str:
    """The path of the first of these programs that is there; else the test is skipped."""
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.skip(f"{' or '.join(names)} is not installed: make tools")


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now, for programs that cannot tell which one they took."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for(what: str, look: Callable[[], Found | None], seconds: float = 30) -> Found:
    """What `look` finds, as soon as it is something. Fails with `what` after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < until, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def get(url: str, seconds: float = 5) -> bytes | None:
    """What is at an address; None where nobody answers (yet), or not with success."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            return bytes(answer.read())
    except OSError:
        return None


class Running:
    """A program that runs while the block does; what it says is kept in a file."""

    def __init__(
        self, name: str, command: list[str], folder: Path, env: dict[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command, self._env = command, env

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def said(self) -> str:
        """All of it."""
        return self.log.read_text("utf-8", "replace")

    def wait_to_say(self, pattern: Callable[[str], Found | None], what: str, seconds: float = 60) -> Found:
        """What `pattern` finds in what the program says. Fails where it ends, or says nothing of it in time."""

        def look() -> Found | None:
            found = pattern(self.said())
            assert found or self.process.poll() is None, f"{self.name} has ended:\n{self.said()[-4000:]}"
            return found

        return wait_for(f"{self.name}: {what}", look, seconds)

    def wait_for(self, url: str, seconds: float = 60) -> bytes:
        """What is at an address of this program, as soon as it answers."""

        def look() -> bytes | None:
            assert self.process.poll() is None, f"{self.name} has ended:\n{self.said()[-4000:]}"
            return get(url)

        return wait_for(f"{self.name} at {url}", look, seconds)


def csstream(*words: str) -> list[str]:
    """The command line of csstream, as it is in this tree."""
    return [sys.executable, "-m", "csstream", *words]
