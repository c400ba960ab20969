"""`csstream gateway` in front of a real broker: every event in its place, also when the broker goes away for a while."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.partitioner import murmur2  # type: ignore[import-untyped]

from csstream.kafka.topics import ensure
from csstream.ledgers.kafka import Connection
from csstream.web.ingest import PATIENCE_S
from tests.canary import SECRET, TEXT
from tests.kafka.node import Node, NoKafkaError
from tests.serve.served import Client

ROOT = Path(__file__).parents[2]
PARTITIONS = 6
INPUTS = ("cs.chat", "cs.orders", "cs.agents")


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    """A broker with the topics."""
    try:
        node = Node()
    except NoKafkaError as error:
        pytest.skip(str(error))
    with node:
        asyncio.run(ensure(Connection(node.address), asked=PARTITIONS))
        yield node


class Gateway(Client):
    """One gateway in a process of its own."""

    def __init__(self, broker: str, token_file: Path) -> None:
        token_file.write_text(SECRET)
        arguments = ["gateway", "--broker", broker, "--port", "0", "--token-file", str(token_file)]
        super().__init__(arguments)
        self.token = SECRET


@pytest.fixture
def gateway(node: Node, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that is ready."""
    gateway = Gateway(node.address, tmp_path / "token")
    gateway.until(lambda: gateway.ask("/readyz")[0] == 200)
    yield gateway
    gateway.kill()


def events(first: int, number: int) -> list[bytes]:
    """Events of all topics and many shops."""
    found = []
    for n in range(first, first + number):
        event: dict[str, Any] = {"id": f"e{n}", "ts": n, "shop": f"shop-{n % 17}-é"}
        event |= (
            {"type": "order", "customer": "c", "order": f"o{n}", "status": "created"}
            if n % 5 == 1
            else {"type": "presence", "agent": "A", "state": "online"}
            if n % 5 == 2
            else {"type": "message", "customer": "c", "sender": "customer", "text": TEXT}
        )
        found.append(json.dumps(event).encode())
    return found


async def read(broker: str) -> list[tuple[str, int, bytes | None, bytes]]:
    """All records of the inputs: topic, partition, key, value."""
    consumer = AIOKafkaConsumer(bootstrap_servers=broker)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for topic in INPUTS for number in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        found = []
        while any([await consumer.position(place) < ends[place] for place in places]):
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                found += [(place.topic, place.partition, record.key, record.value) for record in records]
        return found
    finally:
        await consumer.stop()


def test_each_event_is_in_its_topic_and_in_the_partition_of_its_shop(gateway: Gateway, node: Node) -> None:
    sent = events(0, 500)
    status, _, body = gateway.ask("/v1/events", b"\n".join(sent))
    assert (status, json.loads(body)) == (200, {"accepted": 500})
    found = [record for record in asyncio.run(read(node.address)) if record[3] in set(sent)]
    assert Counter(value for *_, value in found) == Counter(sent)
    topics = {"message": "cs.chat", "order": "cs.orders", "presence": "cs.agents"}
    for topic, partition, key, value in found:
        event = json.loads(value)
        assert topic == topics[event["type"]]
        assert key is not None
        assert key.decode() == event["shop"]
        assert partition == (murmur2(key) & 0x7FFFFFFF) % PARTITIONS


def test_a_bad_line_is_named_and_nothing_is_written(gateway: Gateway, node: Node) -> None:
    before = len(asyncio.run(read(node.address)))
    status, _, body = gateway.ask("/v1/events", b"\n".join([*events(9_000, 3), b"{}"]))
    assert status == 400
    assert json.loads(body)["errors"][0]["line"] == 4
    gateway.token = "another-token-of-many-letters"
    assert gateway.ask("/v1/events", b"\n".join(events(9_000, 3)))[0] == 401
    assert len(asyncio.run(read(node.address))) == before


def test_an_event_that_kafka_refuses_for_its_size_is_not_to_be_sent_again(gateway: Gateway) -> None:
    event = {"id": "large", "type": "message", "ts": 1, "shop": "s", "customer": "c", "sender": "customer"}
    noise = "".join(chr(0x4E00 + (n * n * 7919 + n) % 20_000) for n in range(300_000))
    line = json.dumps(event | {"text": noise}, ensure_ascii=False).encode()
    assert 800_000 < len(line) < 1 << 20
    status, headers, _ = gateway.ask("/v1/events", line)
    assert status in (200, 413)  # as far as it could be packed
    assert status == 200 or "Retry-After" not in headers
    assert gateway.ask("/v1/events", events(9_500, 1)[0])[0] == 200


def test_a_broker_that_is_away_loses_nothing_and_the_client_is_told_to_come_again(
    gateway: Gateway, node: Node
) -> None:
    sent = events(20_000, 300)
    assert gateway.ask("/v1/events", b"\n".join(sent[:100]))[0] == 200
    node.kill()
    status, headers, body = gateway.ask("/v1/events", b"\n".join(sent[100:200]), 30)
    assert status == 503
    assert int(headers["Retry-After"]) > 0
    assert "send the same again" in json.loads(body)["detail"]
    began = time.monotonic()
    assert gateway.ask("/v1/events", b"\n".join(sent[200:]))[0] == 503
    assert time.monotonic() - began < PATIENCE_S / 2, "while it is away nobody is kept waiting"
    gateway.until(lambda: gateway.ask("/readyz")[0] == 503)
    node.go_on()
    for some in (sent[100:200], sent[200:]):
        gateway.until(lambda some=some: gateway.ask("/v1/events", b"\n".join(some))[0] == 200, 60)  # type: ignore[misc]
    gateway.until(lambda: gateway.ask("/readyz")[0] == 200)
    written = Counter(value for *_, value in asyncio.run(read(node.address)))
    assert {value for value in sent if not written[value]} == set(), "nothing is lost"
    assert all(written[value] == 1 for value in sent[:100] + sent[200:]), (
        "what was answered or sent away is there once"
    )
    assert all(written[value] in (1, 2) for value in sent[100:200]), (
        "what was sent again at most twice, with its id"
    )
    status, said = gateway.stop()
    assert status == 0, said
    assert SECRET not in said


def test_it_listens_before_there_is_a_broker_and_ends_without_one(tmp_path: Path) -> None:
    gateway = Gateway("127.0.0.1:1", tmp_path / "token")
    try:
        status, headers, body = gateway.ask("/v1/events", events(0, 1)[0])
        assert (status, headers["Retry-After"]) == (503, "5")
        assert "broker" in json.loads(body)["detail"]
        assert gateway.ask("/livez")[0] == 200
        assert gateway.ask("/readyz")[0] == 503
        assert re.search(rb'http_requests_total\{path="/v1/events",code="503"\} 1', wait_for_metrics(gateway))
        assert gateway.stop()[0] == 0
    finally:
        gateway.kill()


def wait_for_metrics(gateway: Gateway) -> bytes:
    """/metrics once the first answers are in it."""
    found: list[bytes] = []

    def there() -> bool:
        found.append(gateway.ask("/metrics")[2])
        return b"/v1/events" in found[-1]

    gateway.until(there)
    return found[-1]


def test_without_a_token_it_does_not_start(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CSSTREAM_")}
    done = subprocess.run(
        [sys.executable, "-m", "csstream", "gateway", "--port", "0"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--token-file" in done.stderr
    (tmp_path / "token").write_text("short")
    done = subprocess.run(
        [sys.executable, "-m", "csstream", "gateway", "--port", "0", "--token-file", str(tmp_path / "token")],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "short" not in done.stderr.replace("shortly", "")
