"""What a step concluded for the first time in one shop, summed up: what the metrics of scope F count (SPEC 9)."""

from csstream.core.alert import Alert
from csstream.core.facts import Reception, Wait
from csstream.core.scoreboard import Scoreboard


class Firsts:
    """The sums of one step. `scores` has its responses after `long_wait`, `messages` are counted by sender."""

    def __init__(self, scores: Scoreboard, alerts: list[Alert], messages: dict[str, int]) -> None:
        self.scores = scores
        self.alerts = alerts
        self.messages = messages
        self.begun = 0
        self.ended: dict[str, int] = {}
        """Normal waits by outcome."""
        self.legs: dict[tuple[str, str], int] = {}
        """Legs of normal waits by agent (empty: the queue) and outcome."""
        self.receptions: list[Reception] = []
        """Of the shop."""

    def wait(self, wait: Wait) -> None:
        """A wait has ended."""
        self.scores.learn_responses(wait)
        if wait.class_ != "normal":
            return
        ended, outcome = self.ended, wait.outcome
        ended[outcome] = ended.get(outcome, 0) + 1
        legs = self.legs
        for leg in wait.legs:
            labels = leg.agent or "", leg.outcome
            legs[labels] = legs.get(labels, 0) + 1

    def reception(self, reception: Reception) -> None:
        """A reception is over."""
        self.scores.learn_reception(reception)
        if reception.agent is None:
            self.receptions.append(reception)
