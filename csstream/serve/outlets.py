"""What came in and what was concluded, as JSON lines over HTTP, from any place on: `GET /v1/facts?after=N`.

Every record has a number. An answer names the last one it holds; who asks again behind it misses nothing and gets
nothing twice, whatever crashed in between. The same lines are what `csstream replay` reads and writes.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from functools import partial

from aiohttp import web

from csstream.ledgers import sqlite
from csstream.serve.folder import Folder
from csstream.serve.inbox import read_events
from csstream.web.bearer import Bearer
from csstream.web.openapi import UNKNOWN, Described, failure
from csstream.web.problem import problem

LIMIT = 1_000
"""Records of an answer where no `limit` is given."""

MOST = 10_000
"""Most records of one answer."""

CURSOR = "Cs-Last"
"""The header with the number of the last record of an answer."""

Page = Callable[[int, int], list[tuple[int, bytes]]]

SAYS = {
    "events": "What came in, line by line, in the order in which it was kept: input of `csstream replay`.",
    "facts": "Facts in the order in which they were published; the last revision of an id stands.",
    "alerts": "Alerts in the order in which they were published; the last record of an id stands.",
    "dead-letters": "Events that were set aside, with the reason.",
}


class Outlets:
    """The routes, one for each kind of record."""

    def __init__(self, folder: Folder, bearer: Bearer) -> None:
        self._bearer = bearer
        self._pages: dict[str, Page] = {
            "events": partial(read_events, folder.inbox),
            "facts": partial(sqlite.read, folder.ledger, "facts"),
            "alerts": partial(sqlite.read, folder.ledger, "alerts"),
            "dead-letters": partial(sqlite.read, folder.ledger, "dead_letters"),
        }

    def mount(self, app: web.Application) -> None:
        """Add the routes."""
        for name, page in self._pages.items():
            app.router.add_get(f"/v1/{name}", partial(self._get, page))

    async def _get(self, page: Page, request: web.Request) -> web.Response:
        refusal = self._bearer.refusal(request)
        if refusal is not None:
            return refusal
        after, limit = _number(request, "after", 0), _number(request, "limit", LIMIT)
        if after is None or limit is None or not 1 <= limit <= MOST:
            return problem(400, f"after and limit are whole numbers, limit from 1 to {MOST}")
        try:
            found = await asyncio.to_thread(page, after, limit)
        except sqlite3.Error as error:
            return problem(503, f"the store cannot be read: {error}", headers={"Retry-After": "5"})
        body = b"".join(record + b"\n" for _, record in found)
        last = found[-1][0] if found else after
        return web.Response(body=body, content_type="application/x-ndjson", headers={CURSOR: str(last)})


def _number(request: web.Request, name: str, default: int) -> int | None:
    given = request.query.get(name)
    if given is None:
        return default
    return int(given) if given.isascii() and given.isdigit() and len(given) <= 18 else None


def described() -> dict[str, Described]:
    """The routes in the OpenAPI document."""
    return {f"/v1/{name}": {"get": _described(name, says)} for name, says in SAYS.items()}


def _described(name: str, says: str) -> Described:
    def number(parameter: str, default: int, said: str) -> Described:
        schema = {"type": "integer", "minimum": 0, "default": default}
        return {"name": parameter, "in": "query", "description": said, "schema": schema}

    return {
        "operationId": "get" + name.title().replace("-", ""),
        "summary": says,
        "security": [{"bearer": []}],
        "parameters": [
            number("after", 0, f"Records behind this number, which is the {CURSOR} of the answer before."),
            number("limit", LIMIT, f"Most records of the answer, up to {MOST}."),
        ],
        "responses": {
            "200": {
                "description": "Records as JSON lines; none when there are no further ones yet.",
                "headers": {
                    CURSOR: {"description": "Number of the last record.", "schema": {"type": "integer"}}
                },
                "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
            },
            "400": failure("A parameter is wrong."),
            "401": UNKNOWN,
            "503": failure("The store cannot be read at present."),
        },
    }
