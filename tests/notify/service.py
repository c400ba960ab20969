"""A chat service that behaves as it is told.

It speaks raw HTTP over a socket, for half of what services do wrong no server library would let through. Each
request takes the next behaviour of the script; when that is used up, all is well. What it took is written down.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

TAKEN = b'{"errcode":0,"errmsg":"ok","code":0}'


@dataclass
class Request:
    """One request: when it came (epoch ms), its path, headers and body, and whether it was answered by a whole yes."""

    at_ms: int

    path: str
    headers: dict[str, str]
    body: bytes
    taken: bool

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


def answer(status: int, body: bytes = TAKEN, *headers: str) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


BEHAVIOURS: dict[str, tuple[bytes, bool]] = {
    "ok": (answer(200), True),
    "slack_ok": (answer(200, b"ok"), True),
    "500": (answer(500, b"oops"), False),
    "502": (answer(502, b"oops"), False),
    "404": (answer(404, b"who?"), False),
    "429": (answer(429, b"slow down", "Retry-After: 1"), False),
    "429_date": (answer(429, b"slow down", "Retry-After: Wed, 21 Oct 2099 07:28:00 GMT"), False),
    "302": (answer(302, b"", "Location: http://169.254.169.254/latest"), False),
    "errcode": (answer(200, b'{"errcode":310000,"errmsg":"sign not match","code":19021}'), False),
    "too_fast": (answer(200, b'{"errcode":130101,"code":11232}'), False),
    "html": (answer(200, b"<html>welcome to the hotel</html>"), False),
    "list": (answer(200, b"[]"), False),
    "half": (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b'{"errcode":0', False),
    "hang_up": (b"", False),
    "garbage": (b"\x00\x01\x02 what is HTTP\r\n\r\n", False),
}
"""By name: what is sent back, and whether that is a yes. `time_out` and `slow` are more than bytes."""


@dataclass
class Service:
    """A context: listening inside, gone after it."""

    script: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    slow_s: float = 0.5
    usual: str = "ok"
    at: int = 0
    """The port; 0 is any free one."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.at, limit=1 << 22)
        self._open: set[asyncio.StreamWriter] = set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Its address; plain http, which only an own network may have."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def taken(self) -> list[Request]:
        """The requests that were answered by a whole yes."""
        return [request for request in self.requests if request.taken]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
            }
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            at_ms = time.time_ns() // 1_000_000
            name = self.script.pop(0) if self.script else self.usual
            said, yes = BEHAVIOURS.get(name, BEHAVIOURS["ok"])
            if name == "time_out":
                await asyncio.sleep(3600)
            if name == "slow":
                await asyncio.sleep(self.slow_s)
            request = Request(at_ms, head[0].split(" ")[1], headers, body, yes)
            self.requests.append(request)
            writer.write(said)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()
