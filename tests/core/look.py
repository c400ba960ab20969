"""What the program tells of a conversation written as in `laws/notation.py`, laid out for assertions."""

from collections.abc import Sequence
from typing import Any

from csstream import policy as policies
from csstream.policy import Policy
from tests.laws.notation import chat, day
from tests.laws.oracle import Audit
from tests.laws.views import program

NOON_AFTER = "+1 12:00:00 - system @clock"
"""A word to another customer, so that the shop's clock goes on without touching the customer looked at."""


def chosen(policy: str = "handbook", settings: Sequence[str] = ()) -> Policy:
    """A shipped profile with some settings changed (`--set` form)."""
    return policies.with_settings(policies.load(policy), settings)


class Told:
    """An audit by the program, asked for one thing at a time. Days count from the notation's first day."""

    def __init__(self, audit: Audit) -> None:
        self.audit = audit
        self.waits = sorted(audit.waits.values(), key=lambda wait: (wait["since"], wait["wait"]))

    @property
    def wait(self) -> dict[str, Any]:
        """The only wait."""
        [wait] = self.waits
        return wait

    def legs(self, number: int = -1) -> list[tuple[str | None, int | None, str]]:
        """The legs of a wait (else of the last), each as (agent, seconds or None, outcome)."""
        return [
            (
                leg["agent"],
                None if leg["until"] is None else (leg["until"] - leg["from"]) // 1000,
                leg["outcome"],
            )
            for leg in self.waits[number]["legs"]
        ]

    def alerts(self, rule: str = "wait") -> list[dict[str, Any]]:
        """The alerts of a rule, in order of their instants."""
        return [alert for alert in self.audit.alerts if alert["rule"] == rule]

    def levels(self) -> list[tuple[int, str | None]]:
        """The levels that fired, as (seconds, agent)."""
        return [(alert["value"]["over_s"], alert["agent"]) for alert in self.alerts()]

    def level(self, over_s: int) -> dict[str, Any]:
        """The only alert of one level."""
        [alert] = [alert for alert in self.alerts() if alert["value"]["over_s"] == over_s]
        return alert

    def shop(self, days: int = 0) -> dict[str, Any]:
        """The shop's row of a day."""
        return self.audit.shops["s", day(days)]

    def agent(self, name: str, days: int = 0) -> dict[str, Any]:
        """An agent's row of a day."""
        return self.audit.agents["s", day(days), name]

    def has_row(self, name: str, days: int = 0) -> bool:
        """Whether an agent has any figure on a day."""
        return ("s", day(days), name) in self.audit.agents

    def reception(self, who: str | None = None) -> dict[str, Any]:
        """The only reception of an agent, or the shop's."""
        [reception] = [r for r in self.audit.receptions if r["agent"] == who and r["customer"] == "c"]
        return reception

    def consult(self, who: str | None = None, days: int = 0) -> tuple[bool, bool] | None:
        """(any, strict) of a day, None without a consult."""
        rows = [r for r in self.audit.consults if r["agent"] == who and r["day"] == day(days)]
        assert len(rows) <= 1
        return (rows[0]["replied_any"], rows[0]["replied_strict"]) if rows else None


def told(
    *lines: str, policy: str = "handbook", settings: Sequence[str] = (), clock: str | None = NOON_AFTER
) -> Told:
    """The program's audit of a conversation; the clock stands at noon of the next day, or at the last line."""
    return Told(program(chat(*lines, *([] if clock is None else [clock])), chosen(policy, settings)))
