"""`/metrics`, `/livez` and `/readyz` inside an application, from the exporter that other programs serve by itself."""

import asyncio

from aiohttp import web

from csstream.exporter import Exporter
from csstream.kiosk import CONTENT_TYPE
from csstream.web.bearer import Bearer


class Health:
    """The three routes. With a `bearer`, figures are shown only to those who have it: they name shops and agents."""

    def __init__(self, exporter: Exporter, bearer: Bearer | None = None) -> None:
        self._exporter = exporter
        self._bearer = bearer

    def mount(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)

    async def _metrics(self, request: web.Request) -> web.Response:
        refusal = self._bearer.refusal(request) if self._bearer is not None else None
        if refusal is not None:
            return refusal
        # A snapshot does not change any more, so a thread may write it out while events go on coming in.
        text = await asyncio.to_thread(self._exporter.text)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        reason = self._exporter.unready
        return web.Response(status=503 if reason else 200, text=f"{reason or 'ready'}\n")
