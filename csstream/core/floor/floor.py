"""The machine: changes in order of time go in, alerts come out (SPEC 8, rules of kind s).

An instant is judged once, after everything that happened in its millisecond and when time has gone past it. Only what
an instant has stirred is judged: the agents whom a change or a due concerns, and the rules of the shop that asked to
be called. A condition is a function of the state, so looking once more than needed changes nothing.

What comes in for an instant that is past counts from the instant under way: nothing here is ever corrected.
"""

import heapq
from collections.abc import Iterable

from csstream.core.alert import Alert
from csstream.core.calendar import Calendar
from csstream.core.changes import Change, OpenWait, Rota, Sign, Turn, View, Word
from csstream.core.conversation import NEVER
from csstream.core.floor.agent_rule import AgentRule
from csstream.core.floor.ages import Ages
from csstream.core.floor.desk import Desk
from csstream.core.floor.feed_silent import FeedSilent
from csstream.core.floor.midnight import Midnight
from csstream.core.floor.overload import OVER_MS, OVERLOAD
from csstream.core.floor.reply_rate import FRESH, REPLIED, ReplyRate
from csstream.core.floor.rulebook import AGENT_RULES, FLOOR_RULES
from csstream.core.floor.scene import DESK, SETTLE, Scene, first_messages
from csstream.core.floor.storm import Storm
from csstream.core.rules import GroupOf
from csstream.policy import Policy

_DUES = tuple(rule.due for rule in AGENT_RULES)


class Floor:
    """The rules of a state in one shop."""

    def __init__(self, policy: Policy, calendar: Calendar, shop: str, group_of: GroupOf) -> None:
        self.scene = scene = Scene(policy, calendar, shop, group_of)
        self.now = -1
        """The instant under way (epoch ms): what happened in it is known, and it is not judged yet."""
        self.midnight = Midnight(scene)
        self.reply_rate = ReplyRate(scene)
        self.feed_silent = FeedSilent(scene)
        self.storm = Storm(scene)
        self.shop_rules = self.midnight, self.reply_rate, self.feed_silent, self.storm
        self._rules = {rule.name: rule for rule in self.shop_rules}
        self._over_30 = Ages(OVER_MS, scene.waits)
        same = policy.storm_over_ms == OVER_MS
        self._crossing = self._over_30 if same else Ages(policy.storm_over_ms, scene.waits)
        self._stirred: dict[Desk, str] = {}  # and the greatest id of the events that did it
        self._called: set[str] = set()
        self.restored: tuple[dict[str, str], list[str]] = {}, []
        """What a row says the instant under way has stirred and called, until `resume`."""

    # ---- in ---------------------------------------------------------------------------------------------

    def play(self, changes: Iterable[Change]) -> None:
        """Take in changes in order of time; every instant before the last one's is judged."""
        scene = self.scene
        now = self.now
        gap = scene.gap
        last_of = scene.last
        for change in changes:
            t = change.ts
            if t > now:
                if t >= scene.look_ms:
                    self.pass_time(t)
                self.now = now = t
            event = change.event
            if event and (now > scene.newest_ms or event > scene.newest_id):
                scene.newest_ms, scene.newest_id = now, event
            if type(change) is Word:
                customer = change.customer
                if change.sent is not None:
                    self._sent(change.sent, t, event)
                if customer:
                    before = last_of.get(customer, t)
                    last_of[customer] = t  # first: who is back is a guest by his newest word
                    if now - before >= gap:  # not `t`: he may come in late
                        self._return(customer, event)
            elif type(change) is Turn:
                customer, last = change.customer, change.last
                if change.sent is not None:
                    self._sent(change.sent, t, event)
                self._wait(customer, change.wait, event)
                before = last_of.get(customer, last)
                last_of[customer] = last
                if last > before and now - before >= gap:
                    self._return(customer, event)
            elif type(change) is View:
                if change.sent is not None:
                    self._sent(change.sent, t, event)
                self._see(change)
            elif type(change) is Sign:
                self._sign(change)
            else:
                assert isinstance(change, Rota)
                shift = change.start, change.end, t, event
                scene.roster.announce(change.agent, change.shift, shift)
                self._call("feed_silent")

    def pass_time(self, clock: int) -> None:
        """Judge every instant before `clock`, which is under way then."""
        if clock <= self.now:
            return
        if self.feed_silent.heard:
            self._called.add("feed_silent")
        due = self.now if self._stirred or self._called else self._next_due(clock)
        if due <= self.now:
            self._judge(self.now)
            due = self._next_due(clock)
        while due < clock:
            self._come_to(due)
            self._judge(due)
            due = self._next_due(clock)
        self._come_to(clock)
        if self._called or self.feed_silent.alert is not None:
            self.scene.look_ms = clock
        else:
            self.scene.look_ms = min(due, self.scene.dues[0][0])

    def next_due(self) -> int:
        """The next instant at which time alone may change something; the same for a floor made from the rows."""
        if self._stirred or self._called or self.feed_silent.heard:
            return self.now
        return self._next_due(NEVER)

    def _drop_stale_dues(self, limit: int) -> None:
        """Most dues only move on; put the first one where it really is, if it lies before `limit`."""
        scene = self.scene
        dues = scene.dues
        while dues[0][0] < limit:
            due, kind, key = dues[0]
            real = due
            if kind == SETTLE:
                seen = self.reply_rate.seen.get(key)
                if seen is None or seen[2] != FRESH or seen[0] + scene.policy.reply_rate_settle_ms != due:
                    real = NEVER
            elif kind == DESK:
                desk = scene.desks[key]
                real = NEVER if desk.due != due else self._due_of(desk, due - 1)
                desk.due = min(desk.due, real) if desk.due != due else real
            elif key == self.feed_silent.name:
                real = self.feed_silent.due(due - 1)
            elif key == self.storm.name and (self.storm.alert is None or self.storm.block_end != due):
                real = NEVER
            if real == due:
                return
            heapq.heappop(dues)
            if real < NEVER:
                scene.remind(real, kind, key)

    def _due_of(self, desk: Desk, t: int) -> int:
        return min([due(self.scene, desk, t) for due in _DUES])

    def _next_due(self, limit: int) -> int:
        """The next due; exact if it lies before `limit`."""
        self._drop_stale_dues(limit)
        due = min(self.scene.dues[0][0], self._over_30.next_due())
        return due if self._crossing is self._over_30 else min(due, self._crossing.next_due())

    def take_news(self) -> list[tuple[Alert, bool]]:
        """Alerts that began or ended since the last call, and whether an earlier record of each was given out."""
        news = list(self.scene.news.values())
        self.scene.news.clear()
        return news

    def standing(self) -> dict[str, int]:
        """How many alerts of each rule stand."""
        found = dict.fromkeys(FLOOR_RULES, 0)
        for desk in self.scene.desks.values():
            for rule in desk.standing:
                found[rule] += 1
        for shop_rule in self.shop_rules:
            found[shop_rule.name] += shop_rule.alert is not None
        return found

    # ---- a restart --------------------------------------------------------------------------------------

    def stirred(self) -> dict[str, str]:
        """The agents whom the instant under way has stirred, and the greatest id of the events that did it."""
        return dict(sorted((desk.agent, event) for desk, event in self._stirred.items()))

    def called(self) -> list[str]:
        """The rules of the shop that are to be judged at the instant under way."""
        return sorted(self._called)

    def resume(self, views: Iterable[View]) -> None:
        """Go on at the instant under way, with what is restored and with the customers as they are."""
        scene, now = self.scene, self.now
        scene.day = scene.calendar.day(now)
        self.midnight.begin_day(now)
        self.reply_rate.begin_day(now)
        midnight, self.midnight.alert = self.midnight.alert, None
        rate_event = self.reply_rate.event
        for view in views:
            self._see(view)
        self.reply_rate.event = rate_event
        self.midnight.alert = midnight
        if midnight is not None:
            self.midnight.held = {c for c, wait in scene.waits.items() if wait.since <= midnight.ts}
        if self.storm.alert is not None:
            self.storm.remind()
        self.feed_silent.remind(now - 1)
        for desk in scene.desks.values():
            desk.due = self._due_of(desk, now - 1)
            if desk.due < NEVER:
                scene.remind(desk.due, DESK, desk.agent)
        stirred, called = self.restored
        self._stirred = {scene.desks[agent]: event for agent, event in stirred.items()}
        self._called = set(called)
        scene.look_ms = now

    # ---- what happened ----------------------------------------------------------------------------------

    def _come_to(self, t: int) -> None:
        self.now = t
        scene = self.scene
        if t >= scene.day.end_ms:
            scene.day = scene.calendar.day(t)
            self.midnight.begin_day(t)
            self.reply_rate.begin_day(t)
            self._called.update(("midnight", "reply_rate"))
            self._let_go(t)

    def _let_go(self, t: int) -> None:
        """Forget the customers of whom nothing can matter any more."""
        scene = self.scene
        for customer in [
            c for c, last in scene.last.items() if last + scene.gap < t and c not in scene.waits
        ]:
            del scene.last[customer]
            for agent in scene.received.pop(customer, ()):
                scene.desks[agent].guests.discard(customer)
        scene.roster.forget(t)

    def _stir(self, desk: Desk, event: str) -> None:
        """An agent is to be judged at this instant."""
        before = self._stirred.get(desk)
        if before is None or event > before:
            self._stirred[desk] = event
            self.scene.look_ms = self.now

    def _call(self, rule: str) -> None:
        """A rule of the shop is to be judged at this instant."""
        self._called.add(rule)
        self.scene.look_ms = self.now

    def _sent(self, agent: str, t: int, event: str) -> None:
        desk = self.scene.desk(agent)
        if t > desk.sent_ms:
            desk.sent_ms = t
            desk.changed = True
            if "idle_online" in desk.standing:
                self._stir(desk, event)

    def _return(self, customer: str, event: str) -> None:
        """A guest who had fallen silent is back."""
        for agent in self.scene.received.get(customer, ()):
            self._welcome(self.scene.desks[agent], customer, event)

    def _welcome(self, desk: Desk, customer: str, event: str) -> None:
        """An agent has one guest more."""
        desk.guests.add(customer)
        if OVERLOAD.name not in desk.standing and self._crowded(desk):
            self._stir(desk, event)

    def _miss(self, desk: Desk, event: str) -> None:
        """An agent has one guest less, or for a shorter time."""
        if desk.sure_ms >= 0:
            desk.sure_ms, desk.changed = -1, True
        if desk.standing:
            self._stir(desk, event)

    def _see(self, view: View) -> None:
        scene = self.scene
        customer, event, wait, received = view.customer, view.event, view.wait, view.received
        self._wait(customer, wait, event)
        known = scene.received.get(customer, ())
        last = scene.last.get(customer, view.last)
        scene.last[customer] = view.last
        silent = last + scene.gap <= self.now
        if silent or received != known:
            self._receive(customer, known, received, silent, event)
        if view.last < last:  # a mark has taken his last message
            for agent in received:
                self._miss(scene.desks[agent], event)
        rate = self.reply_rate
        seen = rate.seen.get(customer)
        told = (
            seen is not None
            and seen[0] == view.wrote
            and seen[1] == view.first
            and view.replied == (seen[2] == REPLIED)
        )
        if not told and rate.see(customer, view.wrote, view.first, view.replied, self.now, event):
            self._call(rate.name)

    def _wait(self, customer: str, wait: OpenWait | None, event: str) -> None:
        """A customer's wait may be another, have another holder, or have ended."""
        scene = self.scene
        before = scene.waits.get(customer)
        if wait == before:
            return
        if before is not None and before.holder is not None and not before.closing:
            desk = scene.desks[before.holder]
            del desk.legs[customer]
            if desk.restless(self.now, scene.few_waits):
                self._stir(desk, event)
        if wait is None:
            del scene.waits[customer]
        else:
            scene.waits[customer] = wait
            if not wait.closing:
                if wait.holder is not None:
                    self._take(scene.desk(wait.holder), customer, wait, event)
                if before is None or before.closing or before.since != wait.since:
                    due = self._over_30.expect(customer, wait.since, self.now)
                    if self._crossing is not self._over_30:
                        due = min(due, self._crossing.expect(customer, wait.since, self.now))
                    scene.look_ms = min(scene.look_ms, due)
        if self.midnight.alert is not None and self.midnight.moved(customer, wait):
            self._call("midnight")

    def _take(self, desk: Desk, customer: str, wait: OpenWait, event: str) -> None:
        """An agent gets a waiting customer: what that can bring about at once is judged, and what it may in time."""
        desk.legs[customer] = wait
        policy = self.scene.policy
        waits = len(desk.legs)
        if OVERLOAD.name not in desk.standing and (
            waits >= policy.overload_open_waits
            or (waits >= policy.overload_over_30 and wait.since + OVER_MS <= self.now)
            or self._crowded(desk)
        ):
            self._stir(desk, event)
        elif desk.spell:
            if desk.spell == "online":
                silent = max(desk.sent_ms, desk.spell_ms) + policy.idle_online_silent_ms
                due = max(wait.leg_from + policy.idle_online_wait_ms, silent)
            else:
                due = wait.leg_from + policy.with_waits_over_ms
            if due <= self.now:  # a mark has given him back what he had long ago: no due lies in the past
                self._stir(desk, event)
            elif due < desk.due:
                desk.due = due
                self.scene.remind(due, DESK, desk.agent)

    def _crowded(self, desk: Desk) -> bool:
        """Whether an agent has reached his capacity."""
        guests, legs = desk.guests, desk.legs
        if len(guests) + len(legs) < desk.capacity:
            return False
        return len(self.scene.present(desk, self.now) | legs.keys()) >= desk.capacity

    def _receive(
        self, customer: str, known: tuple[str, ...], received: tuple[str, ...], silent: bool, event: str
    ) -> None:
        """Other agents have a reception in a customer's latest session; `silent`: he was no guest any more."""
        scene = self.scene
        for agent in known:
            if agent not in received:
                desk = scene.desks[agent]
                desk.guests.discard(customer)
                if not silent:
                    self._miss(desk, event)
        for agent in received:
            if silent or agent not in known:
                self._welcome(scene.desk(agent), customer, event)
        if received:
            scene.received[customer] = received
        else:
            scene.received.pop(customer, None)

    def _sign(self, sign: Sign) -> None:
        scene = self.scene
        desk = scene.desk(sign.agent)
        if (sign.ts, sign.event) < desk.signed:
            return  # it comes in after a later one
        desk.signed = sign.ts, sign.event
        desk.changed = True
        if desk.sign(sign.state, self.now):
            if desk.spell == "online":
                scene.roster.online.add(sign.agent)
            else:
                scene.roster.online.discard(sign.agent)
        if sign.capacity is not None:
            desk.capacity = sign.capacity
        self._stir(desk, sign.event)
        self._call("feed_silent")

    # ---- judging ----------------------------------------------------------------------------------------

    def _judge(self, t: int) -> None:
        scene = self.scene
        dues = scene.dues
        while dues[0][0] <= t:
            _, kind, key = heapq.heappop(dues)
            if kind == SETTLE:
                if self.reply_rate.settle(key, t):
                    self._called.add("reply_rate")
            elif kind == DESK:
                desk = scene.desks[key]
                desk.due = NEVER
                self._stir(desk, "")
            else:
                self._called.add(key)
        reached = self._over_30.reach(t)
        for customer in reached:
            holder = scene.waits[customer].holder
            if holder is not None:
                desk = scene.desks[holder]
                if len(desk.legs) >= scene.policy.overload_over_30 and OVERLOAD.name not in desk.standing:
                    self._stir(desk, "")
        crossed = reached if self._crossing is self._over_30 else self._crossing.reach(t)
        if crossed:
            self.storm.crossed = len(crossed)
            self._called.add("storm")
        if self._stirred:
            self._judge_desks(t)
        if self._called:
            scene.roster.settle(t)
            for name in self._called:
                self._rules[name].judge(t)
            self._called.clear()

    def _judge_desks(self, t: int) -> None:
        scene = self.scene
        judged: list[Desk] = []
        begun: list[tuple[AgentRule, Desk, str]] = []
        for desk, event in self._stirred.items():
            if not desk.legs and not desk.standing and len(desk.guests) < max(desk.capacity, 1):
                continue  # nobody waits, nothing stands
            judged.append(desk)
            for rule in AGENT_RULES:
                alert = desk.standing.get(rule.name)
                if rule.holds(scene, desk, t, alert is not None):
                    if alert is None:
                        begun.append((rule, desk, event))
                elif alert is not None:
                    scene.end(alert, t)
                    del desk.standing[rule.name]
                    desk.changed = True
        self._stirred = {}
        overloaded = {desk for rule, desk, _ in begun if rule is OVERLOAD}
        for rule, desk, event in begun:
            concerned = rule.waits(scene, desk, t)
            desk.standing[rule.name] = alert = scene.fire(
                rule.name,
                f"{desk.agent}|{t}",
                rule.severity,
                t,
                min([wait.since for wait in concerned], default=t),
                rule.value(scene, desk, t),
                first_messages(concerned, event),
                desk.agent,
                self._divert(desk, t, overloaded),
            )
            alert.summary = rule.summary(alert)
            desk.changed = True
        for desk in judged:
            due = self._due_of(desk, t)
            if due < desk.due:
                desk.due = due
                scene.remind(due, DESK, desk.agent)

    def _divert(self, busy: Desk, t: int, overloaded: set[Desk]) -> str | None:
        """Who of the agent's group takes new customers instead (SPEC 8, `divert_to`)."""
        scene = self.scene
        group = scene.group_of(busy.agent, t)
        free = [
            (len(desk.legs), scene.concurrent(desk, t), desk.agent)
            for desk in scene.desks.values()
            if desk.spell == "online"
            and desk is not busy
            and desk not in overloaded
            and OVERLOAD.name not in desk.standing
            and scene.group_of(desk.agent, t) == group
        ]
        return min(free)[2] if free else None
