"""The life of a wall process: it follows Kafka, shows what it read, and keeps nothing.

It stands apart from the workers: whoever looks on hangs on this process alone, and any number of them may run.
"""

import asyncio
import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

from csstream.exporter import Exporter, Snapshot
from csstream.ledgers.kafka import Connection
from csstream.wall.access import Access
from csstream.wall.app import DEFAULT_PORT, Wall, mount
from csstream.wall.follower import Follower, WallError
from csstream.wall.picture import Moment, Picture
from csstream.web.bearer import Bearer
from csstream.web.health import Health
from csstream.web.server import Requests, application, is_loopback, listening

TELL_S = 1.0
"""How often the wall's own metrics are taken."""


@dataclass(frozen=True, kw_only=True)
class WallOptions:
    """What a wall is told. `prefix` begins the names of the topics, `names` are further host names it may be asked
    under, port 0 is any free one."""

    connection: Connection
    bearer: Bearer | None = None
    prefix: str = "cs."
    names: Collection[str] = ()
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT


async def hang(options: WallOptions, say: Callable[[str], None]) -> None:
    """Show until SIGTERM or SIGINT; `say` hears where. Raises WallError, ListenError, UnreachableError."""
    if options.bearer is None and not is_loopback(options.host):
        raise WallError(
            f"the wall on {options.host} needs a token, for others can reach it; give --token-file, "
            "or listen on 127.0.0.1"
        )
    picture = Picture(lambda: Moment(time.time_ns() // 1_000_000))
    prefix = options.prefix
    follower = Follower(options.connection, picture, f"{prefix}scoreboard", f"{prefix}alerts")
    requests, exporter = Requests(), Exporter()
    app = application(requests, options.names)
    wall = mount(app, picture, Access(options.bearer))
    Health(exporter).mount(app)  # of the wall itself: it names no shop and no agent
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    async with listening(app, options.host, options.port) as address:
        say(f"the wall is on {address}/")
        tasks = [
            asyncio.create_task(follower.run()),
            asyncio.create_task(asked.wait()),
            asyncio.create_task(_tell(exporter, follower, wall, requests)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task


async def _tell(exporter: Exporter, follower: Follower, wall: Wall, requests: Requests) -> None:
    while True:
        counts = list(requests.counts.items())
        viewers = len(wall.audience.viewers)
        exporter.update(
            Snapshot({"http_requests_total": counts, "wall_viewers": [((), viewers)]}, frozenset())
        )
        exporter.unready = follower.unready
        await asyncio.sleep(TELL_S)
