"""The life of a wall process: it follows Kafka, shows what it read, and keeps nothing.

It stands apart from the workers: whoever looks on hangs on this process alone, and any number of them may run.
"""

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import web

from csstream.exporter import CONTENT_TYPE, Snapshot
from csstream.ledgers.kafka import Connection
from csstream.wall.access import Access
from csstream.wall.app import mount
from csstream.wall.follower import Follower
from csstream.wall.listen import listening
from csstream.wall.picture import Moment, Picture


@dataclass(frozen=True, kw_only=True)
class WallOptions:
    """What a wall is told; `prefix` begins the names of the topics, port 0 is any free one."""

    connection: Connection
    access: Access
    prefix: str = "cs."
    host: str = "127.0.0.1"
    port: int


async def hang(options: WallOptions, say: Callable[[str], None]) -> None:
    """Show until SIGTERM or SIGINT; `say` hears where. Raises WallError, UnreachableError."""
    picture = Picture(lambda: Moment(time.time_ns() // 1_000_000))
    prefix = options.prefix
    follower = Follower(options.connection, picture, f"{prefix}scoreboard", f"{prefix}alerts")
    app = web.Application()
    wall = mount(app, picture, options.access)

    async def metrics(_: web.Request) -> web.Response:
        text = Snapshot(wall.readings(), frozenset()).text()
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def readyz(_: web.Request) -> web.Response:
        reason = follower.unready
        return web.Response(status=503 if reason else 200, text=f"{reason or 'ready'}\n")

    app.add_routes([web.get("/metrics", metrics), web.get("/livez", livez), web.get("/readyz", readyz)])
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    async with listening(app, options.access, options.host, options.port) as address:
        say(f"the wall is on {address}")
        following = asyncio.create_task(follower.run())
        stopping = asyncio.create_task(asked.wait())
        try:
            await asyncio.wait((following, stopping), return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
        finally:
            for task in (following, stopping):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
