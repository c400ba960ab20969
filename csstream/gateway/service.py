"""`csstream gateway`: the endpoint of `csstream serve` in front of Kafka, for platforms that push.

It listens at once and answers 503 until the topics are there, so that the order in which a system comes up does not
matter.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from csstream import __version__
from csstream.core.engine import Process
from csstream.exporter import Exporter, Snapshots
from csstream.gateway.producer import Producer
from csstream.ledgers.kafka.connection import Connection
from csstream.signals import stop_signals
from csstream.web import openapi
from csstream.web.bearer import Bearer
from csstream.web.health import Health
from csstream.web.ingest import Ingest
from csstream.web.server import DEFAULT_PORT, Requests, application, listening

TELL_S = 1.0
"""How often /metrics and /readyz are brought up to date."""


@dataclass(frozen=True, kw_only=True)
class GatewayOptions:
    """Where events go, and who may bring them. `names`: further host names it may be asked under."""

    connection: Connection
    bearer: Bearer
    prefix: str = "cs."
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    names: Sequence[str] = ()


async def gateway(options: GatewayOptions, told: Callable[[str], None]) -> None:
    """Take events until SIGTERM or Ctrl-C. `told` gets the line for whoever started it. Raises ListenError."""
    stopped = asyncio.Event()
    with stop_signals(stopped.set):
        await _run(options, stopped, told)


async def _run(options: GatewayOptions, stopped: asyncio.Event, told: Callable[[str], None]) -> None:
    producer = Producer(options.connection, options.prefix)
    exporter, requests = Exporter(), Requests()
    app = application(requests, options.names)
    openapi.mount(app)
    Ingest(producer, options.bearer).mount(app)
    Health(exporter).mount(app)  # it knows no shop and no agent
    snapshots = Snapshots(__version__, "")
    running = asyncio.create_task(producer.run())
    try:
        async with listening(app, options.host, options.port) as address:
            told(f"{address}/v1/events takes events for {options.connection.broker}; Ctrl-C ends")
            while not stopped.is_set():
                counts = list(requests.counts.items())
                exporter.update(snapshots.take((), Process(), driver={"http_requests_total": counts}))
                exporter.unready = producer.fault
                await _first(running, stopped)
    finally:
        running.cancel()
        await producer.close()


async def _first(running: asyncio.Task[None], stopped: asyncio.Event) -> None:
    """Wait a little, or until asked to stop. Raises what ended `running`."""
    stop = asyncio.create_task(stopped.wait())
    done, _ = await asyncio.wait([running, stop], timeout=TELL_S, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if running in done:
        await running
