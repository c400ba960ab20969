"""What goes to a sink, and what comes back.

A message holds alerts and no words: a sink says them in its own language and form. It is kept in a row before it is
sent, so that one whose answer was never heard can be sent again as it was, under the same id.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from csstream.core.alert import Alert
from csstream.policy import SEVERITIES

MessageKind = Literal["firing", "ended", "digest", "summary", "batch", "refresh", "test"]

SHOWN = 5
"""Waits that a digest or a summary names: the oldest."""


class Message(Struct, frozen=True, omit_defaults=True):
    """One message. `firing` and `ended` (a digest, a summary) count alerts by rule; `alerts` are those it names.

    A `batch` and a `refresh` are for a service that groups by itself: they name all. `repeat`: an earlier try was
    not answered, so whoever reads it may have it already.
    """

    id: str
    kind: MessageKind
    at_ms: int
    severity: str
    alerts: list[Alert]
    firing: dict[str, int] = {}
    ended: dict[str, int] = {}
    waits: int = 0
    repeat: bool = False


@dataclass(frozen=True)
class Answer:
    """What became of one try. `said` is in our own words: a service's may hold anything, a secret too.

    `maybe`: no clear no, so the service may have taken it. `retry_after_ms`: it asked us to wait so long.
    """

    ok: bool
    said: str = ""
    maybe: bool = False
    retry_after_ms: int = 0


def short_id(*parts: str) -> str:
    """An id for people: the same for the same thing, and with no customer in it."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]


def severity_rank(severity: str) -> int:
    """0 for info up to 4 for lost; what is not known is told rather than held back."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def worst(alerts: Iterable[Alert]) -> str:
    """The highest severity among them; info for none."""
    return max((alert.severity for alert in alerts), key=severity_rank, default=SEVERITIES[0])


def by_rule(alerts: Iterable[Alert]) -> dict[str, int]:
    """How many of each rule, by name."""
    counts: dict[str, int] = {}
    for alert in sorted(alerts, key=lambda alert: alert.rule):
        counts[alert.rule] = counts.get(alert.rule, 0) + 1
    return counts


def oldest(alerts: Iterable[Alert]) -> list[Alert]:
    """The five whose waits (or conditions) began first; of several levels of one wait the highest."""
    first: dict[tuple[str, str], Alert] = {}
    for alert in alerts:
        one = alert.shop, wait_of(alert.alert)
        if one not in first or first[one].ts < alert.ts:
            first[one] = alert
    return sorted(first.values(), key=lambda alert: (alert.since, alert.alert))[:SHOWN]


def wait_of(alert_id: str) -> str:
    """The wait that a level is of (SPEC 8: `wait|<wait id>|<over s>`); for other rules the alert's own id."""
    return alert_id.rpartition("|")[0] if alert_id.startswith("wait|") else alert_id
