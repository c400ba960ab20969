"""The inputs as one stream of lines, so that an audit can read the topics themselves (SPEC 10, `replay kafka://`).

An audit reads blocking, whenever it has time for more; a consumer is a coroutine. So the consumer runs in a thread of
its own and is a few megabytes ahead at most. It reads what was committed, up to where the logs ended when it began,
one topic after the other: an audit sorts, the order does not matter.
"""

import asyncio
import io
import queue
import threading
import time
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from csstream.ledgers.kafka import Connection
from csstream.ledgers.kafka.requests import find_topics

AHEAD = 16
"""Lists of records that are read ahead."""

AHEAD_OF_CLOCK_MS = 300_000
"""An event may be so far ahead of its record (SPEC 1, `future`), so reading from a time begins earlier by this."""


SILENT_S = 60.0
"""A broker that has given nothing for so long, where it has more, is away."""


class LogStream(io.RawIOBase):
    """Values of all records of some topics as lines, from `from_ms` on (time of the records; None: all).

    Raises OSError where the broker cannot be read.
    """

    def __init__(self, connection: Connection, topics: Sequence[str], from_ms: int | None = None) -> None:
        self._connection = connection
        self._topics = tuple(topics)
        self._from_ms = None if from_ms is None else max(0, from_ms - AHEAD_OF_CLOCK_MS)
        self._queue: queue.Queue[bytes | Exception | None] = queue.Queue(AHEAD)
        self._held = memoryview(b"")
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name="topics", daemon=True)
        self._thread.start()

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Some bytes; 0 at the end."""
        while not self._held:
            piece = self._queue.get()
            if piece is None:
                self._queue.put(None)
                return 0
            if isinstance(piece, Exception):
                text = str(piece) or type(piece).__name__
                raise OSError(f"the topics at {self._connection.broker} cannot be read: {text}") from piece
            self._held = memoryview(piece)
        number = min(len(buffer), len(self._held))
        buffer[:number] = self._held[:number]
        self._held = self._held[number:]
        return number

    def close(self) -> None:
        """Read no more."""
        self._left.set()
        super().close()

    def _run(self) -> None:
        try:
            asyncio.run(self._read())
        except Exception as error:  # noqa: BLE001 - raised where it is read
            self._tell(error)
        self._tell(None)

    def _tell(self, piece: bytes | Exception | None) -> bool:
        """Hand a piece over; False where nobody reads any more."""
        while not self._left.is_set():
            try:
                self._queue.put(piece, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    async def _read(self) -> None:
        partitions = await self._partitions()
        consumer = AIOKafkaConsumer(
            **self._connection.settings("csstream-replay"),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
            max_partition_fetch_bytes=4 << 20,
        )
        try:
            try:
                await consumer.start()
            except (KafkaError, OSError) as error:
                raise await self._connection.refusal(error) from error
            for topic, number in partitions.items():
                for place in range(number):
                    await self._partition(consumer, TopicPartition(topic, place))
        finally:
            await consumer.stop()

    async def _partitions(self) -> dict[str, int]:
        """How many each topic has. A consumer would make a topic that is missing, where the broker lets it."""
        async with self._connection.client("csstream-replay") as client:
            found = await find_topics(client, self._topics)
        for topic in self._topics:
            if topic not in found:
                raise OSError(
                    f"there is no topic {topic}; name its prefix after the broker, like kafka://HOST:PORT/cs."
                )
        return {topic: found[topic].partitions for topic in self._topics}

    async def _partition(self, consumer: AIOKafkaConsumer, place: TopicPartition) -> None:
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        begin = None
        if self._from_ms is not None:
            begin = (await consumer.offsets_for_times({place: self._from_ms}))[place]
            if begin is None:
                return  # all is older
        if begin is None:
            await consumer.seek_to_beginning(place)
        else:
            consumer.seek(place, begin.offset)
        since_s = time.monotonic()
        while (at := await consumer.position(place)) < end:
            if time.monotonic() - since_s > SILENT_S:
                raise OSError(
                    f"{place.topic} partition {place.partition} gives nothing from {at} on, and goes on to {end}; "
                    "the broker is away, or a producer has left a transaction open"
                )
            records = (await consumer.getmany(place, timeout_ms=1_000)).get(place, ())
            # A line ends at a newline. In JSON a carriage return is as good: white space, and wrong inside of a text.
            lines = b"".join(
                (r.value or b"").replace(b"\n", b"\r") + b"\n" for r in records if r.offset < end
            )
            if lines and not await asyncio.to_thread(self._tell, lines):
                return
            if records:
                since_s = time.monotonic()  # now, for whoever audits may take long
