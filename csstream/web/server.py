"""One aiohttp application, guarded the same way in every program of ours that listens.

A browser that was led astray may speak to a loopback address under a name of somebody else's (DNS rebinding), so only
names that were allowed are answered; an address written in digits needs no name service and cannot be rebound.
Every error is a problem document, every answer is counted by its route, never by the path that was asked for.
"""

import ipaddress
import logging
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Handler

from csstream.web.problem import problem

DEFAULT_PORT = 8464
"""Where events are taken in unless told otherwise."""

MAX_BODY = 8 << 20
"""Largest body of a request, in bytes, unpacked."""

STOP_S = 5.0
"""How long requests under way may take once the program is asked to end."""

_log = logging.getLogger(__name__)


class ListenError(Exception):
    """The address cannot be listened on."""


class Requests:
    """Answers by route and status (SPEC 9, `http_requests_total`)."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def count(self, request: web.Request, status: int) -> None:
        """One answer."""
        self.counts[route(request), str(status)] += 1


def route(request: web.Request) -> str:
    """The route of a request; `other` where there is none: the paths that strangers try are no labels."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "other"


def application(requests: Requests, names: Collection[str] = ()) -> web.Application:
    """An application without routes. `names` are host names, beside localhost, under which it may be asked."""
    allowed = {"localhost", *(name.lower() for name in names)}

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await _answer(request, handler, allowed)
        requests.count(request, response.status)
        return response

    async def harden(_: web.Request, response: web.StreamResponse) -> None:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["Server"] = "csstream"

    app = web.Application(middlewares=[guard], client_max_size=MAX_BODY)
    app.on_response_prepare.append(harden)
    return app


async def _answer(request: web.Request, handler: Handler, allowed: Collection[str]) -> web.StreamResponse:
    if not _is_known(request.host, allowed):
        return problem(421, "this host name is not one of ours; allow it with --allow-host")
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        details = {
            404: "there is nothing at this path",
            405: f"this path does not take {request.method}",
            413: f"a body may have at most {MAX_BODY} bytes; send it in parts",
        }
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return problem(error.status, details.get(error.status, error.reason), headers=headers)
    except Exception as error:  # noqa: BLE001 - the program goes on; where it went wrong is in its log alone
        # Not what the error says: that may be what a customer said.
        trace = "".join(traceback.format_tb(error.__traceback__))
        _log.error("%s %s failed: %s\n%s", request.method, route(request), type(error).__name__, trace)
        return problem(500, "a fault of the program; its log has the details")


def _is_known(host: str, allowed: Collection[str]) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower() in allowed or is_address(name)


def is_address(name: str) -> bool:
    """Whether this is an address in digits, no name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


@asynccontextmanager
async def listening(
    app: web.Application, host: str, port: int, *, option: str = "--port"
) -> AsyncIterator[str]:
    """Serve `app`; port 0 is any free one. Yields the address, like `http://127.0.0.1:8464`.

    Raises ListenError, which names the `option` that gives another port.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ListenError(
                f"cannot listen on {host}:{port}: {reason}; give another {option}, or 0 for any free one"
            ) from None
        bound = runner.addresses[0][1]
        yield f"http://{f'[{host}]' if ':' in host else host}:{bound}"
    finally:
        await runner.cleanup()
