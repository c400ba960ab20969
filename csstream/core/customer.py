"""One customer, live: the conversation as it stands, and what is needed to correct it (SPEC 3).

In order, an event is folded once and that is all. What comes in late, twice, or as a spam mark changes the past;
then the kept events are told anew from a base, before and after, and the difference is what is published. So
"live equals replay" needs no second set of rules: both are `canon.tell`.

Kept are the base (the state before the oldest kept event) and the events since: for as long as a late event
or a spam mark can reach them. Everything else is derived.
"""

from bisect import bisect_left

from csstream.core.audit import standing_alerts
from csstream.core.canon import Standing, copy_state, settle, tell
from csstream.core.conversation import NEVER, Concluded, Conversation, Rules, State
from csstream.core.facts import AnyFact
from csstream.core.rows import CustomerRow
from csstream.core.rules import Alert, Case, GroupOf, alerts
from csstream.core.step import ShopStep
from csstream.events import Event, Spam, canonical

APPLIED, LATE, DUPLICATE, CONFLICT, TOO_LATE = "applied", "late", "duplicate", "conflict", "too_late"

LONGEST_DAY_MS = 25 * 3_600_000
"""A local day on which the clocks go back."""

TRIM_AFTER = 64
"""Events past every reach that may pile up before they are folded into the base."""


class Customer:
    """A customer of a shop. `settled_ms` arguments: the instant up to which the shop's dues are worked off."""

    __slots__ = (
        "base", "conversation", "due", "events", "fired", "flagged", "group_of", "ids", "marked", "name",
        "newest", "pending", "revs", "rules", "shop", "simple", "started", "trimmed_ms", "worked",
    )  # fmt: skip

    def __init__(self, rules: Rules, shop: str, name: str, group_of: GroupOf) -> None:
        self.rules = rules
        self.shop = shop
        self.name = name
        self.group_of = group_of
        self.base = State()
        self.events: list[Event] = []  # every copy, in canonical order
        self.pending: list[Event] = []  # accepted, not folded yet; empty between steps
        self.simple = True  # nothing pending needs more than its turn
        self.ids: set[str] = set()
        self.marked: set[str] = set()
        self.newest: dict[str, int] = {}  # by topic
        self.trimmed_ms = -1  # events before it are folded into the base
        self.revs: dict[str, tuple[int, int]] = {}  # (revision, ts) of what was published more than once
        self.started = ""  # the open wait that was counted as begun
        self.worked = -1  # the newest due worked off by the clock
        self.fired = 0  # levels of the open wait that were published
        self.flagged: Alert | None = None  # its flag, as published
        self.due = NEVER
        self.conversation = Conversation(rules, shop, name, Concluded())

    # ---- events -----------------------------------------------------------------------------------------

    def accept(self, event: Event, topic: str) -> str:
        """Judge one event in its turn of arrival (`applied`, `duplicate`, `conflict`, `too_late`) and note it.

        `absorb` folds what was noted: first judged one by one, then folded in canonical order, so that what a
        step happens to hold decides neither what is accepted nor, more often than it must, that it is corrected.
        """
        ts = event.ts_ms
        newest = self.newest.get(topic, -1)
        horizon = self.rules.policy.lateness_horizon_ms
        result = APPLIED
        if event.id in self.ids:
            for other in (*self.events, *self.pending):
                if other.id == event.id:
                    if other == event:
                        return DUPLICATE
                    if abs(other.ts_ms - ts) <= horizon:
                        result = CONFLICT
        if ts < newest - horizon or ts < self.trimmed_ms:
            return TOO_LATE
        if ts > newest:
            self.newest[topic] = ts
        if event.id in self.ids or event.id in self.marked or type(event) is Spam:
            self.simple = False
        self.ids.add(event.id)
        self.pending.append(event)
        return result

    def absorb(self, settled_ms: int, step: ShopStep) -> None:
        """Fold what was accepted since; what it concludes or corrects goes to `step`."""
        pending, events = self.pending, self.events
        if not pending:
            return
        if len(pending) > 1:
            pending.sort(key=canonical)
        first = pending[0]
        simple = (
            self.simple
            and first.ts_ms > self.worked
            and (not events or canonical(first) > canonical(events[-1]))
        )
        self.pending = []
        self.simple = True
        if not simple:
            self._correct(pending, settled_ms, step)
            return
        events += pending
        self.conversation.play(pending)
        self._conclude(step)
        # Corrections start from what is published at `settled_ms`, so nobody may lag behind it.
        while (due := self._busy_due()) < settled_ms:
            self.pass_due(due, step)

    def _conclude(self, step: ShopStep) -> None:
        """Publish what the fold has just concluded in order of time."""
        out = self.conversation.out
        if out.waits:
            flags = {flag.wait: flag for flag in out.flags}
            for wait in out.waits:
                flag = flags.get(wait.wait)
                if flag is None and self.flagged is not None:  # its instant was the end of the wait
                    step.retract_alert(self.flagged, self)
                for place, alert in enumerate(
                    self._alerts(Concluded([wait], [], [], [flag] if flag else []))
                ):
                    known = place < self.fired if alert.rule == "wait" else self.flagged is not None
                    step.alert(alert, known, self)
                step.fact(wait, None, self)
                self.fired = 0
                self.flagged = None
        if out.waits or out.receptions or out.consults:
            self.conversation.out = Concluded()
            out.waits = []
            for fact in out.all():
                step.fact(fact, None, self)
        flag = self.conversation.open_flag()
        if flag is not None and self.flagged is None:
            self.flagged = self._flag_alert()
            assert self.flagged is not None
            step.alert(self.flagged, False, self)

    def _flag_alert(self) -> Alert | None:
        """The alert on the open wait's flag, if it has one."""
        waiting, flag = self.conversation.open_wait(0), self.conversation.open_flag()
        if waiting is None or flag is None:
            return None
        return alerts(Case(self.rules.policy, waiting, flag, self.group_of))[-1]

    def _alerts(self, facts: Concluded) -> list[Alert]:
        return standing_alerts(self.rules.policy, facts, self.group_of)

    # ---- corrections ------------------------------------------------------------------------------------

    def _correct(self, events: list[Event], settled_ms: int, step: ShopStep) -> None:
        before, _ = self._told(settled_ms)
        old_alerts = self._alerts(_with_open(before, settled_ms))
        self.events = sorted([*self.events, *events], key=canonical)
        self._mark()
        after, worked = self._told(settled_ms)
        new = _with_open(after, settled_ms)
        self._publish_difference(before.out, after.out, step)
        new_alerts = self._alerts(new)
        was = {alert.alert: alert for alert in old_alerts}
        for alert in new_alerts:
            old = was.pop(alert.alert, None)
            if old is not None:
                alert.group = old.group  # as known when first published
            if alert != old:
                step.alert(alert, old, self)
        for gone in was.values():
            step.retract_alert(gone, self)
        self._adopt(after, worked, settled_ms)

    def _mark(self) -> None:
        """Note which messages marks cover by name: one that comes after its mark is dropped at once."""
        self.marked = {e.message for e in self.events if type(e) is Spam and e.message is not None}

    def _publish_difference(self, before: Concluded, after: Concluded, step: ShopStep) -> None:
        was: dict[str, AnyFact] = {fact.fact: fact for fact in before.all()}
        for fact in after.all():
            old = was.pop(fact.fact, None)
            if fact != old:
                step.fact(fact, old, self)
        for gone in was.values():
            step.retract(gone, self)

    def _told(self, settled_ms: int) -> tuple[Conversation, int]:
        """The story of the kept events when all dues before `settled_ms` are worked off, and the last of these."""
        standing = Standing(self.events, self.rules.policy.lateness_horizon_ms).events
        told = tell(self.rules, self.shop, self.name, standing, copy_state(self.base))
        return told, pass_time(told, settled_ms)

    def _adopt(self, told: Conversation, worked: int, settled_ms: int) -> None:
        told.out = Concluded()
        self.conversation = told
        self.worked = worked
        waiting = told.open_wait(settled_ms)
        self.fired = 0 if waiting is None else len(waiting.levels)
        if waiting is not None and waiting.levels:
            self.worked = max(self.worked, waiting.levels[-1].ts)
        self.flagged = self._flag_alert()

    # ---- time -------------------------------------------------------------------------------------------

    def next_due(self) -> int:
        """The next instant at which time alone changes something here; `NEVER` if none."""
        due = self._busy_due()
        return self.forget_due() if due == NEVER else due

    def _busy_due(self) -> int:
        s = self.conversation.state
        due = self.conversation.next_due()
        if (
            s.since >= 0
            and (not s.closing or self.rules.closing_alert)
            and self.fired < len(self.rules.levels)
        ):
            due = min(due, s.since + self.rules.levels[self.fired])
        return due

    def forgettable(self, due: int) -> bool:
        """Whether `due` is the end of all that is known of the customer."""
        return due >= self.forget_due() and self._busy_due() == NEVER

    def pass_due(self, due: int, step: ShopStep) -> None:
        """Work off everything due at or before `due`."""
        self.worked = max(self.worked, pass_time(self.conversation, due + 1))
        self._conclude(step)
        s = self.conversation.state
        if s.since >= 0 and (not s.closing or self.rules.closing_alert):
            levels = self.rules.levels
            if self.fired < len(levels) and s.since + levels[self.fired] <= due:
                waiting = self.conversation.open_wait(due + 1)
                assert waiting is not None
                for alert in self._alerts(Concluded([waiting], [], [], []))[self.fired :]:
                    step.alert(alert, False, self)
                self.fired = len(waiting.levels)
                self.worked = max(self.worked, waiting.levels[-1].ts)

    def forget_due(self) -> int:
        """When nothing that may still come in can concern what is known of the customer (SPEC 3, `wait_ttl`).

        Twice `wait_ttl` after the last event: a feed may be that late once, and what it brings may
        concern what lies as far back.
        """
        keep = self.kept_for()
        return NEVER if keep == NEVER else max(self.newest.values(), default=0) + 2 * keep

    def kept_for(self) -> int:
        """How long an event matters: to a wait, a spam mark, a session, its local day."""
        ttl = self.rules.ttl
        if ttl == NEVER:
            return NEVER
        return max(ttl, LONGEST_DAY_MS) + self.rules.gap + self.rules.policy.lateness_horizon_ms

    def trim(self) -> None:
        """Fold into the base what no late event and no mark can reach any more."""
        keep = self.kept_for()
        if keep == NEVER or len(self.events) < TRIM_AFTER:
            return
        reach = max(self.newest.values()) - 2 * keep
        cut = bisect_left(self.events, reach, key=lambda event: event.ts_ms)
        # A mark may cover a message that came after it: it stays until these are gone too.
        cut = min(
            (
                place
                for place, event in enumerate(self.events[:cut])
                if type(event) is Spam and event.ts_ms >= reach - keep
            ),
            default=cut,
        )
        if cut < TRIM_AFTER // 2 or cut == len(self.events):
            return
        limit = self.events[cut].ts_ms
        standing = Standing(self.events, self.rules.policy.lateness_horizon_ms).events
        self.base = settle(self.rules, self.shop, self.name, standing, limit, self.base)
        self.events = [event for event in self.events if event.ts_ms >= limit]
        self.ids = {event.id for event in self.events}
        self._mark()
        self.trimmed_ms = limit
        self.revs = {fact: rev for fact, rev in self.revs.items() if rev[1] >= limit - keep}

    # ---- rows -------------------------------------------------------------------------------------------

    def row(self) -> CustomerRow:
        """What has to be kept to go on after a restart."""
        return CustomerRow(self.base, self.events, self.newest, self.trimmed_ms, self.revs, self.started)

    @classmethod
    def restored(
        cls, rules: Rules, shop: str, name: str, group_of: GroupOf, row: CustomerRow, settled_ms: int
    ) -> "Customer":
        """The customer of a row, with all dues before `settled_ms` worked off and published."""
        customer = cls(rules, shop, name, group_of)
        customer.base = row.base
        customer.events = row.events
        customer.ids = {event.id for event in row.events}
        customer.newest = row.newest
        customer.trimmed_ms = row.trimmed_ms
        customer.revs = row.revs
        customer.started = row.started
        customer._mark()
        told, worked = customer._told(settled_ms)
        customer._adopt(told, worked, settled_ms)
        return customer


def pass_time(told: Conversation, now: int) -> int:
    """Work off every due of a conversation before `now`; the last of them, or -1."""
    worked = told.pass_time(now)
    return max(worked, told.end_session(now))


def _with_open(told: Conversation, settled_ms: int) -> Concluded:
    """The concluded waits and flags, and the open one as published at `settled_ms`."""
    waiting, flag = told.open_wait(settled_ms), told.open_flag()
    out = told.out
    return Concluded(
        [*out.waits, waiting] if waiting is not None else out.waits,
        [],
        [],
        [*out.flags, flag] if flag is not None else out.flags,
    )
