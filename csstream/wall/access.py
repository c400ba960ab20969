"""Who may look at the wall, and who may say that an alert was seen.

A wall hangs in a room, so the link to it must be safe to give away: it carries a key of its own, made from the token,
with which one can look and nothing else. The key stands behind the `#` of the link, which no browser sends to a
server, writes into a log of requests or passes on as a referrer; the page's script puts it into a header. There are
no cookies, so a foreign page cannot make a browser act for somebody.

Besides, the name under which the wall is asked for must be an address, `localhost` or one that was allowed: a foreign
name that was made to point here (DNS rebinding) gets nothing.
"""

import hmac
import ipaddress
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

LOOK, ACT = "look", "act"
"""What a caller may do: look on, or also acknowledge."""

WRONG_KEYS = 10
"""Wrong keys that one address may offer within `WRONG_S`."""

WRONG_S = 60.0

_ADDRESSES = 10_000  # remembered at most


@dataclass
class Access:
    """`token` empty: everybody who reaches the wall may look and act. `hosts`: further names it may be asked by."""

    token: str = ""
    hosts: frozenset[str] = frozenset()
    clock: Callable[[], float] = time.monotonic
    _wrong: dict[str, deque[float]] = field(default_factory=dict)

    @property
    def view_key(self) -> str:
        """The key of the read-only link; it does not give the token away."""
        return hmac.digest(self.token.encode(), b"csstream wall, read only", "sha256").hex()[:32]

    def allows(self, key: str | None) -> str | None:
        """What the bearer of a key may do; None: nothing. Compared in constant time."""
        if not self.token:
            return ACT
        offered = (key or "").encode()
        acts = hmac.compare_digest(offered, self.token.encode())
        looks = hmac.compare_digest(offered, self.view_key.encode())
        return ACT if acts else LOOK if looks else None

    def tries_too_often(self, address: str) -> bool:
        """Whether an address has offered too many wrong keys of late."""
        wrong = self._wrong.get(address)
        if wrong is None:
            return False
        while wrong and wrong[0] <= self.clock() - WRONG_S:
            wrong.popleft()
        return len(wrong) >= WRONG_KEYS

    def was_wrong(self, address: str) -> None:
        """An address has offered a wrong key."""
        if address not in self._wrong and len(self._wrong) >= _ADDRESSES:
            self._wrong.pop(next(iter(self._wrong)))
        self._wrong.setdefault(address, deque(maxlen=WRONG_KEYS)).append(self.clock())

    def knows_host(self, host: str | None) -> bool:
        """Whether the wall may be asked for by this `Host`."""
        name = _name(host or "")
        return name == "localhost" or name in self.hosts or is_address(name)


def is_address(name: str) -> bool:
    """Whether a host is written as an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a listener on `host`."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def same_origin(origin: str | None, host: str | None) -> bool:
    """Whether a request came from a page of this wall, or from no page at all."""
    return origin is None or origin.partition("://")[2] == host


def _name(host: str) -> str:
    """A `Host` without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()
