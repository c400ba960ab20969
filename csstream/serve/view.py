"""What a screen shows, taken at one instant from the engine after a committed step.

Figures come from the engine's readings and from nowhere else, so that the screen, /metrics and an audit cannot
tell three stories. A view knows neither colours nor widths, and it never holds chat text.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from csstream.core.alert import Alert
from csstream.core.engine import Engine
from csstream.core.metrics import Labels
from csstream.policy import Policy

LATE_MS = 30_000
"""A customer who has waited longer counts as late on the screen."""

KEPT_ALERTS = 200
"""Newest alert lines that can be shown again."""

Who = tuple[str, str]
"""(shop, agent); agent "" is the queue or the shop."""


class OpenWait(NamedTuple):
    """A customer who waits; `passed` is how many alert levels, `severity` that of the highest of them."""

    shop: str
    customer: str
    holder: str
    since_ms: int
    age_ms: int
    messages: int
    passed: int
    over_s: float
    severity: str


@dataclass
class AgentLine:
    """An agent, or the shop (agent ""), now and today; None is no sample."""

    shop: str
    agent: str
    state: str = ""
    open: int = 0
    late: int = 0
    oldest_ms: int = 0
    consulted: int = 0
    replied: int = 0
    waits: int = 0
    within_30: int = 0
    responses: int = 0
    mean_s: float | None = None
    p90_s: float | None = None

    @property
    def share(self) -> float | None:
        """Share of today's waits answered within 30 s, in percent."""
        return 100 * self.within_30 / self.waits if self.waits else None


class AlertLine(NamedTuple):
    """An alert as it was published; `at_ms` is the instant it fired or ended."""

    at_ms: int
    alert: Alert
    new: bool
    """Whether it was published while somebody watched."""


@dataclass(frozen=True)
class View:
    """All that one screen shows."""

    now_ms: int
    day: str
    shops: tuple[str, ...]
    waits: tuple[OpenWait, ...]
    """Oldest first."""
    agents: tuple[AgentLine, ...]
    """Worst first."""
    totals: tuple[AgentLine, ...]
    """One line a shop."""
    alerts: tuple[AlertLine, ...]
    """Newest first."""
    fired: int
    """Alerts that have ended and that stand; `standing` alone now."""
    standing: int

    @property
    def total(self) -> AgentLine:
        """All shops as one line; means and percentiles only where there is one shop."""
        if len(self.totals) == 1:
            return self.totals[0]
        total = AgentLine("", "")
        for line in self.totals:
            for name in _SUMS:
                setattr(total, name, getattr(total, name) + getattr(line, name))
        total.oldest_ms = max((line.oldest_ms for line in self.totals), default=0)
        weighed = [(line.mean_s, line.responses) for line in self.totals if line.mean_s is not None]
        if weighed:
            total.mean_s = sum(mean * number for mean, number in weighed) / total.responses
        return total


_SUMS = ("open", "late", "consulted", "replied", "waits", "within_30", "responses")


@dataclass
class Feed:
    """Alerts in the order they were published, the newest kept; of several levels of one wait one end (SPEC 8)."""

    lines: deque[AlertLine] = field(default_factory=lambda: deque(maxlen=KEPT_ALERTS))
    standing: dict[str, AlertLine] = field(default_factory=dict)

    def hear(self, alerts: Iterable[Alert], *, new: bool) -> list[AlertLine]:
        """Take the alerts of a step; returns their lines, in order."""
        told = list(alerts)
        highest: dict[str, int] = {}
        for alert in told:
            if alert.state == "resolved":
                highest[_wait_of(alert)] = max(alert.ts, highest.get(_wait_of(alert), 0))
        lines = [
            AlertLine(alert.ts if alert.end is None else alert.end, alert, new)
            for alert in told
            if alert.state != "resolved" or alert.ts >= highest[_wait_of(alert)]
        ]
        self.lines.extend(lines)
        for alert in told:
            if alert.state == "firing":
                self.standing[alert.alert] = AlertLine(alert.ts, alert, new)
            else:
                self.standing.pop(alert.alert, None)
        return lines

    def open_now(self) -> None:
        """Somebody begins to watch: what has ended before is no news, what stands is kept."""
        self.lines.clear()
        self.lines.extend(sorted(self.standing.values(), key=lambda line: line.at_ms))


def _wait_of(alert: Alert) -> str:
    """What the levels of one wait have in common."""
    return alert.alert.rpartition("|")[0] if alert.rule == "wait" else alert.alert


def look(engine: Engine, now_ms: int, alerts: Iterable[AlertLine] = ()) -> View:
    """The view of an engine whose last step is committed."""
    policy = engine.policy
    found: dict[Who, AgentLine] = {}
    fired = standing = 0
    for name, labels, value in engine.readings():
        if isinstance(value, list):
            continue
        put = _PUT.get(name)
        if name == "alerts_firing":
            standing += int(value)
        elif name == "alerts_total":
            fired += int(value) if labels[2] == "resolved" else 0
        elif put is not None:
            by_agent = name not in _OF_SHOP
            who = (labels[0], labels[1] if by_agent else "")
            line = found.get(who)
            if line is None:
                line = found[who] = AgentLine(*who)
            put(line, labels[2:] if by_agent else labels[1:], value)
    waits = sorted(_open_waits(engine, policy), key=lambda wait: (wait.since_ms, wait.shop, wait.customer))
    for name, shop in engine.shops.items():
        for agent, row in shop.agents.items():
            line = found.setdefault((name, agent), AgentLine(name, agent))
            line.state = row.state
    totals = {name: found.get((name, ""), AgentLine(name, "")) for name in engine.shops}
    for total in totals.values():
        total.open = total.oldest_ms = 0  # the readings of "" are the queue's
    for wait in waits:
        total = totals[wait.shop]
        total.open += 1
        total.oldest_ms = max(total.oldest_ms, wait.age_ms)
        total.late += wait.age_ms > LATE_MS
        if wait.holder:
            found[wait.shop, wait.holder].late += wait.age_ms > LATE_MS
    agents = sorted((line for (_, agent), line in found.items() if agent), key=_worst)
    return View(
        now_ms=now_ms,
        day=max((shop.row.day for shop in engine.shops.values()), default=""),
        shops=tuple(sorted(engine.shops)),
        waits=tuple(waits),
        agents=tuple(replace(line) for line in agents),
        totals=tuple(totals.values()),
        alerts=tuple(alerts)[::-1],
        fired=fired + standing,
        standing=standing,
    )


def _worst(line: AgentLine) -> tuple[float | str, ...]:
    """Who lets customers wait too long now comes first, then who did so most of the day."""
    share = 101 if line.share is None else line.share
    return -line.late, share, -line.waits, line.shop, line.agent


def _open_waits(engine: Engine, policy: Policy) -> Iterable[OpenWait]:
    levels = policy.levels
    for name, shop in engine.shops.items():
        clock = shop.row.clock_ms
        for customer in shop.customers.values():
            s = customer.conversation.state
            if s.since < 0 or s.closing:
                continue
            age = clock - s.since
            passed = sum(age > level.over_ms for level in levels)
            last = levels[passed - 1] if passed else None
            yield OpenWait(
                shop=name,
                customer=customer.name,
                holder=s.holder or "",
                since_ms=s.since,
                age_ms=age,
                messages=s.messages,
                passed=passed,
                over_s=last.over_ms / 1000 if last else 0,
                severity=last.severity if last else "",
            )


def _put_open(line: AgentLine, _: Labels, value: float) -> None:
    line.open = int(value)


def _put_oldest(line: AgentLine, _: Labels, value: float) -> None:
    line.oldest_ms = round(value * 1000)


def _put_consulted(line: AgentLine, _: Labels, value: float) -> None:
    line.consulted = int(value)


def _put_replied(line: AgentLine, kind: Labels, value: float) -> None:
    if kind == ("any",):
        line.replied = int(value)


def _put_waits(line: AgentLine, _: Labels, value: float) -> None:
    line.waits = int(value)


def _put_within(line: AgentLine, _: Labels, value: float) -> None:
    line.within_30 = int(value)


def _put_responses(line: AgentLine, _: Labels, value: float) -> None:
    line.responses = int(value)


def _put_mean(line: AgentLine, _: Labels, value: float) -> None:
    line.mean_s = value


def _put_p90(line: AgentLine, _: Labels, value: float) -> None:
    line.p90_s = value


_OF_DAY = {
    "day_consulted": _put_consulted,
    "day_replied": _put_replied,
    "day_waits": _put_waits,
    "day_waits_within_30": _put_within,
    "day_responses": _put_responses,
    "day_response_mean_seconds": _put_mean,
    "day_response_p90_seconds": _put_p90,
}

_OF_SHOP = frozenset(_OF_DAY)

_PUT = {
    "open_waits": _put_open,
    "oldest_wait_seconds": _put_oldest,
    **_OF_DAY,
    **{f"agent_{name}": put for name, put in _OF_DAY.items()},
}
