"""Faust with a Table, its documented way to keep state: a changelog record for every change."""

import sys
import tempfile
import time
from typing import Any

import faust

from tests.bench.peers.work import Timer, fact_of, given, key_of

job = given()
timer = Timer(job.records)


app = faust.App(
    f"bench-faust-{time.time_ns()}",
    broker=f"kafka://{job.broker}",
    store="memory://",
    datadir=tempfile.mkdtemp(),
    topic_partitions=job.partitions,
    topic_disable_leader=True,
    web_enabled=False,
    worker_redirect_stdouts=False,
)
chat = app.topic(job.topic, value_serializer="json", key_serializer="raw", key_type=bytes)
facts = app.topic("bench.facts", value_serializer="json", key_serializer="raw", key_type=bytes)
waits = app.Table("waits", partitions=job.partitions, key_type=str, value_type=int)


@app.agent(chat)
async def measure(messages: Any) -> None:
    """The documented way."""
    async for message in messages:
        timer.begin()
        key, fact = key_of(message), None
        if message["sender"] == "customer":
            if key not in waits:
                waits[key] = message["ts"]
        elif key in waits:
            fact = fact_of(message, waits.pop(key))
            await facts.send(key=message["shop"].encode(), value=fact)
        timer.done(1, fact is not None)


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "worker", "--without-web", "-l", "error"]
    app.main()
