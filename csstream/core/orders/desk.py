"""The accounts of one live shop: which are open, which are due, and what they add to the shop's figures.

Most customers never order, and most who did are gone: their accounts lie closed, as the bytes of their rows, until an
event or a due opens them. So a shop with a million orders in its lookback costs its rows and little more.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from csstream.core import facts
from csstream.core.conversation import NEVER, Rules
from csstream.core.crew import Crew
from csstream.core.orders.account import Account, BookRow, decode_book, encode_book
from csstream.core.step import ShopStep

Learn = Callable[[Iterable[facts.Order], int], None]
"""Counts the orders of one customer in today's figures (1), or takes them back (-1)."""


class Desk:
    """The orders of a shop."""

    def __init__(self, rules: Rules, shop: str, crew: Crew) -> None:
        self.rules = rules
        self.shop = shop
        self.crew = crew
        self.learn: Learn = lambda _orders, _sign: None
        self.unpaid: Counter[str] = Counter()
        self.firing: Counter[str] = Counter()
        self.tallied: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self._open: dict[str, Account] = {}
        self._closed: dict[str, bytes] = {}
        self._dues: list[tuple[int, str]] = []
        self._due: dict[str, int] = {}
        self._idle: list[tuple[int, str]] = []  # closed accounts, by the last instant of which they know
        self._ended: list[str] = []

    def account(self, customer: str) -> Account | None:
        """A customer's account, opened if it was closed; None for who never ordered."""
        found = self._open.get(customer)
        if found is None:
            row = self._closed.pop(customer, None)
            if row is None:
                return None
            found = Account(self.rules, self.crew, self.shop, customer, decode_book(row))
            self._open[customer] = found
        return found

    def begin(self, customer: str) -> Account:
        """A new account."""
        account = self._open[customer] = Account(self.rules, self.crew, self.shop, customer)
        return account

    def close(self, customer: str) -> None:
        """Keep an account as bytes from now on: its customer is forgotten."""
        account = self._open.pop(customer)
        self._shut(customer, encode_book(account.row()), account.newest)

    def _shut(self, customer: str, row: bytes, newest: int) -> None:
        self._closed[customer] = row
        heapq.heappush(self._idle, (newest, customer))

    def leaning_on(self, since_ms: int) -> list[str]:
        """Customers with something decided since then by what was known of agents."""
        return [
            name
            for name, account in self._open.items()
            if account.newest >= since_ms and account.leans_on(since_ms)
        ]

    # ---- what accounts say ------------------------------------------------------------------------------

    def learn_orders(self, orders: Iterable[facts.Order], sign: int) -> None:
        """The orders of one customer, as they stand (1) or stood (-1)."""
        self.learn(orders, sign)

    def tally(self, metric: str, labels: tuple[str, ...], amount: int) -> None:
        """Something was reached for the first time."""
        self.tallied[metric, labels] += amount

    def stand(self, unpaid: dict[str, int], sign: int, firing: dict[str, int]) -> None:
        """Unpaid orders by stage and alerts by rule that stand (1), or no longer (-1)."""
        for stage, number in unpaid.items():
            self.unpaid[stage] += sign * number
        for rule, number in firing.items():
            self.firing[rule] += sign * number

    # ---- time -------------------------------------------------------------------------------------------

    def schedule(self, customer: str, account: Account) -> None:
        """Note when time alone changes an account next."""
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

    def forget(self, now: int, kept_ms: int, known: Callable[[str], bool]) -> None:
        """Drop what no rule can need any more; accounts of customers who are not `known` are closed."""
        for name in [*self._open, *self._stale(now - kept_ms - self.rules.terms.ttl)]:
            account = self.account(name)
            assert account is not None
            if account.forget(now, kept_ms) and not known(name):
                del self._open[name]
                self._ended.append(name)
            elif not known(name) and not account.changed and account.book.next_due() == NEVER:
                self.close(name)

    def _stale(self, newest_ms: int) -> list[str]:
        """Closed accounts of which nothing was heard since then."""
        found = []
        while self._idle and self._idle[0][0] < newest_ms:
            _, name = heapq.heappop(self._idle)
            if name in self._closed:
                found.append(name)
        return found

    # ---- rows -------------------------------------------------------------------------------------------

    def changes(self) -> Iterator[tuple[str, BookRow | None]]:
        """The rows that the step changed, by customer; None ends one."""
        for name, account in self._open.items():
            if account.changed:
                yield name, account.row()
        for name in self._ended:
            yield name, None
        self._ended = []

    def restore(self, customer: str, data: bytes) -> None:
        """An account from its row."""
        row = decode_book(data)
        self._shut(customer, data, row.newest)
        self.stand(row.unpaid, 1, row.firing)
        if row.due != NEVER:
            self._due[customer] = row.due
            heapq.heappush(self._dues, (row.due, customer))
