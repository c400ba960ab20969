"""One HTTPS POST, and what can be said of it whatever happens: taken, refused, or nobody knows.

The difference between the last two matters more than the reason: what was surely refused can be told anew as it is
then, what may have arrived must be sent again as it was. No redirect is followed (it could lead anywhere), no proxy
of the environment is used (it would connect where we cannot look), and each request has a connection of its own, so
that one which had gone stale is no riddle. What is said of a failure never holds the URL or the answer's text.
"""

import email.utils
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from csstream.notify.address import BlockedError, look_up, socket_maker
from csstream.notify.message import Answer
from csstream.notify.secret import Secret

MOST_BYTES = 65_536
"""Of an answer's body; the services say a few dozen."""

_MAYBE = {408, 502, 504}  # something in between gave up, and does not know either


@dataclass(frozen=True)
class Reply:
    """A 2xx answer, whole."""

    status: int
    body: bytes


class Poster:
    """Posts to one URL, if its settings allow. `close` it."""

    def __init__(self, url: Secret, *, allow_private: bool, timeout_s: float) -> None:
        self._url = url
        self._allow_private = allow_private
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: bytes, headers: Mapping[str, str], query: str = "") -> Reply | Answer:
        """Post; a `Reply` where the service answered 2xx, else what became of it. `query` is added to the URL."""
        url = self._url.text()
        if query:
            url += ("&" if "?" in url else "?") + query
        if self._session is None:
            sockets = socket_maker(allow_private=self._allow_private, plain=url.startswith("http:"))
            connector = aiohttp.TCPConnector(
                force_close=True, socket_factory=sockets, use_dns_cache=False, resolver=_Names()
            )
            tracing = aiohttp.TraceConfig()
            tracing.on_connection_create_end.append(_connected)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                trust_env=False,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "csstream", "Accept-Encoding": "identity"},
                trace_configs=[tracing],
            )
        under_way = _UnderWay()
        try:
            async with self._session.post(
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                trace_request_ctx=under_way,
            ) as response:
                read = await self._read(response)
                return _judge(response.status, response.headers.get("Retry-After"), read)
        except TimeoutError:
            said = "no answer" if under_way.connected else "no connection"
            return Answer(False, f"{said} within {self._timeout.total:g} s", maybe=under_way.connected)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(False, _broken(error, under_way), maybe=under_way.connected)

    @staticmethod
    async def _read(response: aiohttp.ClientResponse) -> bytes:
        read = b""
        async for chunk in response.content.iter_chunked(MOST_BYTES):
            read += chunk
            if len(read) >= MOST_BYTES:
                break
        return read

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


class _Names(AbstractResolver):
    """Names as `look_up` finds them."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await look_up(host, port, family, socket.AI_ADDRCONFIG)
        numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(
                hostname=host, host=str(place[0]), port=port, family=kind, proto=protocol, flags=numeric
            )
            for kind, _, protocol, _, place in found
        ]

    async def close(self) -> None:
        """Nothing is open."""


def _judge(status: int, retry_after: str | None, body: bytes) -> Reply | Answer:
    if 200 <= status < 300:
        return Reply(status, body)
    if 300 <= status < 400:
        return Answer(False, f"HTTP {status}: a redirect, and none is followed; give the final address")
    return Answer(
        False, f"HTTP {status}", maybe=status in _MAYBE, retry_after_ms=_retry_after_ms(retry_after)
    )


def _retry_after_ms(text: str | None) -> int:
    """What a `Retry-After` asks for: seconds, or a date; 0 for none."""
    if text is None:
        return 0
    if text.isascii() and text.isdigit() and len(text) < 9:
        return int(text) * 1000
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0, round((at - datetime.now(UTC)).total_seconds() * 1000))


@dataclass
class _UnderWay:
    """How far a request got."""

    connected: bool = False


async def _connected(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.connected = True


def _broken(error: Exception, under_way: _UnderWay) -> str:
    if under_way.connected:
        return f"the connection broke ({type(error).__name__})"
    if isinstance(error, aiohttp.ClientSSLError):
        return "no TLS that can be trusted: look at its certificate"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known"
    if isinstance(error, aiohttp.InvalidURL):
        return "its URL cannot be used"
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return str(cause) if isinstance(cause, BlockedError) else f"no connection ({type(cause).__name__})"
