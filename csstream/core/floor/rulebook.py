"""All rules of kind s: one entry is one rule, its module and its proof in `tests/core/floor/` beside it."""

from typing import Protocol

from csstream.core.floor.feed_silent import FeedSilent
from csstream.core.floor.idle_online import IDLE_ONLINE
from csstream.core.floor.midnight import Midnight
from csstream.core.floor.overload import OVERLOAD
from csstream.core.floor.reply_rate import ReplyRate
from csstream.core.floor.storm import Storm
from csstream.core.floor.with_waits import HUNG_WITH_WAITS, OFFLINE_WITH_WAITS


class Named(Protocol):
    """A rule has a name."""

    @property
    def name(self) -> str:
        """As in SPEC 8."""


AGENT_RULES = (OVERLOAD, IDLE_ONLINE, HUNG_WITH_WAITS, OFFLINE_WITH_WAITS)
"""Judged agent by agent."""

SHOP_RULES = (Midnight, ReplyRate, FeedSilent, Storm)
"""Judged once a shop."""

FLOOR_RULES = tuple(rule.name for rule in (*AGENT_RULES, *SHOP_RULES))
"""Names of all of them."""
