"""Topics: what must be true of them is planned without a broker, and done on a real one."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from csstream.events import TOPICS as EVENT_TOPICS
from csstream.kafka.topics import (
    HEADERS_BYTES,
    INPUTS,
    NOTIFIED,
    PARTITIONS,
    TOPICS,
    Change,
    Existing,
    Kind,
    Topic,
    TopicsError,
    check,
    ensure,
    look,
    plan,
    refuse,
)
from csstream.ledgers.kafka.connection import Connection, UnreachableError
from csstream.ledgers.kafka.requests import alter_settings
from tests.canary import SECRET
from tests.kafka.conftest import delete


def made(brokers: int = 1, **instead: Existing) -> dict[str, Existing]:
    """All topics as `plan` has them made; `instead` by name, with `_` for `.` and `-`."""
    topics = {
        change.topic: Existing(change.partitions, dict(change.settings), change.replicas)
        for change in plan({}, brokers=brokers)
    }
    return {
        name: instead.get(name.replace(".", "_").replace("-", "_"), topic) for name, topic in topics.items()
    }


def lines(changes: list[Change]) -> list[str]:
    return [f"{change.kind.value} {change.line('b:9092')}" for change in changes]


# ---- plans ----------------------------------------------------------------------------------------------------------


def test_the_inputs_are_the_topics_of_the_events() -> None:
    assert set(INPUTS) == set(EVENT_TOPICS)


def test_without_topics_all_are_made_with_equal_partitions() -> None:
    changes = plan({})
    assert [change.topic for change in changes] == [topic.name for topic in TOPICS]
    assert {(change.kind, change.partitions, change.replicas) for change in changes} == {
        (Kind.CREATE, PARTITIONS, 1)
    }
    assert (
        "kafka-topics.sh --bootstrap-server b:9092 --create --topic cs.tables --partitions 12"
        in lines(changes)[3]
    )
    assert "--config cleanup.policy=compact" in lines(changes)[3]


@pytest.mark.parametrize("brokers", [1, 2, 3, 9])
def test_topics_as_they_are_made_need_no_change(brokers: int) -> None:
    assert plan(made(brokers), brokers=brokers) == []


def test_with_three_brokers_a_step_is_on_two_of_them_before_it_counts() -> None:
    tables = next(change for change in plan({}, brokers=5) if change.topic == "cs.tables")
    assert tables.replicas == 3
    assert dict(tables.settings)["min.insync.replicas"] == "2"


def test_new_topics_follow_the_inputs_that_there_are() -> None:
    changes = plan({"cs.chat": made()["cs.chat"]} | {"cs.chat": Existing(7, made()["cs.chat"].settings)})
    assert {change.partitions for change in changes} == {7}
    assert all(change.kind is Kind.CREATE for change in changes)


def test_another_number_than_the_inputs_have_is_refused() -> None:
    [change] = plan(made(), asked=24)
    assert change.kind is Kind.BY_HAND
    assert "has 12 partitions, and 24 were asked for" in change.text


def test_unequal_inputs_are_told_and_never_changed() -> None:
    chat = made()["cs.chat"]
    changes = plan(made(cs_chat=Existing(24, chat.settings)))
    by_topic = {change.topic: change for change in changes}
    assert "cs.chat" not in by_topic
    assert by_topic["cs.orders"].kind is Kind.BY_HAND
    assert (
        by_topic["cs.orders"]
        .line("b:9092")
        .endswith("kafka-topics.sh --bootstrap-server b:9092 --alter --topic cs.orders --partitions 24")
    )
    assert by_topic["cs.tables"].kind is Kind.GROW


def test_an_output_with_more_partitions_than_the_inputs_must_be_made_anew() -> None:
    facts = made()["cs.facts"]
    [change] = plan(made(cs_facts=Existing(13, facts.settings)))
    assert change.kind is Kind.BY_HAND
    assert "--delete --topic cs.facts && csstream topics --broker b:9092" in change.line("b:9092")


@pytest.mark.parametrize(
    ("topic", "setting", "value", "kind"),
    [
        ("cs.tables", "cleanup.policy", "compact,delete", Kind.CONFIGURE),
        ("cs.tables", "cleanup.policy", "delete", Kind.CONFIGURE),
        ("cs.tables", "segment.bytes", "1073741824", Kind.CONFIGURE),
        ("cs.scoreboard", "max.compaction.lag.ms", "9223372036854775807", Kind.CONFIGURE),
        ("cs.facts", "retention.ms", "60000", Kind.CONFIGURE),
        ("cs.dead-letters", "max.message.bytes", "1048588", Kind.CONFIGURE),
        ("cs.chat", "cleanup.policy", "compact", Kind.BY_HAND),
        ("cs.orders", "retention.ms", "1000", Kind.BY_HAND),
    ],
)
def test_a_wrong_setting_is_named_with_the_command_that_mends_it(
    topic: str, setting: str, value: str, kind: Kind
) -> None:
    existing = made()
    existing[topic] = replace(existing[topic], settings={**existing[topic].settings, setting: value})
    [change] = plan(existing)
    assert (change.topic, change.kind) == (topic, kind)
    assert f"{setting} is {value} and must be" in change.text
    right = dict(next(c for c in plan({}) if c.topic == topic).settings)[setting]
    assert change.line("b:9092").endswith(
        f"kafka-configs.sh --bootstrap-server b:9092 --entity-type topics --entity-name {topic} "
        f"--alter --add-config {setting}={right}"
    )


@pytest.mark.parametrize(
    ("topic", "setting", "value"),
    [
        ("cs.chat", "retention.ms", "-1"),
        ("cs.facts", "retention.ms", "31536000000"),
        ("cs.tables", "segment.bytes", "33554432"),
        ("cs.dead-letters", "max.message.bytes", "10000000"),
    ],
)
def test_what_an_operator_chose_within_bounds_stays(topic: str, setting: str, value: str) -> None:
    existing = made()
    existing[topic] = replace(existing[topic], settings={**existing[topic].settings, setting: value})
    assert plan(existing) == []


def test_dead_letters_have_room_for_the_largest_input() -> None:
    chat = made()["cs.chat"]
    large = replace(chat, settings={**chat.settings, "max.message.bytes": "5000000"})
    [change] = plan(made(cs_chat=large))
    assert change.settings == (("max.message.bytes", str(5_000_000 + HEADERS_BYTES)),)


def test_all_differences_are_refused_at_once_one_a_line() -> None:
    with pytest.raises(TopicsError) as refused:
        refuse(plan({}), "b:9092")
    assert len(str(refused.value).splitlines()) == len(TOPICS)
    refuse([], "b:9092")


# ---- on a broker ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def own(connection: Connection) -> AsyncIterator[list[Topic]]:
    """All topics, under names of their own, so that they are strangers to those of other tests."""
    prefix = f"cs-test-{secrets.token_hex(4)}"
    renamed = [replace(topic, name=topic.name.replace("cs.", f"{prefix}.")) for topic in (*TOPICS, NOTIFIED)]
    yield renamed
    await delete(connection, *(topic.name for topic in renamed))


async def test_what_is_missing_is_made_and_then_all_is_well(connection: Connection, own: list[Topic]) -> None:
    assert {change.kind for change in await check(connection, own, asked=3)} == {Kind.CREATE}
    done = await ensure(connection, own, asked=3)
    assert [change.topic for change in done] == [topic.name for topic in own]
    assert await check(connection, own) == []
    assert await ensure(connection, own) == []
    existing, brokers = await look(connection, own)
    assert {topic.partitions for topic in existing.values()} == {3}
    assert brokers >= 1


async def test_what_is_ours_is_mended_and_what_else_was_set_stays(
    connection: Connection, own: list[Topic]
) -> None:
    await ensure(connection, own, asked=2)
    tables = own[3].name
    async with connection.client("tests") as client:
        await alter_settings(client, tables, {"cleanup.policy": "delete", "max.message.bytes": "2000000"})
    await shown(connection, own, tables, "cleanup.policy", "delete")
    with pytest.raises(TopicsError, match=f"{tables}: cleanup.policy is delete and must be compact"):
        refuse(await check(connection, own), connection.broker)
    [done] = await ensure(connection, own)
    assert done.kind is Kind.CONFIGURE
    existing, _ = await look(connection, own)
    assert existing[tables].settings["cleanup.policy"] == "compact"
    assert existing[tables].settings["max.message.bytes"] == "2000000"


async def shown(connection: Connection, topics: list[Topic], name: str, setting: str, value: str) -> None:
    """Wait until the broker shows a setting as it was altered."""
    async with asyncio.timeout(10):
        while (await look(connection, topics))[0][name].settings[setting] != value:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.05)


async def test_an_output_grows_with_the_others(connection: Connection, own: list[Topic]) -> None:
    await ensure(connection, own[3:4], asked=1)
    await ensure(connection, own[:3], asked=2)
    [change] = [change for change in plan_of_two(await look(connection, own)) if change.kind is Kind.GROW]
    assert change.topic == own[3].name
    await ensure(connection, own[:4])
    existing, _ = await look(connection, own)
    assert existing[own[3].name].partitions == 2


def plan_of_two(seen: tuple[dict[str, Existing], int]) -> list[Change]:
    existing, brokers = seen
    return plan(existing, [replace(TOPICS[3], name=name) for name in existing], brokers=brokers)


async def test_where_something_is_for_a_person_to_do_nothing_is_done(
    connection: Connection, own: list[Topic]
) -> None:
    await ensure(connection, own[:1], asked=2)
    with pytest.raises(TopicsError, match="5 were asked for"):
        await ensure(connection, own, asked=5)
    existing, _ = await look(connection, own)
    assert list(existing) == [own[0].name]


async def test_no_broker_at_all_is_told_in_one_line() -> None:
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1 .*--broker or CSSTREAM_BROKER"):
        await check(Connection("127.0.0.1:1"))


def test_a_password_is_in_no_text() -> None:
    connection = Connection("b:9092", security_protocol="SASL_SSL", username="u", password=SECRET)
    assert SECRET not in f"{connection} {connection!r} {connection.unreachable(OSError('no'))}"
    assert connection.settings("x")["sasl_plain_password"] == SECRET
