"""An intake that writes events to their topics and answers when all in-sync replicas have them.

The producer is idempotent, so its own repeats write nothing twice; a client's repeats do, and are told by the ids of
the events where they are counted. While the broker is away the producer keeps trying what it was given, and new
requests are sent away at once: a platform that pushes knows how to come again, and memory stays bounded.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError, MessageSizeTooLargeError  # type: ignore[import-untyped]

from csstream.events import MAX_BYTES, TOPICS
from csstream.ledgers.kafka.connection import Connection, UnreachableError
from csstream.ledgers.kafka.requests import find_topics
from csstream.web import ingest
from csstream.web.batch import Entry
from csstream.web.ingest import AwayError, BusyError, TooLargeError

ROOM = 20_000
"""Most events on their way to the broker; who brings more waits, and is then sent away."""

ROOM_BYTES = 64 << 20

RETRY_S = 1.0
STOP_S = 3.0
"""How long a producer may take to end: it waits for a broker that may never answer."""

_log = logging.getLogger(__name__)


class Producer:
    """The topics as an intake. `prefix` is how their names begin; `fault` says why nothing can be taken."""

    def __init__(self, connection: Connection, prefix: str = "cs.") -> None:
        self.fault: str | None = "connecting to the broker"
        self._connection = connection
        self._names = {topic: prefix + topic.removeprefix("cs.") for topic in TOPICS}
        self._producer: AIOKafkaProducer | None = None
        self._broken = asyncio.Event()
        self._sends: set[asyncio.Task[None]] = set()
        self._events = self._bytes = 0
        self._roomy = asyncio.Event()

    async def run(self) -> None:
        """Keep a producer going, until cancelled."""
        while True:
            try:
                await self._connect()
            except (UnreachableError, KafkaError) as error:
                self._tell(str(error) or type(error).__name__)
                await asyncio.sleep(RETRY_S)
            else:
                self._tell(None)
                await self._broken.wait()
            await self._disconnect()

    async def close(self) -> None:
        """Let what is on its way go out, as far as it can."""
        if self._sends:
            await asyncio.wait(self._sends, timeout=STOP_S)
        await self._disconnect()

    # ---- in ---------------------------------------------------------------------------------------------

    async def put(self, entries: Sequence[Entry]) -> None:
        """Write the events; returns when they are as safe as the topics are. Raises RefusedError."""
        self._at_hand()
        await self._wait_for_room()
        producer = self._at_hand()  # another one than before the wait, or none
        self._occupy(len(entries), sum(len(entry.value) for entry in entries))
        send = asyncio.create_task(self._send(producer, entries))
        self._sends.add(send)
        send.add_done_callback(self._forget)
        done, _ = await asyncio.wait([send], timeout=ingest.PATIENCE_S)
        if not done:
            self._tell(f"the broker at {self._connection.broker} does not answer")
            raise AwayError(
                f"{self.fault}; whether the events were written is not known: send the same again"
            )
        if send.cancelled():  # with its producer, which another request has broken
            raise AwayError("the connection to the broker was begun anew; send the same again")
        await send

    def _at_hand(self) -> AIOKafkaProducer:
        if self.fault is not None or self._producer is None:
            raise AwayError(self.fault or "connecting to the broker")
        return self._producer

    async def _wait_for_room(self) -> None:
        try:
            async with asyncio.timeout(ingest.PATIENCE_S):
                while not self._has_room():
                    self._roomy.clear()
                    await self._roomy.wait()
        except TimeoutError:
            raise BusyError(
                f"{self._events} events are on their way to the broker; send the same again later"
            ) from None

    def _has_room(self) -> bool:
        return self._events < ROOM and self._bytes < ROOM_BYTES

    def _occupy(self, events: int, size: int) -> None:
        """Count events in, or out (negative numbers)."""
        self._events += events
        self._bytes += size
        if self._has_room():
            self._roomy.set()

    async def _send(self, producer: AIOKafkaProducer, entries: Sequence[Entry]) -> None:
        try:
            answers = []
            for topic, shop, value in entries:
                answers.append(await producer.send(self._names[topic], value, key=shop.encode()))
            failed = [
                error
                for error in await asyncio.gather(*answers, return_exceptions=True)
                if isinstance(error, BaseException)
            ]
            if failed:
                raise failed[0]
            if not self._broken.is_set():
                self._tell(None)
        except MessageSizeTooLargeError:
            raise TooLargeError(
                "Kafka refuses an event of this size, and others of this request may have been written: "
                "leave the large one out, or raise max.message.bytes of the topic"
            ) from None
        except KafkaError as error:
            # An idempotent producer that lost its place cannot go on; a new one begins anew.
            self._tell(f"the broker refused events: {error}")
            self._broken.set()
            raise AwayError(f"{self.fault}; send the same again") from None
        finally:
            self._occupy(-len(entries), -sum(len(entry.value) for entry in entries))

    def _forget(self, send: asyncio.Task[None]) -> None:
        self._sends.discard(send)
        if not send.cancelled():
            send.exception()  # looked at: whoever waited may have gone

    # ---- the broker -------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        """Start a producer, once the input topics are as they must be. Raises UnreachableError, KafkaError."""
        names = tuple(self._names.values())
        async with self._connection.client("csstream-gateway") as client:
            found = await find_topics(client, names)
        counts = {name: found[name].partitions for name in names if name in found}
        if len(counts) < len(names) or len(set(counts.values())) > 1:
            raise UnreachableError(
                f"the topics {', '.join(names)} must be there and have equally many partitions; "
                f"run csstream topics --broker {self._connection.broker}"
            )
        self._producer = AIOKafkaProducer(
            **self._connection.settings("csstream-gateway"),
            acks="all",
            enable_idempotence=True,
            linger_ms=5,
            max_batch_size=256 << 10,
            max_request_size=MAX_BYTES + (64 << 10),
            compression_type="lz4",
        )
        try:
            async with asyncio.timeout(ingest.PATIENCE_S):
                await self._producer.start()
        except (KafkaError, OSError) as error:
            raise await self._connection.refusal(error) from error
        self._broken.clear()

    async def _disconnect(self) -> None:
        for send in self._sends:
            send.cancel()
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError, OSError):  # TimeoutError is one: the broker is away
                await asyncio.wait_for(producer.stop(), STOP_S)

    def _tell(self, fault: str | None) -> None:
        if fault != self.fault:
            _log.warning("%s", fault) if fault else _log.info("events go to the topics")
        self.fault = fault
