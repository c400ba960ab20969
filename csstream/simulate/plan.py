"""What to simulate: the one argument of everything here, refused where it makes no sense.

A plan holds no randomness but its seed, so that it can be written down and told again, byte for byte.
"""

import math
from dataclasses import dataclass
from typing import Final

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
ZONE_MS: Final = 8 * HOUR_MS  # the shops are in Asia/Shanghai, which has known no summer time since 1991

HOURLY: Final = (
    *(1043, 530, 341, 189, 135, 113, 250, 556, 880, 1283, 1672, 1640),
    *(1367, 1339, 1500, 1720, 1481, 1205, 1270, 1532, 1990, 2204, 2126, 1644),
)
"""Customers by local hour, as weights: how the orders of a Tmall shop spread over the day."""

PER_AGENT: Final = 22.0
"""Customers an hour (mean of the day) for each agent: at the evening peak the roster can just serve them, late."""

_SHARES: Final = (
    "duplicates",
    "orders",
    "bots",
    "autos",
    "transfers",
    "spam",
    "closings",
    "notes",
    "ratings",
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to simulate. Shares are 0..1.

    `messages` (events of type `message`, duplicates not counted) and `hours` of event time end the stream,
    whichever comes first; without both it is endless. `customers_per_hour` is a shop's mean over the day
    (at 21:00 it is 1.8 times that); by default what `agents` can just not serve at the peak.
    `disorder_ms` bounds how far an event may come behind a later one. Without `presence` there is no roster:
    everybody is on all day, and the stream has no `presence`, `shift` and `profile`.
    Raises ValueError naming the field.
    """

    seed: int
    start_ms: int
    shops: int = 1
    agents: int = 8
    customers_per_hour: float | None = None
    messages: int | None = None
    hours: float | None = None
    disorder_ms: int = 0
    duplicates: float = 0.0
    """Share of events that come a second time, as exact copies."""
    bots: float = 0.35
    """Share of customers whom a bot answers first, in the queue."""
    autos: float = 0.3
    """Share of the other customers who get an automatic first reply after 1 s."""
    transfers: float = 0.08
    """Share of customers whom an agent hands on by hand; roster and overload make more, with other reasons."""
    spam: float = 0.02
    """Share of arrivals that are adverts, marked later."""
    closings: float = 0.6
    """Share of served customers who end with a courtesy."""
    notes: float = 0.08
    """Share of served customers about whom an internal note is written."""
    ratings: float = 0.15
    """Share of served customers who rate the agent."""
    orders: float = 0.65
    """Share of customers served before a sale who order; silent orders, reminders and refunds follow from it."""
    presence: bool = True

    def __post_init__(self) -> None:
        for name in _SHARES:
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise ValueError(f"plan.{name} is {share}; give a share from 0 to 1")
        for name in ("shops", "agents"):
            if getattr(self, name) < 1:
                raise ValueError(f"plan.{name} is {getattr(self, name)}; give at least 1")
        for name in ("start_ms", "disorder_ms"):
            if getattr(self, name) < 0:
                raise ValueError(f"plan.{name} is {getattr(self, name)}; give milliseconds, at least 0")
        for name in ("messages", "hours"):
            limit = getattr(self, name)
            if limit is not None and not 0 <= limit < math.inf:
                raise ValueError(f"plan.{name} is {limit}; give at least 0, or None for no end")
        rate = self.customers_per_hour
        if rate is not None and not 0 < rate <= HOUR_MS:
            raise ValueError(f"plan.customers_per_hour is {rate}; give more than 0 and at most {HOUR_MS}")

    @property
    def rate(self) -> float:
        """Customers an hour and shop, mean over the day."""
        return PER_AGENT * self.agents if self.customers_per_hour is None else self.customers_per_hour
