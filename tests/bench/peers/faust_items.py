"""Faust, message by message, as the user guide begins: state in a dictionary, so lost at a crash."""

import sys
import tempfile
import time
from typing import Any

import faust

from tests.bench.peers.work import Timer, Waits, given, judge

job = given()
timer = Timer(job.records)
waits: Waits = {}

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


@app.agent(chat)
async def measure(messages: Any) -> None:
    """The documented way."""
    async for message in messages:
        timer.begin()
        fact = judge(message, waits)
        if fact is not None:
            await facts.send(key=message["shop"].encode(), value=fact)
        timer.done(1, fact is not None)


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "worker", "--without-web", "-l", "error"]
    app.main()
