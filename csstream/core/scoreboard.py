"""Figures of each agent and shop, by local day, as sums over facts (SPEC 5 and the columns of SPEC 10).

One place decides which fact counts where; the audit adds facts up, the live worker also takes corrected ones
back (`sign` -1). Everything is an integer or a multiset of integers, so order and grouping cannot matter.
"""

from collections.abc import Iterable
from typing import Final

from csstream.core.calendar import Calendar, Day
from csstream.core.conversation import State
from csstream.core.facts import AnyFact, Consult, Order, Reception, Reminder, Wait
from csstream.core.firsts import Firsts
from csstream.core.kinds import WAIT
from csstream.core.orders.person import Person
from csstream.core.scores import Scores
from csstream.policy import Policy

WITHIN_MS: Final = 30_000
"""The N of the column `within_30`."""

Key = tuple[str, str | None]
"""(local day, agent); agent None is the shop."""


class Scoreboard:
    """The rows of one shop, from facts in any order."""

    __slots__ = (
        "_calendar",
        "_closing",
        "_day",
        "_exclude",
        "_final_days",
        "_hours",
        "_limit",
        "_near",
        "rows",
    )

    def __init__(self, policy: Policy, calendar: Calendar) -> None:
        self.rows: dict[Key, Scores] = {}
        self._calendar = calendar
        self._day = Day("", 0, 0)  # of the last instant looked up; its rows are near at hand
        self._near: dict[str | None, Scores] = {}
        self._closing = policy.closing_in_response_time
        self._hours = policy.hours
        self._limit = policy.long_wait_ms
        self._exclude = policy.long_wait == "exclude"
        self._final_days = policy.attribution_final_window_days

    def learn(self, fact: AnyFact, sign: int = 1, firsts: Firsts | None = None) -> None:
        """Count a fact, or with `sign` -1 take it back; `firsts` gets what is concluded for the first time."""
        if type(fact) is WAIT:
            self.learn_wait(fact, sign, firsts)
        elif type(fact) is Reception:
            self.learn_reception(fact, sign, firsts)
        elif type(fact) is Consult:
            self.learn_consult(fact, sign)
        elif type(fact) is Reminder:
            self.learn_reminder(fact, sign)

    def row(self, day: str, agent: str | None) -> Scores:
        """The row to count in."""
        key = (day, agent)
        found = self.rows.get(key)
        if found is None:
            found = self.rows[key] = Scores()
        return found

    def _row_at(self, ts: int, agent: str | None) -> Scores:
        """The row of the local day of an instant. Instants mostly lie in the same day as the one before."""
        day = self._day
        if not day.start_ms <= ts < day.end_ms:
            day = self._day = self._calendar.day(ts)
            self._near = {}
        found = self._near.get(agent)
        if found is None:
            found = self._near[agent] = self.row(day.name, agent)
        return found

    def learn_wait(self, wait: Wait, sign: int = 1, firsts: Firsts | None = None) -> None:
        """Shop figures by the wait and the customer clock, agents' by its legs and the agent clock."""
        outcome, until, legs = wait.outcome, wait.until, wait.legs
        counts = wait.class_ == "normal"
        answered = outcome == "answered"
        if firsts is not None and counts:
            firsts.end(wait, outcome)
        if outcome == "void":
            if counts and until is not None:
                self._row_at(until, None).void += sign
            if counts and firsts is not None:
                for leg in legs:
                    firsts.leg(leg.agent, leg.outcome)
            return
        if not (counts or (self._closing and answered)):
            return
        hours, start = self._hours, wait.since
        inside = hours is None or self._calendar.within(start, hours)
        if answered and inside and until is not None:
            self._respond(self._row_at(until, None), None, until - start, sign, firsts)
        if counts:
            if until is not None and not answered:
                end_row = self._row_at(until, None)
                if outcome == "abandoned":
                    end_row.abandoned += sign
                elif outcome == "expired":
                    end_row.expired += sign
                elif outcome == "bot":
                    end_row.bot += sign
            if inside and outcome != "bot":
                row = self._row_at(start, None)
                row.waits += sign
                if answered and until is not None and until - start <= WITHIN_MS:
                    row.within_30 += sign
        extra = legs[-1] if len(legs) > 1 and wait.has_extra_leg else None
        for leg in legs:
            x, begun, end, ended = leg.agent, leg.from_ms, leg.until, leg.outcome
            if firsts is not None and counts:
                firsts.leg(x, ended)
            if counts and ended == "transferred_unanswered":
                assert end is not None
                self._row_at(end, None).transferred_unanswered += sign
                self._row_at(end, x).transferred_unanswered += sign
            if x is None:
                continue
            if not (inside if begun == start else hours is None or self._calendar.within(begun, hours)):
                continue
            if ended == "answered":
                assert end is not None
                self._respond(self._row_at(end, x), x, end - begun, sign, firsts)
            if not counts:
                continue
            counted_on = begun
            if leg is extra:
                if any(other.agent == x for other in legs[:-1]):
                    continue
                assert end is not None
                counted_on = end
            row = self._row_at(counted_on, x)
            row.waits += sign
            if ended == "answered" and end is not None and end - begun <= WITHIN_MS:
                row.within_30 += sign

    def _respond(self, row: Scores, agent: str | None, ms: int, sign: int, firsts: Firsts | None) -> None:
        if self._limit and ms > self._limit:
            if self._exclude:
                row.excluded_long += sign
                if firsts is not None and agent is None:
                    firsts.excluded += 1
                return
            ms = self._limit
        if row is not _NOWHERE:
            row.respond(ms, sign)
        if firsts is not None:
            firsts.respond(agent, ms)

    def learn_reception(self, reception: Reception, sign: int = 1, firsts: Firsts | None = None) -> None:
        """Receptions and first responses, all on the reception's day."""
        if self._hours is not None and not self._calendar.within(reception.start, self._hours):
            return
        agent = reception.agent
        row = self.row(reception.day, agent)
        row.receptions += sign
        if firsts is not None and agent is None and reception.first_any_ms is not None:
            ms_any = self._first_counts(reception.first_any_ms)
            if ms_any is not None:
                firsts.first_any.append(ms_any)
        if reception.first_response_ms is None:
            row.receptions_unanswered += sign
            return
        ms = self._first_counts(reception.first_response_ms)
        if ms is None:
            row.first_excluded_long += sign
            if firsts is not None and agent is None:
                firsts.first_excluded += 1
            return
        if row is not _NOWHERE:
            row.respond_first(ms, sign)
        if firsts is not None:
            firsts.respond_first(agent, ms)

    def _first_counts(self, ms: int) -> int | None:
        """A first response as `long_wait` lets it count; None: not at all."""
        if not self._limit or ms <= self._limit:
            return ms
        return None if self._exclude else self._limit

    def learn_consult(self, consult: Consult, sign: int = 1) -> None:
        """Customers who consulted on a day, and those replied to."""
        row = self.row(consult.day, consult.agent)
        row.consulted += sign
        if consult.replied_any:
            row.replied_any += sign
        if consult.replied_strict:
            row.replied_strict += sign
        if consult.agent is None and consult.inquirer:
            row.inquirers += sign
            row.ordered_same_day += sign * (consult.ordered == "same_day")
            row.ordered_final += sign * (consult.ordered != "no")

    def learn_orders(self, orders: Iterable[Order], sign: int = 1) -> None:
        """All orders of one customer, as they stand: some figures count persons, so they come together (SPEC 6)."""
        calendar = self._calendar
        orderers: set[int] = set()
        payers: set[int] = set()
        buyers: set[tuple[int, bool]] = set()
        for order in orders:
            owner = order.owner
            created, paid = order.created, order.paid
            if created is not None:
                if owner is None:
                    self._row_at(created, None).silent_orders += sign
                elif order.taken_back is None:
                    self._row_at(created, None).orders_owned += sign
                    self._row_at(created, owner).orders_owned += sign
                if not order.cod:
                    day = calendar.day(created)
                    orderers.add(day.start_ms)
                    if paid is not None and paid < calendar.days_after(day, self._final_days):
                        payers.add(day.start_ms)
            if paid is not None and order.paid_fen is not None:
                buyers.add((calendar.day(paid).start_ms, owner is not None))
                self._row_at(paid, None).turnover_fen += sign * order.paid_fen
                if owner is not None:
                    self._row_at(paid, None).turnover_served_fen += sign * order.paid_fen
                    self._row_at(paid, owner).turnover_fen += sign * order.paid_fen
            for refund in order.refunds:
                if refund.fen:
                    self._row_at(refund.ts, None).refunds_fen += sign * refund.fen
                    if owner is not None:
                        self._row_at(refund.ts, owner).refunds_fen += sign * refund.fen
        for at in orderers:
            self._row_at(at, None).orderers += sign
        for at in payers:
            self._row_at(at, None).payers += sign
        for at in {at for at, _ in buyers}:
            self._row_at(at, None).buyers += sign
        for at, served in buyers:
            row = self._row_at(at, None)
            if served:
                row.buyers_served += sign
            else:
                row.buyers_silent += sign

    def learn_reminder(self, reminder: Reminder, sign: int = 1) -> None:
        """A reminder, on the day of its due, to whom it was asked of."""
        for agent in {None, reminder.responsible}:
            row = self._row_at(reminder.due, agent)
            row.reminders_due += sign
            row.reminders_missed += sign * (reminder.state == "missed")

    def learn_unpaid(self, day: str, responsible: str | None, sign: int = 1) -> None:
        """An order that was unpaid at the end of a day."""
        for agent in {None, responsible}:
            self.row(day, agent).unpaid_open += sign


_NOWHERE: Final = Scores()
"""The row of what counts nowhere; its numbers mean nothing, and it keeps no samples."""


Expected = dict[str | None, list[int]]
"""What a customer adds to rows of today without being concluded, by agent (None: the shop's row), in the order
consulted, replied_any, replied_strict, inquirers, ordered, waits, transferred_unanswered."""

_WAITS: Final = 5
_LEFT: Final = 6
_NONE = [0, 0, 0, 0, 0, 0, 0]


class Today(Scoreboard):
    """The rows of the shop's current local day alone, which remember what changed since they were last saved.

    Facts of other days are counted nowhere: their day is told by the facts (SPEC 9, `day_*`).
    """

    __slots__ = ("changed", "day", "removed")

    def __init__(self, policy: Policy, calendar: Calendar, day: Day) -> None:
        super().__init__(policy, calendar)
        self.day = day.name
        self._day = day
        self.changed: set[str | None] = set()
        self.removed: set[str | None] = set()  # rows whose samples are no longer a continuation

    def row(self, day: str, agent: str | None) -> Scores:
        """The row to count in; one that is thrown away for another day."""
        return self._own(agent) if day == self.day else _NOWHERE

    def _row_at(self, ts: int, agent: str | None) -> Scores:
        day = self._day
        return self._own(agent) if day.start_ms <= ts < day.end_ms else _NOWHERE

    def _own(self, agent: str | None) -> Scores:
        self.changed.add(agent)
        found = self._near.get(agent)
        if found is None:
            found = self._near[agent] = super().row(self.day, agent)
        return found

    def learn_order(self, order: Order, sign: int) -> None:
        """The sums that one order adds to today: `learn_orders` without those that count persons."""
        day, owner = self._day, order.owner
        start, end = day.start_ms, day.end_ms
        created, paid = order.created, order.paid
        if created is not None and start <= created < end:
            if owner is None:
                self._own(None).silent_orders += sign
            elif order.taken_back is None:
                self._own(None).orders_owned += sign
                self._own(owner).orders_owned += sign
        if paid is not None and start <= paid < end and order.paid_fen is not None:
            self._own(None).turnover_fen += sign * order.paid_fen
            if owner is not None:
                self._own(None).turnover_served_fen += sign * order.paid_fen
                self._own(owner).turnover_fen += sign * order.paid_fen
        for refund in order.refunds:
            if refund.fen and start <= refund.ts < end:
                self._own(None).refunds_fen += sign * refund.fen
                if owner is not None:
                    self._own(owner).refunds_fen += sign * refund.fen

    def learn_person(self, person: Person, sign: int) -> None:
        """Whom a customer's orders make him today."""
        row = self._own(None)
        row.orderers += sign * person.orderer
        row.payers += sign * person.payer
        row.buyers += sign * (person.served or person.silent)
        row.buyers_served += sign * person.served
        row.buyers_silent += sign * person.silent

    def learn(self, fact: AnyFact, sign: int = 1, firsts: Firsts | None = None) -> None:
        """Count a fact, or take it back."""
        if sign < 0:
            self.removed.add(fact.agent)
            self.removed.add(None)
            if type(fact) is Wait:
                self.removed.update(leg.agent for leg in fact.legs)
        super().learn(fact, sign, firsts)

    def expected(self, s: State, closing_consults: bool, inquirer: bool, ordered: bool) -> Expected:
        """What `learn` would count of the open wait and of the consults of the day under way, as they stand.

        `inquirer`, `ordered`: whether the customer counts in today's inquiry conversion (SPEC 6).

        Asked for after every event, so it does without making the facts.
        """
        found: Expected = {}
        if s.day == self.day:
            waiting = s.since >= 0 and (closing_consults or not s.closing)
            if s.wrote >= 0:
                found[None] = [1, s.replied, not s.bad and not waiting, inquirer, ordered, 0, 0]
            for x, day in s.agent_days.items():
                if day.first >= 0:
                    strict = not day.bad and not (waiting and s.holder == x)
                    found[x] = [1, day.replied, strict, 0, 0, 0, 0]
        if s.since >= 0 and not s.closing:
            if self._waits_today(s.since):
                _expect_one(found, None, _WAITS)
            if s.holder is not None and self._waits_today(s.leg_from):
                _expect_one(found, s.holder, _WAITS)
            for leg in s.legs:
                if leg.agent is not None and self._waits_today(leg.from_ms):
                    _expect_one(found, leg.agent, _WAITS)
                if leg.outcome == "transferred_unanswered" and self._is_today(leg.until):
                    _expect_one(found, None, _LEFT)
                    _expect_one(found, leg.agent, _LEFT)
        return found

    def _is_today(self, ts: int | None) -> bool:
        return ts is not None and self._day.start_ms <= ts < self._day.end_ms

    def _waits_today(self, start: int) -> bool:
        return self._is_today(start) and (self._hours is None or self._calendar.within(start, self._hours))

    def expect(self, before: Expected, now: Expected) -> None:
        """Count what is not concluded yet, in the place of what was so before; it has no samples."""
        for agent, new in now.items():
            old = before.get(agent, _NONE)
            if new != old:
                self._exchange(agent, old, new)
        for agent, old in before.items():
            if agent not in now:
                self._exchange(agent, old, _NONE)

    def _exchange(self, agent: str | None, old: list[int], new: list[int]) -> None:
        row = self._own(agent)
        row.consulted += new[0] - old[0]
        row.replied_any += new[1] - old[1]
        row.replied_strict += new[2] - old[2]
        row.inquirers += new[3] - old[3]
        ordered = new[4] - old[4]
        row.ordered_same_day += ordered
        row.ordered_final += ordered
        row.waits += new[_WAITS] - old[_WAITS]
        row.transferred_unanswered += new[_LEFT] - old[_LEFT]


def _expect_one(found: Expected, agent: str | None, figure: int) -> None:
    row = found.get(agent)
    if row is None:
        row = found[agent] = [0, 0, 0, 0, 0, 0, 0]
    row[figure] += 1
