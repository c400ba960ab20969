"""`POST /v1/events`: events as JSON lines, answered only when they are durable.

A request is taken whole or not at all, so that a client repeats what was not answered and nothing else; repeated
events are told by their ids. A client that rather drops its own bad lines asks so (`?partial=1`). Who sends faster
than is kept waits first, and is then told to come back: nothing that was answered is ever thrown away.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import orjson
from aiohttp import web

from csstream.web.batch import Batch, Entry, parse
from csstream.web.bearer import Bearer
from csstream.web.problem import problem
from csstream.web.server import MAX_BODY

PATH = "/v1/events"

SHOWN_FAULTS = 20
"""Faulty lines that an answer names; it counts all of them."""

BODIES = 16
"""Requests whose bodies are in memory at one time; the others wait."""

BODY_S = 30.0
"""How long a body may take to arrive."""

PATIENCE_S = 10.0
"""How long a request waits for room before it is sent away."""


class RefusedError(Exception):
    """The events were not taken, or it is not known whether they were: send them again after `retry_s`.

    `retry_s` is None where the same would be refused again.
    """

    def __init__(self, detail: str, status: int, retry_s: int | None) -> None:
        super().__init__(detail)
        self.status = status
        self.retry_s = retry_s


class BusyError(RefusedError):
    """More is on its way than may be: come back later (429)."""

    def __init__(self, detail: str, retry_s: int = 2) -> None:
        super().__init__(detail, 429, retry_s)


class AwayError(RefusedError):
    """What keeps the events cannot be reached, or is full (503)."""

    def __init__(self, detail: str, retry_s: int = 5) -> None:
        super().__init__(detail, 503, retry_s)


class TooLargeError(RefusedError):
    """An event is larger than what keeps it can hold (413)."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, 413, None)


class Intake(Protocol):
    """Where events go."""

    async def put(self, entries: Sequence[Entry]) -> None:
        """Return when all of them are durable. Raises RefusedError."""


class Ingest:
    """The endpoint, in front of an intake."""

    def __init__(self, intake: Intake, bearer: Bearer) -> None:
        self._intake = intake
        self._bearer = bearer
        self._bodies = asyncio.Semaphore(BODIES)

    def mount(self, app: web.Application) -> None:
        """Add the route."""
        app.router.add_post(PATH, self._post)

    async def _post(self, request: web.Request) -> web.Response:
        refusal = self._bearer.refusal(request)
        if refusal is not None:
            return refusal
        partial = request.query.get("partial", "0")
        if partial not in ("0", "1"):
            return problem(
                400, "partial: 1 takes the good lines of a body with bad ones, 0 (the default) none"
            )
        if (request.content_length or 0) > MAX_BODY:
            raise web.HTTPRequestEntityTooLarge(MAX_BODY, request.content_length or 0)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._bodies.acquire()
        except TimeoutError:
            return _refused(BusyError(f"{BODIES} requests are being taken in already"))
        try:
            return await self._take(request, partial == "1")
        finally:
            self._bodies.release()

    async def _take(self, request: web.Request, partial: bool) -> web.Response:
        try:
            async with asyncio.timeout(BODY_S):
                body = await request.read()
        except TimeoutError:
            return problem(408, f"the body did not arrive within {BODY_S:.0f} s; send less at a time")
        except (web.RequestPayloadError, ConnectionError):
            return problem(400, "the body cannot be unpacked, or ended early: it is not what its headers say")
        batch = parse(body)
        if not batch.entries and not batch.faults:
            return problem(400, "the body holds no event; send one JSON object a line")
        if batch.faults and not partial:
            return problem(
                400,
                f"{len(batch.faults)} of {len(batch.entries) + len(batch.faults)} lines are no events, and nothing "
                "was taken: mend them, or send ?partial=1 to have the others taken",
                members=_said(batch),
            )
        try:
            if batch.entries:
                await self._intake.put(batch.entries)
        except RefusedError as error:
            return _refused(error)
        answer = {"accepted": len(batch.entries)} | (_said(batch) if partial else {})
        return web.Response(body=orjson.dumps(answer), content_type="application/json")


def _said(batch: Batch) -> dict[str, object]:
    shown = [fault._asdict() for fault in batch.faults[:SHOWN_FAULTS]]
    return {"rejected": len(batch.faults), "errors": shown}


def _refused(error: RefusedError) -> web.Response:
    headers = None if error.retry_s is None else {"Retry-After": str(error.retry_s)}
    return problem(error.status, str(error), headers=headers)
