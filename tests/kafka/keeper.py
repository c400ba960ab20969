"""One partition on a real broker, its owners, and what a committed reader sees of it."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.structs import ConsumerRecord  # type: ignore[import-untyped]

from csstream.kafka.topics import INPUTS
from csstream.ledgers.kafka import Connection, KafkaLedger, Outputs

FILLED = 400
"""Records in each input, so that positions up to here are inside of it."""


async def read(
    connection: Connection, topic: str, partition: int, *, isolation: str = "read_committed"
) -> list[ConsumerRecord]:
    """Everything that a reader sees of a partition, once no transaction on it is open any more."""
    place = TopicPartition(topic, partition)
    reader = AIOKafkaConsumer(**connection.settings("tests"), isolation_level=isolation, fetch_max_wait_ms=20)
    await reader.start()
    try:
        reader.assign([place])
        await reader.seek_to_beginning(place)
        records: list[ConsumerRecord] = []
        async with asyncio.timeout(20):
            while (end := reader.highwater(place)) is None or await reader.position(place) < end:
                records += (await reader.getmany(place, timeout_ms=20)).get(place, [])
        return records
    finally:
        await reader.stop()


async def write(connection: Connection, topic: str, partition: int, values: list[bytes]) -> None:
    """Write plain records, as any producer of events does."""
    producer = AIOKafkaProducer(**connection.settings("tests"))
    await producer.start()
    try:
        for value in values:
            await producer.send(topic, value, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()


class KafkaKeeper:
    """A partition and all its owners."""

    def __init__(self, connection: Connection, partition: int, outputs: Outputs) -> None:
        self.connection = connection
        self.partition = partition
        self.outputs = outputs
        self.application = f"test-{outputs.tables}"
        self._owners: list[KafkaLedger] = []

    async def prepare(self) -> None:
        """Fill the inputs."""
        values = [b"%d" % n for n in range(FILLED)]
        await asyncio.gather(*(write(self.connection, topic, self.partition, values) for topic in INPUTS))

    def owner(
        self,
        kind: type[KafkaLedger] = KafkaLedger,
        *,
        inputs: tuple[str, ...] = INPUTS,
        outputs: Outputs | None = None,
        policy: str = "p@1",
        group: str | None = None,
        transaction_timeout_ms: int = 15_000,
    ) -> KafkaLedger:
        """A new owner, not open yet; closed by `finish`."""
        ledger = kind(
            self.connection, self.application, self.partition, inputs, outputs or self.outputs,
            policy=policy, group=group, transaction_timeout_ms=transaction_timeout_ms,
        )  # fmt: skip
        self._owners.append(ledger)
        return ledger

    async def finish(self) -> None:
        """Close all owners."""
        for owner in self._owners:
            await owner.close()

    async def read(self, topic: str | None, *, isolation: str = "read_committed") -> list[ConsumerRecord]:
        """Everything that a reader sees of the topic's partition."""
        assert topic is not None, "this keeper has no such topic"
        return await read(self.connection, topic, self.partition, isolation=isolation)

    async def fact_ids(self, *, isolation: str = "read_committed") -> list[str]:
        """The ids of the facts that a reader sees."""
        return [json.loads(r.value)["fact"] for r in await self.read(self.outputs.facts, isolation=isolation)]

    def published(self) -> tuple[list[str], list[str], int]:
        """Fact ids, alert ids and the number of dead letters; read in a thread, whose loop is its own."""

        async def look() -> tuple[list[str], list[str], int]:
            alerts = await self.read(self.outputs.alerts)
            letters = await self.read(self.outputs.dead_letters)
            return await self.fact_ids(), [json.loads(r.value)["alert"] for r in alerts], len(letters)

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, look()).result()
