"""What the notifier and the wall say of a broker that lets them in and then refuses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka.errors import TopicAuthorizationFailedError  # type: ignore[import-untyped]

from csstream.ledgers.kafka import Connection, UnreachableError
from csstream.ledgers.memory import MemoryLedger, Store
from csstream.notify import follow
from csstream.notify.config import Config
from csstream.notify.notifier import Notifier
from csstream.policy import load
from csstream.wall import Moment, Picture, follower


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Connection:
    """To a broker on which nobody may see a topic."""

    @asynccontextmanager
    async def client(*_: object) -> AsyncIterator[None]:
        yield None

    async def refuse(*_: object) -> None:
        raise TopicAuthorizationFailedError("topic cs.alerts")

    monkeypatch.setattr(Connection, "client", client)
    monkeypatch.setattr(follow, "find_topics", refuse)
    monkeypatch.setattr(follower, "find_topics", refuse)
    return Connection("127.0.0.1:1")


async def test_a_topic_that_may_not_be_seen_is_a_line_that_names_it_and_no_trace(
    connection: Connection,
) -> None:
    notifier = Notifier(Config({}), MemoryLedger(Store()), load("handbook"))
    with pytest.raises(UnreachableError, match=r"topic cs\.alerts"):
        await follow.Follower(connection, notifier, "cs.alerts").run({})
    wall = follower.Follower(connection, Picture(lambda: Moment(0)), "cs.scoreboard", "cs.alerts")
    with pytest.raises(UnreachableError, match=r"topic cs\.alerts"):
        await wall.run()
