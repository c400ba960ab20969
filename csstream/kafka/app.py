"""The topology on one page: topics, the processor, and what of Faust is in use (DESIGN "Live topology").

    cs.chat, cs.orders, cs.agents --> measure --> one runner a partition --> cs.tables, cs.facts, cs.alerts, ...

Faust gives the group, the assignment of equal partitions of all topics to one worker, the fetching thread and the life
cycle. State, time and delivery are not Faust's: its tables, windows and commits lose data when a worker dies, so a
step of a partition is one Kafka transaction of the partition's own producer, and Faust acknowledges nothing.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, cast

import faust
from faust.app.base import BootStrategy

from csstream.kafka.consumer import (
    BEAT_S,
    BEATS,
    REBALANCE_S,
    REQUEST_S,
    Consumer,
    RecordList,
    Transport,
    Whole,
)
from csstream.ledgers.kafka import Connection
from csstream.settings import Settings

logging.getLogger(__name__).setLevel(
    logging.WARNING
)  # Faust's services tell their life under our module's name


class Boot(BootStrategy):
    """What of Faust is started: no producer, for every partition has its own; no web server."""

    enable_kafka_producer = False
    enable_web = False


class App(faust.App):
    """A Faust application that leaves no folders behind, with our consumer."""

    BootStrategy = Boot

    def __init__(self, name: str, connection: Connection, **settings: Any) -> None:
        self.connection = connection
        super().__init__(name, **settings)
        self.transport = Transport(self.conf.broker, self)

    def _create_directories(self) -> None:
        """None: nothing is kept on this machine."""

    @property
    def source(self) -> Consumer:
        """The consumer, as what it is."""
        return cast("Consumer", self.consumer)


def topology(
    settings: Settings, connection: Connection, inputs: Sequence[str], put: Callable[[RecordList], None]
) -> App:
    """The application, whose processor hands every list fetched from `inputs` to `put`.

    `put` must not wait: a processor that waits for one partition holds up all of them.
    """
    app = App(
        settings.application,
        connection,
        broker=[f"kafka://{address}" for address in connection.broker.split(",")],
        store="memory://",
        table_standby_replicas=1,  # without tables this is what keeps Faust's co-partitioning assignor in use
        topic_allow_declare=False,
        topic_disable_leader=True,
        stream_wait_empty=False,
        stream_buffer_maxsize=4_096,  # lists; what is at hand is bounded by records and bytes, in the partitions
        broker_commit_interval=3_600.0,
        broker_commit_every=1 << 60,
        broker_session_timeout=settings.group_session_s,
        broker_heartbeat_interval=min(BEAT_S, settings.group_session_s / BEATS),
        broker_rebalance_timeout=REBALANCE_S,
        broker_request_timeout=REQUEST_S,
        broker_max_poll_interval=1_000.0,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    records = app.topic(*inputs, schema=Whole(), acks=False)

    @app.agent(records, name="measure")
    async def measure(stream: Any) -> None:
        async for event in stream.noack().events():
            put(event.value)

    return app
