"""One customer, live: the conversation as it stands, and what is needed to correct it (SPEC 3).

In order, an event is folded once and that is all. What comes in late, twice, or as a spam mark changes the past;
then the kept events are told anew from a base, before and after, and the difference is what is published. So
"live equals replay" needs no second set of rules: both are `canon.tell`.

Kept are the base (the state before the oldest kept event) and the events since, as bytes: most are never looked at
again. They lie in the chapters of the shop; the row of a customer holds the state at one place of these, and is
written only now and then (`ROW_EVERY`), since what came in order after that place is quickly folded again.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from csstream.core.alert import Alert
from csstream.core.audit import standing_alerts
from csstream.core.canon import Standing, canonical, settle, tell, without_spam
from csstream.core.changes import Change, Turn, View, Word
from csstream.core.conversation import NEVER, Concluded, Conversation, Rules, State
from csstream.core.facts import AnyFact, Flag, Wait
from csstream.core.kinds import COMPLAINT, ORDER_EVENT, SPAM
from csstream.core.orders.account import Account, judge
from csstream.core.orders.book import Book
from csstream.core.orders.desk import Desk
from csstream.core.rows import (
    CustomerRow,
    decode_event,
    decode_named,
    decode_state,
    encode_event,
    encode_state,
)
from csstream.core.rules import Case, GroupOf, alerts
from csstream.core.scoreboard import Expected
from csstream.core.step import ShopStep
from csstream.events import ORDER, Event, Message, Order, Spam

APPLIED: Final = "applied"
LATE: Final = "late"
DUPLICATE: Final = "duplicate"
CONFLICT: Final = "conflict"
TOO_LATE: Final = "too_late"
"""What becomes of an event (SPEC 3)."""

LONGEST_DAY_MS = 25 * 3_600_000
"""A local day on which the clocks go back."""

ROW_EVERY = 8
"""Events of a customer after which his row is written again: so many, at most, are folded again at a load."""


class Customer:
    """A customer of a shop. `settled_ms` arguments: the instant up to which the shop's dues are worked off."""

    __slots__ = (
        "account", "base", "changed", "coming", "conversation", "due", "events", "expected", "expected_on", "fired", "flagged", "forgotten", "fresh", "group_of", "in_turn",
        "last", "latest", "marked",
        "name", "newest_chat", "newest_order", "oldest", "ordering", "pending", "revs", "rules", "shop", "simple", "started",
        "trimmed_ms", "worked",
    )  # fmt: skip

    def __init__(
        self,
        rules: Rules,
        shop: str,
        name: str,
        group_of: GroupOf,
        out: Concluded,
        trimmed_ms: int = -1,
        state: State | None = None,
    ) -> None:
        """`out` is empty, and is again after every call: what is concluded lies there until it is published."""
        self.rules = rules
        self.shop = shop
        self.name = name
        self.group_of = group_of
        self.account: Account | None = None  # of who has ordered
        self.base = b""  # a state; empty is a fresh one
        self.events: list[bytes] = []  # every copy, as they came in
        self.last = _NOWHERE  # place of the newest event in the canonical order
        self.oldest = NEVER  # instant of the oldest kept event
        self.fresh = 0  # events that are not in the row's mark
        self.changed = False  # whether the row has to be written whatever `fresh` is
        self.pending: list[Event] = []  # accepted, not folded yet; empty between steps
        self.latest = -1  # instant of the newest of these
        self.in_turn = True  # each of them is newer than the one before
        self.simple = True  # nothing pending needs more than its turn
        self.ordering = False  # something pending is of an order
        self.marked: frozenset[str] = _NOTHING  # messages that spam marks cover by name
        self.newest_chat = -1
        self.newest_order = -1
        self.trimmed_ms = trimmed_ms  # what lies before it is folded into the base
        self.revs: dict[str, tuple[int, int]] = (
            _NO_REVS  # (revision, ts) of what was published more than once
        )
        self.started = (
            -1,
            "",
        )  # the newest normal wait that was counted as begun: its instant, its first message
        self.worked = -1  # the newest due worked off by the clock
        self.fired = 0  # levels of the open wait that were published
        self.flagged: Alert | None = None  # its flag, as published
        self.forgotten = False
        self.coming = NEVER  # the next instant at which time alone changes something here
        self.due = NEVER  # as it lies in the heap; the next one may have moved on since
        self.expected: Expected = {}  # what is counted on a day without being concluded
        self.expected_on = ""
        self.conversation = Conversation(rules, shop, name, out, state)

    # ---- events -----------------------------------------------------------------------------------------

    def accept(self, event: Event, ts: int, perhaps_known: bool) -> str:
        """Judge one event of `ts` in its turn of arrival (`applied`, `duplicate`, `conflict`, `too_late`) and note it.

        `absorb` folds what was noted: first judged one by one, then folded in canonical order, so that what a
        step happens to hold decides neither what is accepted nor, more often than it must, that it is corrected.
        """
        horizon = self.rules.horizon
        result = APPLIED
        if perhaps_known:
            known = self._known(event, horizon)
            if known == DUPLICATE:
                return known
            result = known
        of_order = type(event) is ORDER_EVENT
        newest = self.newest_order if of_order else self.newest_chat
        if ts < newest - horizon or ts < self.trimmed_ms:
            return TOO_LATE
        if of_order:
            self.ordering = True
            self.newest_order = max(self.newest_order, ts)
        elif ts > newest:
            self.newest_chat = ts
        if ts > self.latest:
            self.latest = ts
        else:
            self.in_turn = False
        if (
            result is CONFLICT
            or type(event) is SPAM
            or type(event) is COMPLAINT
            or (self.marked and event.id in self.marked)
        ):
            self.simple = False
        self.pending.append(event)
        return result

    def _known(self, event: Event, horizon: int) -> str:
        """Whether a copy of the event is kept: the same (`duplicate`), another one (`conflict`), or none."""
        if encode_event(event) in self.events:
            return DUPLICATE
        copies = [other for other in self.pending if other.id == event.id]
        for kept in self.events:
            named = decode_named(kept)
            if named.id == event.id and abs(named.ts - event.ts_ms) <= horizon:
                copies.append(decode_event(kept))
        if event in copies:
            return DUPLICATE
        return CONFLICT if any(abs(copy.ts_ms - event.ts_ms) <= horizon for copy in copies) else APPLIED

    def absorb(
        self, settled_ms: int, floor_ms: int, step: ShopStep, desk: Desk, changes: list[Change]
    ) -> tuple[list[bytes], int, int]:
        """Fold what was accepted since; what it concludes or corrects goes to `step`, the floor's part to `changes`.

        His dues before `settled_ms` are worked off, and the floor has come to `floor_ms`.
        Gives the accepted events as they are kept, and the instants of the oldest and the newest of them.
        """
        pending = self.pending
        if not self.in_turn:
            pending.sort(key=canonical)
            self.in_turn = True
        first = canonical(pending[0])
        last = first if len(pending) == 1 else canonical(pending[-1])
        simple = self.simple and first[0] > self.worked and first > self.last
        told = None
        if self.account is not None:
            simple = simple and self._book_in_turn(self.account, pending, first)
        elif self.ordering:
            self.account = desk.begin(self.name)
            if self.events or not all(type(event) is Order for event in pending):
                told = self._first_book(self.account, pending, settled_ms) if simple else None
                simple = told is not None
        encode = encode_event
        kept = [encode(event) for event in pending]
        self.fresh += len(kept)
        self.oldest = min(self.oldest, first[0])
        self.last = max(self.last, last)
        self.pending = []
        self.latest = -1
        self.simple = True
        self.ordering = False
        if simple:
            self.events += kept
            if told is not None and self.account is not None:
                self.account.replace(told, step, desk)
            elif self.account is not None:
                self.account.play(pending, settled_ms, step, desk)
            self.conversation.tell(pending, changes)
            self._conclude(step)
            # Corrections start from what is published at `settled_ms`, so nobody may lag behind it.
            self.coming = self._next_due()
            while self.coming < settled_ms:
                self.pass_due(self.coming, step, changes)
        else:
            self._correct(pending, kept, settled_ms, floor_ms, step, desk, changes)
        return kept, first[0], last[0]

    def _book_in_turn(self, account: Account, events: Sequence[Event], first: tuple[int, int, str]) -> bool:
        """Whether the book can just go on: else all is told anew."""
        if first[0] <= account.worked or account.restates(events, self.conversation.state.day):
            return False
        # Events of orders take effect in another sequence than the canonical one, if they share an instant.
        return not (first[0] == self.last[0] and first[1] == self.last[1] == ORDER)

    def _first_book(
        self, account: Account, events: Sequence[Event], settled_ms: int
    ) -> tuple[Book, int] | None:
        """The first book of a customer, who so far only talked; None if it restates what was published of that."""
        known = [*map(decode_event, self.events), *events]
        told = account.told_anew(self.book_events(known), settled_ms)
        today = self.conversation.state.day
        inquiries = told[0].state.inquiries.items()
        return None if any(day != today and inquiry.ordered != "no" for day, inquiry in inquiries) else told

    def _conclude(self, step: ShopStep) -> None:
        """Publish what the fold has just concluded in order of time."""
        out = self.conversation.out
        if out.waits:
            flags = {flag.wait: flag for flag in out.flags} if out.flags else _NO_FLAGS
            for wait in out.waits:
                self._conclude_wait(wait, flags.get(wait.wait), step)
            out.waits.clear()
        if out.receptions:
            for reception in out.receptions:
                step.fact(reception, None, self)
            out.receptions.clear()
        if out.consults:
            self._judge(out)
            for consult in out.consults:
                step.fact(consult, None, self)
            out.consults.clear()
        if out.complaints:  # expired; what somebody says of one is told anew
            ended = Concluded()
            ended.complaints = out.complaints
            for alert in self._alerts(ended):
                step.alert(alert, True, self)
            out.complaints = []
        if out.flags:
            for flag in out.flags:
                step.fact(flag, None, self)
            out.flags.clear()
        if self.conversation.state.flag is not None and self.flagged is None:
            self.flagged = self._flag_alert()
            assert self.flagged is not None
            step.alert(self.flagged, False, self)

    def _conclude_wait(self, wait: Wait, flag: Flag | None, step: ShopStep) -> None:
        if flag is None and self.flagged is not None:  # its instant was the end of the wait
            step.retract_alert(self.flagged, self)
        if wait.levels or flag is not None:
            for place, alert in enumerate(alerts(Case(self.rules.policy, wait, flag, self.group_of))):
                known = place < self.fired if alert.rule == "wait" else self.flagged is not None
                step.alert(alert, known, self)
        step.fact(wait, None, self)
        self.fired = 0
        self.flagged = None

    def _flag_alert(self) -> Alert | None:
        """The alert on the open wait's flag, if it has one."""
        flag = self.conversation.open_flag()
        waiting = None if flag is None else self.conversation.open_wait(0)
        if waiting is None:
            return None
        return alerts(Case(self.rules.policy, waiting, flag, self.group_of))[-1]

    def _alerts(self, facts: Concluded) -> list[Alert]:
        return standing_alerts(self.rules.policy, self.shop, self.name, facts, self.group_of)

    def revised(self, name: str, revision: int, ts: int) -> None:
        """A fact or an alert was published more than once, or is no longer what it was at first."""
        if self.revs is _NO_REVS:
            self.revs = {}
        self.revs[name] = revision, ts
        self.changed = True

    def open_normal(self) -> tuple[int, str] | None:
        """The open wait, if it is no closing courtesy: its instant and its first message."""
        s = self.conversation.state
        if s.since < 0 or s.closing:
            return None
        return s.since, s.first_id

    # ---- corrections ------------------------------------------------------------------------------------

    def _correct(
        self,
        events: list[Event],
        kept: list[bytes],
        settled_ms: int,
        floor_ms: int,
        step: ShopStep,
        desk: Desk,
        changes: list[Change],
    ) -> None:
        known = [decode_event(event) for event in self.events]
        heard: list[Change] = []
        before, _ = self._told(known, settled_ms, heard if self.newest > floor_ms else None)
        for change in heard:  # told for an instant that the floor has not come to: told anew below
            if change.ts > floor_ms:
                self._take_back(change, changes)
        self._judge(before.out)
        old_alerts = self._alerts(_with_open(before, settled_ms))
        self.events += kept
        self.changed = True
        known += events
        self._mark(known)
        told: list[Change] = []
        after, worked = self._told(known, settled_ms, told)
        changes += [Word(e.ts_ms, e.id, "", _sent(self.rules, e)) for e in events if e.ts_ms < floor_ms]
        changes += self._from(told, floor_ms, floor_ms)
        if self.account is not None:
            book = self.account.told_anew(self.book_events(known), settled_ms)
            self.account.replace(book, step, desk)
        self._judge(after.out)
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

    def _take_back(self, change: Change, changes: list[Change]) -> None:
        """Take out what was told of one event; told anew, it may have another form."""
        for place, told in enumerate(changes):
            if (
                isinstance(told, (View, Turn, Word))
                and (told.ts, told.event) == (change.ts, change.event)
                and told.customer in ("", self.name)
            ):
                del changes[place]
                return

    def retell_book(self, settled_ms: int, step: ShopStep, desk: Desk) -> None:
        """What was known of agents has changed: tell the book anew."""
        assert self.account is not None
        known = [decode_event(event) for event in self.events]
        told = self.account.told_anew(self.book_events(known), settled_ms)
        self.account.replace(told, step, desk)

    def book_events(self, events: Sequence[Event]) -> Sequence[Event]:
        """The standing events without spam."""
        standing = Standing(events, self.rules.policy.lateness_horizon_ms).events
        return without_spam(self.rules, self.shop, self.name, standing)

    def _judge(self, concluded: Concluded) -> None:
        judge(None if self.account is None else self.account.book, concluded)

    def standing(self, now: int) -> Concluded:
        """What is not concluded when the shop's clock shows `now`, as it stands."""
        found = self.conversation.standing(now)
        self._judge(found)
        return found

    def _mark(self, events: Sequence[Event]) -> None:
        """Note which messages marks cover by name: one that comes after its mark is dropped at once."""
        marked = {e.message for e in events if type(e) is Spam and e.message is not None}
        self.marked = frozenset(marked) if marked else _NOTHING

    def _publish_difference(self, before: Concluded, after: Concluded, step: ShopStep) -> None:
        was: dict[str, AnyFact] = {fact.fact: fact for fact in before.all()}
        for fact in after.all():
            old = was.pop(fact.fact, None)
            if fact != old:
                step.fact(fact, old, self)
        for gone in was.values():
            step.retract(gone, self)

    def _told(
        self, events: Sequence[Event], settled_ms: int, changes: list[Change] | None = None
    ) -> tuple[Conversation, int]:
        """The story of the kept events when all dues before `settled_ms` are worked off, and the last of these."""
        standing = Standing(events, self.rules.policy.lateness_horizon_ms).events
        told = tell(self.rules, self.shop, self.name, standing, self._base(), changes)
        expired = -1 if changes is None else told.expire(settled_ms, changes)
        return told, max(expired, pass_time(told, settled_ms))

    def views(self, settled_ms: int, floor_ms: int) -> list[Change]:
        """What the floor has to know of him to go on at `floor_ms`: the view then, and what comes after it."""
        told: list[Change] = []
        self._told([decode_event(event) for event in self.events], settled_ms, told)
        return self._from(told, floor_ms, floor_ms + 1)

    def _from(self, told: Sequence[Change], floor_ms: int, since_ms: int) -> list[Change]:
        """Of all that the kept events tell: the view at `floor_ms`, of what lies before `since_ms`; and the rest."""
        if floor_ms < 0:
            return list(told)
        view = Conversation(self.rules, self.shop, self.name, Concluded(), self._base()).view(
            floor_ms, "", None
        )
        for change in told:
            if change.ts >= since_ms:
                break
            if type(change) is View:
                view = change.still(floor_ms)
            elif type(change) is Turn:
                view.last, view.wait = change.last, change.wait
            elif type(change) is Word and change.customer:
                view.last = change.ts
        return [view, *(change for change in told if change.ts >= since_ms)]

    def _base(self) -> State:
        return decode_state(self.base) if self.base else State()

    def _adopt(self, told: Conversation, worked: int, settled_ms: int) -> None:
        """Go on from a story in which all dues before `settled_ms`, the last at `worked`, were worked off."""
        told.out = self.conversation.out
        self.conversation = told
        self.worked = worked
        s, levels = told.state, self.rules.levels
        self.fired = 0
        if s.since >= 0 and (not s.closing or self.rules.closing_alert):
            self.fired = bisect_left(levels, settled_ms - s.since)
        if self.fired:
            self.worked = max(self.worked, s.since + levels[self.fired - 1])
        self.flagged = self._flag_alert()
        self.coming = self._next_due()

    # ---- time -------------------------------------------------------------------------------------------

    def _next_due(self) -> int:
        s = self.conversation.state
        due = self.conversation.next_due()
        if s.since >= 0 and self.fired < len(self.rules.levels):
            level = s.since + self.rules.levels[self.fired]
            if level < due and (not s.closing or self.rules.closing_alert):
                return level
        return due

    def pass_due(self, due: int, step: ShopStep, changes: list[Change]) -> None:
        """Work off everything due at or before `due`."""
        if self.conversation.next_due() <= due:
            expired = self.conversation.expire(due + 1, changes)
            self.worked = max(self.worked, expired, pass_time(self.conversation, due + 1))
            self._conclude(step)
        s = self.conversation.state
        if s.since >= 0 and (not s.closing or self.rules.closing_alert):
            levels = self.rules.levels
            if self.fired < len(levels) and s.since + levels[self.fired] <= due:
                waiting = self.conversation.open_wait(due + 1)
                assert waiting is not None
                passed = len(waiting.levels)
                waiting.levels = waiting.levels[self.fired :]
                for alert in alerts(Case(self.rules.policy, waiting, None, self.group_of)):
                    step.alert(alert, False, self)
                self.fired = passed
                self.worked = max(self.worked, waiting.levels[-1].ts)
        self.coming = self._next_due()

    # ---- what is no longer needed -----------------------------------------------------------------------

    def kept_since(self, since_ms: int) -> list[Event]:
        """The kept events from an instant on, in canonical order, every copy."""
        kept = [decode_event(event) for event in self.events if decode_named(event).ts >= since_ms]
        return sorted(kept, key=canonical)

    @property
    def newest(self) -> int:
        """The instant of the newest event, or of what the clock did last to an order."""
        worked = -1 if self.account is None else self.account.worked
        return max(self.newest_chat, self.newest_order, worked)

    def trim(self, limit_ms: int) -> None:
        """Fold into the base what no late event and no mark can reach any more: what lies before `limit_ms`."""
        kept = [(decode_event(event), event) for event in self.events]
        events = [event for event, _ in kept]
        # A mark may cover a message that came after it: it stays until these are gone too.
        reach = limit_ms - kept_for(self.rules)
        held = [event.ts_ms for event in events if type(event) is Spam and reach <= event.ts_ms < limit_ms]
        limit = min(held, default=limit_ms)
        standing = Standing(events, self.rules.policy.lateness_horizon_ms).events
        if self.account is not None:
            heard = [e for e in self.book_events(events) if e.ts_ms < limit]
            self.account.trim(heard, limit)
        state = settle(self.rules, self.shop, self.name, standing, limit, self._base())
        self.base = encode_state(state)
        kept = [pair for pair in kept if pair[0].ts_ms >= limit]
        events = [event for event, _ in kept]
        self.events = [event for _, event in kept]
        self.oldest = min((event.ts_ms for event in events), default=NEVER)
        self._mark(events)
        self.trimmed_ms = max(self.trimmed_ms, limit)
        self.revs = {fact: rev for fact, rev in self.revs.items() if rev[1] >= reach} or _NO_REVS
        self.changed = True

    # ---- rows -------------------------------------------------------------------------------------------

    def row(self, place: int, ended_ms: int) -> CustomerRow:
        """What has to be kept, beside the chapters, to go on after a restart at `place`."""
        self.fresh = 0
        self.changed = False
        carried: list[bytes] = []
        if self.oldest < ended_ms:
            carried = [event for event in self.events if decode_named(event).ts < ended_ms]
        return CustomerRow(
            place,
            encode_state(self.conversation.state),
            self.base,
            self.last,
            self.newest_chat,
            self.newest_order,
            self.oldest,
            self.trimmed_ms,
            self.worked if self.worked >= self.last[0] else -1,  # of no concern behind the newest event
            self.started,
            self.revs,
            sorted(self.marked),
            carried,
        )

    @classmethod
    def restored(
        cls, rules: Rules, shop: str, name: str, group_of: GroupOf, out: Concluded, row: CustomerRow
    ) -> "Customer":
        """The customer of a row, without the events that the chapters hold of him."""
        customer = cls(rules, shop, name, group_of, out, row.trimmed_ms, decode_state(row.mark))
        customer.base = row.base
        customer.events = row.carried
        customer.last = row.last
        customer.newest_chat = row.newest_chat
        customer.newest_order = row.newest_order
        customer.oldest = row.oldest
        customer.worked = row.worked
        customer.started = row.started
        customer.revs = row.revs or _NO_REVS
        customer.marked = frozenset(row.marked) or _NOTHING
        return customer

    def resume(self, settled_ms: int) -> None:
        """Go on from the mark over the `fresh` last events, which came in order, up to `settled_ms`."""
        told = self.conversation
        if self.fresh:
            events = [decode_event(event) for event in self.events[-self.fresh :]]
            told.play(events)
            for event in events:
                if type(event) is Order:
                    self.newest_order = max(self.newest_order, event.ts_ms)
                else:
                    self.newest_chat = max(self.newest_chat, event.ts_ms)
            self.oldest = min(self.oldest, events[0].ts_ms)
            self.last = canonical(events[-1])
        worked = self.worked
        while (due := told.next_due()) < settled_ms:
            worked = max(worked, pass_time(told, due + 1))
        for wait in told.out.waits:
            if wait.normal:
                self.started = wait.since, wait.evidence[0]
        told.out.clear()  # it was published before the restart
        self.started = self.open_normal() or self.started
        self._adopt(told, worked, settled_ms)


def _sent(rules: Rules, event: Event) -> str | None:
    """Who has written effectively with an event."""
    if type(event) is Message and not event.internal and event.sender in rules.response:
        return event.agent if type(event.agent) is str else None
    return None


_NOWHERE = (-1, 0, "")
_NOTHING: frozenset[str] = frozenset()
_NO_FLAGS: dict[str | None, Flag] = {}
_NO_REVS: dict[str, tuple[int, int]] = {}
"""Shared by all the customers of whom nothing was published twice."""


def kept_for(rules: Rules) -> int:
    """How long (ms) an event matters: to a wait, a spam mark, a session, its local day; `NEVER` if for good.

    Events are kept for twice this: a feed may be that late once, and what it brings may concern what lies as
    far back (SPEC 3, `wait_ttl`).
    """
    if rules.ttl == NEVER:
        return NEVER
    terms = rules.terms
    # A late order says of days up to `final_window` back what came of them: twice this reaches them whole.
    final = (terms.final_days + 1) * LONGEST_DAY_MS // 2
    longest = max(rules.ttl, LONGEST_DAY_MS, terms.lookback, final)
    return longest + rules.gap + rules.policy.lateness_horizon_ms


def pass_time(told: Conversation, now: int) -> int:
    """Work off every due of a conversation before `now`; the last of them, or -1."""
    worked = told.pass_time(now)
    return max(worked, told.end_session(now))


def _with_open(told: Conversation, settled_ms: int) -> Concluded:
    """The concluded waits and flags, and the open one as published at `settled_ms`."""
    waiting, flag = told.open_wait(settled_ms), told.open_flag()
    out = told.out
    found = Concluded(
        [*out.waits, waiting] if waiting is not None else out.waits,
        [],
        [],
        [*out.flags, flag] if flag is not None else out.flags,
    )
    found.complaints = [*out.complaints, *told.open_complaints()]
    return found
