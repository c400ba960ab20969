"""The life of one partition over a ledger: load, take, apply, commit, advance (DESIGN decisions 2, 3).

Whatever fails between taking records and knowing that they are committed, the remedy is one: throw the engine
away, open the ledger again, and go on from what it holds. A step that fails is taken apart into tenths of it, and
a record that fails alone becomes a dead letter `internal`, so that one poison record stops nothing.
"""

import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter

from csstream.census import Census
from csstream.core.board import Board
from csstream.core.engine import ALL, Engine, Process, Record, Step
from csstream.ledgers import FencedError, Ledger, LedgerError
from csstream.merge import Merge
from csstream.policy import Policy

STEP_RECORDS = 5_000
"""Most records of one step, unless asked for more."""

STEP_BYTES = 24 << 20
"""Most bytes of the records of one step (a larger record makes a step of its own)."""

BOARD_MS = 500
"""Least time between two looks at what changed on the board (wall clock): a wall is to show it within a second."""

BOARD_SHARE = 0.03
"""Most of the time that looking may take in a process: with thousands of open waits it is done less often."""

LATE_MS, LATER_MS = 60_000, 4_000
"""Where the partition is behind the wall clock by the first, the board is looked at later by the second: a wall calls
stale what it shows then, and a backlog is worked off the sooner."""

MAX_RELOADS = 5
"""Reloads in a row without one committed step before the partition is given up."""


Elsewhere = Callable[[Callable[[], Engine]], Awaitable[Engine]]
"""Makes an engine, and need not do so here and now."""


class GapError(Exception):
    """Records are missing between what is kept and what was read."""


async def at_once(make: Callable[[], Engine]) -> Engine:
    """Make an engine, and do nothing else meanwhile."""
    return make()


class Runner:
    """One partition. Feed it lists of records, call `step`; it commits, and survives its engine."""

    def __init__(
        self,
        policy: Policy,
        ledger: Ledger,
        topics: Sequence[str],
        *,
        process: Process | None = None,
        failed: Counter[str] | None = None,
        misplaced: Callable[[str], str | None] | None = None,
        board: Board | None = None,
        on_step: Callable[[Step], None] | None = None,
        elsewhere: Elsewhere = at_once,
    ) -> None:
        """`process` and `failed` count for all partitions of a process; `misplaced` says of a shop why it does
        not belong here; `board` is shown with the steps, at most twice a second; `elsewhere` makes the engine of the
        rows, which takes long where there are many."""
        self.policy = policy
        self.process = process or Process()
        self.failed = Counter[str]() if failed is None else failed
        """Steps thrown away, by reason."""
        self.last: Record | None = None
        """The last record of the last step that took any."""
        self._census = Census()
        self.worked_s = 0.0
        """What the core took for the last step (seconds)."""
        self.taken = 0
        """Records of the last step."""
        self.positions: dict[str, int] = dict.fromkeys(topics, 0)
        self.merge = Merge(topics)
        self._topics = tuple(topics)
        self._ledger = ledger
        self._misplaced = misplaced
        self._board = board
        self._board_due_ms = 0
        self.board_share = BOARD_SHARE
        """Most of the time that looking at the board may take here."""
        self._elsewhere = elsewhere
        self.on_step = on_step
        """Is told each step once it is committed."""
        self._engine: Engine | None = None
        self._next = dict(self.positions)  # up to where each topic was read, taken or not
        self._tried = self.positions  # of the last commit, whether it is known to have been done or not
        self._again: list[Record] = []  # taken, and to be taken again after a failure
        self._looking = False  # for the one of these that fails:
        self._suspects = 0  # it is among the first so many,
        self._portion = 1  # of which so many are tried at once
        self._reloads = 0

    @property
    def engine(self) -> Engine:
        """The engine of the last committed step."""
        assert self._engine is not None, "the runner is not open"
        return self._engine

    @property
    def is_open(self) -> bool:
        """Whether there is an engine that stands where the ledger stands."""
        return self._engine is not None

    @property
    def rows(self) -> Counter[str]:
        """Rows kept, by family."""
        return self._census.counts

    async def open(self) -> None:
        """Take the partition over and load its rows; records are wanted from `positions` on."""
        self.merge = Merge(self._topics)
        self._again.clear()
        await self._load()
        self._next = dict(self.positions)

    async def _load(self) -> None:
        self._engine = None
        rows, positions = await self._ledger.open()
        self._engine = await self._elsewhere(lambda: Engine(self.policy, rows, self.process, self._misplaced))
        self._census = Census(rows)
        self.positions = {topic: positions.get(topic, 0) for topic in self._topics}

    def feed(
        self,
        topic: str,
        records: Sequence[Record],
        *,
        unread: bool = False,
        begin: int | None = None,
        end: int | None = None,
    ) -> None:
        """A list of records as read, in order; what is already kept is cut off. `unread`: more are on the way.

        `begin` and `end` are the positions before and after it, where they are not those of its records: a topic
        that is written in transactions has offsets without records. Raises `GapError` where the list begins
        after the next record that is needed; nothing of it is taken then.
        """
        self.merge.expect(topic, unread)
        if not records:
            return
        needed = self._next[topic]
        if (records[0].offset if begin is None else begin) > needed:
            raise GapError(f"{topic}: record {needed} is needed next, and {records[0].offset} came")
        if records[0].offset < needed:
            records = [record for record in records if record.offset >= needed]
        self.merge.add(topic, records)
        last = records[-1].offset + 1 if records else needed
        self._next[topic] = max(needed, last if end is None else end)

    def next_position(self, topic: str) -> int:
        """The position of the next record of a topic that is not at hand."""
        return self._next[topic]

    def skip_to(self, topic: str, position: int) -> None:
        """There is no record of the topic before `position` that is not at hand: what lies there are markers."""
        self._next[topic] = max(self._next[topic], position)

    def next_time_ms(self, topic: str) -> int | None:
        """The merge time of the next record at hand; None if there is none."""
        first = self.merge.first(topic)
        return None if first is None else first[1]

    async def step(
        self,
        now: int | None = None,
        *,
        wall: int | None = None,
        limit: int = STEP_RECORDS,
        budget: int = ALL,
        waive: bool = False,
        keep: bool = False,
    ) -> bool:
        """Take what is at hand, let time pass to `now` (live) and commit. Returns whether anything was done.

        `wall` is the clock against which `future` is judged, `now` unless given; `waive` is of `Merge.take`.
        Without anything to keep there is no commit, unless `keep`: then the positions are kept all the same.
        Raises `FencedError` when somebody else owns the partition, `LedgerError` when it cannot be kept, or
        somebody else has owned it meanwhile.
        """
        records = self._take(limit, waive)
        self.taken = len(records)
        if records:
            self.last = records[-1]
        wall = now if wall is None else wall
        if self._again:
            now = None  # what is to be taken again may have happened before it
        try:
            return await self._commit(records, now, wall, budget, keep)
        except FencedError:
            self._engine = None
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the engine may be half changed
            await self._recover(records, error)
            return True

    def _take(self, limit: int, waive: bool) -> list[Record]:
        if not self._again:
            self._looking, self._suspects = False, 0
            return self.merge.take(limit, STEP_BYTES, waive=waive)
        most = min(limit, self._portion) if self._suspects > 0 else limit
        self._suspects -= most
        taken, self._again = self._again[:most], self._again[most:]
        return taken

    def _positions(self) -> dict[str, int]:
        """Where reading goes on once all that is taken is kept."""
        positions = {}
        for topic, position in self._next.items():
            first = self.merge.first(topic)
            positions[topic] = position if first is None else first[0]
        for record in reversed(self._again):
            positions[record.topic] = record.offset
        return positions

    async def _commit(
        self, records: list[Record], now: int | None, wall: int | None, budget: int, keep: bool
    ) -> bool:
        engine = self.engine
        began_s = perf_counter()
        engine.apply(records, wall)
        engine.advance(now, budget)
        step = engine.take_step()
        step.clock_ms = now
        if self._board is not None and now is not None:
            looked_ms = now if wall is None else wall
            later_ms = LATER_MS if looked_ms - now > LATE_MS else 0
            if looked_ms >= self._board_due_ms + later_ms:
                looked_s = perf_counter()
                step.board = self._board.changes(engine, now)
                took_ms = (perf_counter() - looked_s) * 1000
                self._board_due_ms = looked_ms + max(BOARD_MS, round(took_ms / self.board_share))
        self.worked_s = perf_counter() - began_s
        if not step and not records and not keep:
            return False
        await self._keep(step)
        return True

    async def _keep(self, step: Step) -> None:
        self._tried = positions = self._positions()
        await self._ledger.commit(step, positions)
        self.positions = positions
        self._reloads = 0
        self._census.note(step.rows)
        if self.on_step is not None:
            self.on_step(step)

    async def _recover(self, records: list[Record], error: Exception) -> None:
        """Throw the engine away and go on from what the ledger holds."""
        kind = "ledger" if isinstance(error, LedgerError) else "internal"
        self.failed[kind] += 1
        self._reloads += 1
        if self._reloads > MAX_RELOADS + len(records):
            raise error
        known = self.positions, self._tried
        await self._load()
        if self.positions not in known:
            self._engine = None
            raise LedgerError(
                "another owner has read on meanwhile: what is at hand is not what is next; open it again"
            )
        records = [record for record in records if record.offset >= self.positions[record.topic]]
        if kind == "internal" and self._looking and len(records) == 1:
            self._looking, self._suspects = False, 0
            trace = "".join(traceback.format_exception(error, chain=False)[-3:])
            self.engine.set_aside(
                "internal", f"a fault of the program, please report it: {trace}", records[0]
            )
            await self._keep(self.engine.take_step())
            return
        if kind == "internal":
            self._looking, self._suspects, self._portion = True, len(records), max(1, len(records) // 10)
        self._again = records + self._again

    async def close(self) -> None:
        """Leave the partition in order."""
        self._engine = None
        await self._ledger.close()
