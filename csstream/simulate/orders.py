"""What customers buy: orders after a chat and silent ones, payments, reminders, memos, parcels and refunds.

The figures are those of a Tmall shop's month of 28,010 orders: 86 % are paid, half of these within 8 s and the last a day
later; a fifth of the paid ones are refunded. Orders have randomness and ids of their own, so that a plan with orders
tells the same conversations as one without.
"""

import math
from itertools import pairwise
from random import Random
from typing import Any, Final

from csstream.simulate.agent import GONE, PRESALE, Agent
from csstream.simulate.chat import Chat
from csstream.simulate.durations import log_normal_ms
from csstream.simulate.plan import DAY_MS, HOUR_MS
from csstream.simulate.roster import Roster
from csstream.simulate.story import Story, Wire

PAID: Final = 24_087 / 28_010
REFUNDED: Final = 5_646 / 24_087
SILENT: Final = 0.6
"""Silent orders for each one after a chat."""

_PAY_POINTS: Final = ((0.0, 2), (0.25, 5), (0.5, 8), (0.9, 51), (0.95, 191), (0.981, 1_800), (1.0, 85_930))
"""Quantiles of the time to pay, in seconds."""

_SKUS: Final = 200
_CLOSE_MS: Final = DAY_MS  # the platform closes what is not paid by then
_BUY_MS: Final = log_normal_ms(120, 0.9)  # from the last answer until the order
_SHIP_MS: Final = log_normal_ms(30_000, 0.5)
_REFUND_MS: Final = log_normal_ms(110_000, 0.8)  # from the payment until the request
_GRANT_MS: Final = log_normal_ms(20_000, 0.7)
_MEMO_MS: Final = log_normal_ms(45, 0.6)
_CENTS: Final = log_normal_ms(8, 0.6)  # the price of one piece, in fen
_SCRIPTS: Final = ("p-stock", "p-coupon", "p-care")
_MEMOS: Final = ("{n}号", "{n}号客服", "工号{n}", "工号：{n} 顺丰", "{n}号 送小样")


def _pay_ms() -> tuple[int, ...]:
    """A thousand quantiles of the time to pay, in milliseconds."""
    found = []
    for n in range(1000):
        at = (n + 0.5) / 1000
        (low, fast), (high, slow) = next((a, b) for a, b in pairwise(_PAY_POINTS) if at <= b[0])
        part = (at - low) / (high - low)
        found.append(round(1000 * math.exp(math.log(fast) + part * (math.log(slow) - math.log(fast)))))
    return tuple(found)


PAY_MS: Final = _pay_ms()


class Basket:
    """One order on its way: who bought it, who served him, and how far it has come."""

    __slots__ = ("agent", "cents", "cod", "customer", "ended", "id")

    def __init__(self, number: int, customer: str, agent: Agent | None) -> None:
        self.id = f"o{number:07d}"
        self.customer = customer
        self.agent = agent
        self.cents = 0
        self.cod = False
        self.ended = False


class Orders:
    """The orders of one shop. `share` is that of the served customers with a presale question who buy."""

    def __init__(self, story: Story, roster: Roster, share: float, seed: int) -> None:
        self._story = story
        self._roster = roster
        self._share = share
        self._random = Random(f"csstream/{seed}/{story.shop}/orders").random
        self._orders = 0
        self._silent = 0

    def after_chat(self, ts: int, chat: Chat) -> None:
        """A visit has come to its end: perhaps the customer buys."""
        if chat.group == PRESALE and chat.replies and self._random() < self._share:
            self._story.push(ts + self._pick(_BUY_MS), self._create, (chat.customer, chat.agent))

    def with_arrival(self, ts: int) -> None:
        """For every so many who ask there is one who does not, and buys."""
        if self._random() < self._share * SILENT:
            self._silent += 1
            customer = f"v{self._silent:06d}"
            self._story.push(ts + int(self._random() * 600_000), self._create, (customer, None))

    def _create(self, ts: int, subject: tuple[str, Agent | None]) -> None:
        self._orders += 1
        basket = Basket(self._orders, *subject)
        pieces = 1 + (self._random() < 0.3) + (self._random() < 0.1)
        basket.cents = pieces * (self._pick(_CENTS) // 10 * 10 + 90)
        basket.cod = self._random() < 0.02
        event = self._tell(ts, basket, "created")
        event["amount"] = _yuan(basket.cents)
        event["items"] = [{"sku": f"k{int(self._random() * _SKUS):03d}", "qty": pieces}]
        if basket.cod:
            event["cod"] = True
            self._story.push(ts + 60_000 + int(self._random() * 420_000), self._call, basket)
            self._story.push(ts + self._pick(_SHIP_MS), self._ship, basket)
            return
        if self._random() < PAID:
            self._story.push(ts + self._pick(PAY_MS), self._pay, basket)
        else:
            self._story.push(ts + _CLOSE_MS, self._close, basket)
            if self._random() < 0.15:
                self._story.push(ts + int(self._random() * 6 * HOUR_MS), self._cancel, basket)
        self._story.push(ts + 1_800_000 + self._pick(_MEMO_MS), self._dun, (basket, "chat"))
        self._story.push(ts + 12 * HOUR_MS + self._pick(_MEMO_MS), self._dun, (basket, "sms"))

    def _pay(self, ts: int, basket: Basket) -> None:
        if basket.ended:
            return
        basket.ended = True
        self._tell(ts, basket, "paid")["amount"] = _yuan(basket.cents)
        if basket.agent is not None and self._random() < 0.75:
            self._story.push(ts + self._pick(_MEMO_MS), self._note, basket)
        if self._random() < REFUNDED:
            self._story.push(ts + self._pick(_REFUND_MS), self._ask_back, basket)
        self._story.push(ts + self._pick(_SHIP_MS), self._ship, basket)

    def _note(self, ts: int, basket: Basket) -> None:
        """The agent writes his number into the memo, now and then a colleague's."""
        agent = basket.agent
        assert agent is not None
        if self._random() < 0.05:
            agent = self._roster.choose(agent.group, agent, self._random) or agent
        memo = _MEMOS[int(self._random() * len(_MEMOS))].format(n=agent.index + 1)
        self._tell(ts, basket, "memo")["memo"] = memo

    def _ship(self, ts: int, basket: Basket) -> None:
        basket.ended = True
        self._tell(ts, basket, "shipped")

    def _ask_back(self, ts: int, basket: Basket) -> None:
        self._tell(ts, basket, "refund_requested")
        self._story.push(ts + self._pick(_GRANT_MS), self._refund, basket)

    def _refund(self, ts: int, basket: Basket) -> None:
        event = self._tell(ts, basket, "refunded")
        if self._random() < 0.1:
            event["amount"] = _yuan(basket.cents // 3)

    def _cancel(self, ts: int, basket: Basket) -> None:
        if not basket.ended:
            basket.ended = True
            self._tell(ts, basket, "cancelled")

    def _close(self, ts: int, basket: Basket) -> None:
        if not basket.ended:
            basket.ended = True
            self._tell(ts, basket, "closed")

    def _dun(self, ts: int, subject: tuple[Basket, str]) -> None:
        """Who served the customer reminds him of an unpaid order, else whoever is on; sometimes nobody does."""
        basket, channel = subject
        if basket.ended or self._random() < 0.25:
            return
        agent = basket.agent
        if agent is None or agent.state in GONE:
            agent = self._roster.choose(PRESALE, None, self._random)
        if agent is not None:
            script = _SCRIPTS[int(self._random() * len(_SCRIPTS))]
            self._remind(ts, basket, agent, channel)["script"] = script

    def _call(self, ts: int, basket: Basket) -> None:
        agent = self._roster.choose(PRESALE, None, self._random)
        if agent is not None and not basket.ended and self._random() < 0.85:
            self._remind(ts, basket, agent, "phone")

    def _remind(self, ts: int, basket: Basket, agent: Agent, channel: str) -> Wire:
        event = self._story.trade("dun", ts, basket.customer)
        event.update(order=basket.id, agent=agent.id, channel=channel)
        return event

    def _tell(self, ts: int, basket: Basket, status: str) -> Wire:
        event = self._story.trade("order", ts, basket.customer)
        event.update(order=basket.id, status=status)
        return event

    def _pick(self, choices: tuple[int, ...]) -> Any:
        return choices[int(self._random() * len(choices))]


def _yuan(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
