"""An invented day for the outbox: alerts by hand, a clock that is moved, sinks that answer what they are told to.

It stands for everything around the outbox, and may crash between any two of its effects.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from csstream.core.alert import Alert
from csstream.notify.marks import Read
from csstream.notify.message import Answer, Message
from csstream.notify.outbox import Outbox, Tally
from csstream.notify.target import Route, Target

T = 1_763_690_400_000
"""21 November 2025, 10:00:00 in Shanghai."""

YES = Answer(True)
NO = Answer(False, "no")
PERHAPS = Answer(False, "perhaps", maybe=True)


def alert(name: str, at_s: float = 0, **fields: Any) -> Alert:
    """An alert that fires `at_s` seconds after 10:00:00."""
    rule = name.split("|", maxsplit=1)[0]
    ts = T + round(at_s * 1000)
    given: dict[str, Any] = {
        "alert": name, "rule": rule, "state": "firing", "severity": "warning", "shop": "s", "agent": "anna",
        "group": None, "customer": "c00017" if rule == "wait" else None, "since": ts, "ts": ts, "end": None,
        "outcome": None, "value": {}, "divert_to": None, "evidence": ["m1"], "policy": "handbook@1",
        "summary": {"zh": f"出事 {name}", "en": f"trouble {name}"},
    }  # fmt: skip
    return Alert(**(given | fields))


def level(wait: str, over: int, since_s: float = 0, **fields: Any) -> Alert:
    """A level of a wait that began `since_s` after 10:00:00."""
    severity = {15: "info", 30: "warning", 100: "critical", 180: "breach", 1800: "lost"}[over]
    given = {"severity": severity, "since": T + round(since_s * 1000), "value": {"over_s": over}}
    return alert(f"wait|{wait}|{over}", since_s + over, **(given | fields))


def ended(one: Alert, at_s: float, outcome: str = "answered") -> Alert:
    """The alert, resolved."""
    return replace(one, state="resolved", end=T + round(at_s * 1000), outcome=outcome)


def retracted(one: Alert) -> Alert:
    """The alert, retracted."""
    return replace(one, state="retracted")


def to(*names: str, **fields: Any) -> list[Target]:
    """Sinks that are told everything."""
    return [Target(name, (Route((name,)),), **fields) for name in names]


class Day:
    """An outbox and its surroundings. `sent` is every message that reached a sink, with its time in seconds."""

    def __init__(self, targets: Sequence[Target] | None = None, settle_ms: int = 1_000) -> None:
        self.targets = to("ops") if targets is None else targets
        self.settle_ms = settle_ms
        self.rows: dict[bytes, bytes] = {}
        self.sent: list[tuple[float, str, Message]] = []
        self.answers: dict[str, list[Answer]] = {}
        self.now = T
        self.position = 0
        self.tally = Tally()
        self.open()

    def open(self) -> None:
        """Begin, or begin again from the rows, as after a crash."""
        self.outbox = Outbox(
            self.targets, settle_ms=self.settle_ms, stale_after_ms=120_000, rows=self.rows, tally=self.tally
        )

    def keep(self) -> None:
        """Keep the rows that changed."""
        for key, row in self.outbox.take_rows().items():
            if row is None:
                del self.rows[key]
            else:
                self.rows[key] = row

    def at(self, seconds: float, *alerts: Alert) -> None:
        """Let time pass to so many seconds after 10:00:00, then take in alerts."""
        self.until(seconds)
        self.take(alerts)
        self.turn()

    def take(self, alerts: Iterable[Alert]) -> None:
        """Take in alerts, now."""
        taken = list(alerts)
        self.position += len(taken)
        self.outbox.take("cs.alerts/0", Read(self.position), taken, self.now)

    def until(self, seconds: float) -> None:
        """Let time pass, as the notifier does: at each instant that the outbox asked for."""
        end = T + round(seconds * 1000)
        while True:
            self.turn()
            if self.now >= end:
                return
            self.now = min(end, max(self.now + 1, self.outbox.next_ms()))

    def turn(self) -> None:
        """Compose, keep, send, and hear the answers, until nothing more is to be sent now."""
        while True:
            self.outbox.advance(self.now)
            self.keep()
            ready = self.outbox.to_send()
            if not ready:
                return
            for sink, message in ready:
                self.sent.append(((self.now - T) / 1000, sink, message))
                answers = self.answers.get(sink)
                self.outbox.answered(sink, answers.pop(0) if answers else YES, self.now)
            self.keep()

    def told(self, sink: str = "ops") -> list[tuple[float, str, str]]:
        """What reached a sink: time, kind, and the alert (of several, how many)."""
        return [
            (at, m.kind, m.alerts[0].alert if m.kind in {"firing", "ended"} else str(sum(m.firing.values())))
            for at, name, m in self.sent
            if name == sink
        ]

    def count(self, result: str, sink: str = "ops") -> int:
        """A counter of the notifier."""
        return self.tally.results[sink, result]
