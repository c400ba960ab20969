"""The Kafka ledger: a step is one transaction of the partition's own producer (DESIGN decision 3).

Rows lie in a compacted topic, and with them, under `@positions`, up to where each input has been read: both come
in with one commit, so neither can be ahead of the other. The producer's `transactional.id` is the application and
the partition: whoever opens the ledger starts that producer, and with it the broker refuses every earlier owner
and aborts what it left open. What readers see (`isolation.level=read_committed`) is there exactly once.

Two things in it look odd and are not. Every send is awaited before the commit, because a record that the broker
refused does not spoil its transaction: the commit would succeed without it. And while the broker is away a commit
waits, with no time limit: it then succeeds, and whoever gave up before could not know.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import (  # type: ignore[import-untyped]
    InvalidProducerEpoch,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerClosed,
    ProducerFenced,
    RecordListTooLargeError,
)

from csstream.core import facts
from csstream.core.alert import encode as encode_alert
from csstream.core.engine import Step
from csstream.core.rows import CODEC
from csstream.ledgers import FencedError, LedgerError, Positions
from csstream.ledgers.kafka.connection import Connection
from csstream.ledgers.kafka.fetched import as_it_is, hand_on
from csstream.ledgers.kafka.output import (
    BATCH_OVERHEAD,
    LARGEST_BYTES,
    Batch,
    Outputs,
    Records,
    batches,
    dead_letter,
    of_shops,
    plain,
)
from csstream.ledgers.kafka.produced import join_once
from csstream.ledgers.kafka.requests import Found, find_topics, read_settings
from csstream.ledgers.kafka.state import (
    META,
    POSITIONS,
    RULES,
    Kept,
    Meta,
    decode_meta,
    decode_positions,
    encode,
    published_at,
    read_rows,
)

TRANSACTION_TIMEOUT_MS = 15_000
"""After this the broker aborts what a dead owner left open; until then, or a new owner, readers are held up."""

START_S = 60.0
"""How long a broker may take to answer when a ledger is opened."""

CLOSE_S = 3.0
"""Most time that leaving takes, however the broker is."""

GROUP_S = 1.0
"""Least time between two commits of the group's offsets; they are for lag tools, nothing here reads them."""

BATCH_BYTES = 900_000
"""Most bytes sent at once to one topic, where the topic takes as much."""

log = logging.getLogger(__name__)

_One = TypeVar("_One")
_Other = TypeVar("_Other")


class RefusedError(LedgerError):
    """What lies in the topics does not fit this program or these topics; opening again does not help."""


class KafkaLedger:
    """One owner of a partition. Not for use by two tasks at once.

    `inputs` are the topics whose positions are kept, `policy` the tag of the policy in force, `group` the
    consumer group that the positions are shown for (None: nowhere). `say` hears why opening takes long.
    """

    def __init__(
        self,
        connection: Connection,
        application: str,
        partition: int,
        inputs: Sequence[str],
        outputs: Outputs | None = None,
        *,
        policy: str = "",
        group: str | None = None,
        transaction_timeout_ms: int = TRANSACTION_TIMEOUT_MS,
        say: Callable[[str], None] = log.warning,
    ) -> None:
        self.partition = partition
        self._connection = connection
        self._application = application
        self._name = f"{application}-{partition}"
        self._inputs = tuple(inputs)
        self._outputs = Outputs() if outputs is None else outputs
        self._policy = policy
        self._group = group
        self._timeout_ms = transaction_timeout_ms
        self._say = say
        self._producer: AIOKafkaProducer | None = None
        self._found: dict[str, Found] = {}
        self._largest: dict[str, int] = {}
        self._kept: dict[str, Kept] = {}
        self._meta: Meta | None = None
        self._in_transaction = False
        self._ending: asyncio.Task[None] | None = None
        self._rebuilding = False
        self._group_s = 0.0
        self._group_behind = False

    @property
    def outputs(self) -> Outputs:
        """Where the steps go."""
        return self._outputs

    def knows(self, topic: str, place: Kept) -> bool:
        """Whether a position counts in the topic that is there now."""
        found = self._found.get(topic)
        return found is not None and (found.id, found.partitions) == (place.id, place.partitions)

    # ---- open -------------------------------------------------------------------------------------------

    async def seize(self, *, some: bool = False) -> tuple[set[bytes], dict[str, int]]:
        """Take the partition over to make its rows anew: their keys, and their positions as far as they can be read.

        Nobody asks whether the rows fit, unless only `some` are made anew and the others stay. Raises `LedgerError`;
        `RefusedError` where a topic is missing, or another application may be at work here, which this does not fence.
        """
        await self._leave(CLOSE_S)
        try:
            async with self._reader() as reader:
                rows = await self._take_over(reader)
        except (KafkaError, OSError, TimeoutError) as error:
            await self._leave(CLOSE_S)
            raise self._failed("could not be opened", error) from error
        kept = rows.pop(POSITIONS, None)
        meta = rows.pop(META, None)
        self._kept, self._meta = {}, None
        with suppress(msgspec.MsgspecError):
            if meta is not None and some:
                self._known(meta)
            elif meta is not None:
                self._check_owner(decode_meta(meta))
        positions = {}
        with suppress(msgspec.MsgspecError):
            for topic, place in ({} if kept is None else decode_positions(kept)).items():
                if self.knows(topic, place):
                    positions[topic] = place.next
        return set(rows), positions

    async def replace(self, rows: Mapping[bytes, bytes | None], positions: Positions | None) -> None:
        """Write rows of a partition that was seized. Without `positions` they are marked as not whole, and nobody
        opens them; with them they are whole. Raises as `commit` does."""
        self._meta = None  # so that it is written each time
        self._rebuilding = positions is None
        try:
            await self.commit(Step(rows=dict(rows)), positions or {})
        finally:
            self._rebuilding = False

    async def open(self) -> tuple[dict[bytes, bytes], dict[str, int]]:
        """Take the partition over: fence its earlier owner, then read all rows, and the positions.

        Of an input that was never read it is where that begins, unless at 0: older records are gone by their age.
        Raises `RefusedError` where the rows do not fit the topics or this program, `LedgerError` for the rest.
        """
        await self._leave(CLOSE_S)
        try:
            rows, starts = await self._load()
        except (KafkaError, OSError, TimeoutError) as error:
            await self._leave(CLOSE_S)
            raise self._failed("could not be opened", error) from error
        except msgspec.MsgspecError as error:
            await self._leave(CLOSE_S)
            raise RefusedError(
                f"{self._place()}: what lies beside the rows is not csstream's ({error}); {self._anew()}"
            ) from error
        except BaseException:
            await self._leave(CLOSE_S)
            raise
        return rows, starts | {topic: kept.next for topic, kept in self._kept.items()}

    async def _take_over(self, reader: AIOKafkaConsumer) -> dict[bytes, bytes]:
        """Fence the earlier owner, and only then read what lies there. What can be done at once is: every wait here is
        silence of the partition."""
        async with asyncio.timeout(START_S):
            producer, _ = await _both(self._start(), reader.start())
        hand_on(reader, as_it_is)
        tables = TopicPartition(self._outputs.tables, self.partition)
        reader.assign([tables])
        for topic in self._inputs:  # their ends are asked for as soon as the rows are read
            reader._client.add_topic(topic)
        rows, _ = await _both(read_rows(reader, tables, self._say), self._identify(producer))
        return rows

    async def _start(self) -> AIOKafkaProducer:
        join_once()
        producer = self._producer = AIOKafkaProducer(
            **self._connection.settings(self._name),
            transactional_id=self._name,
            transaction_timeout_ms=self._timeout_ms,
            max_batch_size=BATCH_BYTES,
            linger_ms=0,
        )
        await producer.start()
        return producer

    async def _identify(self, producer: AIOKafkaProducer) -> None:
        """Which topics these are, and how large a record each takes."""
        client = producer.client
        names = self._outputs.names()
        self._found = await find_topics(client, {*names, *self._inputs})
        for name in [*self._inputs, *names]:
            found = self._found.get(name)
            if found is None or found.partitions <= self.partition:
                what = "is missing" if found is None else f"has {found.partitions} partitions"
                raise RefusedError(
                    f"{name} {what}, and partition {self.partition} is wanted; "
                    f"csstream topics --broker {self._connection.broker}"
                )
        self._largest = dict.fromkeys(names, LARGEST_BYTES)
        with suppress(KafkaError):  # without the right to read settings, Kafka's own default it is
            for name, settings in (await read_settings(client, names)).items():
                self._largest[name] = int(settings.get("max.message.bytes", LARGEST_BYTES))

    async def _load(self) -> tuple[dict[bytes, bytes], dict[str, int]]:
        async with self._reader() as reader:
            rows = await self._take_over(reader)
            kept = rows.pop(POSITIONS, None)
            meta = rows.pop(META, None)
            self._meta = None if meta is None else self._known(meta)
            self._kept = {} if kept is None else decode_positions(kept)
            if kept is None:
                await self._check_new(reader)
            await self._check_places(reader)
            return rows, await self._starts(reader)

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[AIOKafkaConsumer]:
        reader = AIOKafkaConsumer(
            **self._connection.settings(self._name),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=20,
            max_partition_fetch_bytes=8 << 20,
        )
        try:
            yield reader
        finally:
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await reader.stop()

    async def _check_new(self, reader: AIOKafkaConsumer) -> None:
        """A partition without rows has published nothing: to begin again would publish all of it twice."""
        if self._outputs.facts is None:
            return
        place = TopicPartition(self._outputs.facts, self.partition)
        reader.assign([place])
        await reader.seek_to_beginning(place)
        end = (await reader.end_offsets([place]))[place]
        while await reader.position(place) < end:
            # What lies there may be of aborted transactions, and is nothing then.
            if await reader.getmany(place, timeout_ms=50, max_records=1):
                raise RefusedError(
                    f"{self._place()} has no rows, and {place.topic} has facts: the rows are lost; {self._anew()}"
                )

    def _known(self, row: bytes) -> Meta:
        meta = decode_meta(row)
        for what, theirs, ours in (("codec", meta.codec, CODEC), ("rules", meta.rules, RULES)):
            if theirs != ours:
                raise RefusedError(
                    f"{self._place()}: the rows are of {what} {theirs}, and this csstream knows {what} {ours}; "
                    + ("run the newer csstream that wrote them" if theirs > ours else self._anew())
                )
        self._check_owner(meta)
        if meta.rebuilding:
            raise RefusedError(
                f"{self._place()}: rows were being made anew, and are not whole; {self._anew()}"
            )
        return meta

    def _check_owner(self, meta: Meta) -> None:
        if meta.application not in ("", self._application):
            raise RefusedError(
                f"{self._place()}: the rows are of the application {meta.application!r}, and this is "
                f"{self._application!r}; give it topics of its own (topics.prefix), or its old name (application)"
            )

    async def _check_places(self, reader: AIOKafkaConsumer) -> None:
        """Whether the positions count in the topics that there are, and lie inside of them."""
        places = {}
        for topic, kept in self._kept.items():
            found = self._found.get(topic)
            if found is None:
                continue  # an input that is not read any more
            if kept.partitions != found.partitions:
                raise RefusedError(
                    f"{topic} has {found.partitions} partitions, and the rows of {self._place()} are of a time "
                    f"when it had {kept.partitions}: shops lie elsewhere now; {self._anew()}"
                )
            if kept.id != found.id:
                raise RefusedError(
                    f"{topic} was deleted and made anew since the rows of {self._place()} were written; "
                    + self._anew()
                )
            places[TopicPartition(topic, self.partition)] = kept.next
        if not places:
            return
        starts, ends = await _both(reader.beginning_offsets([*places]), reader.end_offsets([*places]))
        for place, position in places.items():
            start, end = starts[place], ends[place]
            if start <= position <= end:
                continue
            why = "records are gone unread" if position < start else "records are gone that were read"
            raise RefusedError(
                f"{place.topic} partition {place.partition} holds records from {start} up to {end}, and the rows of "
                f"{self._place()} go on at {position}: {why}; {self._anew()}"
            )

    async def _starts(self, reader: AIOKafkaConsumer) -> dict[str, int]:
        """Where inputs begin of which nothing was read yet, as far as they have lost their beginning."""
        places = [TopicPartition(topic, self.partition) for topic in self._inputs if topic not in self._kept]
        starts = await reader.beginning_offsets(places) if places else {}
        return {place.topic: start for place, start in starts.items() if start}

    # ---- commit -----------------------------------------------------------------------------------------

    async def commit(self, step: Step, positions: Positions) -> None:
        """Keep a step, in one transaction. While the broker is away it waits.

        Raises `FencedError` when somebody else has opened the partition since, or the transaction took longer
        than its timeout; `LedgerError` for the rest. After either only `open` helps.
        """
        producer = self._producer
        if producer is None:
            raise LedgerError(f"{self._place()} is not open: open it again")
        kept = self._kept | {topic: self._position(topic, at) for topic, at in positions.items()}
        written = self._written(step, kept)
        try:
            await producer.begin_transaction()
            self._in_transaction = True
            await self._send(producer, written)
            if self._group is not None and time.monotonic() - self._group_s >= GROUP_S:
                await self._show(producer, kept)
            else:
                self._group_behind = True
            await self._end(producer.commit_transaction())
        except (ProducerFenced, InvalidProducerEpoch) as error:
            self._in_transaction = False  # the broker has ended it
            await self._leave(CLOSE_S)
            raise FencedError(
                f"{self._place()}: another owner has opened it since, or a step took longer than "
                f"{self._timeout_ms} ms; leave it, or open it again if it is still yours"
            ) from error
        except LedgerError:
            await self._leave(CLOSE_S)
            raise
        except (KafkaError, OSError, TimeoutError, AssertionError) as error:
            await self._leave(CLOSE_S)
            raise self._failed(
                "a step could not be committed, or it is not known whether it was", error
            ) from error
        self._kept = kept
        self._meta = self._meta_now()

    def _written(self, step: Step, kept: Mapping[str, Kept]) -> dict[str, Records]:
        """The step as records, by topic; `@positions` comes last."""
        to = self._outputs
        meta = self._meta_now()
        beside = {} if meta == self._meta else {META: encode(meta)}
        rows = step.rows | beside | {POSITIONS: encode(kept)}
        written: dict[str, Records] = {to.tables: plain(rows)}
        at = published_at(kept, step.clock_ms)
        if to.facts and step.facts:
            written[to.facts] = of_shops(step.facts, facts.encode, at)
        if to.alerts and step.alerts:
            written[to.alerts] = of_shops(step.alerts, encode_alert, at)
        if to.dead_letters and step.dead_letters:
            limit = self._largest[to.dead_letters] - BATCH_OVERHEAD
            written[to.dead_letters] = [dead_letter(letter, limit) for letter in step.dead_letters]
        if to.scoreboard and step.board:
            written[to.scoreboard] = plain(step.board)
        return written

    def _position(self, topic: str, position: int) -> Kept:
        found = self._found.get(topic)
        if found is None:
            raise LedgerError(f"{self._place()}: {topic} is none of the inputs {', '.join(self._inputs)}")
        return Kept(position, found.id, found.partitions)

    def _meta_now(self) -> Meta:
        return (self._meta or Meta()).under(self._application, self._policy, rebuilding=self._rebuilding)

    async def _send(self, producer: AIOKafkaProducer, written: Mapping[str, Records]) -> None:
        """Send all, to all topics at once, and wait for every answer."""
        answers = await asyncio.gather(
            *(self._send_to(producer, topic, records) for topic, records in written.items()),
            return_exceptions=True,
        )
        wrong = [answer for answer in answers if answer is not None]
        for error in wrong:
            if isinstance(error, ProducerFenced | InvalidProducerEpoch):
                raise error
        if wrong:
            raise wrong[0]

    async def _send_to(self, producer: AIOKafkaProducer, topic: str, records: Records) -> None:
        limit = self._largest[topic]
        sent: list[tuple[asyncio.Future[object], Batch]] = []
        try:
            for batch in batches(records, min(BATCH_BYTES, limit)):
                if batch.size() > limit:
                    raise self._too_large(topic, batch)
                answer = await producer.send_batch(batch, topic, partition=self.partition)
                answer.add_done_callback(_heard)
                sent.append((answer, batch))
        finally:
            task = asyncio.current_task()
            if sent and not (task and task.cancelling()):  # who leaves waits for no answer
                await asyncio.wait([answer for answer, _ in sent])
        for answer, batch in sent:
            error = answer.exception()
            if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
                raise self._too_large(topic, batch) from error
            if error is not None:
                raise error

    def _too_large(self, topic: str, batch: Batch) -> LedgerError:
        size = batch.size()
        return LedgerError(
            f"{topic} partition {self.partition} does not take a batch of {size} bytes "
            f"(its max.message.bytes is {self._largest[topic]}); kafka-configs.sh --bootstrap-server "
            f"{self._connection.broker} --entity-type topics --entity-name {topic} --alter "
            f"--add-config max.message.bytes={2 * size}"
        )

    async def _show(self, producer: AIOKafkaProducer, kept: Mapping[str, Kept]) -> None:
        """The positions as the group's offsets, inside the transaction."""
        offsets = {
            TopicPartition(topic, self.partition): position.next
            for topic, position in kept.items()
            if topic in self._inputs
        }
        if offsets:
            await producer.send_offsets_to_transaction(offsets, self._group)
        self._group_s = time.monotonic()
        self._group_behind = False

    async def _end(self, ending: Awaitable[None]) -> None:
        """Wait until the transaction has ended, in a task of its own: who is cancelled meanwhile ends it too."""
        self._ending = asyncio.ensure_future(ending)
        await asyncio.shield(self._ending)
        self._ending = None
        self._in_transaction = False

    @property
    def behind(self) -> bool:
        """Whether the group's offsets are older than the rows, and the next commit would show them."""
        return self._group is not None and self._group_behind and time.monotonic() - self._group_s >= GROUP_S

    # ---- leave ------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Leave the partition in order, within 3 s; no transaction is left open if the broker answers."""
        end = time.monotonic() + CLOSE_S
        producer = self._producer
        if (
            producer is not None
            and self._group is not None
            and self._group_behind
            and not self._in_transaction
        ):
            with suppress(KafkaError, OSError, TimeoutError, AssertionError):
                async with asyncio.timeout(CLOSE_S / 2):
                    await producer.begin_transaction()
                    self._in_transaction = True
                    await self._show(producer, self._kept)
                    await self._end(producer.commit_transaction())
        await self._leave(end - time.monotonic())

    async def _leave(self, seconds: float) -> None:
        """Give the producer up. A transaction that is ending may end; one that is open is aborted.

        While the broker is away `stop` waits for ever and leaves the sender at work, so each part is bounded.
        """
        producer, self._producer = self._producer, None
        if producer is None:
            return
        await self._within(seconds / 2, self._settle(producer))
        await self._within(seconds / 6, producer.stop())
        await self._within(seconds / 6, producer._sender.close())
        _give_up(producer)
        await self._within(seconds / 6, producer.client.close())
        self._in_transaction = False
        self._ending = None

    async def _within(self, seconds: float, doing: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(seconds):
                await doing
        except TimeoutError:
            log.info("%s: the broker does not answer; left without waiting for it", self._place())
        except Exception as error:  # noqa: BLE001 - it is given up in any case, and a fence is no news
            log.debug("%s: %s", self._place(), type(error).__name__)

    async def _settle(self, producer: AIOKafkaProducer) -> None:
        if self._ending is not None:
            await asyncio.shield(self._ending)
        elif self._in_transaction:
            await producer.abort_transaction()

    # ---- words ------------------------------------------------------------------------------------------

    def _place(self) -> str:
        return f"{self._outputs.tables} partition {self.partition}"

    def _anew(self) -> str:
        return (
            "stop all workers, then make the rows anew from the sources: csstream rebuild "
            f"--broker {self._connection.broker}"
        )

    def _failed(self, what: str, error: Exception) -> LedgerError:
        return LedgerError(
            f"{self._place()} at {self._connection.broker}: {what} ({str(error) or type(error).__name__}); open it again"
        )


async def _both(one: Awaitable[_One], other: Awaitable[_Other]) -> tuple[_One, _Other]:
    """Wait for two things at once; where one fails, the other is given up."""
    tasks = asyncio.ensure_future(one), asyncio.ensure_future(other)
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _heard(answer: asyncio.Future[object]) -> None:
    """Of a batch that fails when nobody waits for it any more asyncio would write a trace into the log."""
    if not answer.cancelled():
        answer.exception()


def _give_up(producer: AIOKafkaProducer) -> None:
    """What was not sent fails, and nobody is waiting for it to be sent; what is under way is not tried again."""
    accumulator = producer._message_accumulator
    accumulator.reenqueue = lambda batch: None  # noqa: ARG005 - it would fail, for the batch is not known there any more
    unsent = [batch for batches in accumulator._batches.values() for batch in batches]
    accumulator._pending_batches.update(unsent)  # out of which takes itself each that was under way before
    waiters = [batch._drain_waiter for batch in unsent]
    accumulator.fail_all(ProducerClosed())
    for waiter in waiters:
        if waiter.done():
            _heard(waiter)
