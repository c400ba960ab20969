"""What one step publishes of one shop: the difference between before it and after it.

Inside a step a fact may be concluded, corrected and corrected again; only what differs from the last published
record goes out, once (SPEC 3, 8). So it is the same whether a late event shares a step with what it corrects.
"""

from typing import Protocol

from msgspec.structs import replace

from csstream.core.alert import Alert
from csstream.core.facts import AnyFact
from csstream.core.firsts import Firsts
from csstream.core.scoreboard import Scoreboard


class Revised(Protocol):
    """Who remembers the revisions of what was published more than once."""

    revs: dict[str, tuple[int, int]]

    def revised(self, name: str, revision: int, ts: int, /) -> None:
        """Remember the revision of a fact, or the states of an alert, and its instant."""


class _Entry:
    __slots__ = ("before", "now", "owner", "rev")

    def __init__(self, owner: Revised, rev: int, before: AnyFact | None) -> None:
        self.owner = owner
        self.rev = rev  # of the last published record; 0: never
        self.before = before  # as last published; None: never, or retracted
        self.now: AnyFact | None = None


class _AlertEntry:
    __slots__ = ("before", "known", "last", "now", "owner")

    def __init__(
        self, owner: Revised, known: bool, before: Alert | None, now: Alert | None, last: Alert
    ) -> None:
        self.owner = owner
        self.known = known  # published, and not retracted, before this step
        self.before = before  # its record, where it is at hand
        self.now = now
        self.last = last


class Published:
    """What goes out, in order."""

    __slots__ = ("alerts", "corrected", "facts", "first_alerts")

    def __init__(self) -> None:
        self.facts: list[AnyFact] = []
        self.alerts: list[Alert] = []
        self.first_alerts: list[Alert] = []
        self.corrected: dict[str, int] = {}


class ShopStep:
    """Collects the changes of a step."""

    __slots__ = ("_alerts", "_facts")

    def __init__(self) -> None:
        self._facts: dict[str, _Entry] = {}
        self._alerts: dict[str, _AlertEntry] = {}

    def fact(self, fact: AnyFact, old: AnyFact | None, owner: Revised) -> None:
        """A fact holds; `old` is what held in its place."""
        self._entry(fact.fact, old, owner).now = fact

    def retract(self, old: AnyFact, owner: Revised) -> None:
        """A fact no longer holds."""
        self._entry(old.fact, old, owner).now = None

    def _entry(self, name: str, old: AnyFact | None, owner: Revised) -> _Entry:
        entry = self._facts.get(name)
        if entry is None:
            revised = owner.revs.get(name)
            rev = revised[0] if revised is not None else 0 if old is None else 1
            entry = self._facts[name] = _Entry(owner, rev, old)
        return entry

    def alert(self, alert: Alert, before: "Alert | bool | None", owner: Revised) -> None:
        """An alert stands so; `before` is its record before, or whether there is one."""
        entry = self._alerts.get(alert.alert)
        if entry is None:
            record = before if isinstance(before, Alert) else None
            self._alerts[alert.alert] = _AlertEntry(owner, bool(before), record, alert, alert)
        else:
            entry.now = entry.last = alert

    def retract_alert(self, old: Alert, owner: Revised) -> None:
        """An alert, so far `old`, never held by what is known now."""
        entry = self._alerts.get(old.alert)
        if entry is None:
            self._alerts[old.alert] = _AlertEntry(owner, True, old, None, old)
        else:
            entry.now = None

    def publish(self, figures: Scoreboard, firsts: Firsts) -> Published:
        """Close the step: `figures` count what goes out, and no more what it replaces."""
        out = Published()
        retracted: list[AnyFact] = []
        for name, entry in self._facts.items():
            fact, before = entry.now, entry.before
            if fact is None:
                if before is None:
                    continue
                figures.learn(before, -1)
                fact = replace(before, retracted=True)
                fact.rev = entry.rev + 1
                retracted.append(fact)
            else:
                if before is not None:
                    if replace(before, rev=fact.rev) == fact:
                        continue
                    figures.learn(before, -1)
                rev = fact.rev = entry.rev + 1
                figures.learn(fact, 1, firsts if rev == 1 else None)
                out.facts.append(fact)
            if entry.rev > 0:
                entry.owner.revised(name, entry.rev + 1, fact.ts)
                kind = type(fact).__name__.lower()
                out.corrected[kind] = out.corrected.get(kind, 0) + 1
        out.facts = retracted + out.facts
        self._publish_alerts(out)
        firsts.alerts = out.first_alerts
        return out

    def _publish_alerts(self, out: Published) -> None:
        for name, entry in self._alerts.items():
            alert = entry.now
            if alert is None:
                if not entry.known:
                    continue
                alert = replace(entry.before or entry.last, state="retracted")
            elif entry.before is not None and alert == entry.before:
                continue
            states = entry.owner.revs.get(name)
            bit = STATES[alert.state]
            seen = states[0] if states is not None else STATES["firing"] if entry.known else 0
            if not seen & bit:
                out.first_alerts.append(alert)
            if states is not None or entry.before is not None or alert.state == "retracted":
                entry.owner.revised(name, seen | bit, alert.ts)
                out.corrected["alert"] = out.corrected.get("alert", 0) + 1
            out.alerts.append(alert)
        out.alerts.sort(key=_order)


STATES = {"firing": 1, "resolved": 2, "retracted": 4}
"""What is remembered of the records of an alert: the sum of the states that were published."""


def _order(alert: Alert) -> tuple[bool, int, str]:
    instant = alert.ts if alert.end is None else alert.end
    return alert.state != "retracted", instant, alert.alert
