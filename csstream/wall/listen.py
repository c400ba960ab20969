"""A server of its own for a wall, where no other application carries it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from csstream.wall.access import Access, is_loopback

DEFAULT_PORT = 9466
"""Where the wall is unless told otherwise."""

CLOSE_S = 1.0
"""How long a request under way may take when the server ends."""


class WallError(Exception):
    """The wall cannot be shown as asked; the text says what to do."""


@asynccontextmanager
async def listening(app: web.Application, access: Access, host: str, port: int) -> AsyncIterator[str]:
    """Serve an application with a wall in it; gives the address of its page. Port 0 is any free one.

    Raises WallError where the port cannot be had, or where others than this machine could look on without a token.
    """
    if not access.token and not is_loopback(host):
        raise WallError(
            f"the wall on {host} needs a token, for others can reach it; give --token-file, or listen on 127.0.0.1"
        )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise WallError(
                f"the wall cannot be served on {host}:{port}: {reason}; "
                "give another port, or 0 for any free one (--wall-port)"
            ) from None
        bound = runner.addresses[0][1]
        yield f"http://{f'[{host}]' if ':' in host else host}:{bound}/"
    finally:
        await runner.cleanup()
