"""What came in and is durable, in a SQLite file: answered for from here on, and read by the runner as its topics.

Requests gather while the transaction before is on its way to the disk and go in together (group commit), so that
the disk limits how soon an answer comes, not how many events there are. Each event has the next position of its
topic, as in Kafka; the ledger keeps how far they are counted, so a restart goes on at the next one. What is
behind is kept for a while, to be read or replayed. A followed file's place goes in with its lines: no line twice.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from csstream.core.engine import Record
from csstream.events import TOPICS
from csstream.serve.place import Place
from csstream.web.batch import Entry
from csstream.web.ingest import PATIENCE_S, AwayError, BusyError

ROOM = 20_000
"""Most events that are durable, or on their way there, and not counted yet; who brings more waits."""

ROOM_BYTES = 64 << 20

REOPEN_S = 1.0

_SWEPT_AT_ONCE = 5_000

_SCHEMA = """
create table if not exists inbox (
    seq integer primary key autoincrement,
    topic text not null, position integer not null, at_ms integer not null, value blob not null);
create unique index if not exists inbox_positions on inbox (topic, position);
create table if not exists places (
    path text primary key, inode integer not null, offset integer not null, head blob not null
    ) without rowid;
"""


class InboxError(Exception):
    """The inbox cannot be opened, or does not fit the ledger."""


class _Parcel(NamedTuple):
    """Events that go in together, since when they wait, and who waits for the answer."""

    entries: Sequence[Entry]
    place: Place | None
    at_ms: int
    done: asyncio.Future[None]

    def size(self) -> int:
        return sum(len(entry.value) for entry in self.entries)


class Inbox:
    """The intake of `csstream serve`. `clock` gives the wall clock in seconds."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.arrived = asyncio.Event()
        """Set when there is something to take."""
        self.fault: str | None = None
        """Why nothing can be kept at present; None while all is well."""
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._file = asyncio.Lock()
        self._next: dict[str, int] = {}
        self._parcels: list[_Parcel] = []
        self._under_way: list[_Parcel] = []
        self._wanted = asyncio.Event()
        self._at_hand: deque[Record] = deque()
        self._taken: deque[Record] = deque()
        self._events = self._bytes = 0  # handed in and not counted yet
        self._roomy = asyncio.Event()
        self._roomy.set()

    # ---- life -------------------------------------------------------------------------------------------

    async def open(self, counted: Mapping[str, int]) -> None:
        """Open the file, and have everything at hand that is not `counted` yet. Raises InboxError."""
        self._next = {topic: counted.get(topic, 0) for topic in TOPICS}
        try:
            await self._reopen()
        except sqlite3.Error as error:
            raise InboxError(f"{self.path}: {error}; is the folder writable, and on a local disk?") from error
        for topic, position in counted.items():
            first = next((record.offset for record in self._at_hand if record.topic == topic), position)
            if first > position:
                raise InboxError(
                    f"{self.path} no longer has event {position} of {topic}, which comes next by the ledger; "
                    "put both files back from one backup"
                )

    async def run(self) -> None:
        """Keep what is handed in, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            self._under_way, self._parcels = self._parcels, []
            if self._under_way:
                await self._keep(self._under_way)
            self._under_way = []

    async def close(self) -> None:
        """Turn away who still waits, and leave the file in order."""
        for parcel in [*self._under_way, *self._parcels]:
            _answer(parcel, AwayError("the program ends; send the same again"))
        async with self._file:
            await asyncio.to_thread(self._disconnect)

    # ---- in ---------------------------------------------------------------------------------------------

    async def put(self, entries: Sequence[Entry]) -> None:
        """Keep a request's events; returns when they are durable. Raises BusyError, AwayError."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.put_patiently(entries)
        except TimeoutError:
            if self.fault is not None:
                raise AwayError(self.fault) from None
            raise BusyError(
                f"{self._events} events are on their way and not counted yet; send the same again later"
            ) from None

    async def put_patiently(self, entries: Sequence[Entry], place: Place | None = None) -> None:
        """The same, with the `place` of the file they come from; waits as long as it takes. Raises AwayError."""
        while not self._has_room():
            self._roomy.clear()
            await self._roomy.wait()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        parcel = _Parcel(entries, place, self._now_ms(), done)
        self._occupy(len(entries), parcel.size())
        self._parcels.append(parcel)
        self._wanted.set()
        await asyncio.shield(done)

    def _has_room(self) -> bool:
        return self._events < ROOM and self._bytes < ROOM_BYTES

    def _occupy(self, events: int, size: int) -> None:
        """Count events in, or out (negative numbers)."""
        self._events += events
        self._bytes += size
        if self._has_room():
            self._roomy.set()

    async def _keep(self, parcels: Sequence[_Parcel]) -> None:
        try:
            async with self._file:
                records = await asyncio.to_thread(self._write, parcels)
        except sqlite3.Error as error:
            self.fault = f"{self.path.name}: {error}; is there space on the disk?"
            for parcel in parcels:
                self._occupy(-len(parcel.entries), -parcel.size())
                _answer(parcel, AwayError(self.fault))
            await self._recover()
            return
        self.fault = None
        self._hold(records)
        for parcel in parcels:
            _answer(parcel, None)

    def _write(self, parcels: Sequence[_Parcel]) -> list[Record]:
        """One transaction. The next positions move on only when it is committed."""
        positions = dict(self._next)
        records = []
        for parcel in parcels:
            for entry in parcel.entries:
                topic = entry.topic
                records.append(Record(topic, 0, positions[topic], entry.value, parcel.at_ms))
                positions[topic] += 1
        connection = self._opened()
        connection.execute("begin immediate")
        connection.executemany(
            "insert into inbox (topic, position, at_ms, value) values (?, ?, ?, ?)",
            ((record.topic, record.offset, record.time_ms, record.value) for record in records),
        )
        connection.executemany(
            "insert or replace into places values (?, ?, ?, ?)",
            (parcel.place for parcel in parcels if parcel.place is not None),
        )
        connection.execute("commit")
        self._next = positions
        return records

    async def _recover(self) -> None:
        """Open the file again after a failure. What was kept all the same, though it was refused, is taken too."""
        while True:
            try:
                await self._reopen()
            except sqlite3.Error as error:
                self.fault = f"{self.path.name}: {error}; is there space on the disk?"
                await asyncio.sleep(REOPEN_S)
            else:
                return

    async def _reopen(self) -> None:
        async with self._file:
            records = await asyncio.to_thread(self._connect)
        for record in records:
            self._next[record.topic] = record.offset + 1
        self._occupy(len(records), sum(len(record.value) for record in records))
        self._hold(records)

    def _connect(self) -> list[Record]:
        """Connect, and read what lies at or behind the next positions, in the order in which it came."""
        self._disconnect()
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=10)
        self._connection = connection
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.executescript(_SCHEMA)
        found: list[tuple[int, Record]] = []
        for topic, position in self._next.items():
            rows = connection.execute(
                "select seq, position, value, at_ms from inbox where topic = ? and position >= ?",
                (topic, position),
            )
            found += [(seq, Record(topic, 0, offset, value, at_ms)) for seq, offset, value, at_ms in rows]
        return [record for _, record in sorted(found, key=lambda pair: pair[0])]

    def _opened(self) -> sqlite3.Connection:
        """The file; after a failure it is not there until it could be opened again. Raises sqlite3.Error."""
        if self._connection is None:
            raise sqlite3.OperationalError("the file is not open")
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _hold(self, records: Sequence[Record]) -> None:
        self._at_hand += records
        if records:
            self.arrived.set()

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    # ---- out --------------------------------------------------------------------------------------------

    def take(self, limit: int, most_bytes: int) -> list[Record]:
        """Events in the order in which they came, at least one if there is any; they need room until `counted`."""
        taken: list[Record] = []
        size = 0
        while self._at_hand and len(taken) < limit:
            size += len(self._at_hand[0].value)
            if taken and size > most_bytes:
                break
            taken.append(self._at_hand.popleft())
        self._taken += taken
        if not self._at_hand:
            self.arrived.clear()
        return taken

    def counted(self, positions: Mapping[str, int]) -> None:
        """What was taken is committed up to these positions."""
        taken = self._taken
        while taken and taken[0].offset < positions[taken[0].topic]:
            self._occupy(-1, -len(taken.popleft().value))

    def complete_ms(self) -> int:
        """The instant up to which everything that came has been taken (epoch ms, wall clock): time may come to it."""
        if self._at_hand:
            return self._at_hand[0].time_ms
        waiting = [parcel.at_ms for parcel in (*self._under_way[:1], *self._parcels[:1])]
        return min(waiting, default=self._now_ms())

    def waiting(self) -> dict[str, int]:
        """By topic, the events that are durable and not counted yet."""
        found = dict.fromkeys(TOPICS, 0)
        for record in (*self._taken, *self._at_hand):
            found[record.topic] += 1
        return found

    # ---- places and keeping -----------------------------------------------------------------------------

    async def places(self) -> dict[str, Place]:
        """How far each followed file was read. Raises AwayError."""
        try:
            async with self._file:
                return await asyncio.to_thread(self._read_places)
        except sqlite3.Error as error:
            raise AwayError(f"{self.path.name}: {error}") from error

    def _read_places(self) -> dict[str, Place]:
        rows = self._opened().execute("select path, inode, offset, head from places")
        return {place.path: place for place in map(Place._make, rows)}

    async def sweep(self, before_ms: int) -> None:
        """Forget what came before an instant and is counted. Raises sqlite3.Error."""
        uncounted = (*islice(self._taken, 1), *islice(self._at_hand, 1))
        before_ms = min([before_ms, *(record.time_ms for record in uncounted)])
        more = True
        while more:
            async with self._file:
                more = await asyncio.to_thread(self._sweep, before_ms)

    def _sweep(self, before_ms: int) -> bool:
        oldest = "select seq, at_ms from inbox order by seq limit ?"
        done = self._opened().execute(
            f"delete from inbox where seq in (select seq from ({oldest}) where at_ms < ?)",  # noqa: S608 - no input
            (_SWEPT_AT_ONCE, before_ms),
        )
        return done.rowcount == _SWEPT_AT_ONCE


def _answer(parcel: _Parcel, error: AwayError | None) -> None:
    if parcel.done.done():
        return
    if error is None:
        parcel.done.set_result(None)
    else:
        parcel.done.set_exception(error)


def read_events(path: Path, after: int, limit: int) -> list[tuple[int, bytes]]:
    """Events with their numbers in the inbox, from the one behind `after` on, as they came. Raises sqlite3.Error."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(
            "select seq, value from inbox where seq > ? order by seq limit ?", (after, limit)
        ).fetchall()
