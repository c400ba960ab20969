"""Who may look at the wall, and who may say that an alert was seen.

A wall hangs in a room, so the link to it must be safe to give away: it carries a key of its own, made from the token,
with which one can look and nothing else. The key stands behind the `#` of the link, which no browser sends to a
server, writes into a log of requests or passes on as a referrer; the page's script puts it into a header. There are
no cookies, so a foreign page cannot make a browser act for somebody.
"""

import time
from collections.abc import Callable

from aiohttp import web

from csstream.web.bearer import Bearer

LOOK, ACT = "look", "act"
"""What a caller may do: look on, or also acknowledge."""

WRONG_KEYS = 10
"""Different wrong keys that one address may offer within `WRONG_S`."""

WRONG_S = 60.0

_ADDRESSES = 10_000  # remembered at most


class Access:
    """Without a `bearer` everybody who reaches the wall may look and act."""

    def __init__(self, bearer: Bearer | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.view_key = "" if bearer is None else bearer.derived("csstream wall, read only")
        """The key of the read-only link; it does not give the token away."""
        self._acting = bearer
        self._looking = None if bearer is None else Bearer(self.view_key)
        self._wrong: dict[str, dict[int, float]] = {}

    def allows(self, request: web.Request) -> str | None:
        """What the sender of a request may do; None: nothing."""
        if self._acting is None or self._acting.allows(request):
            return ACT
        return LOOK if self._looking is not None and self._looking.allows(request) else None

    def tries_too_often(self, address: str) -> bool:
        """Whether an address has offered too many wrong keys of late."""
        since = self.clock() - WRONG_S
        return sum(at > since for at in self._wrong.get(address, {}).values()) >= WRONG_KEYS

    def was_wrong(self, address: str, key: str) -> None:
        """An address has offered a wrong key. The screens that still offer the old one, all through one proxy maybe, do
        not guess: a key counts once."""
        if address not in self._wrong and len(self._wrong) >= _ADDRESSES:
            self._wrong.pop(next(iter(self._wrong)))
        wrong = self._wrong.setdefault(address, {})
        wrong.pop(hash(key), None)
        if len(wrong) >= WRONG_KEYS:
            wrong.pop(next(iter(wrong)))
        wrong[hash(key)] = self.clock()


def same_origin(request: web.Request) -> bool:
    """Whether a request came from a page of this wall, or from no page at all."""
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2] == request.host
