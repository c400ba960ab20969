"""What a step concluded for the first time in one shop, summed up: what the metrics of scope F count (SPEC 9).

The scoreboard fills it while it counts a fact in today's figures: what counts how is said once, and asked once a fact.
"""

from csstream.core.alert import Alert


class Firsts:
    """The sums of one step; `messages` are counted by sender. Times are in ms, after `long_wait`."""

    def __init__(self, messages: dict[str, int]) -> None:
        self.messages = messages
        self.alerts: list[Alert] = []
        self.begun = 0
        self.ended: dict[str, int] = {}
        """Normal waits by outcome."""
        self.legs: dict[tuple[str, str], int] = {}
        """Legs of normal waits by agent (empty: the queue) and outcome."""
        self.responses: dict[str | None, list[int]] = {}
        """By agent; None is the shop, as below."""
        self.first_responses: dict[str | None, list[int]] = {}
        self.first_any: list[int] = []
        """First words of any sender, to customers of the shop."""
        self.excluded = 0
        """Responses of the shop that `long_wait` leaves out, and first responses."""
        self.first_excluded = 0

    def end(self, outcome: str) -> None:
        """A normal wait has ended."""
        self.ended[outcome] = self.ended.get(outcome, 0) + 1

    def leg(self, agent: str | None, outcome: str) -> None:
        """A leg of a normal wait has ended."""
        labels = agent or "", outcome
        self.legs[labels] = self.legs.get(labels, 0) + 1

    def respond(self, agent: str | None, ms: int) -> None:
        """A response took so long."""
        own = self.responses.get(agent)
        if own is None:
            own = self.responses[agent] = []
        own.append(ms)

    def respond_first(self, agent: str | None, ms: int) -> None:
        """The same of a first response."""
        self.first_responses.setdefault(agent, []).append(ms)
