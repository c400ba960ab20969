"""`csstream serve` in a process of its own, a client that does not give up, and what a replay makes of the same."""

import http.client
import json
import os
import re
import select
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from csstream.core import facts
from csstream.core.engine import Engine
from csstream.ledgers import sqlite
from csstream.ledgers.sqlite import SqliteLedger
from csstream.policy import load
from tests.canary import plant

ROOT = Path(__file__).parents[2]
GONE = (urllib.error.URLError, http.client.HTTPException, OSError)
"""What a client sees of a process that was killed."""


class Client:
    """A csstream that listens, in a process of its own, and a client that knows its token."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "csstream", *arguments],
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.token = ""
        self.said = ""
        try:
            self.address = self.wait_for(r"(http://\S+)/v1/events takes events")[1]
        except BaseException:
            self.kill()
            raise

    def wait_for(self, pattern: str, seconds: float = 30) -> re.Match[str]:
        """The first match in a whole line of what it says."""
        assert self.process.stdout is not None
        until = time.monotonic() + seconds
        while True:
            if found := re.search(pattern, self.said[: self.said.rfind("\n") + 1]):
                return found
            ready = select.select([self.process.stdout], [], [], max(0.0, until - time.monotonic()))[0]
            more = os.read(self.process.stdout.fileno(), 65_536) if ready else b""
            if not more:
                raise AssertionError(f"no {pattern!r} in:\n{self.said}")
            self.said += more.decode()

    def ask(self, path: str, body: bytes | None = None, seconds: float = 20) -> tuple[int, Any, bytes]:
        """Status, headers and body of an answer. Raises one of `GONE` where there is none."""
        request = urllib.request.Request(
            self.address + path, data=body, headers={"Authorization": f"Bearer {self.token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def until(self, done: Callable[[], bool], seconds: float = 30) -> None:
        """Wait for a condition."""
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "it did not come to be in time"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stop(self, seconds: float = 10) -> tuple[int, str]:
        """Ask it to end: its status, and all that it said."""
        self.process.terminate()
        rest, _ = self.process.communicate(timeout=seconds)
        return self.process.returncode, self.said + rest.decode()


class Served(Client):
    """`csstream serve` on a folder."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.data = data
        super().__init__(["serve", "--data", str(data), "--port", "0", *arguments])
        self.token = plant((data / "token").read_text().strip())

    def records(self, name: str) -> Iterator[dict[str, Any]]:
        """All records of an outlet."""
        return map(json.loads, self.lines(name))

    def lines(self, name: str) -> Iterator[bytes]:
        """The same as they come, page by page."""
        after = "0"
        while True:
            status, headers, body = self.ask(f"/v1/{name}?after={after}&limit=700")
            assert status == 200
            if not body:
                return
            yield from body.splitlines()
            after = headers["Cs-Last"]


async def kept_facts(data: Path) -> dict[str, dict[str, Any]]:
    """The facts of a folder nobody works in: last revisions, and what is not concluded as it stands."""
    ledger = SqliteLedger(data / "ledger.db")
    rows, _ = await ledger.open()
    await ledger.close()
    found: dict[str, dict[str, Any]] = {}
    with_numbers = read_all(data, "facts")
    standing = (json.loads(facts.encode(fact)) for fact in Engine(load("handbook"), rows).standing())
    for fact in (*with_numbers, *standing):
        found[fact["fact"]] = fact | {"rev": 1}
    return {name: fact for name, fact in found.items() if not fact.get("retracted")}


def read_all(data: Path, table: str) -> list[dict[str, Any]]:
    """What was published, in order."""
    return [json.loads(record) for _, record in sqlite.read(data / "ledger.db", table, 0, 1_000_000)]
