"""bytewax with keyed state, without recovery: lost at a crash."""

from typing import Any

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSource
from bytewax.connectors.kafka.operators import output
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from tests.bench.peers.work import Timer, fact_of, given, key_of

job = given()
timer = Timer(job.records)
Keyed = tuple[str, dict[str, Any]]


def decode(record: Any) -> Keyed:
    """A message under its customer."""
    timer.begin()
    message = orjson.loads(record.value)
    return key_of(message), message


def measure(since: int | None, message: dict[str, Any]) -> tuple[int | None, dict[str, Any] | None]:
    """The documented way: a state a key."""
    if message["sender"] == "customer":
        timer.done(1, 0)
        return since if since is not None else message["ts"], None
    timer.done(1, since is not None)
    return None, None if since is None else fact_of(message, since)


flow = Dataflow("bench")
records = op.input("in", flow, KafkaSource([job.broker], [job.topic], tail=False, batch_size=5000))
keyed = op.map("decode", records, decode)
facts = op.stateful_map("measure", keyed, measure)
found = op.filter("facts", facts, lambda pair: pair[1] is not None)
sent = op.map("encode", found, lambda pair: KafkaSinkMessage(pair[0].encode(), orjson.dumps(pair[1])))
output("out", sent, brokers=[job.broker], topic="bench.facts")

if __name__ == "__main__":
    run_main(flow)
