"""The topics, and what must be true of each (SPEC 1, 10; DESIGN "Live topology").

A worker that starts on wrong topics fails late and badly: unequal partitions split a shop's story, a tables topic
that also deletes by age forgets open waits, a dead letter larger than its topic stops a partition. So what must
be true is a table, `plan` compares it with what is there, and each difference names the command that mends it.
Input topics belong to those who write them: what is wrong there is told, never changed.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code  # type: ignore[import-untyped]

from csstream.ledgers.kafka.connection import Connection
from csstream.ledgers.kafka.output import LARGEST_BYTES, Outputs
from csstream.ledgers.kafka.requests import alter_settings, count_brokers, find_topics, read_settings

PARTITIONS = 12
"""Of topics made anew (SPEC 10): as many workers as that can share the work."""

REPLICAS = 3
"""Of topics made anew, where there are so many brokers."""

HEADERS_BYTES = 65_536
"""Room that a dead letter needs beyond the record that it holds."""

_DAY_MS = 86_400_000
_MIB = 1 << 20


class TopicsError(Exception):
    """The topics are not as they must be; the text names each difference and the command that mends it."""


@dataclass(frozen=True)
class Setting:
    """One setting of a topic: the value it is made with, and the least and most that will do (None: no bound)."""

    value: str
    least: int | None = None
    most: int | None = None

    def holds(self, found: str | None) -> bool:
        """Whether a value that is set will do."""
        if self.least is None and self.most is None:
            return found == self.value
        if found is None:
            return False
        number = int(found)
        if number == -1:  # no limit, where Kafka has it
            return self.most is None
        return (self.least is None or number >= self.least) and (self.most is None or number <= self.most)

    def wish(self) -> str:
        """The bounds in words."""
        if self.least is not None and self.most is not None:
            return f"{self.least} to {self.most}"
        if self.least is not None:
            return f"at least {self.least}"
        return self.value if self.most is None else f"at most {self.most}"


@dataclass(frozen=True)
class Topic:
    """A topic as it must be. `ours`: csstream alone writes it, and may change its settings."""

    name: str
    purpose: str
    ours: bool
    settings: Mapping[str, Setting]


def _kept(days: int) -> dict[str, Setting]:
    return {
        "cleanup.policy": Setting("delete"),
        "retention.ms": Setting(str(days * _DAY_MS), least=_DAY_MS),
    }


_COMPACTED = {
    "cleanup.policy": Setting("compact"),
    "segment.bytes": Setting(str(16 * _MIB), least=16 * _MIB, most=32 * _MIB),
    "min.cleanable.dirty.ratio": Setting("0.2"),
    "max.compaction.lag.ms": Setting("120000", least=60_000, most=600_000),
}
"""A worker reads all of a partition when it takes it over: what is outdated must go soon, and only that. In ten minutes
a busy partition writes several hundred thousand rows, which is seconds of reading; in two it is a fifth."""

INPUTS = ("cs.chat", "cs.orders", "cs.agents")

TOPICS = (
    Topic("cs.chat", "chat: messages, transfers, sessions", False, _kept(7)),
    Topic("cs.orders", "orders", False, _kept(7)),
    Topic("cs.agents", "presence, shifts, profiles", False, _kept(7)),
    Topic("cs.tables", "state of the workers", True, _COMPACTED),
    Topic("cs.scoreboard", "readings of agents and shops, the newest of each", True, _COMPACTED),
    Topic("cs.facts", "audit trail", True, _kept(90)),
    Topic("cs.alerts", "alerts", True, _kept(30)),
    Topic("cs.dead-letters", "records set aside", True, _kept(14)),
)
"""Every topic, inputs first. All have the same number of partitions: one shop is one partition in each."""

NOTIFIED = Topic("cs.notified", "what was sent to whom", True, _COMPACTED)
"""Only where alerts are sent on."""


@dataclass(frozen=True)
class Existing:
    """A topic as it is."""

    partitions: int
    settings: Mapping[str, str] = field(default_factory=dict)
    replicas: int = 1


class Kind(Enum):
    """What has to be done to a topic, and whether csstream does it."""

    CREATE = "create"
    GROW = "grow"
    CONFIGURE = "configure"
    BY_HAND = "by hand"


class Change(NamedTuple):
    """One difference between what is and what must be."""

    kind: Kind
    topic: str
    text: str
    command: str
    """What does it by hand; `{broker}` stands for the address."""
    partitions: int = 0
    replicas: int = 0
    settings: tuple[tuple[str, str], ...] = ()

    def line(self, broker: str) -> str:
        """The change on one line, with its command."""
        return f"{self.topic}: {self.text}; {self.command.replace('{broker}', broker)}"


_TOPICS_SH = "kafka-topics.sh --bootstrap-server {broker}"
_CONFIGS_SH = "kafka-configs.sh --bootstrap-server {broker} --entity-type topics"


def named(prefix: str) -> tuple[tuple[str, ...], Outputs, tuple[Topic, ...]]:
    """Inputs, outputs and all topics where they begin with `prefix` instead of `cs.`: two systems on one broker."""

    def name(topic: str) -> str:
        return prefix + topic.removeprefix("cs.")

    written = ("cs.tables", "cs.facts", "cs.alerts", "cs.dead-letters", "cs.scoreboard")
    outputs = Outputs(*map(name, written))
    return (
        tuple(map(name, INPUTS)),
        outputs,
        tuple(replace(topic, name=name(topic.name)) for topic in TOPICS),
    )


def partitions_of(
    existing: Mapping[str, Existing], asked: int | None = None, inputs: Sequence[str] = INPUTS
) -> int:
    """How many partitions all topics must have: those of the inputs, else of the rest, else `asked` or 12."""
    for names in (inputs, tuple(existing)):
        counts = [existing[name].partitions for name in names if name in existing]
        if counts:
            return max(counts)
    return PARTITIONS if asked is None else asked


def plan(
    existing: Mapping[str, Existing],
    wanted: Sequence[Topic] = TOPICS,
    *,
    asked: int | None = None,
    brokers: int = 1,
) -> list[Change]:
    """What has to change before workers may start; nothing if all is well.

    `existing` are the topics that there are. `asked` is the number of partitions for new topics, None for what
    the others have; where it differs from them that is a change by hand. `brokers` bounds the copies.
    """
    inputs = [topic.name for topic in wanted if not topic.ours]
    count = partitions_of({t.name: existing[t.name] for t in wanted if t.name in existing}, asked, inputs)
    copies = min(REPLICAS, brokers)
    changes = []
    if asked is not None and asked != count:
        name = next(name for name, topic in existing.items() if topic.partitions == count)
        text = f"has {count} partitions, and {asked} were asked for; leave out --partitions, or begin with new topics"
        changes.append(Change(Kind.BY_HAND, name, text, f"{_TOPICS_SH} --describe --topic {name}"))
    for topic in wanted:
        found = existing.get(topic.name)
        settings = _settings(topic, existing, copies if found is None else found.replicas, inputs)
        if found is None:
            changes.append(_create(topic.name, count, copies, settings))
            continue
        changes += _grow(topic, found.partitions, count)
        wrong = {
            name: setting for name, setting in settings.items() if not setting.holds(found.settings.get(name))
        }
        if wrong:
            changes.append(_configure(topic, found, wrong))
    return changes


def _settings(
    topic: Topic, existing: Mapping[str, Existing], replicas: int, inputs: Sequence[str]
) -> dict[str, Setting]:
    settings = dict(topic.settings)
    if topic.ours:
        least = min(2, max(1, replicas - 1))
        settings["min.insync.replicas"] = Setting(str(least), least=least, most=max(least, replicas - 1))
    if topic.name.endswith("dead-letters"):
        found = [existing[name].settings for name in inputs if name in existing]
        largest = max((int(each.get("max.message.bytes", LARGEST_BYTES)) for each in found), default=0)
        room = max(largest, LARGEST_BYTES) + HEADERS_BYTES
        settings["max.message.bytes"] = Setting(str(room), least=room)
    return settings


def _create(name: str, partitions: int, replicas: int, settings: Mapping[str, Setting]) -> Change:
    given = tuple((key, setting.value) for key, setting in settings.items())
    configs = " ".join(f"--config {key}={value}" for key, value in given)
    return Change(
        Kind.CREATE,
        name,
        f"is missing: {partitions} partitions, {replicas} {'copy' if replicas == 1 else 'copies'}",
        f"{_TOPICS_SH} --create --topic {name} --partitions {partitions} "
        f"--replication-factor {replicas} {configs}",
        partitions,
        replicas,
        given,
    )


def _grow(topic: Topic, partitions: int, count: int) -> list[Change]:
    if partitions == count:
        return []
    text = f"has {partitions} partitions, and the inputs have {count}"
    if partitions > count:
        # Kafka takes no partition away.
        mend = f"{_TOPICS_SH} --delete --topic {topic.name} && csstream topics --broker {{broker}}"
        return [
            Change(Kind.BY_HAND, topic.name, f"{text}: it must be made anew, and loses what it holds", mend)
        ]
    command = f"{_TOPICS_SH} --alter --topic {topic.name} --partitions {count}"
    if topic.ours:
        return [Change(Kind.GROW, topic.name, text, command, count)]
    why = "a shop's records would lie in different partitions; before it holds records"
    return [Change(Kind.BY_HAND, topic.name, f"{text}: {why}", command)]


def _configure(topic: Topic, found: Existing, wrong: Mapping[str, Setting]) -> Change:
    given = tuple((name, setting.value) for name, setting in wrong.items())
    text = ", ".join(
        f"{name} is {found.settings.get(name, 'not set')} and must be {setting.wish()}"
        for name, setting in wrong.items()
    )
    pairs = ",".join(f"{name}={value}" for name, value in given)
    return Change(
        Kind.CONFIGURE if topic.ours else Kind.BY_HAND,
        topic.name,
        text,
        f"{_CONFIGS_SH} --entity-name {topic.name} --alter --add-config {pairs}",
        settings=given,
    )


async def look(connection: Connection, wanted: Sequence[Topic] = TOPICS) -> tuple[dict[str, Existing], int]:
    """The topics as they are, and the number of brokers. Raises `UnreachableError`, `TopicsError`."""
    async with connection.client("csstream-topics") as client:
        try:
            found = await find_topics(client, [topic.name for topic in wanted])
            settings = await read_settings(client, found) if found else {}
            brokers = await count_brokers(client)
        except KafkaError as error:
            raise TopicsError(f"the topics at {connection.broker} could not be read: {error}") from error
    return {n: Existing(t.partitions, settings[n], t.replicas) for n, t in found.items()}, brokers


async def check(
    connection: Connection, wanted: Sequence[Topic] = TOPICS, *, asked: int | None = None
) -> list[Change]:
    """What has to change before workers may start; changes nothing. Raises `UnreachableError`, `TopicsError`."""
    existing, brokers = await look(connection, wanted)
    return plan(existing, wanted, asked=asked, brokers=brokers)


async def ensure(
    connection: Connection, wanted: Sequence[Topic] = TOPICS, *, asked: int | None = None
) -> list[Change]:
    """Make the topics as they must be; returns what was done.

    Where something can only be done by hand nothing is done at all. Raises `UnreachableError`, `TopicsError`.
    """
    changes = await check(connection, wanted, asked=asked)
    refuse([change for change in changes if change.kind is Kind.BY_HAND], connection.broker)
    if not changes:
        return []
    async with _admin(connection) as admin, connection.client("csstream-topics") as client:
        for change in changes:
            try:
                if change.kind is Kind.CREATE:
                    await _make(admin, change)
                elif change.kind is Kind.GROW:
                    await admin.create_partitions({change.topic: NewPartitions(change.partitions)})
                else:
                    await alter_settings(client, change.topic, dict(change.settings))
            except KafkaError as error:
                line = change.line(connection.broker)
                raise TopicsError(f"{line} (the broker refused: {error})") from error
    left = await _settled(connection, wanted)
    refuse(left, connection.broker)
    return changes


def refuse(changes: Sequence[Change], broker: str) -> None:
    """Raise `TopicsError` if there is any change left to be made."""
    if changes:
        raise TopicsError("\n".join(change.line(broker) for change in changes))


async def _settled(connection: Connection, wanted: Sequence[Topic]) -> list[Change]:
    """What is left to do; a broker may need a moment until it has heard of what another one did."""
    left: list[Change] = []
    for _ in range(50):
        left = await check(connection, wanted)
        if not left:
            break
        await asyncio.sleep(0.1)
    return left


async def _make(admin: AIOKafkaAdminClient, change: Change) -> None:
    topic = NewTopic(change.topic, change.partitions, change.replicas, topic_configs=dict(change.settings))
    answer = await admin.create_topics([topic])
    for _, code, text in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:  # somebody made it meanwhile
            raise error(text)


@asynccontextmanager
async def _admin(connection: Connection) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**connection.settings("csstream-topics"))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()
