"""A wall of Kafka: follows `cs.scoreboard` and `cs.alerts`, and keeps nothing.

It is a plain consumer without a group: any number of walls read the same, each from the beginning of the compacted
board and from two days back of the alerts (as long as a wait may stand). What it reads is read committed, so a step
that a worker could not finish is never seen. While the broker is away the wall shows what it has, and its age.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from csstream.ledgers.kafka import Connection
from csstream.ledgers.kafka.requests import find_topics
from csstream.wall.picture import Picture

BACK_MS = 48 * 3_600_000
"""How far back alerts are read: `wait_ttl` of the handbook, beyond which no wait is open."""

POLL_MS = 200
AGAIN_S = 2.0

log = logging.getLogger(__name__)


class WallError(Exception):
    """The wall cannot be shown as asked; the text says what to do."""


class Follower:
    """Reads two topics into a picture, until cancelled."""

    def __init__(self, connection: Connection, picture: Picture, scoreboard: str, alerts: str) -> None:
        self.unready: str | None = "reading the board"
        """Why the wall does not show all there is yet; None once it does."""
        self._connection = connection
        self._picture = picture
        self._scoreboard = scoreboard
        self._alerts = alerts

    async def run(self) -> None:
        """Follow. Raises UnreachableError or WallError where it cannot begin; later it begins anew by itself."""
        consumer = await self._start()
        while True:
            try:
                await self._follow(consumer)
            except (KafkaError, OSError) as error:
                log.warning("the board cannot be read: %s; trying again", str(error) or type(error).__name__)
            finally:
                await _stop(consumer)
            await asyncio.sleep(AGAIN_S)
            self.unready = "the broker does not answer"
            consumer = await self._start_again()

    async def _start_again(self) -> AIOKafkaConsumer:
        while True:
            try:
                return await self._start()
            except Exception as error:  # noqa: BLE001 - it has begun once, so time may mend it
                log.info("the board cannot be read yet: %s", error)
            await asyncio.sleep(AGAIN_S)

    async def _start(self) -> AIOKafkaConsumer:
        boards, alerts = await self._places()
        consumer = AIOKafkaConsumer(
            **self._connection.settings("csstream-wall"),
            group_id=None,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=POLL_MS,
        )
        try:
            await consumer.start()
            consumer.assign([*boards, *alerts])
            await consumer.seek_to_beginning(*boards)
            since_ms = time.time_ns() // 1_000_000 - BACK_MS
            for place, found in (await consumer.offsets_for_times(dict.fromkeys(alerts, since_ms))).items():
                if found is None:
                    await consumer.seek_to_end(place)
                else:
                    consumer.seek(place, found.offset)
        except BaseException as error:
            await _stop(consumer)
            if isinstance(error, KafkaError | OSError):
                raise await self._connection.refusal(error) from error
            raise
        return consumer

    async def _places(self) -> tuple[list[TopicPartition], list[TopicPartition]]:
        """All partitions of both topics."""
        names = self._scoreboard, self._alerts
        try:
            async with self._connection.client("csstream-wall") as client:
                found = await find_topics(client, set(names))
        except KafkaError as error:
            raise await self._connection.refusal(error) from error
        places: list[list[TopicPartition]] = []
        for name in names:
            if name not in found:
                raise WallError(f"{name} is missing at {self._connection.broker}; csstream topics makes it")
            places.append([TopicPartition(name, number) for number in range(found[name].partitions)])
        return places[0], places[1]

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        places = consumer.assignment()
        ends = await consumer.end_offsets(list(places))
        while True:
            fetched = await consumer.getmany(timeout_ms=POLL_MS)
            for place, records in fetched.items():
                if place.topic == self._scoreboard:
                    pairs = [(record.key, record.value) for record in records if record.key is not None]
                    self._picture.show(pairs, place.partition)
                else:
                    self._hear([record.value for record in records])
            if self.unready is not None:
                behind = [place for place in places if await consumer.position(place) < ends[place]]
                self.unready = "reading the board" if behind else None

    def _hear(self, values: Sequence[bytes | None]) -> None:
        for value in values:
            try:
                alert = orjson.loads(value or b"null")
                self._picture.hear_record(alert["alert"], alert["state"], value or b"")
            except (orjson.JSONDecodeError, KeyError, TypeError):
                log.warning("a record of %s is no alert; it is passed over", self._alerts)


async def _stop(consumer: AIOKafkaConsumer) -> None:
    """Over in any case; what goes wrong on the way out, a task that was cancelled too early too, is no news."""
    with suppress(TimeoutError):
        async with asyncio.timeout(AGAIN_S):
            await asyncio.gather(consumer.stop(), return_exceptions=True)
