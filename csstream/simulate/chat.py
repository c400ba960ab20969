"""One customer's visit: what the steps of a conversation remember between them."""

from csstream.simulate.agent import Agent


class Chat:
    """One customer's visit, from the first message until it is closed."""

    __slots__ = (
        *("agent", "asked", "bot", "bot_turns", "closing", "customer", "group", "nudges", "noted"),
        *("replies", "run", "since_ms", "transfer", "turns"),
    )

    def __init__(self, customer: str, group: str) -> None:
        self.customer = customer
        self.group = group
        self.agent: Agent | None = None
        self.since_ms = 0  # start of the time in the queue
        self.turns = 1  # questions to come, this one included
        self.run = 0  # messages to come in this run
        self.asked = False  # somebody owes a reply, or never gives it
        self.replies = 0
        self.nudges = 0
        self.bot_turns = 0
        self.bot = self.transfer = self.closing = self.noted = False
