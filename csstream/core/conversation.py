"""The open wait of one customer: two clocks, legs, sessions, receptions, consults (SPEC 4, 5).

One fold, forward only, in canonical order (SPEC 3). It knows neither late events nor duplicates nor spam:
those change *which* events are folded, and `customer.py` folds again. Time without events comes in through
`pass_time`: each due instant is worked off at itself, so it does not matter how often somebody looks.

The fold is the hot path of both the live worker and the audit. Its state is one flat record; a message costs
a few dozen attribute reads, a fact is built once, when it is concluded.
"""

import unicodedata
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from msgspec import UNSET, UnsetType

from csstream.core.calendar import Calendar
from csstream.core.changes import Change, OpenWait, Turn, View, Word
from csstream.core.facts import AnyFact, Consult, Flag, Leg, Level, Order, Reception, Reminder, Wait
from csstream.core.kinds import MESSAGE
from csstream.core.orders.terms import Terms
from csstream.events import Complaint, Event, Message, Session, Transfer
from csstream.policy import Policy

NEVER: Final = 1 << 60
"""A due that does not come: far beyond the year 9999, and an instant added to it is still a machine integer."""

Agent: TypeAlias = str | UnsetType | None
"""Whom an event names: null is the queue, absent is unknown (SPEC 1)."""

EVIDENCE: Final = 20
"""Customer messages named in a fact; the oldest ones (`messages` has their number)."""

ACCOUNTS: Final = frozenset({"human", "assist_bot", "auto", "template"})
"""Senders that write from an agent's account, and so take the customer (SPEC 4, Holder)."""

UNANSWERED: Final = frozenset({"transferred_unanswered", "abandoned", "expired"})
"""Ends of a leg that leave the customer without the strict reply (SPEC 5)."""


class AgentDay:
    """One agent and this customer on the current day. `first`: when the agent was first concerned, else -1."""

    def __init__(self, first: int, replied: bool, bad: bool, evidence: list[str]) -> None:
        self.first = first
        self.replied = replied
        self.bad = bad
        self.evidence = evidence

    def fields(self) -> tuple[Any, ...]:
        """All of them, in the order of `__init__`."""
        return self.first, self.replied, self.bad, self.evidence


class Aside:
    """What an agent said who did not hold the waiting customer: first and last word, last word of `reply_rate`."""

    def __init__(self, first: int, last: int, reply: int, reply_id: str) -> None:
        self.first = first
        self.last = last
        self.reply = reply
        self.reply_id = reply_id

    def fields(self) -> tuple[Any, ...]:
        """All of them, in the order of `__init__`."""
        return self.first, self.last, self.reply, self.reply_id


class Closing:
    """An agent's first close of the window on a waiting customer."""

    def __init__(self, ts: int, agent: str | None, event_id: str) -> None:
        self.ts = ts
        self.agent = agent
        self.id = event_id

    def fields(self) -> tuple[Any, ...]:
        """All of them, in the order of `__init__`."""
        return self.ts, self.agent, self.id


class Complaining:
    """A complaint, from the first word of it; `end` is -1 while it stands."""

    def __init__(self, ts: int, agent: str | None, event_id: str, end: int, outcome: str) -> None:
        self.ts = ts
        self.agent = agent
        self.id = event_id
        self.end = end
        self.outcome = outcome

    def fields(self) -> tuple[Any, ...]:
        """All of them, in the order of `__init__`."""
        return self.ts, self.agent, self.id, self.end, self.outcome


class Receiving:
    """A reception under way; instants in epoch ms, -1 where nothing has happened yet."""

    def __init__(
        self, start: int, day_ms: int, response: int, first_any: int, replies: int, evidence: list[str]
    ) -> None:
        self.start = start
        self.day_ms = day_ms
        self.response = response
        self.any = first_any
        self.replies = replies
        self.evidence = evidence

    def fields(self) -> tuple[Any, ...]:
        """All of them, in the order of `__init__`."""
        return self.start, self.day_ms, self.response, self.any, self.replies, self.evidence


class State:
    """All that the fold keeps of a customer; instants in epoch ms, -1 for none."""

    def __init__(self, kept: Sequence[Any] | None = None) -> None:
        """A fresh customer's; or with the fields `kept`, in this order."""
        self.holder: str | None = None
        self.last_message: int = -NEVER
        self.last_activity: int = -NEVER  # message or transfer
        self.next_due: int = -1  # the wait's expiry, or the last millisecond of the day

        # the open wait; since = -1: none
        self.since: int = -1
        self.first_id: str = ""
        self.closing: bool = False
        self.messages: int = 0
        self.first_any: int = -1
        self.leg_from: int = -1  # its agent is the holder
        self.legs: list[Leg] = []
        self.evidence: list[str] = []
        self.others: dict[str, Aside] = {}
        self.flag: Closing | None = None

        # the session; start = -1: none
        self.session_start: int = -1
        self.session_id: str = ""
        self.customer_wrote: bool = False
        self.openers: list[str] = []
        self.received: dict[str, Receiving] = {}
        self.shop_received: Receiving | None = None

        # the local day of the last event
        self.day: str = ""
        self.day_end: int = -1
        self.wrote: int = -1
        self.replied: bool = False
        self.bad: bool = False
        self.day_evidence: list[str] = []
        self.agent_days: dict[str, AgentDay] = {}
        self.inquired: bool = False  # wrote more than closing courtesies

        self.complaints: dict[str, Complaining] = {}  # by id; one that is over is not opened again

        if kept is not None:
            (
                self.holder, self.last_message, self.last_activity, self.next_due, self.since,
                self.first_id, self.closing, self.messages, self.first_any, self.leg_from, self.legs,
                self.evidence, self.others, self.flag, self.session_start, self.session_id,
                self.customer_wrote, self.openers, self.received, self.shop_received, self.day,
                self.day_end, self.wrote, self.replied, self.bad, self.day_evidence, self.agent_days,
                self.inquired, self.complaints,
            ) = kept  # fmt: skip

    def fields(self) -> tuple[Any, ...]:
        """All of them, in the order of `__init__`."""
        return (
            self.holder, self.last_message, self.last_activity, self.next_due, self.since, self.first_id,
            self.closing, self.messages, self.first_any, self.leg_from, self.legs, self.evidence,
            self.others, self.flag, self.session_start, self.session_id, self.customer_wrote,
            self.openers, self.received, self.shop_received, self.day, self.day_end, self.wrote,
            self.replied, self.bad, self.day_evidence, self.agent_days, self.inquired, self.complaints,
        )  # fmt: skip


class Concluded:
    """What is concluded, in the order it was; orders and reminders as they stand, by whoever keeps the book."""

    __slots__ = ("complaints", "consults", "flags", "orders", "receptions", "reminders", "waits")

    def __init__(
        self,
        waits: Sequence[Wait] = (),
        receptions: Sequence[Reception] = (),
        consults: Sequence[Consult] = (),
        flags: Sequence[Flag] = (),
    ) -> None:
        self.waits = list(waits)
        self.receptions = list(receptions)
        self.consults = list(consults)
        self.flags = list(flags)
        self.complaints: list[tuple[str, Complaining]] = []  # for their alerts: their facts are flags
        self.orders: list[Order] = []
        self.reminders: list[Reminder] = []

    def add(self, other: "Concluded") -> None:
        """Append what another fold has concluded."""
        self.waits += other.waits
        self.receptions += other.receptions
        self.consults += other.consults
        self.flags += other.flags
        self.complaints += other.complaints

    def clear(self) -> None:
        """Forget all of it."""
        self.waits.clear()
        self.receptions.clear()
        self.consults.clear()
        self.flags.clear()
        self.complaints.clear()

    def all(self) -> list[AnyFact]:
        """Every fact."""
        return [
            *self.waits,
            *self.receptions,
            *self.consults,
            *self.flags,
            *self.orders,
            *self.reminders,
        ]


class Rules:
    """The policy, laid out for the fold: plain attributes, sets and integers, looked up once."""

    def __init__(self, policy: Policy, calendar: Calendar) -> None:
        self.policy = policy
        self.calendar = calendar
        self.terms = Terms(policy, calendar)
        self.tag = policy.tag
        self.gap = policy.session_gap_ms
        self.horizon = policy.lateness_horizon_ms
        self.ttl = NEVER if policy.wait_ttl_ms is None else policy.wait_ttl_ms
        self.response = policy.effective_response
        self.reply_rate = policy.effective_reply_rate
        self.queue = policy.effective_queue
        self.levels = tuple(level.over_ms for level in policy.levels)
        self.first_level = min(self.levels, default=NEVER)
        self.closing_alert = policy.closing_alert
        self.closing_consults = policy.closing_in_reply_rate
        self._words = tuple(sorted((w.casefold() for w in policy.closing_words), key=len, reverse=True))
        self._courtesies: dict[str, bool] = {}

    def courtesy(self, message: Message) -> bool:
        """Whether the message is a closing courtesy (SPEC 4)."""
        kind = message.kind
        text = message.text or ""
        if kind == "emoji":
            return "?" not in text and "？" not in text
        if kind is not None and kind != "text":
            return False
        if len(text) > 64:  # far longer than any courtesy remembered; not worth the memory
            return self._is_courtesy(text)
        known = self._courtesies.get(text)
        if known is None:
            if len(self._courtesies) >= 10_000:
                self._courtesies.clear()
            known = self._courtesies[text] = self._is_courtesy(text)
        return known

    def _is_courtesy(self, text: str) -> bool:
        if "?" in text or "？" in text:
            return False
        kept = "".join(c for c in text if not _silent(c)).casefold()
        if not kept:
            return False
        # Words may be the beginning of other words, so every way to cut the text is followed.
        reached = {0}
        for at in range(len(kept)):
            if at in reached:
                if _emoji(kept[at]):
                    reached.add(at + 1)
                reached.update(at + len(w) for w in self._words if kept.startswith(w, at))
        return len(kept) in reached


def _silent(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] in "PZ" or category == "Cc" or char in "~～"


def _emoji(char: str) -> bool:
    return (
        unicodedata.category(char) == "So"
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones
        or char == "\u200d"  # joiner
        or "\ufe00" <= char <= "\ufe0f"  # variation selectors
    )


class Conversation:
    """The fold over one customer's standing events. Feed it in canonical order only."""

    __slots__ = ("customer", "out", "prefix", "rules", "shop", "state")

    def __init__(self, rules: Rules, shop: str, customer: str, out: Concluded, state: State | None = None):
        self.rules = rules
        self.shop = shop
        self.customer = customer
        self.prefix = f"{shop}|{customer}|"
        self.out = out
        self.state = State() if state is None else state

    def play(self, events: Sequence[Event]) -> None:
        """Fold events; all that lies before each has come to pass. Types of no concern here change nothing."""
        s = self.state
        for event in events:
            t: int = event.ts  # type: ignore[assignment]  # decoded
            if type(event) is MESSAGE and not event.internal:
                self._message(event, t, event.sender, event.agent, event.id)
                continue
            if s.since >= 0 and t > s.next_due:
                self._expire(t)
            if type(event) is Transfer:
                self._transfer(event)
            elif type(event) is Session:
                self._session(event)
            elif type(event) is Complaint:
                self._complaint(event)

    def tell(self, events: Sequence[Event], changes: list[Change]) -> None:
        """`play`, telling `changes` what the floor has to know: each event, and what it changes."""
        s = self.state
        response = self.rules.response
        customer = self.customer
        wait = s.since, s.first_id, s.leg_from, s.holder
        contact = s.session_start, len(s.received), s.wrote, s.replied
        for event in events:
            t: int = event.ts  # type: ignore[assignment]  # decoded
            if s.since >= 0 and t > s.next_due and self.expire(t, changes) >= 0:
                wait = s.since, s.first_id, s.leg_from, s.holder
            sent = None
            said = ""
            name = event.id
            if type(event) is MESSAGE:
                if not event.internal:
                    said = customer
                    sender, agent = event.sender, event.agent
                    self._message(event, t, sender, agent, name)
                    if sender in response and type(agent) is str:
                        sent = agent
            elif type(event) is Transfer:
                self._transfer(event)
            elif type(event) is Session:
                self._session(event)
            elif type(event) is Complaint:
                self._complaint(event)
            waits = s.since, s.first_id, s.leg_from, s.holder
            if contact != (s.session_start, len(s.received), s.wrote, s.replied):
                contact = s.session_start, len(s.received), s.wrote, s.replied
                changes.append(self.view(t, name, sent))
            elif waits != wait:
                changes.append(Turn(t, name, customer, sent, s.last_message, self._open()))
            else:
                changes.append(Word(t, name, said, sent))
            wait = waits

    def expire(self, now: int, changes: list[Change]) -> int:
        """End the wait if it expires before `now`, and tell `changes`; when, or -1."""
        expiry = self._expire(now)
        if expiry >= 0:
            changes.append(self.view(expiry, "", None))
        return expiry

    def view(self, ts: int, event_id: str, sent: str | None) -> View:
        """What the floor knows of the customer from `ts` on."""
        s = self.state
        return View(
            ts,
            event_id,
            self.customer,
            sent,
            s.last_message,
            self._open(),
            tuple(s.received),
            s.wrote,
            s.day_evidence[0] if s.wrote >= 0 else "",
            s.replied,
        )

    def _open(self) -> OpenWait | None:
        s = self.state
        return OpenWait(s.since, s.first_id, s.holder, s.leg_from, s.closing) if s.since >= 0 else None

    # ---- events -----------------------------------------------------------------------------------------

    def _message(self, m: Message, t: int, sender: str, agent: Agent, name: str) -> None:
        s = self.state
        rules = self.rules
        if t > s.next_due:
            self._enter(t)
        since = s.since
        silence = t - s.last_message
        if silence > rules.gap and (since < 0 or s.closing):
            self._new_session(m, t)
        if sender == "customer":
            self._from_customer(m, t, since, agent, name)
        else:
            self._to_customer(t, since, sender, agent, name)
        s.last_message = s.last_activity = t

    def _from_customer(self, m: Message, t: int, since: int, agent: Agent, name: str) -> None:
        s = self.state
        rules = self.rules
        s.customer_wrote = True
        counts = True
        if since >= 0 and s.closing:
            if rules.courtesy(m):
                counts = rules.closing_consults
            else:
                s.evidence.append(name)
                self._end(t, "moot", None)  # W2c
                since = -1
        if since >= 0:  # W2
            s.messages += 1
            if len(s.evidence) < EVIDENCE:
                s.evidence.append(name)
            if type(agent) is str and agent != s.holder:
                self._hand_over(t, agent)
        else:  # W1
            if t - s.last_activity > rules.gap:
                s.holder = None
            if agent is not UNSET:
                s.holder = agent
            s.since = s.leg_from = t
            s.first_id = name
            s.closing = closing = rules.courtesy(m)
            s.messages = 1
            s.evidence.append(name)
            if rules.ttl != NEVER and t + rules.ttl < s.next_due:
                s.next_due = t + rules.ttl
            if closing:
                counts = rules.closing_consults
            else:
                if s.shop_received is None:
                    s.shop_received = Receiving(t, t, -1, -1, 0, [name])
                if s.holder is not None:
                    self._receive(s.holder, t, t, name)
        if not s.inquired and not (rules.courtesy(m) if since >= 0 else s.closing):
            s.inquired = True
        if counts:
            if s.wrote < 0:
                s.wrote = t
                s.day_evidence.append(name)
            if s.holder is not None:
                self._concern(s.holder, t, name)

    def _to_customer(self, t: int, since: int, sender: str, agent: Agent, name: str) -> None:
        s = self.state
        rules = self.rules
        x = agent if type(agent) is str else None
        effective = sender in rules.response
        if since >= 0:
            if s.first_any < 0:
                s.first_any = t
                if not effective:
                    s.evidence.append(name)
            if effective:  # W5
                s.evidence.append(name)
                self._answer(t, x, name)
            elif s.holder is None and sender in rules.queue:  # W5q
                s.evidence.append(name)
                if s.shop_received is not None and s.shop_received.start == since:
                    s.shop_received = None
                self._end(t, "bot", None)
            elif x is not None and x != s.holder:
                aside = s.others.get(x)
                if aside is None:
                    aside = s.others[x] = Aside(t, t, -1, "")
                aside.last = t
                if sender in rules.reply_rate:
                    aside.reply, aside.reply_id = t, name
        elif t - s.last_activity > rules.gap:
            s.holder = None
        if s.since < 0 and x is not None and sender in ACCOUNTS:
            s.holder = x

        if s.shop_received is not None:
            self._say(s.shop_received, t, effective, name)
        if x is not None:
            if effective and not s.customer_wrote and x not in s.openers:
                s.openers.append(x)
            received = s.received.get(x)
            if received is not None:
                self._say(received, t, effective, name)
        if sender in rules.reply_rate:
            if s.wrote >= 0 and not s.replied:
                s.replied = True
                s.day_evidence.append(name)
            if x is not None:
                concerned = s.agent_days.get(x)
                if concerned is not None and concerned.first >= 0 and not concerned.replied:
                    concerned.replied = True
                    concerned.evidence.append(name)

    @staticmethod
    def _say(received: Receiving, t: int, effective: bool, message_id: str) -> None:
        if received.any < 0:
            received.any = t
        if effective:
            received.replies += 1
            if received.response < 0:
                received.response = t
                received.evidence.append(message_id)

    def _transfer(self, e: Transfer) -> None:
        s = self.state
        t = e.ts_ms
        if t > s.next_due:
            self._enter(t)
        to = e.to_agent
        if s.since < 0:  # W7
            s.holder = to
        elif to != s.holder:  # W6
            s.evidence.append(e.id)
            self._hand_over(t, to)
            if to is not None:
                if not s.closing or self.rules.closing_consults:
                    self._concern(to, t, e.id)
                self._said_at_once(to, t)
        s.last_activity = t

    def _said_at_once(self, to: str, t: int) -> None:
        """A word of the new holder in the millisecond of the transfer is "at or after" the leg's start (SPEC 5)."""
        s = self.state
        aside = s.others.get(to)
        if aside is None or aside.last < t:
            return
        received = s.received.get(to)
        if received is not None and received.any < 0:
            received.any = t
        concerned = s.agent_days.get(to)
        if aside.reply == t and concerned is not None and concerned.first >= 0 and not concerned.replied:
            concerned.replied = True
            concerned.evidence.append(aside.reply_id)

    def _session(self, e: Session) -> None:
        s = self.state
        t = e.ts_ms
        if t > s.next_due:
            self._enter(t)
        if s.since < 0 or e.action == "open":
            return
        if e.action == "close" and e.by == "customer":  # W9
            s.evidence.append(e.id)
            self._end(t, "moot" if s.closing else "abandoned", None)
        elif e.by == "agent" and not s.closing and s.flag is None:  # W10
            s.flag = Closing(t, e.agent if type(e.agent) is str else s.holder, e.id)

    # ---- waits and legs ---------------------------------------------------------------------------------

    def _hand_over(self, t: int, to: str | None) -> None:
        """The holder's leg ends unanswered, the next one's begins (W6)."""
        s = self.state
        holder = s.holder
        s.legs.append(Leg(holder, s.leg_from, t, "assigned" if holder is None else "transferred_unanswered"))
        if holder is not None and not s.closing:
            self._agent_day(holder).bad = True
        s.holder = to
        s.leg_from = t
        if to is not None and not s.closing:
            self._receive(to, t, t, s.first_id)

    def _answer(self, t: int, x: str | None, message_id: str) -> None:
        """W5: the leg of the holder ends; who answers without holding the customer gets an extra leg."""
        s = self.state
        if x == s.holder:
            self._end(t, "answered", x)
            return
        start = s.since
        for leg in s.legs:
            if leg.agent == x:
                start = leg.from_ms
        if x is not None:
            if not s.closing and x not in s.received:
                self._receive(x, start, t, s.first_id)
                received = s.received.get(x)
                if received is not None:
                    aside = s.others.get(x)
                    received.any = -1 if aside is None else aside.first
            if not s.closing or self.rules.closing_consults:
                self._concern(x, t, message_id)
        self._end(t, "answered", x, Leg(x, start, t, "answered"))

    def _end(self, t: int, outcome: str, answered_by: str | None, extra: Leg | None = None) -> None:
        """Conclude the open wait at `t`. A wait that is open at a log's end is concluded as `open` elsewhere."""
        s = self.state
        if not s.closing and outcome in UNANSWERED:
            s.bad = True
            if s.holder is not None:
                self._agent_day(s.holder).bad = True
        s.legs.append(Leg(s.holder, s.leg_from, t, outcome if extra is None else "answered_by_other"))
        if extra is not None:
            s.legs.append(extra)
        self.out.waits.append(self._wait(s, t, outcome, answered_by))
        if s.flag is not None:
            if s.flag.ts < t:  # else the wait was no longer open at that instant
                self.out.flags.append(self._flag(s, s.flag))
            s.flag = None
        s.since = -1
        s.first_any = -1
        s.legs = []
        s.evidence = []
        if s.others:
            s.others = {}
        s.next_due = s.day_end - 1

    def _wait(self, s: State, until: int | None, outcome: str, answered_by: str | None, now: int = 0) -> Wait:
        since = s.since
        over = (now if until is None else until) - since
        wait = f"{self.prefix}{since}|{s.first_id}"
        levels: list[Level] = []
        if over > self.rules.first_level and (not s.closing or self.rules.closing_alert):
            levels = [Level(ms, since + ms) for ms in self.rules.levels if ms < over]
        return Wait(
            fact=f"wait|{wait}",
            rev=1,
            shop=self.shop,
            agent=s.holder if outcome != "answered" else answered_by,
            customer=self.customer,
            ts=since,
            policy=self.rules.tag,
            evidence=s.evidence,
            wait=wait,
            since=since,
            until=until,
            ms=over if outcome == "answered" else None,
            outcome=outcome,
            class_="closing" if s.closing else "normal",
            messages=s.messages,
            first_any_ms=s.first_any - since if s.first_any >= 0 else None,
            answered_by=answered_by,
            legs=s.legs,
            levels=levels,
        )

    def _flag(self, s: State, closing: Closing) -> Flag:
        wait = f"{self.prefix}{s.since}|{s.first_id}"
        return Flag(
            fact=f"closed_while_waiting|{wait}",
            rev=1,
            shop=self.shop,
            agent=closing.agent,
            customer=self.customer,
            ts=closing.ts,
            policy=self.rules.tag,
            evidence=[s.first_id, closing.id],
            rule="closed_while_waiting",
            wait=wait,
            since=s.since,
        )

    def open_flag(self) -> Flag | None:
        """The flag of the open wait, if it has one."""
        s = self.state
        return None if s.flag is None else self._flag(s, s.flag)

    def open_wait(self, now: int) -> Wait | None:
        """The open wait as it stands when the shop's clock shows `now`, with outcome `open`; None if none."""
        s = self.state
        if s.since < 0:
            return None
        wait = self._wait(s, None, "open", None, now)
        wait.legs = [*s.legs, Leg(s.holder, s.leg_from, None, "open")]
        wait.evidence = list(s.evidence)
        return wait

    # ---- sessions, receptions ---------------------------------------------------------------------------

    def _new_session(self, m: Message, t: int) -> None:
        s = self.state
        if s.session_start >= 0:
            self.out.receptions.extend(self.receptions())
        s.session_start = t
        s.session_id = m.id
        s.customer_wrote = False
        s.openers = []
        s.received = {}
        s.shop_received = None

    def receptions(self) -> list[Reception]:
        """The receptions of the session under way, as they stand."""
        s = self.state
        found = [] if s.shop_received is None else [self._reception(None, s.shop_received)]
        found += [self._reception(x, received) for x, received in s.received.items()]
        return found

    def _receive(self, x: str, start: int, day_ms: int, message_id: str) -> None:
        """A leg of a normal wait makes a reception, unless x opened the contact (SPEC 5)."""
        s = self.state
        if x not in s.received and x not in s.openers:
            s.received[x] = Receiving(start, day_ms, -1, -1, 0, [message_id])

    def _reception(self, x: str | None, r: Receiving) -> Reception:
        s = self.state
        session = f"{self.prefix}{s.session_start}|{s.session_id}"
        return Reception(
            fact=f"reception|{session}|{x or ''}",
            rev=1,
            shop=self.shop,
            agent=x,
            customer=self.customer,
            ts=r.start,
            policy=self.rules.tag,
            evidence=r.evidence,
            session=session,
            day=self.rules.calendar.day(r.day_ms).name,
            start=r.start,
            first_response_ms=r.response - r.start if r.response >= 0 else None,
            first_any_ms=r.any - r.start if r.any >= 0 else None,
            replies=r.replies,
            answered=r.response >= 0,
        )

    # ---- days -------------------------------------------------------------------------------------------

    def _agent_day(self, x: str) -> AgentDay:
        found = self.state.agent_days.get(x)
        if found is None:
            found = self.state.agent_days[x] = AgentDay(-1, False, False, [])
        return found

    def _concern(self, x: str, t: int, event_id: str) -> None:
        """From now on the customer is one whom x has to answer today (SPEC 5, agent level)."""
        day = self._agent_day(x)
        if day.first < 0:
            day.first = t
            day.evidence.append(event_id)

    def consults(self) -> list[Consult]:
        """The consults of the day under way, as they stand; strict as if 24:00 were now."""
        s = self.state
        waiting = s.since >= 0 and (not s.closing or self.rules.closing_consults)
        found = []
        if s.wrote >= 0:
            found.append(self._consult(None, s.wrote, s.replied, not s.bad and not waiting, s.day_evidence))
        for x, day in s.agent_days.items():
            if day.first >= 0:
                strict = not day.bad and not (waiting and s.holder == x)
                found.append(self._consult(x, day.first, day.replied, strict, day.evidence))
        return found

    def _consult(self, x: str | None, ts: int, replied: bool, strict: bool, evidence: list[str]) -> Consult:
        day = self.state.day
        return Consult(
            fact=f"consult|{self.prefix}{day}|{x or ''}",
            rev=1,
            shop=self.shop,
            agent=x,
            customer=self.customer,
            ts=ts,
            policy=self.rules.tag,
            evidence=evidence,
            day=day,
            replied_any=replied,
            replied_strict=strict,
            presale=self.state.inquired,
            ordered="no",
        )

    # ---- complaints -------------------------------------------------------------------------------------

    def _complaint(self, e: Complaint) -> None:
        """The first word of a complaint opens it, unless it takes it back; a later decision ends it (SPEC 8)."""
        s = self.state
        t = e.ts_ms
        if s.complaints:
            self._expire_complaints(t)
        found = s.complaints.get(e.complaint)
        if found is not None:
            if found.end < 0 and e.status != "opened":
                self._end_complaint(e.complaint, found, t, e.status)
        elif e.status != "withdrawn":
            agent = e.agent if type(e.agent) is str else None
            s.complaints[e.complaint] = Complaining(t, agent, e.id, -1, "")
            self.out.flags.append(
                Flag(
                    fact=f"complaint|{self.shop}|{e.complaint}",
                    rev=1,
                    shop=self.shop,
                    agent=agent,
                    customer=self.customer,
                    ts=t,
                    policy=self.rules.tag,
                    evidence=[e.id],
                    rule="complaint",
                    since=t,
                )
            )

    def _end_complaint(self, name: str, complaint: Complaining, t: int, outcome: str) -> None:
        complaint.end, complaint.outcome = t, outcome
        self.out.complaints.append((name, complaint))

    def _expire_complaints(self, now: int) -> int:
        """End the complaints that expire before `now`; when the last one did, or -1."""
        complaints, ttl = self.state.complaints, self.rules.ttl
        worked = -1
        for name, complaint in complaints.items():
            if complaint.end < 0 and complaint.ts + ttl < now:
                worked = max(worked, complaint.ts + ttl)
                self._end_complaint(name, complaint, complaint.ts + ttl, "expired")
        return worked

    def open_complaints(self) -> list[tuple[str, Complaining]]:
        """The complaints that stand, by id."""
        return [(name, found) for name, found in self.state.complaints.items() if found.end < 0]

    # ---- time -------------------------------------------------------------------------------------------

    def _enter(self, t: int) -> None:
        """Come to an event at `t`: what was due before it, then its day."""
        self.pass_time(t)
        if self.state.day_end < 0:
            self._open_day(t)

    def pass_time(self, now: int) -> int:
        """Work off, in order, every due before `now`: of complaints, of the wait (W15), the end of the day (W13).

        Returns the last of them, -1 if there was none.
        """
        s = self.state
        worked = self._expire_complaints(now) if s.complaints else -1
        worked = max(worked, self._expire(now))
        if 0 <= s.day_end <= now:
            worked = max(worked, s.day_end - 1)
            self._close_day()
        return worked

    def _expire(self, now: int) -> int:
        """End the wait if it expires before `now` (W15); when, or -1."""
        s = self.state
        if s.since < 0:
            return -1
        expiry = s.since + self.rules.ttl
        if expiry >= now:
            return -1
        if expiry >= s.day_end:
            self._close_day()
            self._open_day(expiry)
        self._end(expiry, "expired", None)
        return expiry

    def _close_day(self) -> None:
        s = self.state
        if s.agent_days or s.wrote >= 0:
            self.out.consults.extend(self.consults())
            s.agent_days = {}
            s.wrote = -1
            s.inquired = False
            s.replied = False
            s.day_evidence = []
        s.bad = False
        s.day = ""
        s.day_end = -1

    def _open_day(self, t: int) -> None:
        s = self.state
        day = self.rules.calendar.day(t)
        s.day = day.name
        s.day_end = day.end_ms
        expiry = s.since + self.rules.ttl if s.since >= 0 else NEVER
        s.next_due = min(expiry, s.day_end - 1)

    def end_session(self, now: int) -> int:
        """Conclude the session if the clock is past its end, which is returned (else -1) (SPEC 5)."""
        s = self.state
        due = self.session_due()
        if due >= now:
            return -1
        self.out.receptions.extend(self.receptions())
        s.session_start = -1
        s.customer_wrote = False
        s.openers = []
        s.received = {}
        s.shop_received = None
        return due

    def session_due(self) -> int:
        """When silence ends the session (it has ended once the clock is past it); `NEVER` while it cannot."""
        s = self.state
        if s.session_start < 0 or (s.since >= 0 and not s.closing):
            return NEVER
        return s.last_message + self.rules.gap

    def next_due(self) -> int:
        """The next instant at which time alone concludes something, for a customer without alerts."""
        s = self.state
        due = NEVER
        if s.since >= 0 and self.rules.ttl != NEVER:
            due = s.since + self.rules.ttl
        if s.session_start >= 0 and (s.since < 0 or s.closing):
            due = min(due, s.last_message + self.rules.gap)
        if s.day_end <= due and (s.wrote >= 0 or any(day.first >= 0 for day in s.agent_days.values())):
            due = s.day_end - 1
        if s.complaints and self.rules.ttl != NEVER:
            due = min([due, *(found.ts + self.rules.ttl for _, found in self.open_complaints())])
        return due

    def standing(self, now: int) -> Concluded:
        """What is not concluded when the shop's clock shows `now`, as it stands."""
        wait, flag = self.open_wait(now), self.open_flag()
        found = Concluded(
            [] if wait is None else [wait],
            self.receptions(),
            self.consults(),
            [] if flag is None else [flag],
        )
        found.complaints = self.open_complaints()
        return found
