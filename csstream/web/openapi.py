"""The OpenAPI document of what a program takes and gives over HTTP, at `/openapi.json`.

The schemas of events are made from the structs that decode them, so that the document cannot say anything else.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson
from aiohttp import web

from csstream import __version__
from csstream.events import TYPES
from csstream.web.ingest import PATH, SHOWN_FAULTS
from csstream.web.problem import CONTENT_TYPE
from csstream.web.server import MAX_BODY

Described = dict[str, Any]

EXAMPLE = (
    '{"id":"m1","type":"message","ts":"2026-11-21T10:00:00+08:00","shop":"lamp","customer":"c1","sender":"customer"}\n'
    '{"id":"m2","type":"message","ts":"2026-11-21T10:00:12+08:00","shop":"lamp","customer":"c1","sender":"human","agent":"A"}\n'
)

_FAULT = {
    "type": "object",
    "required": ["line", "reason", "error"],
    "properties": {
        "line": {"type": "integer", "minimum": 1, "description": "Number of the line in the body, from 1."},
        "reason": {
            "type": "string",
            "description": "Like `not_json`, `missing:shop`, `bad:ts`, `too_large`.",
        },
        "error": {"type": "string", "description": "What to do about it."},
    },
}
_ERRORS = {
    "rejected": {"type": "integer", "minimum": 0, "description": "Lines that are no events."},
    "errors": {"type": "array", "items": _FAULT, "description": f"The first {SHOWN_FAULTS} of them."},
}
_PROBLEM = {
    "type": "object",
    "required": ["title", "status", "detail"],
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, and the way out."},
        **_ERRORS,
    },
}
_ACCEPTED = {
    "type": "object",
    "required": ["accepted"],
    "properties": {
        "accepted": {"type": "integer", "minimum": 0, "description": "Events that are kept now."},
        **_ERRORS,
    },
}
RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait before the same is sent again.",
        "schema": {"type": "integer"},
    }
}


def failure(said: str, headers: Described | None = None) -> Described:
    """An error answer."""
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": said, "content": content} | ({"headers": headers} if headers else {})


UNKNOWN = failure("No token, or a wrong one.")
BUSY = failure("More is on its way than may be. Send the same again later.", RETRY_AFTER)

_POST = {
    "operationId": "postEvents",
    "summary": "Hand events in",
    "description": (
        "One event a line. The answer comes when they are durable. A request is taken whole or not at all, unless "
        "`partial` is 1. After an answer of 408, 429, 500 or 503, or none, send the same again: what was taken already is told by its "
        "`id` and counts once. Events that come too late, or from the future, are taken and become dead letters."
    ),
    "security": [{"bearer": []}],
    "parameters": [
        {
            "name": "partial",
            "in": "query",
            "description": "1: take the good lines of a body with bad ones, and name the bad ones.",
            "schema": {"type": "string", "enum": ["0", "1"], "default": "0"},
        }
    ],
    "requestBody": {
        "required": True,
        "description": f"JSON lines, at most {MAX_BODY} bytes unpacked; `Content-Encoding: gzip` or `deflate` may be used.",
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string", "description": "Lines, each an `Event`."},
                "example": EXAMPLE,
            }
        },
    },
    "responses": {
        "200": {
            "description": "The events are durable.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Accepted"}}},
        },
        "400": failure("Nothing was taken; `errors` names the faulty lines."),
        "401": UNKNOWN,
        "408": failure("The body did not arrive in time."),
        "413": failure("The body is too large."),
        "421": failure("The host name is not one of ours."),
        "429": BUSY,
        "503": failure("What keeps the events is away or full. Send the same again later.", RETRY_AFTER),
    },
}


def document(more: Mapping[str, Described] | None = None) -> Described:
    """The whole document; `more` has the paths that only this program has."""
    names = {cls.__name__: tag for tag, cls in TYPES.items()}
    _, events = msgspec.json.schema_components(TYPES.values(), ref_template="#/components/schemas/{name}")
    kinds = {
        "oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in names],
        "discriminator": {
            "propertyName": "type",
            "mapping": {tag: f"#/components/schemas/{name}" for name, tag in names.items()},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "csstream", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": {PATH: {"post": _POST}} | dict(more or {}),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Event": kinds, **events, "Problem": _PROBLEM, "Accepted": _ACCEPTED},
        },
    }


def mount(app: web.Application, more: Mapping[str, Described] | None = None) -> None:
    """Serve the document."""
    text = orjson.dumps(document(more))

    async def get(_: web.Request) -> web.Response:
        return web.Response(body=text, content_type="application/json")

    app.router.add_get("/openapi.json", get)
