"""What the floor of one shop looks like at the instant under way, and what follows from it.

Plain data that the machine changes and the rules read, a heap of instants at which somebody has to look again, and
the alerts that have fired or ended since they were last asked for. Nothing here knows a rule.
"""

import heapq
from collections.abc import Iterable

from msgspec.structs import replace

from csstream.core.alert import Alert
from csstream.core.calendar import Calendar, Day
from csstream.core.changes import OpenWait
from csstream.core.conversation import EVIDENCE, NEVER
from csstream.core.floor.desk import Desk
from csstream.core.floor.roster import Roster
from csstream.core.rules import GroupOf
from csstream.policy import Policy

DESK = -1
"""Whom a due concerns: an agent, by name, or the rule of the shop at this place in the rulebook."""


class Scene:
    """One shop at one instant; instants in epoch ms, -1 for none."""

    def __init__(self, policy: Policy, calendar: Calendar, shop: str, group_of: GroupOf) -> None:
        self.policy = policy
        self.calendar = calendar
        self.shop = shop
        self.group_of = group_of
        self.gap = policy.session_gap_ms
        self.few_waits = self.few(policy.overload_open_waits)
        """Open waits of an agent with which an overload may end."""
        self.day = Day("", -1, -1)
        self.newest_ms = -1
        self.newest_id = ""
        self.waits: dict[str, OpenWait] = {}
        """All open waits, by customer."""
        self.last: dict[str, int] = {}
        """Last message of customers, as long as it can matter."""
        self.received: dict[str, tuple[str, ...]] = {}
        """Agents with a reception in the latest session of a customer."""
        self.desks: dict[str, Desk] = {}
        self.roster = Roster()
        self.dues: list[tuple[int, int, str]] = [(NEVER, DESK, "")]
        """Instant, `DESK` or a rule's place, and the agent or what the rule is to be reminded of."""
        self.called: set[str] = set()
        """The rules of the shop that are to be judged at the instant under way."""
        self.look_ms = -1
        """No instant before it needs to be judged."""
        self.news: dict[str, tuple[Alert, bool]] = {}
        """Alerts that changed since they were last taken, and whether an earlier record of each was taken."""

    def few(self, limit: int) -> int:
        """With how many of something that has a limit an alert on it may end (SPEC 8, `alert.clear_ratio`)."""
        ratio = self.policy.clear_ratio
        return limit * ratio.numerator // ratio.denominator

    def desk(self, agent: str) -> Desk:
        """The desk of an agent."""
        found = self.desks.get(agent)
        if found is None:
            found = self.desks[agent] = Desk(agent, self.policy.overload_concurrent)
        return found

    def concurrent(self, desk: Desk, t: int) -> int:
        """Customers with an open leg of the agent, or in a reception of his within `session_gap` (SPEC 5, 8)."""
        return len(desk.legs) + sum([guest not in desk.legs for guest in self.present(desk, t)])

    def present(self, desk: Desk, t: int) -> set[str]:
        """Guests whose last message is less than `session_gap` back; the others are let go."""
        over = t - self.gap
        last = self.last
        gone = [guest for guest in desk.guests if last[guest] <= over]
        if gone:
            desk.guests.difference_update(gone)
        return desk.guests

    def call(self, rule: str) -> None:
        """A rule of the shop is to be judged at the instant under way."""
        self.called.add(rule)
        self.look_ms = -1

    def remind(self, due: int, whom: int, key: str) -> None:
        """Somebody has to look at `due`."""
        heapq.heappush(self.dues, (due, whom, key))
        self.look_ms = min(self.look_ms, due)

    def fire(
        self,
        rule: str,
        place: str,
        severity: str,
        t: int,
        since: int,
        value: dict[str, int],
        evidence: list[str],
        agent: str | None = None,
        divert_to: str | None = None,
    ) -> Alert:
        """An alert begins at `t`; `place` is what follows the rule in its id. Its summary is for the rule to write."""
        alert = Alert(
            alert=f"{rule}|{self.shop}|{place}",
            rule=rule,
            state="firing",
            severity=severity,
            shop=self.shop,
            agent=agent,
            group=self.group_of(agent, t),
            customer=None,
            since=since,
            ts=t,
            end=None,
            outcome=None,
            value=value,
            divert_to=divert_to,
            evidence=evidence,
            policy=self.policy.tag,
            summary={},
        )
        self.news[alert.alert] = alert, False
        return alert

    def end(
        self, alert: Alert, t: int, outcome: str = "cleared", value: dict[str, int] | None = None
    ) -> None:
        """An alert ends at `t`."""
        before = self.news.get(alert.alert)
        ended = replace(alert, state="resolved", end=t, outcome=outcome)
        if value is not None:
            ended.value = value
        self.news[alert.alert] = ended, before is None or before[1]


def first_messages(waits: Iterable[OpenWait], event: str = "") -> list[str]:
    """Evidence: the first messages of some waits, oldest `EVIDENCE`, then the event that fired the alert."""
    found = [wait.first for wait in sorted(waits, key=_age)[:EVIDENCE]]
    if event and event not in found:
        found.append(event)
    return found


def _age(wait: OpenWait) -> tuple[int, str]:
    return wait.since, wait.first
