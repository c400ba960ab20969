"""What a step concluded for the first time in one shop, summed up: what the metrics of scope F count (SPEC 9).

The scoreboard fills it while it counts a fact in today's figures: what counts how is said once, and asked once a fact.
"""

from csstream.core.alert import Alert
from csstream.core.facts import Wait


class Firsts:
    """The sums of one step; `messages` are counted by sender. Times are in ms, after `long_wait`."""

    def __init__(self, messages: dict[str, int]) -> None:
        self.messages = messages
        self.alerts: list[Alert] = []
        self.begun = 0
        self.ended: dict[str, int] = {}
        """Normal waits by outcome."""
        self.waits: list[Wait] = []
        """These waits but for the void ones: some were never seen open, and have begun with this step."""
        self.legs: dict[str | None, dict[str, int]] = {}
        """Legs of normal waits by agent (None: the queue), and by outcome."""
        self.responses: dict[str | None, list[int]] = {}
        """By agent; None is the shop, as below."""
        self.first_responses: dict[str | None, list[int]] = {}
        self.first_any: list[int] = []
        """First words of any sender, to customers of the shop."""
        self.excluded = 0
        """Responses of the shop that `long_wait` leaves out, and first responses."""
        self.first_excluded = 0

    def end(self, wait: Wait, outcome: str) -> None:
        """A normal wait has ended."""
        self.ended[outcome] = self.ended.get(outcome, 0) + 1
        if outcome != "void":
            self.waits.append(wait)

    def leg(self, agent: str | None, outcome: str) -> None:
        """A leg of a normal wait has ended."""
        own = self.legs.get(agent)
        if own is None:
            own = self.legs[agent] = {}
        own[outcome] = own.get(outcome, 0) + 1

    def respond(self, agent: str | None, ms: int) -> None:
        """A response took so long."""
        own = self.responses.get(agent)
        if own is None:
            own = self.responses[agent] = []
        own.append(ms)

    def respond_first(self, agent: str | None, ms: int) -> None:
        """The same of a first response."""
        self.first_responses.setdefault(agent, []).append(ms)
