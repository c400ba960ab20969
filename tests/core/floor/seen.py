"""What the floor has told, laid out for assertions."""

from csstream.core.alert import Alert
from csstream.core.floor import rulebook
from tests.core.look import Told, chosen
from tests.laws.notation import at, chat
from tests.laws.views import told_alerts

FIVE = tuple(f"10:00:0{n} c>A @c{n} #m{n}" for n in range(5))
"""As many customers as overload an agent."""

CROWD = (
    *("09:00:00 presence A online", "09:00:00 presence B hung", "09:00:00 presence C offline"),
    *(f"10:00:{n:02} c>{'ABC'[n % 3]} @c{n} #w{n}" for n in range(24)),
)
"""Enough customers, and agents in all states, for every rule to fire in the course of a day."""


def alerts(*lines: str, clock: str = "12:00:00 - system @clock") -> list[Alert]:
    """The whole records of the rules of a state."""
    found = told_alerts(chat(*lines, clock), chosen())
    return sorted((a for a in found if a.rule in rulebook.names()), key=lambda a: (a.ts, a.alert))


def spans(seen: Told, rule: str) -> list[tuple[str | None, str | None, str | None]]:
    """The alerts of a rule as (local time of `ts`, of `end`, outcome)."""
    return [(clock(a["ts"]), clock(a["end"]), a["outcome"]) for a in seen.alerts(rule)]


def clock(ts: int | None) -> str | None:
    """An instant of the first day as `hh:mm:ss`, of the next as `+1 hh:mm:ss`; milliseconds where there are some."""
    if ts is None:
        return None
    days, ms = divmod(ts - at("00:00:00"), 86_400_000)
    s = ms // 1000
    shown = f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" + (f".{ms % 1000:03}" if ms % 1000 else "")
    return f"+{days} {shown}" if days else shown


def times(start: str, step_ms: int, number: int) -> list[str]:
    """So many local times, each `step_ms` after the one before."""
    found = [clock(at(start) + n * step_ms) for n in range(number)]
    return [time for time in found if time is not None]


def asking(start: str, step_ms: int, number: int, name: str = "d") -> list[str]:
    """Customers who write one after the other, and are not answered."""
    return [f"{time} c @{name}{n}" for n, time in enumerate(times(start, step_ms, number))]
