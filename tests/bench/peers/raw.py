"""aiokafka alone: nothing is kept, nothing is sent. The most that this client gives a Python program."""

import asyncio

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]

from tests.bench.peers.work import Timer, Waits, given, judge


async def main() -> None:
    """Read all partitions until the last record."""
    job = given()
    timer = Timer(job.records)
    waits: Waits = {}
    consumer = AIOKafkaConsumer(bootstrap_servers=job.broker, enable_auto_commit=False)
    await consumer.start()
    places = [TopicPartition(job.topic, number) for number in range(job.partitions)]
    consumer.assign(places)
    await consumer.seek_to_beginning(*places)
    while True:
        lists = await consumer.getmany(timeout_ms=500, max_records=5000)
        for records in lists.values():
            timer.begin()
            found = sum(judge(orjson.loads(record.value), waits) is not None for record in records)
            timer.done(len(records), found)


if __name__ == "__main__":
    asyncio.run(main())
