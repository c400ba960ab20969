"""The wall over HTTP: a page, a stream, and one thing that can be said.

The page, its style and its script hold no data, so anybody may have them; what is shown comes by the stream alone, for
those who have a key. Every answer forbids whatever the page does not need.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from importlib import resources

import orjson
from aiohttp import web

from csstream.wall.access import ACT, Access, same_origin
from csstream.wall.audience import Audience
from csstream.wall.picture import Picture
from csstream.web.problem import problem

DEFAULT_PORT = 9466
"""Where a wall of its own is unless told otherwise."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""On every answer of the wall."""

PAGE = {
    "/": ("index.html", "text/html"),
    "/wall/wall.css": ("wall.css", "text/css"),
    "/wall/wall.js": ("wall.js", "text/javascript"),
    "/wall/words.js": ("words.js", "text/javascript"),
}
"""Path: file, type."""

SAID_BYTES = 4_096
"""Most that somebody may say."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Wall:
    """One wall in an application."""

    def __init__(self, picture: Picture, access: Access) -> None:
        self.picture = picture
        self.access = access
        self.audience = Audience(picture)
        self._closing = False

    def routes(self) -> list[web.RouteDef]:
        """All routes of the wall."""
        return [
            *(web.get(path, _hardened(_page(*file))) for path, file in PAGE.items()),
            web.get("/wall/stream", _hardened(self._stream)),
            web.post("/wall/seen", _hardened(self._seen)),
        ]

    def _may(self, request: web.Request) -> tuple[str, web.Response | None]:
        """What the sender may do, and the refusal if that is nothing."""
        address = request.remote or ""
        if self.access.tries_too_often(address):
            return "", problem(429, "too many wrong keys from this address; wait a minute")
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return "", problem(403, "asked for by a page that is not this wall's")
        allowed = self.access.allows(request)
        if allowed is None:
            if "Authorization" in request.headers:
                self.access.was_wrong(address, request.headers["Authorization"])
            return "", problem(
                401,
                "open the wall by its whole link: it ends in #key=...",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return allowed, None

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        allowed, refusal = self._may(request)
        if refusal is not None:
            return refusal
        viewer = None if self._closing else self.audience.join()
        if viewer is None:
            return problem(503, "no room for another viewer; try again later")
        response = web.StreamResponse(
            headers={
                **HEADERS,
                "Content-Type": "text/event-stream; charset=utf-8",
                "X-Accel-Buffering": "no",
                "Csstream-May": allowed,
            }
        )
        try:
            await response.prepare(request)
            while (message := await viewer.next()) is not None:
                await response.write(message)
        except ConnectionError:
            pass  # the viewer has gone
        finally:
            self.audience.leave(viewer)
        return response

    async def _seen(self, request: web.Request) -> web.Response:
        if not same_origin(request):
            return problem(403, "said by a page that is not this wall's")
        allowed, refusal = self._may(request)
        if refusal is not None:
            return refusal
        if allowed != ACT:
            return problem(403, "this link is for looking only; open the wall with the token to acknowledge")
        if (request.content_length or 0) > SAID_BYTES:
            return problem(413, f"at most {SAID_BYTES} bytes")
        try:
            said = orjson.loads(await request.content.read(SAID_BYTES + 1))
        except orjson.JSONDecodeError:
            said = None
        alert = said.get("alert") if isinstance(said, dict) else None
        if request.content_type != "application/json" or not isinstance(alert, str):
            return problem(400, 'send JSON: {"alert": "<id>"}')
        if not self.picture.acknowledge(alert):
            return problem(404, "no alert of this id stands")
        return web.Response(status=204)

    async def life(self, _: web.Application) -> AsyncIterator[None]:
        """Tell the viewers what is new for as long as the application runs (a cleanup context)."""
        telling = asyncio.create_task(self.audience.run())
        yield
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling

    async def close(self, _: web.Application) -> None:
        """Let the viewers go, so that a server that shuts down need not wait for them."""
        self._closing = True
        self.audience.close()


def mount(app: web.Application, picture: Picture, access: Access) -> Wall:
    """Hang a wall into an application (`web.server.application`): its page at `/`, all else below `/wall/`."""
    wall = Wall(picture, access)
    app.add_routes(wall.routes())
    app.cleanup_ctx.append(wall.life)
    app.on_shutdown.append(wall.close)
    return wall


def _page(name: str, content_type: str) -> Handler:
    body = resources.files("csstream.wall").joinpath("page", name).read_bytes()

    async def page(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type, charset="utf-8")

    return page


def _hardened(handler: Handler) -> Handler:
    async def hardened(request: web.Request) -> web.StreamResponse:
        response = await handler(request)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    return hardened
