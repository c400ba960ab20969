"""Lost inquiries with their evidence (SPEC 6): who asked, bought nothing, and how he was served that day.

Most inquirers of a day buy nothing, so a list of all is a list of nothing; these are the ones who waited longest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from csstream.core.calendar import Calendar
from csstream.core.canon import canonical
from csstream.core.facts import Consult, Wait
from csstream.events import Event, Message

LOST = 50
"""Lost inquiries listed one by one."""

CUSTOMER = "customer"


@dataclass(frozen=True, slots=True)
class LostInquiry:
    """One customer of one day who asked and did not buy.

    `last` is the agent who spoke last that day, the kind of sender where it was nobody's account, or `customer`.
    """

    shop: str
    day: str
    customer: str
    longest_ms: int
    unanswered: int
    last: str
    evidence: tuple[str, ...]

    @property
    def place(self) -> tuple[int, str, str, str]:
        """Its place in the list: the longest wait first."""
        return -self.longest_ms, self.shop, self.day, self.customer


class LostList:
    """The lost inquiries who waited longest, out of any number of customers."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._found: list[LostInquiry] = []
        self._bar = -1

    def look_at(
        self, consults: Sequence[Consult], waits: Sequence[Wait], events: Sequence[Event], clock: int
    ) -> None:
        """Note the lost inquiries of one customer."""
        for consult in consults:
            if consult.agent is not None or not consult.presale or consult.ordered != "no":
                continue
            day = self._calendar.day(consult.ts)
            own = [
                wait
                for wait in waits
                if day.start_ms <= wait.since < day.end_ms and wait.normal and wait.outcome != "void"
            ]
            longest = max(((clock if w.until is None else w.until) - w.since for w in own), default=0)
            if longest <= self._bar:
                continue
            said = [e for e in events if day.start_ms <= e.ts_ms < day.end_ms and _shown(e)]
            self._found.append(
                LostInquiry(
                    consult.shop,
                    consult.day,
                    consult.customer,
                    longest,
                    sum(wait.outcome in ("abandoned", "expired", "open") for wait in own),
                    _speaker(max(said, key=canonical)) if said else CUSTOMER,
                    tuple(consult.evidence),
                )
            )
            if len(self._found) >= 8 * LOST:
                self._found = first(self._found)
                self._bar = self._found[-1].longest_ms - 1

    def take(self) -> list[LostInquiry]:
        """The list so far; a new one begins."""
        found, self._found, self._bar = first(self._found), [], -1
        return found


def first(found: Sequence[LostInquiry]) -> list[LostInquiry]:
    """The first of some lost inquiries."""
    return sorted(found, key=lambda each: each.place)[:LOST]


def _shown(event: Event) -> bool:
    return type(event) is Message and not event.internal


def _speaker(event: Event) -> str:
    assert isinstance(event, Message)
    if event.sender == CUSTOMER:
        return CUSTOMER
    return event.agent if isinstance(event.agent, str) else event.sender
