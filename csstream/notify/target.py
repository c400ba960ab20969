"""What the outbox knows of a sink: who is told what, when, and how fast.

Plain values and no network: the same decisions can be tried on a thousand invented days.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from csstream.core.alert import Alert
from csstream.notify.message import severity_rank

DAY_MS = 86_400_000


@dataclass(frozen=True)
class Rate:
    """At most `burst` messages at once, then one every `interval_ms`.

    In a minute that is never more than `burst + 60,000 / interval_ms`. A burst alone would leave a robot mute for
    the rest of its minute; so a part is kept for what comes then.
    """

    burst: int
    interval_ms: int

    @classmethod
    def of(cls, per_minute: int) -> "Rate":
        """Never more than so many in a minute (at least 2): two fifths at once, the others evenly."""
        burst = max(1, per_minute * 2 // 5)
        return cls(burst, -(-60_000 // max(1, per_minute - burst)))

    def free_ms(self, full_ms: int) -> int:
        """When the next message may go; `full_ms` is when all of the burst is there again."""
        return full_ms - (self.burst - 1) * self.interval_ms

    def left(self, full_ms: int, now: int) -> int:
        """How many may go at once."""
        if not self.interval_ms:
            return self.burst
        return max(0, self.burst - -(-max(0, full_ms - now) // self.interval_ms))

    def used(self, full_ms: int, now: int) -> int:
        """`full_ms` once another has gone."""
        return max(full_ms, now) + self.interval_ms


UNLIMITED = Rate(1 << 30, 0)


@dataclass(frozen=True)
class Quiet:
    """Hours, in ms of the local day and perhaps over midnight, in which only `severity` and above is told."""

    start_ms: int
    end_ms: int
    severity: str
    zone: str

    def holds(self, severity: str, now: int) -> bool:
        """Whether an alert of this severity has to wait now."""
        if severity_rank(severity) >= severity_rank(self.severity):
            return False
        local = datetime.fromtimestamp(now / 1000, ZoneInfo(self.zone))
        at = ((local.hour * 60 + local.minute) * 60 + local.second) * 1000
        if self.start_ms < self.end_ms:
            return self.start_ms <= at < self.end_ms
        return at >= self.start_ms or at < self.end_ms


@dataclass(frozen=True)
class Route:
    """Which alerts go to which sinks. Names are patterns (`s0*`); an empty list takes all."""

    sinks: tuple[str, ...]
    shops: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    severity: str = "info"

    def takes(self, alert: Alert) -> bool:
        """Whether the alert is of this route."""
        return (
            severity_rank(alert.severity) >= severity_rank(self.severity)
            and matches(alert.shop, self.shops)
            and matches(alert.group or "", self.groups)
            and matches(alert.rule, self.rules)
        )


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name fits one of the patterns; if there are none it does."""
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


@dataclass(frozen=True)
class Target:
    """One sink, as the outbox sees it.

    `most` is how many alerts one message may name (None: a message is one alert, or a digest); `refresh_ms` how
    often it wants to hear of all that stand. `fallback` takes over what it could not be told for `fallback_after_ms`.
    """

    name: str
    routes: tuple[Route, ...]
    rate: Rate = UNLIMITED
    quiet: Quiet | None = None
    most: int | None = None
    refresh_ms: int | None = None
    fallback: str | None = None
    fallback_after_ms: int = 300_000

    def takes(self, alert: Alert) -> bool:
        """Whether some route brings the alert here."""
        return any(route.takes(alert) for route in self.routes if self.name in route.sinks)
