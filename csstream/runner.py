"""The life of one partition over a ledger: load, take, apply, commit, advance (DESIGN decisions 2, 3).

Whatever fails between taking records and knowing that they are committed, the remedy is one: throw the engine
away, open the ledger again, and go on from what it holds. A step that fails again is taken apart, one record at
a time, and a record that fails alone becomes a dead letter `internal`, so that one poison record stops nothing.
"""

import traceback
from collections.abc import Callable, Sequence

from csstream.core.engine import ALL, Engine, Process, Record, Step
from csstream.ledgers import FencedError, Ledger, LedgerError
from csstream.merge import Merge
from csstream.policy import Policy

STEP_RECORDS = 5_000
"""Most records of one step."""

MAX_RELOADS = 5
"""Reloads in a row without one committed step before the partition is given up."""


class GapError(Exception):
    """Records are missing between what is kept and what was read."""


class Runner:
    """One partition. Feed it lists of records, call `step`; it commits, and survives its engine."""

    def __init__(
        self,
        policy: Policy,
        ledger: Ledger,
        topics: Sequence[str],
        *,
        on_step: Callable[[Step], None] | None = None,
    ) -> None:
        self.policy = policy
        self.process = Process()
        self.failed: dict[str, int] = {}
        self.positions: dict[str, int] = dict.fromkeys(topics, 0)
        self._topics = tuple(topics)
        self._ledger = ledger
        self._on_step = on_step
        self._engine: Engine | None = None
        self._merge = Merge(topics)
        self._again: list[Record] = []  # taken, and to be taken again after a failure
        self._singly = False
        self._reloads = 0

    @property
    def engine(self) -> Engine:
        """The engine of the last committed step."""
        assert self._engine is not None, "the runner is not open"
        return self._engine

    async def open(self) -> None:
        """Take the partition over and load its rows."""
        rows, positions = await self._ledger.open()
        self._engine = Engine(self.policy, rows, self.process)
        self.positions = {topic: positions.get(topic, 0) for topic in self._topics}

    def feed(self, topic: str, records: Sequence[Record], *, unread: bool = False) -> None:
        """A list of records as read, in order; what is already kept is cut off. `unread`: more are on the way.

        Raises `GapError` where the list begins after the next record that is needed.
        """
        self._merge.expect(topic, unread)
        if not records:
            return
        needed = self._needed(topic)
        fresh = [record for record in records if record.offset >= needed]
        if fresh and fresh[0].offset > needed:
            raise GapError(f"{topic}: record {needed} is needed next, and {fresh[0].offset} came")
        self._merge.add(topic, fresh)

    def _needed(self, topic: str) -> int:
        at_hand = self._merge.last_offset(topic)
        if at_hand is not None:
            return at_hand + 1
        again = [record.offset for record in self._again if record.topic == topic]
        return max(again, default=self.positions[topic] - 1) + 1

    async def step(self, now: int | None = None, *, limit: int = STEP_RECORDS, budget: int = ALL) -> bool:
        """Take what is at hand, let time pass to `now` (live) and commit. Returns whether anything was done.

        Raises `FencedError` when somebody else owns the partition, `LedgerError` when it cannot be kept.
        """
        records = self._take(limit)
        try:
            return await self._commit(records, now, budget)
        except FencedError:
            self._engine = None
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the engine may be half changed
            await self._recover(records, error)
            return True

    def _take(self, limit: int) -> list[Record]:
        if not self._again:
            self._singly = False
            return self._merge.take(limit)
        taken, self._again = (
            (self._again[:1], self._again[1:]) if self._singly else (self._again[:limit], self._again[limit:])
        )
        return taken

    async def _commit(self, records: list[Record], now: int | None, budget: int) -> bool:
        engine = self.engine
        engine.apply(records, now)
        engine.advance(now, budget)
        step = engine.take_step()
        if not step and not records:
            return False
        positions = dict(self.positions)
        for record in records:
            positions[record.topic] = record.offset + 1
        await self._ledger.commit(step, positions)
        self.positions = positions
        self._reloads = 0
        if self._on_step is not None:
            self._on_step(step)
        return True

    async def _recover(self, records: list[Record], error: Exception) -> None:
        """Throw the engine away and go on from what the ledger holds."""
        kind = "ledger" if isinstance(error, LedgerError) else "internal"
        self.failed[kind] = self.failed.get(kind, 0) + 1
        self._reloads += 1
        if self._reloads > MAX_RELOADS + len(records):
            raise error
        self._engine = None
        await self.open()
        records = [record for record in records if record.offset >= self.positions[record.topic]]
        if kind == "internal" and self._singly and len(records) == 1:
            trace = "".join(traceback.format_exception(error, chain=False)[-3:])
            self.engine.set_aside(
                "internal", f"a fault of the program, please report it: {trace}", records[0]
            )
            positions = self.positions | {records[0].topic: records[0].offset + 1}
            await self._ledger.commit(self.engine.take_step(), positions)
            self.positions = positions
            return
        self._singly = self._singly or kind == "internal"
        self._again = records + self._again

    async def close(self) -> None:
        """Leave the partition in order."""
        await self._ledger.close()
