"""Answers that say what is wrong: RFC 9457 problem documents, one form for every error of every route."""

import http
from collections.abc import Mapping

import orjson
from aiohttp import web

CONTENT_TYPE = "application/problem+json"


def problem(
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, object] | None = None,
) -> web.Response:
    """An error as a client can read it: `title`, `status`, `detail` (what is wrong and the way out), and `members`."""
    body = {"title": http.HTTPStatus(status).phrase, "status": status, "detail": detail, **(members or {})}
    return web.Response(
        status=status, body=orjson.dumps(body), content_type=CONTENT_TYPE, headers=dict(headers or {})
    )
