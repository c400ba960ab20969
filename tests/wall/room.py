"""A room with a wall in it: a shop whose clock stands where the test put it, and the wall's own server."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from csstream.core.board import Board, Changes
from csstream.core.engine import Engine, Record
from csstream.policy import Policy, load
from csstream.simulate import HOUR_MS, Plan, lines
from csstream.wall import Access, Moment, Picture, mount
from csstream.wall.app import Wall
from csstream.web.bearer import Bearer
from csstream.web.server import Requests, application, listening
from tests.canary import SECRET
from tests.laws.notation import at, chat

TOKEN = SECRET
NAMES = ("wall.shop.example",)

EVENING_MS = 1_795_264_200_000
"""2026-11-21 20:30 in Shanghai."""


class Room:
    """An engine, its board and a picture of it; time stands at the newest `until_ms`."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.engine = Engine(policy or load("handbook"))
        self.board = Board()
        self.rows: dict[bytes, bytes] = {}
        self.now_ms = 0
        self.speed = 0.0
        self.picture = Picture(lambda: Moment(self.now_ms, self.speed))
        self._offset = 0

    def take(self, values: Iterable[bytes], until_ms: int) -> Changes:
        """Events come in, time passes to `until_ms`, and what changed is shown; gives what changed."""
        records = []
        for value in values:
            records.append(Record("cs.chat", 0, self._offset, value))
            self._offset += 1
        self.engine.apply(records, until_ms)
        self.engine.advance(until_ms)
        self.now_ms = until_ms
        step = self.engine.take_step()
        self.rows.update({key: row for key, row in step.rows.items() if row is not None})
        self.picture.hear(step.alerts)
        changes = self.board.changes(self.engine, until_ms)
        self.picture.show(changes.items())
        return changes

    def hears(self, *said: str, until: str) -> Changes:
        """The same, as written in `laws/notation.py`."""
        return self.take((msgspec.json.encode(event) for event in chat(*said)), at(until))

    def evening(self, minutes: float = 20) -> Changes:
        """A simulated shop up to half past eight, watched for so long by then."""
        start_ms = EVENING_MS - int(minutes * 60_000)
        plan = Plan(seed=1, start_ms=start_ms, agents=14, customers_per_hour=235.0)
        values = []
        for line in lines(plan):
            if msgspec.json.decode(line)["ts"] > EVENING_MS:
                break
            values.append(line)
        assert EVENING_MS - start_ms < HOUR_MS
        return self.take(values, EVENING_MS)

    def readings(self) -> dict[tuple[str, ...], Any]:
        """What /metrics shows: by name and labels after the shop."""
        return {(name, *labels[1:]): value for name, labels, value in self.engine.readings()}

    def documents(self) -> dict[tuple[str, ...], Mapping[str, Any]]:
        """What is on the wall, by key."""
        message = msgspec.json.decode(self.picture.whole())
        return {tuple(map(str, key)): document for key, document in message.get("documents", ())}

    def alerts(self) -> dict[str, Mapping[str, Any]]:
        """The alerts on the wall, by id."""
        return dict(msgspec.json.decode(self.picture.whole()).get("alerts", ()))

    @staticmethod
    def guarded() -> Access:
        """Access for those who have the token, or the key made from it."""
        return Access(Bearer(TOKEN))

    @asynccontextmanager
    async def opened(self, access: Access | None = None, port: int = 0) -> AsyncIterator[tuple[str, Wall]]:
        """The wall over HTTP: its address, and the wall."""
        app = application(Requests(), NAMES)
        wall = mount(app, self.picture, access or Access())
        async with listening(app, "127.0.0.1", port) as address:
            yield f"{address}/", wall
