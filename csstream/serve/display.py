"""The wall inside `csstream serve`: the board of the engine and the alerts of the store, on the page at `/`.

The link to it carries a key with which one can look and nothing else; it lies in the folder, for whoever may read
that, and is printed nowhere.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from aiohttp import web
from msgspec import Struct

from csstream.core.board import Board
from csstream.core.engine import Engine, Step
from csstream.ledgers import sqlite
from csstream.wall import Access, Moment, Picture, mount
from csstream.web.bearer import Bearer

PAGE = 5_000


class _Head(Struct):
    """What the picture has to know of an alert."""

    alert: str
    state: str


_head = msgspec.json.Decoder(_Head).decode


class Display:
    """One wall. `now_ms` is the time of what is shown; who has the token may acknowledge, too."""

    def __init__(self, now_ms: Callable[[], int], bearer: Bearer) -> None:
        self._now_ms = now_ms
        self._access = Access(bearer)
        # By the wall clock: where the time of what is shown stands still, its age must not.
        self._picture = Picture(lambda: Moment(time.time_ns() // 1_000_000))
        self._board = Board()

    def mount(self, app: web.Application) -> Callable[[], int]:
        """Add the routes. Returns what tells how many look on."""
        wall = mount(app, self._picture, self._access)
        return lambda: len(wall.audience.viewers)

    def recall(self, ledger: Path) -> None:
        """Show the alerts that were published before this process began. Raises sqlite3.Error."""
        after = 0
        while found := sqlite.read(ledger, "alerts", after, PAGE):
            for _, record in found:
                head = _head(record)
                self._picture.hear_record(head.alert, head.state, record)
            after = found[-1][0]

    def hear(self, step: Step) -> None:
        """A step was committed."""
        self._picture.hear(step.alerts)

    def show(self, engine: Engine) -> None:
        """Show what has changed; call it at most twice a second."""
        self._picture.show(self._board.changes(engine, self._now_ms()).items())

    def write_link(self, path: Path, address: str) -> None:
        """Leave the link to look on where only the owner of the folder reads it. Raises OSError."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{address}/#key={self._access.view_key}\n")
