"""Quix Streams with its state store and changelog: at least once."""

import tempfile
import time
from typing import Any

from quixstreams import Application, State

from tests.bench.peers.work import Timer, fact_of, given

job = given()
timer = Timer(job.records)


def measure(message: dict[str, Any], state: State) -> dict[str, Any] | None:
    """The documented way: a state of the record's key, here the shop, with an entry a customer."""
    timer.begin()
    customer, fact = message["customer"], None
    since = state.get(customer)
    if message["sender"] == "customer":
        if since is None:
            state.set(customer, message["ts"])
    elif since is not None:
        fact = fact_of(message, since)
        state.delete(customer)
    timer.done(1, fact is not None)
    return fact


def main() -> None:
    """Read the topic until the last record."""
    with tempfile.TemporaryDirectory() as folder:
        app = Application(
            broker_address=job.broker,
            consumer_group=f"bench-quix-{time.time_ns()}",
            auto_offset_reset="earliest",
            loglevel="ERROR",
            state_dir=folder,
        )
        chat = app.topic(job.topic, value_deserializer="json", key_deserializer="bytes")
        facts = app.topic("bench.facts", value_serializer="json")
        app.dataframe(chat).apply(measure, stateful=True).filter(lambda fact: fact is not None).to_topic(
            facts
        )
        app.run()


if __name__ == "__main__":
    main()
