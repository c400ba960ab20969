"""The machine: changes in order of time go in, alerts come out (SPEC 8, rules of kind s).

An instant is judged once, after everything that happened in its millisecond and when time has gone past it. Only what
an instant has stirred is judged: the agents whom a change or a due concerns, and the rules of the shop that asked to
be called. A condition is a function of the state, so looking once more than needed changes nothing. Which rules there
are the rulebook alone says: none of them is known here.

What comes in for an instant that is past counts from the instant under way: nothing here is ever corrected.
"""

import heapq
from collections.abc import Iterable
from typing import Any

from csstream.core.alert import Alert
from csstream.core.calendar import Calendar
from csstream.core.changes import Change, OpenWait, Rota, Sign, Turn, View, Word
from csstream.core.conversation import NEVER
from csstream.core.floor import rulebook
from csstream.core.floor.agent_rule import AgentRule, never
from csstream.core.floor.ages import Ages
from csstream.core.floor.desk import Desk
from csstream.core.floor.scene import DESK, Scene, first_messages
from csstream.core.floor.shop_rule import ShopRule
from csstream.core.rules import GroupOf
from csstream.policy import Policy


class Restored:
    """What the rows say of the instant under way and of the rules of the shop, until `Floor.resume`."""

    def __init__(self) -> None:
        self.stirred: dict[str, str] = {}
        self.called: list[str] = []
        self.standing: dict[str, Alert] = {}
        self.kept: dict[str, Any] = {}


class Floor:
    """The rules of a state in one shop."""

    def __init__(self, policy: Policy, calendar: Calendar, shop: str, group_of: GroupOf) -> None:
        self.scene = scene = Scene(policy, calendar, shop, group_of)
        self.now = -1
        """The instant under way (epoch ms): what happened in it is known, and it is not judged yet."""
        self.agent_rules = [*rulebook.AGENT_RULES]
        self._dues = [rule.due for rule in self.agent_rules]
        self._by_spell: dict[str, list[AgentRule]] = {}
        self._on_agents = {rule.name: rule for rule in self.agent_rules}
        self._on_guests = [rule for rule in self.agent_rules if rule.crowded is not never]
        self._full = {rule.name for rule in self.agent_rules if rule.full}
        self.shop_rules = [rule(scene) for rule in rulebook.SHOP_RULES]
        for place, rule in enumerate(self.shop_rules):
            rule.place = place
        self._on_views = self._told("see")
        self._on_waits = self._told("moved")
        self._on_duty = self._told("duty")
        self._on_events = self._told("heard")
        self._on_days = self._told("begin_day")
        ages = {rule.age_ms for rule in self.agent_rules} | {rule.age_ms for rule in self.shop_rules}
        self._ages = [Ages(age_ms, scene.waits) for age_ms in sorted(ages - {0})]
        self._stirred: dict[Desk, str] = {}  # and the greatest id of the events that did it
        self.restored = Restored()

    def _told(self, what: str) -> list[ShopRule]:
        """The rules of the shop that want to be told of something."""
        return [rule for rule in self.shop_rules if getattr(type(rule), what) is not getattr(ShopRule, what)]

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
                known = last_of.get(customer)
                last_of[customer] = last
                if known is not None and last > known and now - known >= gap:
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
                self._duty()

    def pass_time(self, clock: int) -> None:
        """Judge every instant before `clock`, which is under way then."""
        if clock <= self.now:
            return
        scene = self.scene
        for rule in self._on_events:
            if rule.alert is not None and rule.heard():
                rule.call()
        due = self.now if self._stirred or scene.called else self._next_due(clock)
        if due <= self.now:
            self._judge(self.now)
            due = self._next_due(clock)
        while due < clock:
            self._come_to(due)
            self._judge(due)
            due = self._next_due(clock)
        self._come_to(clock)
        scene.look_ms = clock if scene.called else min(due, scene.dues[0][0], scene.day.end_ms)
        for rule in self._on_events:
            if rule.alert is not None:
                scene.look_ms = clock  # whatever comes in may be what it listens for

    def next_due(self) -> int:
        """The next instant at which time alone may change something; the same for a floor made from the rows."""
        if self._stirred or self.scene.called:
            return self.now
        for rule in self._on_events:
            if rule.alert is not None and rule.heard():
                return self.now
        return self._next_due(NEVER)

    def _drop_stale_dues(self, limit: int) -> None:
        """Most dues only move on; put the first one where it really is, if it lies before `limit`."""
        scene = self.scene
        dues = scene.dues
        while dues[0][0] < limit:
            due, whom, key = dues[0]
            if whom == DESK:
                desk = scene.desks[key]
                real = NEVER if desk.due != due else self._due_of(desk, due - 1)
                desk.due = min(desk.due, real) if desk.due != due else real
            else:
                real = self.shop_rules[whom].real_due(due, key)
            if real == due:
                return
            heapq.heappop(dues)
            if real < NEVER:
                scene.remind(real, whom, key)

    def _due_of(self, desk: Desk, t: int) -> int:
        return min([due(self.scene, desk, t) for due in self._dues])

    def _next_due(self, limit: int) -> int:
        """The next due; exact if it lies before `limit`."""
        dues = self.scene.dues
        if dues[0][0] < limit:
            self._drop_stale_dues(limit)
        due = dues[0][0]
        for ages in self._ages:
            due = min(due, ages.next_due())
        # A day that ends while nobody waits and nothing stands that ends with it is passed over: years without an
        # event, as one absurd date makes them, take no time.
        if self.scene.waits or any(rule.alert is not None for rule in self._on_days):
            due = min(due, self.scene.day.end_ms)
        return due

    def take_news(self) -> list[tuple[Alert, bool]]:
        """Alerts that began or ended since the last call, and whether an earlier record of each was given out."""
        news = list(self.scene.news.values())
        self.scene.news.clear()
        return news

    def standing(self) -> dict[str, int]:
        """How many alerts of each rule stand."""
        found = dict.fromkeys([rule.name for rule in self.agent_rules], 0)
        for desk in self.scene.desks.values():
            for rule in desk.standing:
                found[rule] += 1
        for shop_rule in self.shop_rules:
            found[shop_rule.name] = int(shop_rule.alert is not None)
        return found

    # ---- a restart --------------------------------------------------------------------------------------

    def stirred(self) -> dict[str, str]:
        """The agents whom the instant under way has stirred, and the greatest id of the events that did it.

        Without an event those of whom it is due: who falls silent just then is nobody's guest any more in the rows.
        """
        now = self.now
        due = [x for x in self.scene.desks.values() if x.due == now and self._due_of(x, now - 1) == now]
        return dict(
            sorted((desk.agent, event) for desk, event in (dict.fromkeys(due, "") | self._stirred).items())
        )

    def called(self) -> list[str]:
        """The rules of the shop that are to be judged at the instant under way."""
        return sorted(self.scene.called)

    def kept(self) -> dict[str, Any]:
        """What rules of the shop keep over a restart, by rule."""
        kept = {rule.name: rule.kept() for rule in self.shop_rules}
        return {name: its_own for name, its_own in kept.items() if its_own is not None}

    def resume(self, views: Iterable[View]) -> None:
        """Go on at the instant under way, with what is restored and with the customers as they are."""
        scene, now, restored = self.scene, self.now, self.restored
        scene.day = scene.calendar.day(now)
        for rule in self.shop_rules:
            rule.begin_day(now)
        for view in views:
            self._see(view)
        for rule in self.shop_rules:
            rule.alert = restored.standing.get(rule.name)
            rule.resume(restored.kept.get(rule.name), now)
        for desk in scene.desks.values():
            desk.due = self._due_of(desk, now - 1)
            if desk.due < NEVER:
                scene.remind(desk.due, DESK, desk.agent)
        self._stirred = {scene.desks[agent]: event for agent, event in restored.stirred.items()}
        scene.called = set(restored.called)
        scene.look_ms = now
        self.restored = Restored()

    # ---- what happened ----------------------------------------------------------------------------------

    def _come_to(self, t: int) -> None:
        self.now = t
        scene = self.scene
        if t >= scene.day.end_ms:
            scene.day = scene.calendar.day(t)
            for rule in self.shop_rules:
                rule.begin_day(t)
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

    def _sent(self, agent: str, t: int, event: str) -> None:
        scene = self.scene
        desk = scene.desks.get(agent) or scene.desk(agent)
        if t > desk.sent_ms:
            desk.sent_ms = t
            desk.changed = True
            for name in desk.standing:
                if self._on_agents[name].ends_by_word:
                    self._stir(desk, event)

    def _return(self, customer: str, event: str) -> None:
        """A guest who had fallen silent is back."""
        for agent in self.scene.received.get(customer, ()):
            self._welcome(self.scene.desks[agent], customer, event)

    def _welcome(self, desk: Desk, customer: str, event: str) -> None:
        """An agent has one guest more."""
        desk.guests.add(customer)
        for rule in self._on_guests:
            if rule.name not in desk.standing and rule.crowded(self.scene, desk, self.now):
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
        for rule in self._on_views:
            rule.see(view, self.now)

    def _wait(self, customer: str, wait: OpenWait | None, event: str) -> None:
        """A customer's wait may be another, have another holder, or have ended."""
        scene = self.scene
        before = scene.waits.get(customer)
        if wait is None or before is None:
            if wait is before:
                return
        elif wait.equals(before):
            return
        if before is not None and not before.closing:
            holder = before.holder
            if holder is not None:
                desk = scene.desks[holder]
                del desk.legs[customer]
                for name in desk.standing:
                    if self._on_agents[name].lessened(scene, desk, self.now):
                        self._stir(desk, event)
        if wait is None:
            del scene.waits[customer]
        else:
            scene.waits[customer] = wait
            if not wait.closing:
                holder, since = wait.holder, wait.since
                if holder is not None:
                    desk = scene.desk(holder)
                    desk.legs[customer] = wait
                    self._gain(desk, wait, event)
                if before is None or before.closing or before.since != since:
                    for ages in self._ages:
                        scene.look_ms = min(scene.look_ms, ages.expect(customer, since, self.now))
        for rule in self._on_waits:
            rule.moved(customer, wait)

    def _rules_in(self, spell: str) -> list[AgentRule]:
        """The rules that may begin on an agent in a spell."""
        found = self._by_spell.get(spell)
        if found is None:
            found = self._by_spell[spell] = [x for x in self.agent_rules if x.spell in ("", spell)]
        return found

    def _gain(self, desk: Desk, wait: OpenWait, event: str) -> None:
        """An agent gets a waiting customer: what that can bring about at once is judged, and what it may in time."""
        scene, now, standing = self.scene, self.now, desk.standing
        due = NEVER
        for rule in self._rules_in(desk.spell):
            if rule.name not in standing:
                begins = rule.gained(scene, desk, wait, now)
                if begins < due:
                    if begins <= now:  # also long ago: a mark may have given him back what he had then
                        self._stir(desk, event)
                        return
                    due = begins
        if due < desk.due:
            desk.due = due
            scene.remind(due, DESK, desk.agent)

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
        self._duty()

    def _duty(self) -> None:
        for rule in self._on_duty:
            rule.duty()

    # ---- judging ----------------------------------------------------------------------------------------

    def _judge(self, t: int) -> None:
        scene = self.scene
        dues = scene.dues
        while dues[0][0] <= t:
            _, whom, key = heapq.heappop(dues)
            if whom == DESK:
                desk = scene.desks[key]
                desk.due = NEVER
                self._stir(desk, "")
            else:
                self.shop_rules[whom].come(key, t)
        for ages in self._ages:
            reached = ages.reach(t)
            if reached:
                self._reached(ages.age_ms, reached)
        if self._stirred:
            self._judge_desks(t)
        called = scene.called
        if called:
            scene.called = set()
            scene.roster.settle(t)
            for rule in self.shop_rules:
                if rule.name in called:
                    rule.judge(t)

    def _reached(self, age_ms: int, customers: list[str]) -> None:
        """Waits reach an age: whom that concerns is judged."""
        scene, now = self.scene, self.now
        for shop_rule in self.shop_rules:
            if shop_rule.age_ms == age_ms:
                shop_rule.reached(customers)
        for customer in customers:
            wait = scene.waits[customer]
            if wait.holder is not None:
                desk = scene.desks[wait.holder]
                for rule in self._rules_in(desk.spell):
                    if (
                        rule.age_ms == age_ms
                        and rule.name not in desk.standing
                        and rule.gained(scene, desk, wait, now) <= now
                    ):
                        self._stir(desk, "")

    def _judge_desks(self, t: int) -> None:
        scene = self.scene
        begun: list[tuple[AgentRule, Desk, str]] = []
        stirred, self._stirred = self._stirred, {}
        for desk, event in stirred.items():
            for rule in self.agent_rules:
                alert = desk.standing.get(rule.name)
                if rule.holds(scene, desk, t, alert is not None):
                    if alert is None:
                        begun.append((rule, desk, event))
                elif alert is not None:
                    scene.end(alert, t)
                    del desk.standing[rule.name]
                    desk.changed = True
        full = {desk for rule, desk, _ in begun if rule.full}
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
                self._divert(desk, t, full),
            )
            alert.summary = rule.summary(alert)
            desk.changed = True
        for desk in stirred:
            due = self._due_of(desk, t)
            if due < desk.due:
                desk.due = due
                scene.remind(due, DESK, desk.agent)

    def _divert(self, busy: Desk, t: int, full: set[Desk]) -> str | None:
        """Who of the agent's group takes new customers instead (SPEC 8, `divert_to`)."""
        scene = self.scene
        group = scene.group_of(busy.agent, t)
        free = [
            (len(desk.legs), scene.concurrent(desk, t), desk.agent)
            for desk in scene.desks.values()
            if desk.spell == "online"
            and desk is not busy
            and desk not in full
            and self._full.isdisjoint(desk.standing)
            and scene.group_of(desk.agent, t) == group
        ]
        return min(free)[2] if free else None
