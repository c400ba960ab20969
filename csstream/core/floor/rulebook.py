"""All rules of kind s: one entry is one rule, its module beside this one, its proof in `tests/core/floor/test_MODULE.py`.

Whatever has to know which rules there are asks here, when it needs to know: the machine and its rows, metrics, the
notifier, the notes of a replay, the README.
"""

from csstream.core.floor.agent_rule import AgentRule
from csstream.core.floor.feed_silent import FeedSilent
from csstream.core.floor.idle_online import IDLE_ONLINE
from csstream.core.floor.midnight import Midnight
from csstream.core.floor.overload import OVERLOAD
from csstream.core.floor.reply_rate import ReplyRate
from csstream.core.floor.shop_rule import ShopRule
from csstream.core.floor.storm import Storm
from csstream.core.floor.with_waits import HUNG_WITH_WAITS, OFFLINE_WITH_WAITS
from csstream.core.rules import RULES

AGENT_RULES: tuple[AgentRule, ...] = (OVERLOAD, IDLE_ONLINE, HUNG_WITH_WAITS, OFFLINE_WITH_WAITS)
"""Judged agent by agent."""

SHOP_RULES: tuple[type[ShopRule], ...] = (Midnight, ReplyRate, FeedSilent, Storm)
"""Judged once a shop."""


def names() -> tuple[str, ...]:
    """Names of all of them, as in SPEC 8."""
    return (*(rule.name for rule in AGENT_RULES), *(rule.name for rule in SHOP_RULES))


def all_names() -> tuple[str, ...]:
    """Names of the rules of both kinds: first those of a conversation, then these."""
    return (*(rule.name for rule in RULES), *names())


def by_feed() -> set[str]:
    """Names of those that a silent feed makes meaningless: all about agents, and what says so (SPEC 8, inhibited)."""
    return {rule.name for rule in AGENT_RULES} | {rule.name for rule in SHOP_RULES if rule.by_feed}
