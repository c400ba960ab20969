"""One shop, live: its clock, its customers, its dues, its figures.

The clock of a shop is the newest of its events; live, the wall clock moves it too (SPEC 3). Dues of all its
customers lie in one heap and are worked off in order, each stamped with itself. `settled_ms` is the instant up
to which that has been done: a step ends settled up to the clock, or where its budget ended, and everything
published is what the events up to now say at that instant.
"""

import heapq
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import blake2b

from csstream.core.calendar import Day
from csstream.core.changes import Change as FloorChange
from csstream.core.changes import View, instant, of_agent, sort
from csstream.core.chapters import Chapters, chapter_name
from csstream.core.conversation import NEVER, Concluded, Rules
from csstream.core.crew import Crew, known, version, without_repeats
from csstream.core.customer import (
    APPLIED,
    CONFLICT,
    DUPLICATE,
    LATE,
    ROW_EVERY,
    TOO_LATE,
    Customer,
    kept_for,
)
from csstream.core.facts import Wait
from csstream.core.firsts import Firsts
from csstream.core.floor import rows as floor_rows
from csstream.core.floor.floor import Floor
from csstream.core.kinds import MESSAGE
from csstream.core.metrics import BY_NAME, FIRSTS, METRICS, Labels, Metric, day_figures
from csstream.core.orders.desk import Desk
from csstream.core.rows import (
    SAMPLES_A_ROW,
    AgentRow,
    ChapterRow,
    CustomerRow,
    DayRow,
    Key,
    TallyRow,
    decode_named,
)
from csstream.core.scoreboard import Expected, Today
from csstream.core.scores import COUNTS, Scores
from csstream.core.seen import Seen
from csstream.core.shop_row import ShopRow
from csstream.core.step import Published, ShopStep
from csstream.events import Event, Presence, Profile, Shift, content

ENDS_LATER_MS = 3_600_000
"""How long chapters stay beyond their time, so that they end, and customers are trimmed, in bunches."""

REMEMBERED_PROFILES = 64
"""Profiles kept of an agent that say something of their own: enough for what lateness can still need."""

Changes = dict[Key, object]
"""Rows by key; None ends a row."""


class Shop:
    """All that is known of a shop."""

    def __init__(self, rules: Rules, name: str, row: ShopRow | None = None) -> None:
        self.rules = rules
        self.name = name
        self.row = ShopRow() if row is None else row
        self.customers: dict[str, Customer] = {}
        self.agents: dict[str, AgentRow] = {}
        self.tallies: dict[str, TallyRow] = {}
        self._day = Day("", 0, 0) if self.row.clock_ms < 0 else rules.calendar.day(self.row.clock_ms)
        self.today = Today(rules.policy, rules.calendar, self._day)
        self._saved: dict[str | None, tuple[int, int]] = {}  # samples already in rows
        self.crew = Crew(rules.calendar)
        self.desk = Desk(rules, name, self.crew, self._day, self.today)
        self._doubted = NEVER  # since when what was known of agents has changed
        self.chapters = Chapters(self.row.place)
        self.seen = Seen(rules.policy.lateness_horizon_ms, self.row.clock_ms)
        self._kept_ms = kept_for(rules)
        self.floor = Floor(rules.policy, rules.calendar, name, self.crew.group_of)
        self.revs: dict[str, tuple[int, int]] = {}  # alerts of a state are never revised
        self._concluded = Concluded()
        self._changes: list[FloorChange] = []  # told by the customers, and not yet to the floor
        self._dues: list[tuple[int, str]] = []
        self._step: ShopStep | None = None
        self._pending: dict[str, Customer] = {}  # by name, in order of arrival
        self._touched: dict[str, Customer] = {}
        self._restored: dict[
            str, tuple[Customer, int]
        ] = {}  # while rows are restored: and the places of their marks
        self._touched_agents: set[str] = set()
        self._ended: list[Key] = []
        self._waiting: set[str] = set()
        self._complaining: set[str] = set()
        self._messages: dict[str, int] = {}
        self._spoke: dict[str, int] = {}

    # ---- events and time --------------------------------------------------------------------------------

    def receive(self, event: Event, ts: int) -> tuple[str, int]:
        """Take in one event of `ts`. Returns how (`applied`, `late`, ...), and how far behind the clock it was, in ms."""
        row = self.row
        behind = row.clock_ms - ts
        name = event.customer
        if name is None:
            assert isinstance(event, Presence | Shift | Profile)
            if behind < 0:
                self.move_clock(ts)
            return self._hear_of_agent(event, behind), behind
        if ts < row.ended_ms:
            return TOO_LATE, behind
        customer = self.customers.get(name)
        if customer is None:
            # Who was forgotten may be this one: what lies as far back as that is not known any more.
            since = row.forgotten_ms + 1
            if ts < since:
                return TOO_LATE, behind
            customer = self._meet(name, since)
            customer.account = self.desk.account(name)
        if behind < 0:
            self.move_clock(ts)
        waiting = len(customer.pending) > 0
        result = customer.accept(event, ts, self.seen.perhaps(name, event.id, ts, row.clock_ms))
        if result in (DUPLICATE, TOO_LATE):
            return result, behind
        if not waiting:
            self._pending[name] = customer
        if type(event) is MESSAGE and result != CONFLICT and not event.internal:
            sender, agent = event.sender, event.agent
            messages = self._messages
            messages[sender] = messages.get(sender, 0) + 1
            if sender != "customer" and type(agent) is str and ts > self._spoke.get(agent, -1):
                self._spoke[agent] = ts
        if result == APPLIED and behind > 0:
            result = LATE
        return result, behind

    def _meet(self, name: str, since_ms: int) -> Customer:
        """A customer of whom nothing is known from before an instant."""
        customer = Customer(self.rules, self.name, name, self.crew.group_of, self._concluded, since_ms)
        self.customers[name] = customer
        return customer

    @property
    def step(self) -> ShopStep:
        """What the step under way changes."""
        if self._step is None:
            self._step = ShopStep()
        return self._step

    def move_clock(self, now: int) -> None:
        """The clock shows `now`, if that is later; past midnight today's figures begin anew."""
        row, day = self.row, self._day
        if now <= row.clock_ms:
            return
        row.clock_ms = now
        if not day.start_ms <= now < day.end_ms:
            self._end_day()
            self._day = self.rules.calendar.day(now)
            self.row.day = self._day.name
            self.today = Today(self.rules.policy, self.rules.calendar, self._day)
            self.desk.begin_day(self._day, self.today)

    def _end_day(self) -> None:
        for agent, (responses, firsts) in self._saved.items():
            key = agent_key(agent)
            self._ended.append(("day", self.name, self.row.day, key))
            for kind, number in (("responses", responses), ("first_responses", firsts)):
                self._ended += [
                    ("samples", self.name, self.row.day, key, kind, str(chunk))
                    for chunk in range(-(-number // SAMPLES_A_ROW))
                ]
        self._saved = {}

    def settle(self, budget: int) -> int:
        """Fold what came in, then work off at most `budget` dues before the clock, in order.

        Returns what is left of the budget.
        """
        row = self.row
        clock = row.clock_ms
        step = self.step
        for name, heard in self._pending.items():
            kept, oldest, newest = heard.absorb(
                self._settled_for(name), row.settled_ms, step, self.desk, self._changes
            )
            if heard.account is not None:
                self.desk.schedule(name, heard.account)
            self.chapters.write(name, kept, oldest, newest, row.forgotten_ms)
            self._schedule(heard)
            self._touched[name] = heard
        self._pending.clear()
        self._tell_doubted()
        while self._dues and self._dues[0][0] < clock and budget > 0:
            due, name = heapq.heappop(self._dues)
            customer = self._due(due, name)
            if customer is None:
                continue
            budget -= 1
            self._touched[name] = customer
            customer.pass_due(due, step, self._changes)
            customer.due = NEVER
            self._schedule(customer)
        self._drop_stale_dues()
        row.settled_ms, row.settled_name = clock, ""
        if self._dues and self._dues[0][0] < clock:
            row.settled_ms, row.settled_name = self._dues[0]
        self.desk.settle(row.settled_ms, step)
        self._judge_floor()
        if row.settled_ms > self._chapters_due():
            self._end_chapters()
        return budget

    def _tell_doubted(self) -> None:
        """An event about an agent came in late: tell anew the books that were told without it."""
        since, self._doubted = self._doubted, NEVER
        if since == NEVER:
            return
        for name in self.desk.leaning_on(since):
            customer = self.customers.get(name)
            if customer is not None and customer.account is not None:
                customer.retell_book(self._settled_for(name), self.step, self.desk)
                self.desk.schedule(name, customer.account)

    def _judge_floor(self) -> None:
        """Tell the floor what happened up to where dues are settled; what began or ended is published."""
        settled = self.row.settled_ms
        changes = self._changes
        sort(changes)
        heard = bisect_right(changes, settled, key=instant)
        self.floor.play(changes[:heard])
        del changes[:heard]
        self.floor.pass_time(settled)
        for alert, told in self.floor.take_news():
            self.step.alert(alert, told, self)

    def revised(self, name: str, revision: int, ts: int) -> None:
        """Nothing of the shop itself is published twice."""

    def _settled_for(self, name: str) -> int:
        """The instant before which all dues of one customer are worked off: a budget may end among equal ones."""
        return self.row.settled_ms + (name < self.row.settled_name)

    def _chapters_due(self) -> int:
        """When some chapters have lain behind every reach for so long that it is worth going through all customers."""
        newest = self.chapters.newest_of_first()
        return NEVER if NEVER in (newest, self._kept_ms) else newest + 2 * self._kept_ms + ENDS_LATER_MS

    def _end_chapters(self) -> None:
        """End what is out of reach: customers without anything newer are forgotten, of others it is folded away."""
        row = self.row
        limit = row.settled_ms - 2 * self._kept_ms
        for name, customer in list(self.customers.items()):
            if customer.oldest >= limit <= customer.newest:
                continue
            self._touched[name] = customer
            account = customer.account
            idle = account is None or account.book.next_due() == NEVER
            if customer.newest < limit and idle and customer.coming == NEVER:
                forgotten = customer.newest + self._kept_ms
                self.desk.close(name, forgotten, limit)
                del self.customers[name]
                customer.forgotten = True
                row.forgotten_ms = max(row.forgotten_ms, forgotten)
            else:
                customer.trim(limit)
                if account is not None:
                    self.desk.trim(name, account, limit)
        row.ended_ms = limit
        self.desk.forget(limit)
        self._ended += [("chapter", self.name, chapter_name(first)) for first in self.chapters.end(limit)]

    def _due(self, due: int, name: str) -> Customer | None:
        """The customer of a due taken from the heap; None if it has moved, and so lies in the heap elsewhere now.

        Dues mostly move on with every message, so the heap has one of each customer that may be too early.
        """
        customer = self.customers.get(name)
        if customer is None or customer.due != due:
            return None
        if customer.coming == due:
            return customer
        customer.due = NEVER
        self._schedule(customer)
        return None

    def _drop_stale_dues(self) -> None:
        dues = self._dues
        while dues and self._due(*dues[0]) is None:
            heapq.heappop(dues)

    def _schedule(self, customer: Customer) -> None:
        due = customer.coming
        if due < customer.due:
            customer.due = due
            heapq.heappush(self._dues, (due, customer.name))

    def next_due(self) -> int:
        """The next instant at which time alone changes something in this shop."""
        self._drop_stale_dues()
        due = self._dues[0][0] if self._dues else NEVER
        # With the day its figures end, whoever shows them.
        return min(due, self.desk.next_due(), self._chapters_due(), self.floor.next_due(), self._day.end_ms)

    # ---- agents -----------------------------------------------------------------------------------------

    def _hear_of_agent(self, event: Presence | Shift | Profile, behind: int) -> str:
        agent = self.agents.setdefault(event.agent, AgentRow())
        ts = event.ts_ms
        horizon = self.rules.policy.lateness_horizon_ms
        if ts < agent.newest_ms - horizon or ts < self.row.ended_ms:
            return TOO_LATE
        digest = blake2b(content(event), digest_size=8).digest()
        result = LATE if behind > 0 else APPLIED
        for at, name, seen in agent.recent:
            if name == event.id and abs(at - ts) <= horizon:
                if seen == digest:
                    return DUPLICATE
                if ts >= at:
                    return CONFLICT
                result = CONFLICT  # the first in canonical order stands: this one
                self._take_back(event.agent, agent, event.id, at)
        agent.newest_ms = max(agent.newest_ms, ts)
        agent.recent = [seen for seen in agent.recent if seen[0] >= agent.newest_ms - horizon]
        agent.recent.append((ts, event.id, digest))
        if isinstance(event, Presence):
            if (ts, event.id) > agent.state_at:
                agent.state, agent.state_at = event.state, (ts, event.id)
        else:
            self._learn_of_agent(event, agent)
            if behind >= 0:
                self._doubted = min(self._doubted, ts)
        self._touched_agents.add(event.agent)
        self._changes += of_agent([event])
        return result

    def _learn_of_agent(self, event: Profile | Shift, agent: AgentRow) -> None:
        # Whoever says the same every hour is remembered as one who said it once; what is kept here, no more and no
        # less, is known after a restart.
        sure_ms = agent.newest_ms - self.rules.policy.lateness_horizon_ms
        self.crew.hear((event,))
        if isinstance(event, Profile):
            profiles = without_repeats(sorted([*agent.profiles, known(event)]), sure_ms)
            agent.profiles = profiles[-REMEMBERED_PROFILES:]
            self.crew.profiles[event.agent] = [*agent.profiles]
        else:
            name = event.shift
            own = sorted([version(event), *(found for shift, found in agent.shifts if shift == name)])
            own = [
                found
                for before, found in zip([None, *own], own, strict=False)
                if before is None or found.ts >= sure_ms or found[2:] != before[2:]
            ]
            limit = self.row.settled_ms - 2 * self._kept_ms - self.rules.terms.lost_after
            shifts = [shift for shift in agent.shifts if shift[0] != name] + [(name, found) for found in own]
            agent.shifts = [shift for shift in shifts if shift[1].end >= limit]
            self.crew.shifts[event.agent, name] = own

    def _take_back(self, name: str, agent: AgentRow, event_id: str, ts: int) -> None:
        """Forget one event about an agent: another copy of it stands."""
        agent.profiles = [found for found in agent.profiles if (found.id, found.ts) != (event_id, ts)]
        agent.shifts = [shift for shift in agent.shifts if (shift[1].id, shift[1].ts) != (event_id, ts)]
        self.crew.forget(name)
        self.restore_agent(name, agent)

    def restore_agent(self, name: str, row: AgentRow) -> None:
        """An agent from a row."""
        self.agents[name] = row
        for profile in row.profiles:
            self.crew.profile(name, profile)
        for shift, found in row.shifts:
            self.crew.shift(name, shift, found)

    def group_of(self, agent: str | None, ts: int) -> str | None:
        """The group of an agent at `ts`, by the latest profile valid and known then."""
        return self.crew.group_of(agent, ts)

    # ---- what a step leaves -----------------------------------------------------------------------------

    def remember(self, customer: str, name: str, mark: int, ts: int) -> bool:
        """A fact or alert of a customer was published more than once; whether he is known here."""
        account = self.desk.account(customer)
        if account is not None and account.revised(name, mark, ts):
            self.desk.schedule(customer, account)
            return True
        owner = self.customers.get(customer)
        if owner is not None:
            owner.revised(name, mark, ts)
            self._touched[customer] = owner
        return owner is not None

    def publish(self) -> tuple[Published, Changes]:
        """Close the step: what goes out, and the rows that changed."""
        firsts = Firsts(self._messages)
        published = self.step.publish(self.today, firsts)
        self._step = None
        row = self.row
        row.place = self.chapters.place
        changes: Changes = {("shop", self.name): row}
        firsts.begun = self._begun(firsts.waits)
        for name, customer in self._touched.items():
            firsts.begun += self._counts_as_begun(customer)
            self._expect(customer)
            if customer.conversation.state.since >= 0:
                self._waiting.add(name)
            else:
                self._waiting.discard(name)
            if customer.conversation.state.complaints and not customer.forgotten:
                self._complaining.add(name)
            else:
                self._complaining.discard(name)
            if customer.forgotten:
                changes["customer", self.name, name] = None
            elif customer.changed or customer.fresh >= ROW_EVERY:
                changes["customer", self.name, name] = customer.row(row.place, row.ended_ms)
        for name, order, changed in self.desk.changes():
            changes[("order", self.name, name, order) if order else ("book", self.name, name)] = changed
        for first, chapter in self.chapters.changed():
            changes["chapter", self.name, chapter_name(first)] = chapter
        for agent in self._touched_agents:
            changes["agent", self.name, agent] = self.agents[agent]
        for agent in self._tally(firsts):
            changes["tally", self.name, agent] = self.tallies[agent]
        for key in self._ended:
            changes[key] = None
        for (part, agent), saved in floor_rows.changed(self.floor, self._changes):
            changes["floor", self.name, part, agent] = saved
        self._save_today(changes)
        self._touched.clear()
        self._touched_agents.clear()
        self._ended = []
        return published, changes

    def _begun(self, waits: list[Wait]) -> int:
        """How many of the waits that were concluded had not been counted as begun while they were open."""
        begun = 0
        for wait in waits:
            customer = self._touched[wait.customer]
            start = wait.since, wait.evidence[0]
            if customer.started != start:
                begun += 1
                customer.started = max(customer.started, start)
        return begun

    @staticmethod
    def _counts_as_begun(customer: Customer) -> bool:
        wait = customer.open_normal()
        if wait is None or wait == customer.started:
            return False
        customer.started = wait
        return True

    def _tally(self, firsts: Firsts) -> set[str]:
        """Count what was concluded for the first time; the agents whose tallies changed."""
        changed: set[str] = set()
        for metric in FIRSTS:
            assert metric.count is not None
            for labels, amounts in metric.count(firsts):
                if any(amounts) or (amounts and metric.type == "h"):
                    changed.add(self._add(metric, labels, amounts))
        for (name, labels), amount in self.desk.tallied.items():
            changed.add(self._add(BY_NAME[name], labels, [amount]))
        self.desk.tallied.clear()
        self._messages.clear()
        for agent, ts in self._spoke.items():
            tally = self.tallies.setdefault(agent, TallyRow())
            tally.newest_ms = max(tally.newest_ms, ts)
            changed.add(agent)
        self._spoke.clear()
        return changed

    def _add(self, metric: Metric, labels: Labels, amounts: Sequence[int]) -> str:
        if metric.name in _BY_AGENT:
            agent, *rest = labels
        else:
            agent, rest = "", [*labels]
        tally = self.tallies.get(agent)
        if tally is None:
            tally = self.tallies[agent] = TallyRow()
        tally.newest_ms = max(tally.newest_ms, self.row.clock_ms)
        name = "|".join((metric.name, *rest)) if rest else metric.name
        if metric.type == "c":
            tally.counts[name] = tally.counts.get(name, 0) + sum(amounts)
            return agent
        histogram = tally.histograms.get(name)
        if histogram is None:
            histogram = tally.histograms[name] = [0] * (len(metric.buckets) + 2)
        bounds = _BOUNDS_MS[metric.name]
        if len(amounts) <= len(bounds):
            for amount in amounts:
                histogram[bisect_left(bounds, amount)] += 1
        else:  # less work for many: put them in order, and see how many lie within each bound
            ordered = sorted(amounts)
            within = 0
            for place, bound in enumerate(bounds):
                before, within = within, bisect_right(ordered, bound)
                histogram[place] += within - before
            histogram[len(bounds)] += len(ordered) - within
        histogram[-1] += sum(amounts)
        return agent

    def _expect(self, customer: Customer) -> None:
        """Bring what the customer adds to today's figures without being concluded up to date."""
        today = self.today
        before = customer.expected if customer.expected_on == today.day else {}
        now = {} if customer.forgotten else self._expected(customer)
        if now != before:
            today.expect(before, now)
        customer.expected = now
        customer.expected_on = today.day

    def _expected(self, customer: Customer) -> Expected:
        s, account = customer.conversation.state, customer.account
        inquiry = None if account is None else account.book.state.inquiries.get(s.day)
        if account is None or account.book.empty or inquiry is None:
            return self.today.expected(s, self.rules.closing_consults, s.inquired, False)
        ordered = inquiry.ordered != "no"
        inquirer = inquiry.presale or ordered
        return self.today.expected(s, self.rules.closing_consults, inquirer, ordered)

    def _save_today(self, changes: Changes) -> None:
        today = self.today
        for agent in today.changed:
            scores = today.rows.get((today.day, agent))
            if scores is None:
                continue
            key = agent_key(agent)
            saved = (0, 0) if agent in today.removed else self._saved.get(agent, (0, 0))
            before = self._saved.get(agent, (0, 0))
            now = len(scores.responses), len(scores.first_responses)
            for kind, samples, start, old in zip(
                ("responses", "first_responses"),
                (scores.responses, scores.first_responses),
                saved,
                before,
                strict=True,
            ):
                if start == old == len(samples):
                    continue  # the last row is as it was
                for chunk in range(start // SAMPLES_A_ROW, -(-max(len(samples), old) // SAMPLES_A_ROW)):
                    part = samples[chunk * SAMPLES_A_ROW : (chunk + 1) * SAMPLES_A_ROW]
                    if part or chunk * SAMPLES_A_ROW < old:
                        changes["samples", self.name, today.day, key, kind, str(chunk)] = part or None
            self._saved[agent] = now
            counts = [getattr(scores, name) for name in COUNTS]
            changes["day", self.name, today.day, key] = DayRow(counts, *now)
        today.changed.clear()
        today.removed.clear()

    # ---- after a restart --------------------------------------------------------------------------------

    def restore_customer(self, name: str, row: CustomerRow) -> None:
        """A customer from a row; the chapters follow, then `resume`."""
        customer = Customer.restored(self.rules, self.name, name, self.crew.group_of, self._concluded, row)
        self.customers[name] = customer
        self._restored[name] = customer, row.place

    def restore_chapter(self, first: int, row: ChapterRow) -> None:
        """A chapter from its row, in order of their names."""
        self.chapters.restore(first, row)
        self.seen.restore(row)
        mixed = row.oldest_ms < self.row.ended_ms
        restored = self._restored
        for place, (name, event) in enumerate(zip(row.customers, row.events, strict=True), first):
            if mixed and decode_named(event).ts < self.row.ended_ms:
                continue
            known = restored.get(name)
            if known is None:
                customer = self._meet(name, row.forgotten_ms + 1)
                known = restored[name] = customer, 0
            customer, marked = known
            customer.events.append(event)
            if place >= marked:
                customer.fresh += 1

    def resume(self) -> None:
        """Go on once all rows are restored."""
        self._restored.clear()
        for name, customer in self.customers.items():
            customer.account = self.desk.account(name)
            customer.resume(self._settled_for(name))
            self._schedule(customer)
            if customer.conversation.state.since >= 0:
                self._waiting.add(name)
            if customer.conversation.state.complaints:
                self._complaining.add(name)
            # The expectation is part of the saved figures of today already: remember it without counting it.
            customer.expected = self._expected(customer)
            customer.expected_on = self.today.day
        self._resume_floor()

    def restore_floor(self, part: str, agent: str, row: bytes) -> None:
        """A row of the floor."""
        self._changes += floor_rows.restore(self.floor, part, agent, row)

    def _resume_floor(self) -> None:
        """Let the customers who may still matter tell the floor of themselves."""
        floor = self.floor
        if floor.now < 0:
            return
        now, today = floor.now, self.rules.calendar.day(floor.now)
        quiet = min(now - self.rules.gap, today.start_ms)
        # In the last ms of a day a customer's own day may be closed, and on the floor it is not over.
        plain_ms = now if today.end_ms > now + 1 else -1
        views: list[View] = []
        ahead: list[FloorChange] = []
        for name, customer in self.customers.items():
            newest = customer.newest
            if newest < quiet and customer.conversation.state.since < 0:
                continue
            if newest <= plain_ms:
                views.append(customer.conversation.view(now, "", None))
            else:
                told = customer.views(self._settled_for(name), now)
                views += [c for c in told if type(c) is View and c.ts <= now]
                ahead += [c for c in told if c.ts > now]
        known = {c.fields() for c in ahead}
        self._changes = [*(c for c in self._changes if c.fields() not in known), *ahead]
        floor.resume(views)

    def restore_day(self, day: str, agent: str | None, row: DayRow, samples: dict[str, list[int]]) -> None:
        """A row of today's figures."""
        if day != self.row.day:
            return
        scores = self.today.rows[day, agent] = Scores()
        for name, count in zip(COUNTS, row.counts, strict=True):
            setattr(scores, name, count)
        scores.responses = samples.get("responses", [])
        scores.first_responses = samples.get("first_responses", [])
        self._saved[agent] = row.responses, row.first_responses

    # ---- readings ---------------------------------------------------------------------------------------

    def readings(self) -> Iterator[tuple[str, Labels, float | list[int]]]:
        """Everything that METRICS shows of this shop: (name, labels, value); a histogram is a list of counts."""
        name = self.name
        clock = self.row.clock_ms
        yield from self._open_readings(clock)
        for stage, unpaid in self.unpaid():
            yield "unpaid_orders", (name, stage), unpaid
        for agent, tally in self.tallies.items():
            for rows in (tally.counts, tally.histograms):
                for counted, value in rows.items():
                    metric, by_agent, unit, rest = _counted(counted)
                    own = (agent,) if by_agent else ()
                    shown = value / unit if unit > 1 and isinstance(value, int) else value
                    yield metric, (name, *own, *rest), shown
        for metric, labels, number in day_figures(
            self.today.rows.get((self.today.day, None), Scores()), None
        ):
            yield metric, (name, *labels), number
        for (_, x), scores in self.today.rows.items():
            if x is not None:
                for metric, labels, number in day_figures(scores, x):
                    yield metric, (name, *labels), number
        states: Counter[tuple[str, str]] = Counter()
        rostered: Counter[str] = Counter()
        inside = self.floor.scene.roster.inside(clock)
        for x, agent_row in self.agents.items():
            group = self.group_of(x, clock) or ""
            yield "agent_info", (name, x, group), 1
            rostered[group] += x in inside
            if agent_row.state:
                states[group, agent_row.state] += 1
        for (group, state), there in states.items():
            yield "agents", (name, group, state), there
        for group, there in rostered.items():
            yield "rostered_agents", (name, group), there

    def unpaid(self) -> list[tuple[str, int]]:
        """Unpaid orders by the last stage passed (SPEC 9, `unpaid_orders`)."""
        return [
            (stage, self.desk.unpaid[stage]) for stage in ("new", *(s.name for s in self.rules.terms.stages))
        ]

    def _open_readings(self, clock: int) -> Iterator[tuple[str, Labels, float]]:
        name = self.name
        levels = [(level, f"{level / 1000:g}") for level in self.rules.levels]
        waits, closed, open_, concurrent = self._present(clock)
        for agent, ages in open_.items():
            yield "open_waits", (name, agent), len(ages)
            yield "oldest_wait_seconds", (name, agent), max([0, *ages]) / 1000
            for level, shown in levels:
                yield "waits_over", (name, agent, shown), sum([age > level for age in ages])
            if agent:
                yield "concurrent_customers", (name, agent), concurrent.get(agent, 0)
        firing: Counter[str] = Counter(self.floor.standing())
        firing["wait"] += waits
        firing["closed_while_waiting"] += closed
        firing["complaint"] = sum(
            len(self.customers[name].conversation.open_complaints()) for name in self._complaining
        )
        for rule in ("reminder_due", "reminder_missed"):
            firing[rule] = self.desk.firing[rule]
        for rule, number in firing.items():
            yield "alerts_firing", (name, rule), number

    def _present(self, clock: int) -> tuple[int, int, dict[str, list[int]], dict[str, int]]:
        """In one pass over the customers: alerts `wait` and `closed_while_waiting` that stand, the ages of the open
        `normal` waits by holder, and by agent the customers who wait for them or are in a live reception of theirs."""
        gap = self.rules.gap
        fired = closed = 0
        open_: dict[str, list[int]] = {agent: [] for agent in ("", *self.tallies)}
        concurrent: dict[str, int] = {}
        for customer in self.customers.values():
            s = customer.conversation.state
            holder = ""
            if s.since >= 0:
                fired += customer.fired
                closed += customer.flagged is not None
                if not s.closing:
                    holder = s.holder or ""
                    ages = open_.get(holder)
                    if ages is None:
                        ages = open_[holder] = []
                    ages.append(clock - s.since)
            if s.session_start >= 0 and clock - s.last_message < gap:
                for agent in s.received:
                    concurrent[agent] = concurrent.get(agent, 0) + 1
                if holder in s.received:
                    continue
            if holder:
                concurrent[holder] = concurrent.get(holder, 0) + 1
        return fired, closed, open_, concurrent

    def waiting(self) -> Iterator[Customer]:
        """Customers with an open wait of any class after the last step, without looking at the others."""
        return (self.customers[name] for name in self._waiting)


_BY_AGENT = frozenset(metric.name for metric in METRICS if metric.scope == "F" and "agent" in metric.labels)
_BOUNDS_MS = {metric.name: [bound * 1000 for bound in metric.buckets] for metric in FIRSTS}


@cache
def _counted(key: str) -> tuple[str, bool, int, tuple[str, ...]]:
    """Of the key of a tally: the metric, whether it is of an agent, its unit, and the other labels."""
    metric, *rest = key.split("|")
    return metric, metric in _BY_AGENT, BY_NAME[metric].unit, tuple(rest)


def agent_key(agent: str | None) -> str:
    """An agent in a row key; the shop (None) is the empty string, which no agent id is."""
    return agent or ""
