"""The end of a visit: with thanks, with a rating, or with nobody having answered."""

from csstream.simulate import phrases
from csstream.simulate.agent import GONE
from csstream.simulate.chat import Chat
from csstream.simulate.customers import Customers
from csstream.simulate.durations import LINGER_MS, PATIENCE_MS, TYPE_MS
from csstream.simulate.orders import Orders
from csstream.simulate.plan import HOUR_MS
from csstream.simulate.story import Story


class Farewell:
    """The steps that end the visits of one shop. `ratings` is the share of served customers who rate."""

    def __init__(self, story: Story, customers: Customers, ratings: float, orders: Orders | None) -> None:
        self._story = story
        self._customers = customers
        self._ratings = ratings
        self._orders = orders

    def finish(self, ts: int, chat: Chat) -> None:
        """The customer has what he came for: he says so or not, perhaps buys, and the session will be closed."""
        if self._orders is not None:
            self._orders.after_chat(ts, chat)
        if chat.closing:
            event = self._story.message(ts, chat, "customer", self._story.pick(phrases.COURTESIES))
            if self._story.random() < 0.2:
                event.update(kind="emoji", text=self._story.pick(phrases.EMOJI))
            if self._story.random() < 0.45:
                self._story.push(ts + self._story.pick(TYPE_MS), self._welcome, chat)
        self._story.push(ts + 15_000 + self._story.pick(LINGER_MS), self.close, chat)

    def give_up(self, ts: int, chat: Chat) -> None:
        """Nobody answered: ask once more, or leave, with or without closing the window."""
        if chat.nudges == 0 and self._story.random() < 0.6:
            chat.nudges = 1
            self._story.message(ts, chat, "customer", self._story.pick(phrases.NUDGES))
            self._story.push(ts + 30_000 + self._story.pick(PATIENCE_MS), self.give_up, chat)
            return
        by = "customer" if self._story.random() < 0.5 else "system"
        self._story.event("session", ts, chat.customer).update(action="close", by=by)
        self._customers.leave(chat.customer)

    def shut(self, ts: int, chat: Chat) -> None:
        """The agent closes the window; the session goes on, and so does the customer's waiting."""
        assert chat.agent is not None
        event = self._story.event("session", ts, chat.customer)
        event.update(agent=chat.agent.id, action="window_closed", by="agent")

    def close(self, ts: int, chat: Chat) -> None:
        """The session is over; who was served may rate, or be reminded of the shop later."""
        agent = chat.agent
        event = self._story.event("session", ts, chat.customer)
        event["action"] = "close"
        event["by"] = self._story.pick(("customer", "system"))
        if agent is not None and agent.state not in GONE and self._story.random() < 0.4:
            event.update(agent=agent.id, by="agent")
        if agent is not None and chat.replies:
            chance = self._story.random()
            if chance < self._ratings:
                score = self._story.pick((5, 5, 5, 5, 5, 4, 4, 3, 2, 1))
                self._story.event("rating", ts, chat.customer).update(agent=agent.id, score=score)
            elif chance > 0.97:
                self._story.push(ts + 2 * HOUR_MS, self._remind, chat)
        self._customers.leave(chat.customer)

    def _welcome(self, ts: int, chat: Chat) -> None:
        if chat.agent is not None and chat.agent.state not in GONE:
            self._story.message(ts, chat, "human", self._story.pick(phrases.WELCOMES))

    def _remind(self, ts: int, chat: Chat) -> None:
        self._story.message(ts, chat, "template", phrases.TEMPLATE)
