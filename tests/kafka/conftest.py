"""One node for all tests of a run, its topics made by csstream itself, and a partition of their own for each test.

With CSSTREAM_TEST_KAFKA the broker outlives the run: what a run writes goes to topics of its own, deleted at the
end. Only the inputs are shared, and only filled.
"""

import asyncio
import itertools
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]

from csstream.kafka.topics import INPUTS, TOPICS, ensure
from csstream.ledgers.kafka import Connection, Outputs
from tests.kafka.certificates import openssl
from tests.kafka.keeper import KafkaKeeper
from tests.kafka.node import Node, NoKafkaError

PARTITIONS = 32
"""Of the topics of the keepers: no fewer than tests that ask for one."""

_numbers = itertools.count()


@pytest.fixture(scope="session")
def node() -> Iterator[Node | None]:
    """A node of this run; None where CSSTREAM_TEST_KAFKA names a broker."""
    if os.environ.get("CSSTREAM_TEST_KAFKA"):
        yield None
        return
    try:
        node = Node(tls=openssl() is not None)
    except NoKafkaError as error:
        pytest.skip(str(error))
    with node:
        yield node


@pytest.fixture
def mortal(node: Node | None) -> Iterator[Node]:
    """The node of this run, to be killed; it is there again afterwards."""
    if node is None:
        pytest.skip("the broker of CSSTREAM_TEST_KAFKA is not ours to kill")
    yield node
    node.go_on()


@pytest.fixture(scope="session")
def broker(node: Node | None) -> str:
    """The address of a broker."""
    return os.environ["CSSTREAM_TEST_KAFKA"] if node is None else node.address


@pytest.fixture(scope="session")
def connection(broker: str) -> Connection:
    """How to reach it."""
    return Connection(broker)


async def delete(connection: Connection, *topics: str) -> None:
    """Delete topics."""
    admin = AIOKafkaAdminClient(**connection.settings("tests"))
    await admin.start()
    try:
        await admin.delete_topics(list(topics))
    finally:
        await admin.close()


@pytest.fixture(scope="session")
def outputs(connection: Connection) -> Iterator[Outputs]:
    """Output topics of this run."""
    own = f"cs-test-{secrets.token_hex(4)}"
    names = Outputs(f"{own}.tables", f"{own}.facts", f"{own}.alerts", f"{own}.dead-letters")
    renamed = [
        topic if topic.name in INPUTS else replace(topic, name=topic.name.replace("cs.", f"{own}."))
        for topic in TOPICS
        if topic.name != "cs.scoreboard"
    ]
    asyncio.run(ensure(connection, renamed, asked=PARTITIONS))
    yield names
    asyncio.run(delete(connection, *names.names()))


@pytest.fixture
async def keeper(connection: Connection, outputs: Outputs) -> AsyncIterator[KafkaKeeper]:
    """A partition that no other test uses, and its owners, all closed at the end."""
    keeper = KafkaKeeper(connection, next(_numbers), outputs)
    await keeper.prepare()
    yield keeper
    await keeper.finish()
