"""What we ask brokers for that aiokafka does not: topic ids, and the change of single topic settings.

A topic that was deleted and made anew has the same name and other records: only its id tells. And the one way
aiokafka knows to alter a topic (`AlterConfigs`) resets every setting it is not told of. Both requests are laid
out here as the protocol has them (Metadata 10, since Kafka 2.8; IncrementalAlterConfigs 0, since 2.3).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aiokafka.client import AIOKafkaClient  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError, for_code  # type: ignore[import-untyped]
from aiokafka.protocol.admin import DescribeConfigsRequest  # type: ignore[import-untyped]
from aiokafka.protocol.api import Request, RequestStruct, Response  # type: ignore[import-untyped]
from aiokafka.protocol.types import (  # type: ignore[import-untyped]
    Array,
    Boolean,
    CompactArray,
    CompactString,
    Int8,
    Int16,
    Int32,
    Int64,
    Schema,
    String,
    TaggedFields,
)

TOPIC = 2
"""The protocol's number for a resource that is a topic."""

_SET = 0
_UNKNOWN_TOPIC = 3


@dataclass(frozen=True)
class Found:
    """A topic as it is: its id (32 hex digits), partitions, and copies of each (the fewest)."""

    id: str
    partitions: int
    replicas: int


class _MetadataResponse(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("id_high", Int64),
                ("id_low", Int64),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _MetadataStruct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("id_high", Int64),
                ("id_low", Int64),
                ("name", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _Metadata(Request[_MetadataStruct]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, names: Iterable[str]) -> None:
        self._topics: list[tuple[int, int, str, dict[int, bytes]]] = [(0, 0, name, {}) for name in names]

    def build(self, request_struct_class: type[_MetadataStruct]) -> _MetadataStruct:
        return request_struct_class(self._topics, False, False, False, {})


class _AlterResponse(Response):  # type: ignore[misc]
    API_KEY = 44
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "responses",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
            ),
        ),
    )


class _AlterStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 44
    API_VERSION = 0
    RESPONSE_TYPE = _AlterResponse
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                (
                    "configs",
                    Array(
                        ("name", String("utf-8")),
                        ("operation", Int8),
                        ("value", String("utf-8")),
                    ),
                ),
            ),
        ),
        ("validate_only", Boolean),
    )


class _Alter(Request[_AlterStruct]):  # type: ignore[misc]
    API_KEY = 44

    def __init__(self, topic: str, settings: Mapping[str, str]) -> None:
        self._resources = [(TOPIC, topic, [(name, _SET, value) for name, value in settings.items()])]

    def build(self, request_struct_class: type[_AlterStruct]) -> _AlterStruct:
        return request_struct_class(self._resources, False)


async def find_topics(client: AIOKafkaClient, names: Iterable[str]) -> dict[str, Found]:
    """The topics of these names that exist. Raises `KafkaError` where one may not be seen."""
    answer = await client.send(client.get_random_node(), _Metadata(names))
    found = {}
    for code, name, high, low, _, partitions, *_ in answer.topics:
        if code == _UNKNOWN_TOPIC:
            continue
        if code:
            raise for_code(code)(f"topic {name}")
        topic_id = ((high & (1 << 64) - 1) << 64) | (low & (1 << 64) - 1)
        replicas = min((len(copies) for _, _, _, _, copies, *_ in partitions), default=0)
        found[name] = Found(f"{topic_id:032x}", len(partitions), replicas)
    return found


async def count_brokers(client: AIOKafkaClient) -> int:
    """How many brokers there are."""
    answer = await client.send(client.get_random_node(), _Metadata(()))
    return len(answer.brokers)


async def read_settings(client: AIOKafkaClient, topics: Iterable[str]) -> dict[str, dict[str, str]]:
    """All settings of topics that exist. Raises `KafkaError` where they may not be read."""
    wanted = [(TOPIC, name, None) for name in topics]
    answer = await client.send(
        client.get_random_node(), DescribeConfigsRequest(resources=wanted, include_synonyms=False)
    )
    settings = {}
    for code, text, _, name, entries in answer.resources:
        if code:
            raise for_code(code)(f"settings of topic {name}: {text}")
        settings[name] = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
    return settings


async def alter_settings(client: AIOKafkaClient, topic: str, settings: Mapping[str, str]) -> None:
    """Change these settings of a topic and leave all others alone. Raises `KafkaError` with the broker's words."""
    answer = await client.send(client.get_random_node(), _Alter(topic, settings))
    for code, text, *_ in answer.responses:
        if code:
            raise for_code(code)(text)


__all__ = ["Found", "KafkaError", "alter_settings", "count_brokers", "find_topics", "read_settings"]
