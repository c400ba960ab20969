"""The load that all contenders read: messages in time order, each customer's questions and answers by turns.

`shops` shops share the customers; a record's key is its shop, its partition what murmur2 makes of it.
"""

from collections.abc import Iterator

import orjson
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

CUSTOMERS = 5_000
TEXT = "亲,请问这款有货吗?什么时候能发货呢"


def messages(number: int, shops: int, start_ms: int) -> Iterator[tuple[bytes, bytes, int]]:
    """(shop, message, ms), two milliseconds apart."""
    for place in range(number):
        customer = place % CUSTOMERS
        shop = f"s{customer % shops}"
        at = start_ms + 2 * place
        asks = place // CUSTOMERS % 2 == 0
        message = {
            "id": f"m{place}",
            "type": "message",
            "ts": at,
            "shop": shop,
            "customer": f"c{customer}",
            "agent": f"a{customer % 40}",
            "sender": "customer" if asks else "human",
            "text": TEXT,
        }
        yield shop.encode(), orjson.dumps(message), at


def make(broker: str, topics: dict[str, int]) -> None:
    """Make topics with so many partitions each."""
    admin = AdminClient({"bootstrap.servers": broker})
    made = admin.create_topics([NewTopic(name, number, 1) for name, number in topics.items()])
    for answer in made.values():
        answer.result(30)


def fill(broker: str, topic: str, number: int, shops: int, start_ms: int) -> None:
    """Write the load, and wait until it is there."""
    producer = Producer(
        {
            "bootstrap.servers": broker,
            "linger.ms": 20,
            "partitioner": "murmur2",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    for place, (key, value, at) in enumerate(messages(number, shops, start_ms)):
        producer.produce(topic, value, key, timestamp=at)
        if place % 2_000 == 0:
            producer.poll(0)
    assert producer.flush(120) == 0, "the broker did not take the load"
