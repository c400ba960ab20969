"""Events to their topics, as any producer of events has to: keyed by shop, murmur2, one topic a kind (SPEC 1)."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable

from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from csstream.events import TOPIC_OF, Reject, decode
from csstream.ledgers.kafka import Connection

_AWAITED = 10_000


class DeliveryError(Exception):
    """Events could not be written; the text says what to do."""


async def deliver(
    connection: Connection, lines: Iterable[bytes], prefix: str = "cs.", *, live: bool = False
) -> int:
    """Write events to their topics, in order; returns how many. Raises `DeliveryError`, `UnreachableError`.

    `live`: each when its time has come, as a platform would. What is no event goes to `cs.chat` without a key: to
    find it there is a reader's business.
    """
    producer = AIOKafkaProducer(
        **connection.settings("csstream-simulate"),
        linger_ms=20,
        max_batch_size=256 << 10,
        enable_idempotence=True,
    )
    try:
        await producer.start()
    except (KafkaError, OSError) as error:
        await producer.stop()
        raise await connection.refusal(error) from error
    number = 0
    try:
        sent: deque[asyncio.Future[object]] = deque()
        for line in lines:
            event = decode(line)
            topic, key = "cs.chat", None
            if not isinstance(event, Reject):
                topic, key = TOPIC_OF[type(event)], event.shop.encode()
                if live:
                    await asyncio.sleep(event.ts_ms / 1000 - time.time())
            sent.append(await producer.send(prefix + topic.removeprefix("cs."), line, key=key))
            number += 1
            while sent and (sent[0].done() or len(sent) >= _AWAITED):
                await sent.popleft()  # a refusal is heard at once, not at the end of a day of live traffic
        for answer in sent:
            await answer
    except KafkaError as error:
        raise DeliveryError(
            f"after {number} events the broker at {connection.broker} refused one: {error}; "
            f"are the topics there? csstream topics --broker {connection.broker} --check"
        ) from error
    finally:
        await producer.stop()
    return number
