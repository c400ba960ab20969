"""A customer's whole story at once: the batch form of the core, for logs that are complete (SPEC 3, 7).

It is the definition that the live engine has to equal: facts and alerts of a set of events at an instant of the
shop's clock. What is not concluded by then is given as it stands (`open`, the session and day under way).
"""

from collections.abc import Iterable, Sequence

from csstream.core.alert import Alert
from csstream.core.calendar import Calendar
from csstream.core.canon import Standing, tell, without_spam
from csstream.core.changes import Change
from csstream.core.conversation import Concluded, Conversation, Rules
from csstream.core.crew import Crew
from csstream.core.floor.floor import Floor
from csstream.core.orders.account import judge
from csstream.core.orders.book import Book
from csstream.core.rules import Accused, Case, GroupOf, alerts, complaint
from csstream.events import Event, Order
from csstream.policy import Policy


class Story:
    """What a customer's events tell; `book` is None for who never ordered."""

    __slots__ = ("alerts", "book", "conflicts", "duplicates", "facts")

    def __init__(
        self, facts: Concluded, alerts: list[Alert], book: Book | None, duplicates: int, conflicts: int
    ) -> None:
        self.facts = facts
        self.alerts = alerts
        self.book = book
        self.duplicates = duplicates
        self.conflicts = conflicts


class Auditor:
    """Tells stories under one policy."""

    __slots__ = ("_rules", "calendar", "policy")

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.calendar = Calendar(policy.timezone)
        self._rules = Rules(policy, self.calendar)

    def story(
        self,
        shop: str,
        customer: str,
        events: Sequence[Event],
        clock_ms: int,
        crew: Crew,
        changes: list[Change] | None = None,
    ) -> Story:
        """The story of one customer, from all events in any order, when the shop's clock shows `clock_ms`.

        `changes`, if given, are told what the rules of a state have to know, in order of time.
        """
        standing = Standing(events, self.policy.lateness_horizon_ms)
        told = tell(self._rules, shop, customer, standing.events, None, changes)
        if changes is not None:
            told.expire(clock_ms, changes)
        finish(told, clock_ms)
        facts = told.out
        alerts = standing_alerts(self.policy, shop, customer, facts, crew.group_of)
        book = None
        if Order in set(map(type, standing.events)):
            book = Book(self._rules, crew, shop, customer, daily=True)
            book.play(without_spam(self._rules, shop, customer, standing.events))
            book.pass_time(clock_ms)
            alerts += enter(book, facts)
        return Story(facts, alerts, book, standing.duplicates, standing.conflicts)

    def floor(
        self, shop: str, changes: Iterable[Sequence[Change]], clock_ms: int, group_of: GroupOf
    ) -> list[Alert]:
        """The alerts of a shop's state (kind s), from the changes of all its people in order of time, in portions."""
        floor = Floor(self.policy, self.calendar, shop, group_of)
        found: dict[str, Alert] = {}
        for some in changes:
            floor.play(some)
            found.update((alert.alert, alert) for alert, _ in floor.take_news())
        floor.pass_time(clock_ms)
        found.update((alert.alert, alert) for alert, _ in floor.take_news())
        return list(found.values())


def enter(book: Book, facts: Concluded) -> list[Alert]:
    """Add what the book says to the facts of its customer. Returns its alerts."""
    judge(book, facts)
    facts.orders = book.order_facts()
    facts.reminders = book.reminder_facts()
    return [alert for order in book.purchases() for alert in book.alerts(order)]


def finish(told: Conversation, clock_ms: int) -> None:
    """Let the clock run to `clock_ms`, and add what is not concluded then as it stands."""
    told.pass_time(clock_ms)
    told.out.add(told.standing(clock_ms))


def standing_alerts(
    policy: Policy, shop: str, customer: str, facts: Concluded, group_of: GroupOf
) -> list[Alert]:
    """All alerts that stand on the waits and complaints of `facts`, all of one customer."""
    flags = {flag.wait: flag for flag in facts.flags} if facts.flags else {}
    found: list[Alert] = []
    for wait in facts.waits:
        if wait.levels or flags:
            found += alerts(Case(policy, wait, flags.get(wait.wait), group_of))
    for name, accused in facts.complaints:
        found += complaint(Accused(policy, shop, customer, name, accused, group_of))
    return found
