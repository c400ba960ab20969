"""The accounts of one live shop: which are open, which are due, and what they add to the shop's figures.

Most customers never order, and most who did are gone: their accounts lie closed, as the bytes of their rows, until an
event or a due opens them. So a shop with a million orders in its lookback costs its rows and little more.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Protocol

from csstream.core import facts
from csstream.core.calendar import Day
from csstream.core.conversation import NEVER, Rules
from csstream.core.crew import Crew
from csstream.core.orders.account import Account, BookRow, Kept, OrderRow, decode_book, decode_order
from csstream.core.orders.person import Person
from csstream.core.orders.purchase import decode_purchase
from csstream.core.step import ShopStep

HOUR_MS = 3_600_000


class Figures(Protocol):
    """Where orders are counted."""

    def learn_order(self, order: facts.Order, sign: int, /) -> None:
        """An order as it stands (1), or as it stood (-1)."""

    def learn_person(self, person: Person, sign: int, /) -> None:
        """Whom a customer's orders make him today (1), or made (-1)."""


class Desk:
    """The orders of a shop."""

    def __init__(self, rules: Rules, shop: str, crew: Crew, today: Day, figures: Figures) -> None:
        self.rules = rules
        self.shop = shop
        self.crew = crew
        self.figures = figures
        self.unpaid: Counter[str] = Counter()
        self.firing: Counter[str] = Counter()
        self.tallied: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self.today = today
        """The local day under way, whose `figures` these are."""
        self._open: dict[str, Account] = {}
        self._closed: dict[str, tuple[bytes, ...]] = {}
        self._dues: list[tuple[int, str]] = []
        self._due: dict[str, int] = {}
        self._idle: dict[
            int, list[str]
        ] = {}  # accounts, by the hours in which their orders were last heard of
        self._touched: dict[str, Account] = {}
        self._closing: set[str] = set()

    def account(self, customer: str) -> Account | None:
        """A customer's account, opened if it was closed; None for who never ordered."""
        found = self._open.get(customer)
        if found is None:
            rows = self._closed.pop(customer, None)
            if rows is None:
                return None
            own = decode_book(rows[0]) if rows[0] else None
            found = Account(self.rules, self.crew, self.shop, customer, own, map(decode_order, rows[1:]))
            self._open[customer] = found
        self._closing.discard(customer)
        return found

    def begin(self, customer: str) -> Account:
        """A new account."""
        account = self._open[customer] = Account(self.rules, self.crew, self.shop, customer)
        return account

    def close(self, customer: str, since_ms: int, forgotten_ms: int) -> None:
        """A customer is forgotten: his account is kept as bytes from now on. For the instants see `Account`."""
        account = self.account(customer)
        if account is not None:
            self._end(customer, account, since_ms, forgotten_ms)

    def trim(self, customer: str, account: Account, forgotten_ms: int) -> None:
        """What lies far back was folded into an account."""
        account.forget(forgotten_ms)
        self._touched[customer] = account

    def _end(self, customer: str, account: Account, since_ms: int, forgotten_ms: int) -> None:
        account.conclude(since_ms)
        account.forget(forgotten_ms)
        self._touched[customer] = account
        self._closing.add(customer)

    def leaning_on(self, since_ms: int) -> list[str]:
        """Customers with something decided since then by what was known of agents."""
        return sorted(name for name, account in self._open.items() if account.leans_on(since_ms))

    def begin_day(self, today: Day, figures: Figures) -> None:
        """Another local day is under way."""
        self.today, self.figures = today, figures

    # ---- what accounts say ------------------------------------------------------------------------------

    def learn_order(self, order: facts.Order, sign: int) -> None:
        """An order as it stands (1), or as it stood (-1)."""
        self.figures.learn_order(order, sign)

    def learn_person(self, person: Person, sign: int) -> None:
        """Whom a customer's orders make him today (1), or made (-1)."""
        self.figures.learn_person(person, sign)

    def tally(self, metric: str, labels: tuple[str, ...], amount: int) -> None:
        """Something was reached for the first time."""
        self.tallied[metric, labels] += amount

    def stand(self, stage: str | None, firing: Iterable[str], sign: int) -> None:
        """An unpaid order of a stage, and the rules of its alerts, that stand (1), or no longer (-1)."""
        if stage is not None:
            self.unpaid[stage] += sign
        for rule in firing:
            self.firing[rule] += sign

    # ---- time -------------------------------------------------------------------------------------------

    def schedule(self, customer: str, account: Account) -> None:
        """An account was touched: note when time alone changes it next."""
        self._touched[customer] = account
        due = account.book.next_due()
        if due != self._due.get(customer, NEVER):
            if due == NEVER:
                del self._due[customer]
            else:
                self._due[customer] = due
                heapq.heappush(self._dues, (due, customer))

    def next_due(self) -> int:
        """The next instant at which time alone changes something."""
        dues = self._dues
        while dues and self._due.get(dues[0][1]) != dues[0][0]:
            heapq.heappop(dues)
        return dues[0][0] if dues else NEVER

    def settle(self, now: int, step: ShopStep) -> None:
        """Work off every due before `now`."""
        while self.next_due() < now:
            _, customer = heapq.heappop(self._dues)
            del self._due[customer]
            account = self.account(customer)
            assert account is not None
            account.pass_time(now, step, self)
            self.schedule(customer, account)

    def forget(self, limit_ms: int) -> None:
        """Drop what no rule can need any more, as of `limit_ms`, of accounts whose customers are forgotten."""
        stale = (limit_ms - self.rules.terms.ttl) // HOUR_MS
        for hour in sorted(hour for hour in self._idle if hour < stale):
            for name in self._idle.pop(hour):
                if name in self._closed:
                    account = self.account(name)
                    assert account is not None
                    self._end(name, account, limit_ms, limit_ms)

    # ---- rows -------------------------------------------------------------------------------------------

    def changes(self) -> Iterator[tuple[str, str, BookRow | OrderRow | None]]:
        """The rows that the step changed, by customer and order (none: the account's own); None ends one."""
        for customer, account in self._touched.items():
            for kept in account.ended.values():
                self.stand(kept.stage, kept.firing, -1)
            for order, row in account.rows():
                yield customer, order, row
        self._touched.clear()
        for customer in sorted(self._closing):
            account = self._open.pop(customer)
            if not account.kept:
                if account.stored:
                    yield customer, "", None
            else:
                self._closed[customer] = account.closed()
                for hour in {last // HOUR_MS for last in account.heard()}:
                    self._idle.setdefault(hour, []).append(customer)
        self._closing.clear()

    def restore(self, customer: str, data: bytes, order: str = "") -> None:
        """An account from its rows: the account's own, if there is one, comes first."""
        if not order:
            self._closed[customer] = (data,)
            return
        self._closed[customer] = (*self._closed.get(customer, (b"",)), data)
        row = decode_order(data)
        self.stand(row.stage, row.firing, 1)
        if 0 <= row.due < self._due.get(customer, NEVER):
            self._due[customer] = row.due
            heapq.heappush(self._dues, (row.due, customer))
        last = Kept(decode_purchase(row.now) if row.now else None, row).last()
        self._idle.setdefault(last // HOUR_MS, []).append(customer)
