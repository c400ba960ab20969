"""Faust's consumer with our settings: a fetched record list is one message, and positions are ours.

Faust hands on one record at a time, commits offsets by itself and resumes from them. Here the state of a partition
says up to where it was read (`@positions`), so three things are different. What a fetch brought of a partition goes
through Faust as one message, with the positions before and after it. Nothing is fetched from a partition until
its state is loaded and the consumer stands where that state goes on. And Faust commits nothing: its own commits stall
at a gap and run backwards at the end; what lag tools see is committed in our transactions.

Faust's consumer runs in a thread of its own; what the event loop may know of it are the `Look`s that the thread
leaves after every fetch: one immutable value a partition, so never half of one fetch and half of the next.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from operator import attrgetter
from typing import Any, ClassVar, cast

import faust
from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]
from aiokafka.errors import IllegalStateError  # type: ignore[import-untyped]
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from csstream.core.engine import Record
from csstream.ledgers.kafka import Connection
from csstream.ledgers.kafka.fetched import hand_on

FETCH_WAIT_MS = 100
"""How long a broker may hold a fetch back for want of records: the age of what is known of an idle topic."""

POLL_S = 0.1
"""How long the loop waits for the thread: looks are so old at most."""

FETCH_BYTES = 4 << 20
"""Most bytes fetched at once of one partition of a topic.

While a step is under way nothing is taken out of the client, and a partition of which it holds something is not asked for.
After 0.1 s it asks for all the others by themselves: where these are idle, the broker holds that back for `FETCH_WAIT_MS`,
and the busy one waits. So what is fetched at once is to last for much of a step.
"""

LIST_RECORDS = 20_000
"""Most records that one fetch hands on: about all that it brought, for of a partition with a rest no more is fetched."""

BEATS = 5
"""Heartbeats in a session, at least."""

BEAT_S = 0.25
"""Most time between two heartbeats: a member hears of a rebalance with the next one, and all others wait for it."""

REBALANCE_S = 20.0
REQUEST_S = 30.0


logging.getLogger(__name__).setLevel(
    logging.WARNING
)  # Faust's services tell their life under our module's name


@dataclass(frozen=True, slots=True)
class Look:
    """What the last fetch told of a topic's partition."""

    position: int
    """The next record to be handed on; beyond markers."""
    handed: int
    """The position after the last list that was handed on; -1 before the first since assignment."""
    stable_end: int
    """Up to here the log can be read (`read_committed`)."""
    answered_ms: int
    """When the broker answered (wall clock)."""

    @property
    def lag(self) -> int:
        """Records (and markers) that have not been handed on."""
        return max(0, self.stable_end - self.position)


class RecordList:
    """What Faust takes for one message: the last record's place, and all of them as its value."""

    __slots__ = (
        "begin", "checksum", "end", "headers", "key", "offset", "partition", "records", "round",
        "serialized_key_size", "serialized_value_size", "timestamp", "timestamp_type", "topic",
    )  # fmt: skip

    def __init__(self, records: Sequence[Record], begin: int, end: int, round_: int) -> None:
        last = records[-1]
        self.records = records
        self.begin, self.end, self.round = begin, end, round_
        self.topic, self.partition, self.offset = last.topic, last.partition, last.offset
        self.timestamp, self.timestamp_type = last.time_ms, 0
        self.headers: tuple[()] = ()
        self.key = self.checksum = None
        self.serialized_key_size = self.serialized_value_size = 0

    @property
    def value(self) -> "RecordList":
        """Itself: nothing is decoded on the way."""
        return self


class Whole(faust.Schema[Any, Any]):
    """Hands a message on as it is."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Awaitable[Any]]:
        """A decoder that decodes nothing."""

        async def decode(message: Any, **_: Any) -> Any:
            return app.create_event(message.key, message.value, message.headers, message)

        return decode


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread in which records are fetched."""

    consumer: "Consumer"

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:  # noqa: ARG002
        conf = self.app.conf
        self._assignor = self.app.assignor  # keeps equal partitions of all topics together
        return AIOKafkaConsumer(
            **self.consumer.connection.settings(conf.id),
            group_id=conf.id,
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_records=LIST_RECORDS,
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            rebalance_timeout_ms=int(REBALANCE_S * 1000),
        )

    async def on_start(self) -> None:
        """Start, and from then on remember when the group last knew us."""
        await super().on_start()
        assert self._consumer is not None
        hand_on(self._consumer, records)
        coordinator = self._consumer._coordinator
        self.consumer.coordinator = coordinator
        beat = coordinator._do_heartbeat

        async def remembered() -> bool:
            asked_s = time.monotonic()
            known: bool = await beat()
            if known:
                self.consumer.known_s = asked_s
            return known

        coordinator._do_heartbeat = remembered

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: Any = None,  # noqa: ASYNC109 - Faust's signature
        max_records: Any = None,
    ) -> Mapping[TP, list[RecordList]]:
        round_ = self.consumer.round
        before = {place: state.position for place, state in _states(consumer) if state.has_valid_position}
        found = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        # From here on nothing is waited for, so that lists and looks are of one instant.
        self.consumer.looks = looks = self._looks(consumer, found)
        return {
            place: [RecordList(records, before.get(place, records[0].offset), looks[place].position, round_)]
            for place, records in found.items()
            if place in looks
        }

    def _looks(self, consumer: AIOKafkaConsumer, found: Mapping[TP, Any]) -> dict[TP, Look]:
        last = self.consumer.looks
        looks = {}
        for place, state in _states(consumer):
            if not state.has_valid_position or state.lso is None or state.timestamp is None:
                continue
            known = last.get(place)
            handed = state.position if place in found else -1 if known is None else known.handed
            looks[place] = Look(state.position, handed, state.lso, state.timestamp)
        return looks


_MADE = partial(tuple.__new__, Record)
_OFFSET, _TIME, _KEY, _HEADERS = map(attrgetter, ("offset", "timestamp", "key", "headers"))


def records(place: Any, fetched: list[Any]) -> list[Record]:
    """What the core takes for records, made by the interpreter's own loops, without a call of `Record` for each."""
    fields = zip(
        repeat(place.topic),
        repeat(place.partition),
        map(_OFFSET, fetched),
        [record.value or b"" for record in fetched],
        map(_TIME, fetched),
        map(_KEY, fetched),
        map(tuple, map(_HEADERS, fetched)),
    )
    return list(map(_MADE, fields))


def _states(consumer: AIOKafkaConsumer) -> Iterator[tuple[TP, Any]]:
    """What the consumer knows of each of its partitions; call it in its thread."""
    subscription = consumer._subscription.subscription
    assignment = None if subscription is None else subscription.assignment
    if assignment is not None and assignment.active:
        for place in assignment.tps:
            yield TP(*place), assignment.state_value(place)


class _Forgetful(dict[TP, int | None]):
    """Remembers nothing: Faust drops what lies before the newest that it handed on, and we read again on purpose."""

    def __getitem__(self, place: TP) -> None:
        return None

    def __setitem__(self, place: TP, offset: int | None) -> None:
        return None


class Consumer(driver.Consumer):
    """Faust's consumer of one process."""

    connection: Connection
    round: int
    """Counts rebalances; lists of an earlier one are dropped."""
    looks: dict[TP, Look]
    known_s: float
    """When the group last answered that we are a member (`time.monotonic`)."""
    coordinator: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.round = 0
        self.looks = {}
        self.known_s = float("-inf")
        self._open: set[TP] = set()
        super().__init__(*args, **kwargs)
        self.connection = cast("Any", self.app).connection
        self._read_offset = _Forgetful()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def member(self) -> str:
        """Our name in the group, which the broker has given us; empty where we are no member."""
        return "" if self.coordinator is None else self.coordinator.member_id

    def begin_round(self) -> int:
        """A new assignment: every partition is closed until `read_from` opens it. Returns its number."""
        self.round += 1
        self._open.clear()
        self._buffered_partitions.clear()
        self.looks = {}
        self.known_s = time.monotonic()
        return self.round

    async def read_from(self, positions: Mapping[TP, int]) -> None:
        """Read on from these positions. Partitions that are not ours any more are left alone."""
        round_ = self.round
        try:
            await self.seek_wait(positions)
        except (IllegalStateError, TimeoutError):
            return  # a rebalance is under way, and its assignment opens what is ours then
        if self.round != round_:
            return  # so it was, and it is over
        self._open.update(positions)
        super().resume_partitions(positions)

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Faust resumes all at once when a rebalance is over; here only what is open."""
        super().resume_partitions(self._open.intersection(tps))

    async def perform_seek(self) -> None:
        """Nothing: positions are those of the rows, never those of the group."""

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:  # noqa: ARG002
        return True

    async def _wait_next_records(self, timeout: float) -> tuple[Any, Any]:  # noqa: ARG002, ASYNC109
        # Faust sleeps a second where no partition is active, which is what back-pressure looks like.
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # any event will do
        active = self._get_active_partitions()
        if not active:
            await self.sleep(POLL_S / 4)
            return {}, active
        return await self._getmany(active_partitions=set(active), timeout=POLL_S), active


class Transport(driver.Transport):
    """Makes our consumer."""

    Consumer: ClassVar[type] = Consumer
