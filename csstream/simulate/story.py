"""The story of one shop: its randomness, its agenda, and the events it has told.

All steps of a shop draw from the same randomness and write through here, so the order in which they are done
decides everything. Each shop has its own, and tells the same story however many others there are.
"""

from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from random import Random
from typing import Any, Final

from csstream.simulate.agent import Agent
from csstream.simulate.chat import Chat

Wire = dict[str, Any]
"""One event as it goes over the wire: names and values of SPEC 1, times in epoch milliseconds."""

Step = Callable[[int, Any], None]
"""Something that happens: called with its instant (epoch milliseconds) and what was pushed with it."""

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_PAIRS: Final = tuple(a + b for a in _DIGITS for b in _DIGITS)


def _base36(n: int) -> str:
    text = ""
    while n:
        n, digit = divmod(n, 36)
        text = _DIGITS[digit] + text
    return text


class Story:
    """One shop's agenda, worked off step by step. A step may only push what is not before its time."""

    def __init__(self, seed: int, number: int) -> None:
        self.shop = f"s{number:02d}"
        self.random = Random(f"csstream/{seed}/{self.shop}").random
        self._out: list[Wire] = []
        self._agenda: list[tuple[int, int, Step, Any]] = []
        self._pushed = 0
        # Ids are unique over all shops, and yet those of one shop do not depend on how many there are.
        self._id_head = "m" if number == 1 else f"m{_base36(number)}."
        self._id_prefix = ""
        self._ids = 0
        self._trades = 0

    def run(self) -> Iterator[Wire]:
        """The events, in order of time, without end: something must always be on the agenda."""
        agenda, out = self._agenda, self._out
        while True:
            if out:
                yield from out
                out.clear()
            ts, _, step, subject = heappop(agenda)
            step(ts, subject)

    def push(self, ts: int, step: Step, subject: Any) -> None:
        """Put a step on the agenda; of the same millisecond, first pushed is first done."""
        self._pushed += 1
        heappush(self._agenda, (ts, self._pushed, step, subject))

    def pick(self, choices: tuple[Any, ...]) -> Any:
        """One of `choices`."""
        return choices[int(self.random() * len(choices))]

    def event(self, kind: str, ts: int, customer: str) -> Wire:
        """Tell an event about a customer; the caller adds what its type asks for (SPEC 1)."""
        event = {"v": 1, "id": self._id(), "type": kind, "ts": ts, "shop": self.shop, "customer": customer}
        self._out.append(event)
        return event

    def trade(self, kind: str, ts: int, customer: str) -> Wire:
        """Tell an event about what a customer buys; its ids are counted apart from those of the chat."""
        self._trades += 1
        event = {
            "v": 1,
            "id": f"o{self._id_head[1:]}{_base36(self._trades)}",
            "type": kind,
            "ts": ts,
            "shop": self.shop,
            "customer": customer,
        }
        self._out.append(event)
        return event

    def of_agent(self, kind: str, ts: int, agent: Agent) -> Wire:
        """Tell an event about an agent; the caller adds what its type asks for (SPEC 1)."""
        event = {"v": 1, "id": self._id(), "type": kind, "ts": ts, "shop": self.shop, "agent": agent.id}
        self._out.append(event)
        return event

    def message(self, ts: int, chat: Chat, sender: str, text: str) -> Wire:
        """Tell a message of a visit; `agent` is whose visit it is, whoever the sender."""
        agent = chat.agent
        event = {
            "v": 1,
            "id": self._id(),
            "type": "message",
            "ts": ts,
            "shop": self.shop,
            "customer": chat.customer,
            "agent": None if agent is None else agent.id,
            "sender": sender,
            "text": text,
        }
        self._out.append(event)
        return event

    def _id(self) -> str:
        high, low = divmod(self._ids, len(_PAIRS))
        if low == 0:
            self._id_prefix = self._id_head + _base36(high)
        self._ids += 1
        return self._id_prefix + _PAIRS[low]
