"""The work that every Python peer does with a message, and the clock that all are measured by."""

import os
import sys
import time
from typing import Any, NamedTuple

import orjson


class Given(NamedTuple):
    """What a peer is started with."""

    broker: str
    topic: str
    partitions: int
    records: int


def given() -> Given:
    """From the command line."""
    broker, topic, partitions, records = sys.argv[1:5]
    return Given(broker, topic, int(partitions), int(records))


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


class Timer:
    """Wall and CPU seconds from the first record at hand to the last one done."""

    def __init__(self, records: int) -> None:
        self.left = records
        self._records = records
        self._facts = 0
        self._began: tuple[float, float] | None = None

    def begin(self) -> None:
        """A record is at hand."""
        if self._began is None:
            self._began = _now()

    def done(self, records: int, facts: int) -> None:
        """So many records are done. After the last one the process prints its line and ends."""
        self.left -= records
        self._facts += facts
        if self.left > 0:
            return
        assert self._began is not None, "begin comes first"
        seconds, cpu_seconds = (now - was for now, was in zip(_now(), self._began, strict=True))
        told = {
            "records": self._records - self.left,
            "facts": self._facts,
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
        }
        os.write(1, orjson.dumps(told) + b"\n")  # Faust makes log lines of what is printed
        os._exit(0)


Waits = dict[str, int]


def key_of(message: dict[str, Any]) -> str:
    """A customer of a shop."""
    return f"{message['shop']}|{message['customer']}"


def fact_of(message: dict[str, Any], since: int) -> dict[str, Any]:
    """The fact of an answer."""
    return {"agent": message["agent"], "ms": message["ts"] - since, "id": message["id"]}


def judge(message: dict[str, Any], waits: Waits) -> dict[str, Any] | None:
    """Fold a message into the open waits; the fact, if it answers one."""
    key = key_of(message)
    if message["sender"] == "customer":
        waits.setdefault(key, message["ts"])
        return None
    since = waits.pop(key, None)
    return None if since is None else fact_of(message, since)
