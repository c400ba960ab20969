"""The alerts as they are published: a plain consumer over all partitions of `cs.alerts`, committed records only.

No consumer group: how far each partition is taken in lies beside the marks, and changes with them. One process reads
all partitions, for a sink has one pace, whichever shops it is told of. A second notifier takes the ledger over, and
the first one ends.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from csstream.core.alert import Alert
from csstream.ledgers.kafka import Connection, UnreachableError
from csstream.ledgers.kafka.requests import Found, find_topics
from csstream.notify.marks import Read
from csstream.notify.notifier import Notifier

LIST_RECORDS = 2_000
ASK_S, SILENT_S = 2.0, 6.0
STOP_S = 3.0

log = logging.getLogger(__name__)

_decode = msgspec.json.Decoder(Alert).decode


class FollowError(Exception):
    """The alerts cannot be followed as things are; the text names the way out."""


class Follower:
    """Feeds a notifier from a topic. `unready` is why it should not be counted on; None once all has been taken in
    that was there at the start, and while the broker answers."""

    def __init__(self, connection: Connection, notifier: Notifier, topic: str) -> None:
        self._caught_up = False
        self._answered_s = time.monotonic()
        self._connection = connection
        self._notifier = notifier
        self._topic = topic
        self._topic_id = ""

    @property
    def unready(self) -> str | None:
        """Why the notifier should not be counted on now; None if nothing is known against it."""
        silent_s = time.monotonic() - self._answered_s
        if silent_s > SILENT_S:
            return f"the broker has not answered for {silent_s:.0f} s"
        return None if self._caught_up else "reading what was published before"

    async def run(self, reads: Mapping[str, Read]) -> None:
        """Follow for ever from where the notifier is. Raises `FollowError`, `UnreachableError`."""
        found = await self._find()
        reader = AIOKafkaConsumer(
            **self._connection.settings("csstream-notify"),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
        )
        asking: asyncio.Task[None] | None = None
        try:
            await reader.start()
            places = [TopicPartition(self._topic, number) for number in range(found.partitions)]
            reader.assign(places)
            for place in places:
                await self._seek(reader, place, reads.get(self._source(place)))
            ends = await reader.end_offsets(places)
            asking = asyncio.create_task(self._ask(reader, places[0]))
            while True:
                lists = await reader.getmany(timeout_ms=200, max_records=LIST_RECORDS)
                for place, records in lists.items():
                    await self._take(place, records)
                if not self._caught_up:
                    at = [await reader.position(place) >= ends[place] for place in places]
                    self._caught_up = all(at)
        except (KafkaError, OSError) as error:
            raise UnreachableError(str(await self._connection.refusal(error))) from error
        finally:
            if asking is not None:
                asking.cancel()
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await reader.stop()

    async def _find(self) -> Found:
        """The topic. Raises `FollowError`, `UnreachableError`."""
        try:
            async with self._connection.client("csstream-notify") as client:
                found = (await find_topics(client, [self._topic])).get(self._topic)
        except KafkaError as error:
            raise await self._connection.refusal(error) from error
        if found is None:
            raise FollowError(
                f"{self._topic} is missing; make it with csstream topics --broker {self._connection.broker}"
            )
        self._topic_id = found.id
        return found

    async def _ask(self, reader: AIOKafkaConsumer, place: TopicPartition) -> None:
        """A consumer hears nothing where nothing is published, and nothing where no broker is; this tells which."""
        while True:
            with suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(SILENT_S):
                    await reader.end_offsets([place])
                self._answered_s = time.monotonic()
            await asyncio.sleep(ASK_S)

    @staticmethod
    def _source(place: TopicPartition) -> str:
        return f"{place.topic}/{place.partition}"

    async def _seek(self, reader: AIOKafkaConsumer, place: TopicPartition, read: Read | None) -> None:
        """Go on where the marks are; from the first record where there are none: what stands there is told."""
        start = (await reader.beginning_offsets([place]))[place]
        end = (await reader.end_offsets([place]))[place]
        at = start
        if read is not None and read.topic_id != self._topic_id:
            log.warning("%s was made anew since it was last read; reading it from its start", place.topic)
        elif read is not None and read.next < start:
            log.warning(
                "%s partition %s: records %s to %s are gone unread; an alert in them was not told",
                place.topic, place.partition, read.next, start - 1,
            )  # fmt: skip
        elif read is not None and read.next > end:
            raise FollowError(
                f"{place.topic} partition {place.partition} ends at {end}, and it was read up to {read.next}: "
                "records are gone that were read; is this the right broker?"
            )
        elif read is not None:
            at = read.next
        reader.seek(place, at)

    async def _take(self, place: TopicPartition, records: list[object]) -> None:
        alerts = []
        for record in records:
            try:
                alerts.append(_decode(record.value))  # type: ignore[attr-defined]
            except (msgspec.MsgspecError, TypeError):
                log.warning(
                    "%s partition %s offset %s holds no alert; it is passed over",
                    place.topic, place.partition, record.offset,  # type: ignore[attr-defined]
                )  # fmt: skip
        read = Read(records[-1].offset + 1, self._topic_id)  # type: ignore[attr-defined]
        await self._notifier.take(self._source(place), read, alerts)
