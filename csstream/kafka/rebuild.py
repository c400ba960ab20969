"""`csstream rebuild`: lost rows made anew from the sources, as if they had never been lost.

What has been published must not be published again, and nothing may be left out. So the sources are read up to exactly
where the last published step had read: its records say so in their headers, and the clock that the shops had then
with it. What an engine concludes on that way has all been sent, and is dropped; what it must remember of it, the
revisions, is in `cs.facts` and `cs.alerts`. From there on a worker goes on as ever.

Each partition is fenced first, and marked as not whole until its positions are written, last. Where the sources no longer
reach back far enough, what began before them is not in the rows: that is told, with the day from which on they suffice.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from operator import itemgetter
from zoneinfo import ZoneInfo

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]
from aiokafka.structs import ConsumerRecord  # type: ignore[import-untyped]

from csstream.core.engine import Engine, Record
from csstream.core.rows import decode_key
from csstream.core.step import STATES
from csstream.kafka.topics import TopicsError, look, named, plan, refuse
from csstream.ledgers import LedgerError
from csstream.ledgers.kafka import Connection, KafkaLedger
from csstream.ledgers.kafka.state import AT_CLOCK, AT_POSITIONS, decode_positions
from csstream.merge import Merge
from csstream.policy import Policy
from csstream.settings import Settings

ROWS = 5_000
"""Rows of one transaction."""

TAKE = 5_000

SAY_S = 20.0
"""How often it is told that nothing comes any more."""


class RebuildError(Exception):
    """Rows cannot be made anew; the text says what to do."""


@dataclass
class Published:
    """How far the published steps of a partition had come. `clock_ms`: None where only events moved the clocks."""

    positions: dict[str, int] = field(default_factory=dict)
    clock_ms: int | None = None

    def reach(self, positions: Mapping[str, int]) -> None:
        """All before these positions had been read too."""
        for topic, position in positions.items():
            self.positions[topic] = max(position, self.positions.get(topic, 0))


@dataclass(frozen=True)
class Rebuilt:
    """One partition: `since_ms` is the time of the oldest record, None where nothing before it is gone."""

    partition: int
    records: int
    rows: int
    since_ms: int | None


async def rebuild(
    connection: Connection,
    policy: Policy,
    settings: Settings,
    *,
    shop: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """Make the rows of all partitions anew, or of one shop; returns from when on the sources suffice, in words.

    Raises `RebuildError`, `TopicsError`, `UnreachableError`, `LedgerError`.
    """
    inputs, outputs, topics = named(settings.topics_prefix)
    existing, brokers = await look(connection, topics)
    refuse(plan(existing, topics, brokers=brokers), connection.broker)
    await _refuse_members(connection, settings.application)
    told = []
    for number in range(existing[inputs[0]].partitions):
        ledger = KafkaLedger(
            connection,
            settings.application,
            number,
            inputs,
            outputs,
            policy=policy.tag,
            group=settings.application,
        )
        try:
            one = _Partition(connection, policy, ledger, inputs, settings.application, shop)
            done = await _aloud(one.rebuild(), one, say)
        except KafkaError as error:
            raise RebuildError(f"partition {number} could not be read: {error}; run it again") from error
        finally:
            await ledger.close()
        if done is not None:
            told.append(done)
            say(f"partition {number}: {done.rows} rows of {done.records} records")
    if shop is not None and not told:
        raise RebuildError(f"there is no shop {shop!r} in {', '.join(inputs)}; names are told apart by case")
    return _suffices(told, policy)


async def _aloud(
    doing: Coroutine[None, None, Rebuilt | None], one: "_Partition", say: Callable[[str], None]
) -> Rebuilt | None:
    """Wait for a partition, however long the broker is away, and say so."""
    task = asyncio.create_task(doing)
    try:
        while not (await asyncio.wait([task], timeout=SAY_S))[0]:
            if (silent_s := time.monotonic() - one.heard_s) >= SAY_S:
                say(
                    f"partition {one.number}: waiting since {silent_s:.0f} s; the broker is away, or a producer has "
                    "left a transaction open; this goes on by itself, or may be ended and run again"
                )
        return await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _refuse_members(connection: Connection, group: str) -> None:
    admin = AIOKafkaAdminClient(**connection.settings("csstream-rebuild"))
    try:
        await admin.start()
        [answer] = await admin.describe_consumer_groups([group])
    except (KafkaError, OSError) as error:
        raise await connection.refusal(error) from error
    finally:
        await admin.close()
    members = len(answer.groups[0][5])
    if members:
        raise RebuildError(
            f"{members} workers of {group} are running; stop them all (a worker that was killed counts for some "
            "seconds more), then run this again"
        )


def _suffices(done: Iterable[Rebuilt], policy: Policy) -> str:
    begins = [one.since_ms for one in done if one.since_ms is not None]
    if not begins:
        return "the sources hold all that was ever written: every figure goes on"
    since = max(begins)
    whole = datetime.fromtimestamp((since + (policy.wait_ttl_ms or 0)) / 1000, ZoneInfo(policy.timezone))
    day = (whole + timedelta(days=1)).date() if whole.time() != whole.min.time() else whole.date()
    return (
        f"the sources suffice from {day} on ({policy.timezone}); conversations that began before, and counters of "
        "that time, are not in the rows: an audit of a full log has them"
    )


class _Partition:
    """One partition that is made anew."""

    def __init__(
        self,
        connection: Connection,
        policy: Policy,
        ledger: KafkaLedger,
        inputs: Sequence[str],
        group: str,
        shop: str | None,
    ) -> None:
        self._connection = connection
        self._ledger = ledger
        self._inputs = inputs
        self._group = group
        self._shop = shop
        self._engine = Engine(
            policy, misplaced=None if shop is None else lambda s: None if s == shop else "another"
        )
        self._rows: dict[bytes, bytes | None] = {}
        self._dead: dict[tuple[str, int], str] = {}
        self._since_ms: int | None = None
        self.number = ledger.partition
        self.heard_s = time.monotonic()
        """When the broker gave or took anything (`time.monotonic`)."""

    async def rebuild(self) -> Rebuilt | None:
        """All of it; None where the partition does not have the shop."""
        keys, kept = await self._ledger.seize(some=self._shop is not None)
        async with self._reader() as reader:
            goal = await self._published(reader)
            if self._shop is not None:
                if not kept:
                    raise RebuildError(
                        f"partition {self._ledger.partition} has lost its positions with its rows; make all shops anew"
                    )
                goal.positions = kept
            starts = await self._starts(reader)
            goal.reach({topic: start for topic, start in starts.items() if start})
            ends = await self._ends(reader)
            # What a log has lost of its end cannot be waited for; what takes its places is news.
            goal.positions = {topic: min(at, ends[topic]) for topic, at in goal.positions.items()}
            records = await self._read(reader, goal.positions)
            self._pass_time(goal.clock_ms)
            await self._remember(reader)
        self._take()
        if self._shop is not None:
            if not self._engine.shops:
                return None
            keys = {key for key in keys if decode_key(key)[1] == self._shop}
        rows = dict.fromkeys(keys) | self._rows
        await self._write(rows, {topic: goal.positions.get(topic, 0) for topic in self._inputs})
        whole = sum(row is not None for row in rows.values())
        return Rebuilt(self._ledger.partition, records, whole, self._since_ms)

    async def _write(self, rows: Mapping[bytes, bytes | None], positions: Mapping[str, int]) -> None:
        await self._ledger.replace({}, None)
        left = iter(rows.items())
        while some := dict(islice(left, ROWS)):
            await self._ledger.replace(some, None)
            self.heard_s = time.monotonic()
        await self._ledger.replace({}, positions)

    # ---- what has been published ------------------------------------------------------------------------------

    async def _published(self, reader: AIOKafkaConsumer) -> Published:
        found = Published()
        outputs = self._ledger.outputs
        for topic in (outputs.facts, outputs.alerts):
            async for record in self._all(reader, topic):
                headers = dict(record.headers)
                if AT_POSITIONS not in headers:
                    continue
                found.reach(self._still(headers[AT_POSITIONS]))
                if AT_CLOCK in headers:
                    found.clock_ms = max(found.clock_ms or 0, int(headers[AT_CLOCK]))
        async for record in self._all(reader, outputs.dead_letters):
            headers = dict(record.headers)
            if not headers.keys() >= {"cs-topic", "cs-partition", "cs-offset"}:
                continue  # somebody else has written it
            topic, offset = headers["cs-topic"].decode(), int(headers["cs-offset"])
            if topic in self._inputs and int(headers["cs-partition"]) == self._ledger.partition:
                cut = "cs-truncated" in headers
                self._dead[topic, offset] = headers["cs-sha256"].decode() if cut else _digest(record.value)
        found.reach(await self._shown())
        await self._reach_dead(reader, found)
        return found

    async def _reach_dead(self, reader: AIOKafkaConsumer, found: Published) -> None:
        """A dead letter was read, and all before it; unless it was of a topic that was deleted and made anew."""
        ends = await self._ends(reader)
        for topic, offset in sorted(self._dead, key=itemgetter(1), reverse=True):
            if not found.positions.get(topic, 0) <= offset < ends[topic]:
                continue
            place = TopicPartition(topic, self._ledger.partition)
            reader.assign([place])
            reader.seek(place, offset)
            for record in (await reader.getmany(place, timeout_ms=5_000, max_records=1)).get(place, ()):
                if self._is_dead(record):
                    found.reach({topic: offset + 1})

    def _is_dead(self, record: Record | ConsumerRecord) -> bool:
        """Whether it was set aside; in a topic that was made anew it may be another one in its place."""
        known = self._dead.get((record.topic, record.offset))
        return known is not None and known == _digest(record.value)

    def _still(self, header: bytes) -> dict[str, int]:
        """Positions of a header, of those topics that are still the same."""
        return {
            topic: place.next
            for topic, place in decode_positions(header).items()
            if self._ledger.knows(topic, place)
        }

    async def _shown(self) -> dict[str, int]:
        """The group's offsets; they may be a second behind, never ahead."""
        consumer = AIOKafkaConsumer(
            **self._connection.settings("csstream-rebuild"), group_id=self._group, enable_auto_commit=False
        )
        try:
            await consumer.start()
            ends = await consumer.end_offsets(self._places())
            shown = {place: await consumer.committed(place) or 0 for place in self._places()}
        finally:
            await consumer.stop()
        # Those of a topic that was deleted and made anew count in another log.
        return {place.topic: position for place, position in shown.items() if position <= ends[place]}

    async def _remember(self, reader: AIOKafkaConsumer) -> None:
        """Revisions, and the states of alerts, of what was published more than once."""
        outputs = self._ledger.outputs
        for topic, name, mark in ((outputs.facts, "fact", _revision), (outputs.alerts, "alert", _state)):
            seen: dict[str, tuple[str, str, int, int, int]] = {}
            async for record in self._all(reader, topic):
                told = _decode(record.value)
                key = told[name]
                if not told.get("customer"):
                    continue
                before = seen.get(key, ("", "", 0, 0, 0))
                seen[key] = told["shop"], told["customer"], mark(before[2], told), told["ts"], before[4] + 1
            for key, (shop, customer, marked, ts, times) in seen.items():
                if times > 1 or (name == "fact" and marked > 1):
                    self._engine.remember(shop, customer, key, marked, ts)

    # ---- the sources ------------------------------------------------------------------------------------------

    async def _read(self, reader: AIOKafkaConsumer, goal: Mapping[str, int]) -> int:
        """Apply all records before these positions, in the order in which topics are merged."""
        places = self._places()
        reader.assign(places)
        await reader.seek_to_beginning(*places)
        merge = Merge(self._inputs)
        number = 0
        while True:
            behind = {}
            for place in places:
                behind[place.topic] = await reader.position(place) < goal.get(place.topic, 0)
                merge.expect(place.topic, behind[place.topic])
            while taken := merge.take(TAKE):
                number += len(taken)
                self._engine.apply([r for r in taken if not self._is_dead(r)])
                self._engine.advance()
                self._take()
                self.heard_s = time.monotonic()
            if not any(behind.values()):
                return number
            lists = await reader.getmany(*[p for p in places if behind[p.topic]], timeout_ms=1_000)
            for place, records in lists.items():
                merge.add(place.topic, [_record(r) for r in records if r.offset < goal[place.topic]])
                self.heard_s = time.monotonic()

    async def _starts(self, reader: AIOKafkaConsumer) -> dict[str, int]:
        """Where the logs begin, and when: the latest first record of a log that has lost its beginning."""
        places = self._places()
        reader.assign(places)
        starts: dict[TopicPartition, int] = await reader.beginning_offsets(places)
        ends = await self._ends(reader)
        for place in places:
            if not starts[place]:
                continue
            since_ms = int(time.time() * 1000)  # a log of which nothing is left
            if starts[place] < ends[place.topic]:
                reader.assign([place])
                reader.seek(place, starts[place])
                first = (await reader.getmany(place, timeout_ms=5_000, max_records=1)).get(place, ())
                since_ms = max((record.timestamp for record in first), default=since_ms)
            self._since_ms = max(self._since_ms or 0, since_ms)
        return {place.topic: start for place, start in starts.items()}

    async def _ends(self, reader: AIOKafkaConsumer) -> dict[str, int]:
        """Where the logs end."""
        ends = await reader.end_offsets(self._places())
        return {place.topic: end for place, end in ends.items()}

    def _pass_time(self, clock_ms: int | None) -> None:
        """Let the time pass that had passed when the last step was published; its dues were published too."""
        if clock_ms is not None:
            self._engine.advance(clock_ms)

    def _take(self) -> None:
        """Keep the rows of what was done; what it concludes has been published."""
        self._rows.update(self._engine.take_step().rows)

    def _places(self) -> list[TopicPartition]:
        return [TopicPartition(topic, self._ledger.partition) for topic in self._inputs]

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[AIOKafkaConsumer]:
        reader = AIOKafkaConsumer(
            **self._connection.settings("csstream-rebuild"),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
        )
        try:
            await reader.start()
            yield reader
        finally:
            await reader.stop()

    async def _all(self, reader: AIOKafkaConsumer, topic: str | None) -> AsyncIterator[ConsumerRecord]:
        """Every committed record of a topic's partition."""
        if topic is None:
            return
        place = TopicPartition(topic, self._ledger.partition)
        reader.assign([place])
        await reader.seek_to_beginning(place)
        end = (await reader.end_offsets([place]))[place]
        while await reader.position(place) < end:
            for record in (await reader.getmany(place, timeout_ms=1_000)).get(place, ()):
                self.heard_s = time.monotonic()
                yield record


_decode = msgspec.json.Decoder(dict).decode


def _record(r: ConsumerRecord) -> Record:
    return Record(r.topic, r.partition, r.offset, r.value or b"", r.timestamp, r.key, r.headers)


def _digest(value: bytes | None) -> str:
    return hashlib.sha256(value or b"").hexdigest()


def _revision(before: int, told: dict[str, object]) -> int:
    rev = told["rev"]
    assert isinstance(rev, int)
    return max(before, rev)


def _state(before: int, told: dict[str, object]) -> int:
    return before | STATES[str(told["state"])]


__all__ = ["LedgerError", "RebuildError", "TopicsError", "rebuild"]
