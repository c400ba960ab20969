"""Customers come, more in the evening than at night; and so do adverts, which are none."""

import math
from typing import Final

from csstream.simulate import phrases
from csstream.simulate.agent import AFTERSALE, PRESALE
from csstream.simulate.chat import Chat
from csstream.simulate.conversation import Conversation
from csstream.simulate.customers import Customers
from csstream.simulate.durations import PATIENCE_MS, TYPE_MS
from csstream.simulate.orders import Orders
from csstream.simulate.plan import HOUR_MS, HOURLY, ZONE_MS, Plan
from csstream.simulate.roster import Roster
from csstream.simulate.story import Story, Wire

_MEAN_WEIGHT: Final = sum(HOURLY) / 24
_TURNS: Final = (1, 2, 2, 3, 3, 3, 4, 4, 5, 7)  # times a customer asks before he is served


class Arrivals:
    """Who comes to one shop, when, and what he is like; what is said then is the conversation's."""

    def __init__(
        self,
        story: Story,
        plan: Plan,
        roster: Roster,
        customers: Customers,
        conversation: Conversation,
        orders: Orders | None,
    ) -> None:
        self._story = story
        self._plan = plan
        self._roster = roster
        self._customers = customers
        self._conversation = conversation
        self._orders = orders
        self._gaps_ms = [HOUR_MS * _MEAN_WEIGHT / (plan.rate * weight) for weight in HOURLY]

    def expect(self, ts: int) -> None:
        """Push the next arrival: a Poisson process whose rate changes on the hour."""
        while True:
            local = ts + ZONE_MS
            gap_ms = -math.log(1.0 - self._story.random()) * self._gaps_ms[local // HOUR_MS % 24]
            hour_end = ts + HOUR_MS - local % HOUR_MS
            if ts + gap_ms < hour_end:
                self._story.push(ts + int(gap_ms), self.arrive, None)
                return
            ts = hour_end

    def arrive(self, ts: int, _: None) -> None:
        """Somebody comes: an advert, or a customer whose visit gets its share of what the plan asks for."""
        self.expect(ts)
        if self._orders is not None:
            self._orders.with_arrival(ts)
        plan, random = self._plan, self._story.random
        group = AFTERSALE if random() < 0.28 else PRESALE
        if random() < plan.spam:
            chat = Chat(self._customers.stranger(), group)
            chat.agent = self._roster.choose(group)
            self._advertise(ts, chat)
            return
        chat = Chat(self._customers.enter(), group)
        chat.turns = self._story.pick(_TURNS)
        chat.transfer = random() < plan.transfers
        chat.closing = random() < plan.closings
        chat.noted = random() < plan.notes
        chat.bot = random() < plan.bots
        if chat.bot:
            chat.bot_turns = 1 if random() < 0.6 else 2
        else:
            chat.agent = self._roster.choose(group)
            if random() < plan.autos:
                self._story.push(ts + 1000, self._conversation.greet, chat)
        self._story.event("session", ts, chat.customer).update(action="open", by="customer")
        self._conversation.ask(ts, chat)

    def _advertise(self, ts: int, chat: Chat) -> None:
        """An advert, and the mark that takes it out of the figures: on the message, or on the whole session."""
        advert = self._story.message(ts, chat, "customer", self._story.pick(phrases.ADVERTS))
        mark: Wire = {"value": True, "by": "system" if chat.agent is None else chat.agent.id}
        if self._story.random() < 0.5:
            mark["message"] = advert["id"]
        elif self._story.random() < 0.5:
            self._story.push(ts + self._story.pick(TYPE_MS), self._advertise_again, chat)
        self._story.push(ts + 60_000 + self._story.pick(PATIENCE_MS), self._mark, (chat, mark))

    def _advertise_again(self, ts: int, chat: Chat) -> None:
        self._story.message(ts, chat, "customer", self._story.pick(phrases.ADVERTS))["kind"] = "image"

    def _mark(self, ts: int, subject: tuple[Chat, Wire]) -> None:
        chat, mark = subject
        self._story.event("spam", ts, chat.customer).update(mark)
