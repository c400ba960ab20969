"""Deliberate mistakes in the core's rules, each of which some proof has to notice (`python -m tests.mutants`).

A test suite that passes says little about the rules it does not look at. So each entry of MUTANTS breaks one rule,
in a copy of the package, never in the tree; `core/judge.py` runs the proofs against the copy. A mutant that nothing
notices is a hole in the tests, and the run fails. Options: words that the names must contain, `-v` for every find.
"""

import compileall
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from importlib.util import cache_from_source
from pathlib import Path
from random import Random
from typing import Any

from csstream import policy as policies
from tests.laws.logs import MIXED, SHORT, STEPS_MS, build, with_copies
from tests.laws.oracle import Audit, audit
from tests.laws.views import ordered

ROOT = Path(__file__).parent.parent
LOGS, WITH_ORDERS = 400, 300
"""Random logs in the sample, and from which one on there are orders in them; with `tests/core` a mutant takes a second."""

POLICIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("handbook", ()),
    ("jd", ()),
    ("kuaishou", ()),
    ("tmall", ()),
    ("handbook", ("closing.alert=true", "closing.in_reply_rate=false", "wait_ttl=1h", "hours=08:00-23:30")),
    ("handbook", ("wait_ttl=none", "long_wait=none", "session_gap=30s", "closing.in_response_time=true")),
)
"""Profiles and settings for the sample; hours end where its logs are, near midnight."""

PARTS = (
    "__init__.py",
    "events.py",
    "policy",
    "policies",
    "core",
    "census.py",
    "merge.py",
    "runner.py",
    "ledgers",
)
"""What the core and its life in a partition need of the package."""

Case = tuple[list[dict[str, Any]], tuple[str, tuple[str, ...]], dict[str, Any]]
"""A log, the policy as profile and settings, and the oracle's audit of it, field by field."""


@dataclass(frozen=True)
class Mutant:
    """A rule broken: `old` stands exactly once in `file` of the package, and `new` takes its place."""

    name: str
    file: str
    old: str
    new: str


class MutantError(ValueError):
    """A mutant that cannot be made: its text is not in the code exactly once."""


CONVERSATION = "core/conversation.py"
CANON = "core/canon.py"
BOARD = "core/scoreboard.py"
SCORES = "core/scores.py"
RULES = "core/rules.py"
CALENDAR = "core/calendar.py"
EVENTS = "events.py"
ACCOUNT, BOOK, MEMO, OWNER, PERSON, PURCHASE, QUIET, SCRIPTS, TERMS = (
    f"core/orders/{name}.py"
    for name in ("account", "book", "memo", "owner", "person", "purchase", "quiet", "scripts", "terms")
)

MUTANTS = (
    # the wait, W1-W15
    Mutant("W1: the silence before a message is not looked at", CONVERSATION,
           "if t - s.last_activity > rules.gap:\n                s.holder = None\n            if agent is not UNSET",
           "if agent is not UNSET"),
    Mutant("W1: a silence of exactly the gap frees the customer", CONVERSATION,
           "if t - s.last_activity > rules.gap:\n                s.holder = None\n            if agent is not UNSET",
           "if t - s.last_activity >= rules.gap:\n                s.holder = None\n            if agent is not UNSET"),
    Mutant("W1: a message to the queue does not take the customer from his agent", CONVERSATION,
           "if agent is not UNSET:", "if type(agent) is str:"),
    Mutant("W1: a message of unknown route goes to the queue", CONVERSATION,
           "if agent is not UNSET:\n                s.holder = agent",
           "s.holder = agent if type(agent) is str else None"),
    Mutant("W2: a further message restarts the clock", CONVERSATION,
           "s.messages += 1", "s.messages += 1; s.since = t"),
    Mutant("W2: further messages are not counted", CONVERSATION, "s.messages += 1", "pass"),
    Mutant("W2: the route of a further message is not looked at", CONVERSATION,
           "if type(agent) is str and agent != s.holder:", "if False:"),
    Mutant("W2: a message to nobody takes the waiting customer back to the queue", CONVERSATION,
           "if type(agent) is str and agent != s.holder:\n                self._hand_over(t, agent)",
           "if agent is not UNSET and agent != s.holder:\n                self._hand_over(t, agent)"),
    Mutant("W2c: a question does not end a courtesy", CONVERSATION,
           "if rules.courtesy(m):\n                counts", "if True:\n                counts"),
    Mutant("W2c: the courtesy is abandoned, not moot", CONVERSATION,
           'self._end(t, "moot", None)  # W2c', 'self._end(t, "abandoned", None)  # W2c'),
    Mutant("W3: the last word counts as the first", CONVERSATION, "if s.first_any < 0:", "if True:"),
    Mutant("W4: a note is a reply", CONVERSATION,
           "if type(event) is MESSAGE and not event.internal:", "if type(event) is MESSAGE:"),
    Mutant("W5: what is effective is the list of the reply rate", CONVERSATION,
           "effective = sender in rules.response", "effective = sender in rules.reply_rate"),
    Mutant("W5q: a robot ends the wait of an agent too", CONVERSATION,
           "elif s.holder is None and sender in rules.queue:", "elif sender in rules.queue:"),
    Mutant("W5q: a wait ended by a robot keeps its reception", CONVERSATION,
           "if s.shop_received is not None and s.shop_received.start == since:", "if False:"),
    Mutant("W5q: a robot takes away an earlier wait's reception", CONVERSATION,
           "if s.shop_received is not None and s.shop_received.start == since:", "if s.shop_received is not None:"),
    Mutant("W6: a transfer restarts the customer's clock", CONVERSATION,
           "self._hand_over(t, to)\n", "self._hand_over(t, to)\n            s.since = t\n"),
    Mutant("W6: the queue transfers unanswered", CONVERSATION,
           '"assigned" if holder is None else "transferred_unanswered"', '"transferred_unanswered"'),
    Mutant("W6: who hands over is not charged in the strict rate", CONVERSATION,
           "if holder is not None and not s.closing:\n            self._agent_day", "if False:\n            self._agent_day"),
    Mutant("W6: the new holder has not consulted the customer", CONVERSATION,
           "self._concern(to, t, e.id)", "pass"),
    Mutant("W6: the new holder has no reception", CONVERSATION,
           "if to is not None and not s.closing:\n            self._receive", "if False:\n            self._receive"),
    Mutant("W6: a transfer to the holder cuts his leg", CONVERSATION, "elif to != s.holder:  # W6", "else:  # W6"),
    Mutant("W7: a transfer without a wait is forgotten", CONVERSATION,
           "if s.since < 0:  # W7\n            s.holder = to", "if s.since < 0:  # W7\n            pass"),
    Mutant("a transfer does not break the silence", CONVERSATION,
           "self._said_at_once(to, t)\n        s.last_activity = t", "self._said_at_once(to, t)"),
    Mutant("a word in the millisecond of the transfer is not heard", CONVERSATION,
           "self._said_at_once(to, t)\n", "pass\n"),
    Mutant("W9: a customer who leaves is moot, not abandoned", CONVERSATION,
           '"moot" if s.closing else "abandoned"', '"moot"'),
    Mutant("W9: a courtesy that is closed is abandoned", CONVERSATION,
           '"moot" if s.closing else "abandoned"', '"abandoned"'),
    Mutant("W9: an agent's close ends the wait", CONVERSATION,
           'if e.action == "close" and e.by == "customer":', 'if e.action == "close":'),
    Mutant("W9: a closed window is a close", CONVERSATION,
           'if e.action == "close" and e.by == "customer":', 'if e.by == "customer":'),
    Mutant("W9: an opened session closes", CONVERSATION,
           'if s.since < 0 or e.action == "open":', "if s.since < 0:"),
    Mutant("W10: closing a courtesy is gaming", CONVERSATION,
           'elif e.by == "agent" and not s.closing and s.flag is None:', 'elif e.by == "agent" and s.flag is None:'),
    Mutant("W10: the last close is told, not the first", CONVERSATION,
           'elif e.by == "agent" and not s.closing and s.flag is None:', 'elif e.by == "agent" and not s.closing:'),
    Mutant("W10: the close is the holder's, whoever closed", CONVERSATION,
           "e.agent if type(e.agent) is str else s.holder", "s.holder"),
    Mutant("W10: a close at the end of the wait is told", CONVERSATION, "if s.flag.ts < t:", "if s.flag.ts <= t:"),
    Mutant("W12: a level fires at exactly its due", CONVERSATION, "if ms < over]", "if ms <= over]"),
    Mutant("W12: the first level alone decides strictly", CONVERSATION,
           "if over > self.rules.first_level", "if over > self.rules.first_level + 1"),
    Mutant("W12: a courtesy raises levels", CONVERSATION,
           "and (not s.closing or self.rules.closing_alert)", ""),
    Mutant("W13: a reply at midnight is of the day before", CONVERSATION,
           "if 0 <= s.day_end <= now:", "if 0 <= s.day_end < now:"),
    Mutant("W13: who waits over midnight is not unreplied", CONVERSATION,
           "not s.bad and not waiting,", "not s.bad,"),
    Mutant("W13: the agent of who waits over midnight is not charged", CONVERSATION,
           "strict = not day.bad and not (waiting and s.holder == x)", "strict = not day.bad"),
    Mutant("W13: the next day begins with yesterday's reply", CONVERSATION,
           "s.replied = False\n            s.day_evidence", "s.day_evidence"),
    Mutant("W14: who holds is not who last wrote", CONVERSATION,
           "if s.since < 0 and x is not None and sender in ACCOUNT", "if False and sender in ACCOUNT"),
    Mutant("W14: a robot's message takes the customer", CONVERSATION,
           "x is not None and sender in ACCOUNTS:", "x is not None:"),
    Mutant("W14: an automatic word takes a waiting customer", CONVERSATION,
           "if s.since < 0 and x is not None and sender", "if x is not None and sender"),
    Mutant("W15: a wait expires at exactly its ttl", CONVERSATION, "if expiry >= now:", "if expiry > now:"),
    Mutant("W15: a wait expires when it is noticed", CONVERSATION,
           'self._end(expiry, "expired", None)', 'self._end(now, "expired", None)'),
    Mutant("W15: an expiry is of the day on which it is noticed", CONVERSATION,
           "if expiry >= s.day_end:", "if False:"),
    Mutant("W15: the day ends before an expiry of the same instant", CONVERSATION,
           "if expiry >= s.day_end:", "if expiry > s.day_end:"),
    # legs
    Mutant("an extra leg starts with the wait, though he had a leg", CONVERSATION,
           "for leg in s.legs:\n            if leg.agent == x:", "for leg in s.legs:\n            if False:"),
    Mutant("an extra leg starts at the first leg of its agent", CONVERSATION,
           "start = leg.from_ms\n", "start = leg.from_ms\n                break\n"),
    Mutant("who answers for another takes over the leg", CONVERSATION, "if x == s.holder:\n", "if True:\n"),
    Mutant("who answers for another has not consulted", CONVERSATION,
           "self._concern(x, t, message_id)", "pass"),
    Mutant("an extra leg has no reception", CONVERSATION,
           "if not s.closing and x not in s.received:", "if False:"),
    Mutant("a reception by an extra leg is of the day of its start", CONVERSATION,
           "self._receive(x, start, t, s.first_id)", "self._receive(x, start, start, s.first_id)"),
    Mutant("earlier words of who answers for another are not heard", CONVERSATION,
           "received.any = -1 if aside is None else aside.first", "received.any = -1"),
    Mutant("the first words of the wait before are heard again", CONVERSATION,
           "if s.others:\n            s.others = {}\n", "pass\n"),
    # sessions, receptions, consults
    Mutant("a session ends at exactly the gap", CONVERSATION, "if silence > rules.gap and", "if silence >= rules.gap and"),
    Mutant("a session ends though the customer waits", CONVERSATION,
           "if silence > rules.gap and (since < 0 or s.closing):", "if silence > rules.gap:"),
    Mutant("a courtesy holds a session open", CONVERSATION,
           "if silence > rules.gap and (since < 0 or s.closing):", "if silence > rules.gap and since < 0:"),
    Mutant("who opens the contact has a reception", CONVERSATION,
           "if x not in s.received and x not in s.openers:", "if x not in s.received:"),
    Mutant("an automatic greeting opens the contact", CONVERSATION,
           "if effective and not s.customer_wrote and x", "if not s.customer_wrote and x"),
    Mutant("a word after the customer's first opens the contact", CONVERSATION,
           "if effective and not s.customer_wrote and x", "if effective and x"),
    Mutant("the latest reply is the first response", CONVERSATION, "if received.response < 0:", "if True:"),
    Mutant("a reply before the first message of the day counts", CONVERSATION,
           "if s.wrote >= 0 and not s.replied:", "if not s.replied:"),
    Mutant("the shop is consulted by each message anew", CONVERSATION,
           "if s.wrote < 0:\n                s.wrote = t", "if True:\n                s.replied = False; s.wrote = t"),
    Mutant("an abandoned customer passes in the strict rate", CONVERSATION,
           "s.bad = True\n            if s.holder", "if s.holder"),
    Mutant("the agent of an abandoned customer passes in the strict rate", CONVERSATION,
           "s.bad = True\n            if s.holder is not None:\n                self._agent_day(s.holder).bad = True",
           "s.bad = True"),
    Mutant("an abandoned courtesy fails the strict rate", CONVERSATION,
           "if not s.closing and outcome in UNANSWERED:", "if outcome in UNANSWERED or s.closing:"),
    Mutant("courtesies always consult", CONVERSATION,
           "if closing:\n                counts = rules.closing_consults\n", "if closing:\n                counts = True\n"),
    # courtesies
    Mutant("a courtesy may ask", CONVERSATION,
           'if "?" in text or "？" in text:\n            return False\n        kept', "kept"),
    Mutant("a courtesy minds case", CONVERSATION,
           'for c in text if not _silent(c)).casefold()', 'for c in text if not _silent(c))'),
    Mutant("a courtesy takes the first word that fits", CONVERSATION,
           "reached.update(at + len(w) for w in self._words if kept.startswith(w, at))",
           "reached.update([at + len(w) for w in self._words if kept.startswith(w, at)][:1])"),
    Mutant("an image is a courtesy", CONVERSATION, 'if kind == "emoji":', 'if kind in ("emoji", "image"):'),
    Mutant("an emoji message may ask", CONVERSATION,
           'return "?" not in text and "？" not in text', "return True"),
    Mutant("skin tones are words", CONVERSATION, 'or "\\U0001f3fb" <= char <= "\\U0001f3ff"  # skin tones\n', ""),
    Mutant("dots alone are a courtesy", CONVERSATION, "if not kept:\n            return False\n", ""),
    # order, copies, marks
    Mutant("a conflict keeps the last", CANON,
           "self.conflicts += 1", "self.conflicts += 1; kept[kept.index(copy)] = stands[event.id] = event"),
    Mutant("a conflicting copy moves the place that later ones are compared with", CANON,
           "self.conflicts += 1\n", "self.conflicts += 1\n                stands[event.id] = event\n"),
    Mutant("copies exactly the horizon apart are two", CANON,
           "event.ts_ms - copy.ts_ms > horizon_ms", "event.ts_ms - copy.ts_ms >= horizon_ms"),
    Mutant("a conflict counts as a duplicate", CANON, "elif event == copy:", "elif event.id == copy.id:"),
    Mutant("of two contents at once the first in the file stands", CANON,
           "key=lambda event: (canonical(event), content(event))", "key=canonical"),
    Mutant("the order of a log is that of its file", CANON,
           "ordered = sorted(events, key=_ts)", "ordered = list(events)"),
    Mutant("the order of one instant is that of the file", CANON,
           "ordered[first:at] = sorted(ordered[first:at], key=canonical)", "pass"),
    Mutant("the order of the last instant is that of the file", CANON,
           "ordered[first:] = sorted(ordered[first:], key=canonical)", "pass"),
    Mutant("a transfer comes before a reply of its instant", EVENTS, "rank: ClassVar[int] = TRANSFER", "rank: ClassVar[int] = -1"),
    Mutant("a close comes before a reply of its instant", EVENTS, "rank: ClassVar[int] = SESSION", "rank: ClassVar[int] = -1"),
    Mutant("a transfer comes after a close of its instant", EVENTS,
           "rank: ClassVar[int] = TRANSFER", "rank: ClassVar[int] = OTHER"),
    Mutant("a question and its reply of one instant go by id", CANON,
           'CUSTOMER_MESSAGE if event.sender == "customer" else AGENT_MESSAGE', "CUSTOMER_MESSAGE"),
    Mutant("a reply comes before the question of its instant", CANON,
           'CUSTOMER_MESSAGE if event.sender == "customer" else AGENT_MESSAGE',
           'AGENT_MESSAGE if event.sender == "customer" else CUSTOMER_MESSAGE'),
    Mutant("marks cannot be taken back", CANON, "decided[place] = mark.value", "decided[place] = True"),
    Mutant("the first mark for a message decides", CANON,
           "decided[place] = mark.value", "decided.setdefault(place, mark.value)"),
    Mutant("a mark is known before its time", CANON,
           "drops = self.dropped(at + 1)\n            if drops == dropped:\n                continue\n            for wait",
           "drops = self.dropped(len(self.events))\n            if drops == dropped:\n                continue\n            for wait"),
    Mutant("a mark drops agents' messages", CANON,
           'if event.sender == "customer" and mark.ts_ms', "if mark.ts_ms"),
    Mutant("a run is cut at exactly the gap", CANON,
           "later - event.ts_ms > self.rules.gap", "later - event.ts_ms >= self.rules.gap"),
    Mutant("a mark covers the whole story", CANON,
           "if later is not None and later - event.ts_ms > self.rules.gap:", "if False:"),
    Mutant("a mark for the run reaches for ever", CANON,
           'and mark.ts_ms - event.ts_ms <= reach:', ":"),
    Mutant("a mark for a message reaches for ever", CANON,
           "and abs(mark.ts_ms - event.ts_ms) <= reach\n", "\n"),
    Mutant("a mark for a message does not reach exactly the ttl", CANON,
           "abs(mark.ts_ms - event.ts_ms) <= reach", "abs(mark.ts_ms - event.ts_ms) < reach"),
    Mutant("a dropped wait leaves no trace", CANON,
           "told.out.waits.extend(void for void, _ in voids.values())", "pass"),
    Mutant("a wait that came back is still void", CANON,
           "voids = {name: void for name, void in voids.items() if void[1] <= dropped}", "pass"),
    Mutant("a void wait ends at the mark", CANON,
           "return mark_ms if until is None else min(until, mark_ms)", "return mark_ms"),
    Mutant("a void wait keeps its levels", CANON, "wait.levels = []\n", "pass\n"),
    # the rows
    Mutant("a void wait is a void of its start", BOARD,
           "_row_at(until, None).void", "_row_at(wait.since, None).void"),
    Mutant("within 30 leaves out exactly 30 (shop)", BOARD,
           "until - start <= WITHIN_MS", "until - start < WITHIN_MS"),
    Mutant("within 30 leaves out exactly 30 (agents)", BOARD,
           "end - begun <= WITHIN_MS", "end - begun < WITHIN_MS"),
    Mutant("a long wait of exactly the limit is left out", BOARD,
           "if self._limit and ms > self._limit:", "if self._limit and ms >= self._limit:"),
    Mutant("long waits are capped where they should be left out", BOARD,
           "firsts.excluded += 1\n                return\n", "firsts.excluded += 1\n"),
    Mutant("a cap is the wait itself", BOARD, "ms = self._limit\n", "pass\n"),
    Mutant("a long first response is never left out", BOARD,
           "if not self._limit or ms <= self._limit:\n            return ms", "if True:\n            return ms"),
    Mutant("a first response is not capped", BOARD,
           "return None if self._exclude else self._limit", "return None if self._exclude else ms"),
    Mutant("hours do not matter to waits", BOARD,
           'if inside and outcome != "bot":', 'if outcome != "bot":'),
    Mutant("hours do not matter to responses", BOARD,
           "if answered and inside and until is not None:", "if answered and until is not None:"),
    Mutant("hours do not matter to legs", BOARD,
           "if not (inside if begun == start else hours is None or self._calendar.within(begun, hours)):", "if x == '':"),
    Mutant("hours do not matter to receptions", BOARD,
           "self._hours):\n            return\n        agent = reception.agent", "self._hours):\n            pass\n        agent = reception.agent"),
    Mutant("a hand-over outside the hours is not counted", BOARD,
           'if counts and ended == "transferred_unanswered":',
           'if counts and ended == "transferred_unanswered" and (hours is None or self._calendar.within(begun, hours)):'),
    Mutant("a response is of the day of its question", BOARD,
           "self._respond(self._row_at(until, None)", "self._respond(self._row_at(start, None)"),
    Mutant("an agent's response is of the day of its leg", BOARD,
           "self._respond(self._row_at(end, x)", "self._respond(self._row_at(begun, x)"),
    Mutant("a wait is of the day of its reply", BOARD,
           "row = self._row_at(start, None)", "row = self._row_at(until or start, None)"),
    Mutant("an extra leg is of the day of its start", BOARD, "counted_on = end\n", "pass\n"),
    Mutant("an extra leg is a second wait of its agent", BOARD,
           "if any(other.agent == x for other in legs[:-1]):", "if False:"),
    Mutant("a robot's wait counts among the waits", BOARD,
           'if inside and outcome != "bot":', "if inside:"),
    Mutant("courtesies count among the waits", BOARD, 'counts = wait.class_ == "normal"', "counts = True"),
    Mutant("courtesies are never responses", BOARD,
           "if not (counts or (self._closing and answered)):", "if not counts:"),
    Mutant("a transfer is of the day of its leg", BOARD,
           'row_at(end, x).transferred_unanswered', "row_at(begun, x).transferred_unanswered"),
    Mutant("a percentile is the nearest sample", SCORES,
           "if not part:\n", "if True:\n"),
    Mutant("a mean is whole milliseconds", SCORES, "return total_ms / (1000 * number)", "return total_ms // number / 1000"),
    # alerts
    Mutant("a level names who held the customer before", RULES,
           "if leg.from_ms <= ts and (leg.until is None or ts < leg.until):",
           "if leg.from_ms <= ts and (leg.until is None or ts <= leg.until):"),
    Mutant("a level names who answered", RULES, "agent = one or holder_at(wait, ts)", "agent = wait.agent"),
    Mutant("an alert of a void wait stands", RULES, ' or wait.outcome == "void":', ":"),
    Mutant("an alert stays on after its wait", RULES,
           'state="firing" if open_ else "resolved"', 'state="firing"'),
    Mutant("a level of any severity is a warning", RULES,
           '{shown}", severity, agent', '{shown}", "warning", agent'),
    # local days and hours
    Mutant("hours hold their end", CALENDAR, "self.time_of_day_ms(ts_ms) < hours[1]", "self.time_of_day_ms(ts_ms) <= hours[1]"),
    Mutant("hours leave out their start", CALENDAR, "hours[0] <= self", "hours[0] < self"),
    Mutant("a day holds the midnight after it", CALENDAR,
           "found.start_ms <= ts_ms < found.end_ms", "found.start_ms <= ts_ms <= found.end_ms"),
    Mutant("every day is 24 hours long", CALENDAR,
           "if day.end_ms - day.start_ms == 86_400_000:\n            return ts_ms", "if True:\n            return ts_ms"),
    # orders, SPEC 6
    Mutant("order: payment at exactly the due does not win", BOOK,
           "elif due < now:", "elif due <= now:"),
    Mutant("order: the later of two payments stands", BOOK,
           'if status in _INSTANTS and getattr(order, status) < 0:', "if status in _INSTANTS:"),
    Mutant("order: what was created after its end is dunned", PURCHASE,
           "return self.created >= 0 and self.end < 0", "return self.created >= 0 and self.paid < 0"),
    Mutant("order: the deadline of the platform is not looked at", TERMS,
           "return min(lost, pay_deadline) if pay_deadline is not None and pay_deadline > created else lost",
           "return lost"),
    Mutant("order: a deadline before the order counts", TERMS,
           "pay_deadline is not None and pay_deadline > created", "pay_deadline is not None"),
    Mutant("reminder: quiet hours do not move it", TERMS,
           "Step(stage.name, self.quiet.moved(created + stage.after_ms), stage.channels)",
           "Step(stage.name, created + stage.after_ms, stage.channels)"),
    Mutant("reminder: quiet hours count in the grace", BOOK,
           "self.terms.quiet.spend(t, self.terms.grace)", "t + self.terms.grace"),
    Mutant("reminder: quiet hours begin a moment later", QUIET,
           "return end if start <= ts else ts", "return end if start < ts else ts"),
    Mutant("reminder: of the caps only the gap counts", BOOK,
           "if len(called) >= terms.max_per_24h:", "if len(called) > terms.max_per_24h:"),
    Mutant("reminder: the gap is not kept", BOOK, "t = max(t, called[-1] + terms.min_gap)", "pass"),
    Mutant("reminder: one contact counts for two stages", BOOK, "order.window = until\n", "order.window = t\n"),
    Mutant("reminder: one channel is enough", BOOK,
           "waiting.missing = [channel for channel in waiting.missing if channel not in seen]", "waiting.missing = []"),
    Mutant("reminder: a call is no chat", BOOK,
           '("chat", "sms") if e.channel == "phone" else (e.channel,)', "(e.channel,)"),
    Mutant("reminder: cash on delivery waits for the caps", BOOK,
           "if missing and not order.cod:", "if missing:"),
    Mutant("reminder: a paid order's is missed", BOOK,
           'waiting.state, waiting.ended = "moot", t', "pass"),
    Mutant("owner: who wrote first is one", BOOK,
           "if s.wrote >= 0 and t - s.wrote <= self.terms.lookback:", "if True:"),
    Mutant("owner: a reply of long ago makes one", BOOK,
           "order.helped = [agent for agent, (ts, _) in s.replies.items() if ts >= since]",
           "order.helped = [*s.replies]"),
    Mutant("owner: a memo after the settlement counts", BOOK,
           "if t <= order.settlement(self.terms.reversal):", "if True:"),
    Mutant("owner: any memo is confirmed", OWNER,
           "if order.memo.spoke_ms < order.created - terms.lookback:", "if False:"),
    Mutant("owner: an order refunded in full is kept", OWNER,
           "if paid is not None and back >= paid:", "if paid is not None and back > paid:"),
    Mutant("memo: house numbers are agents", MEMO, "if match[1] is None and match[3] is None", "if match[1] is None"),
    Mutant("memo: the first number decides, not the named one", MEMO,
           'found = [match[1] for match in _NAMED.finditer(text)]', "found: list[str] = []"),
    Mutant("money: half a fen is dropped", PURCHASE, "ROUND_HALF_UP).scaleb", '"ROUND_DOWN").scaleb'),
    Mutant("money: a refund without an amount is all", PURCHASE,
           "amount = max(0, paid - known)", "amount = paid"),
    Mutant("inquiry: who asks about a fresh order is one", BOOK,
           "if order.paid >= since:\n                return False", "if False:\n                return False"),
    Mutant("inquiry: an order that was closed is still open", BOOK,
           "if order.created >= since and not gone:", "if order.created >= since:"),
    Mutant("inquiry: the window has no end", BOOK,
           "if t < inquiry.final and inquiry.ordered != \"same_day\":", "if inquiry.ordered != \"same_day\":"),
    Mutant("payment conversion: the window has no end", BOARD,
           "if paid is not None and paid < calendar.days_after(day, self._final_days):", "if paid is not None:"),
    Mutant("scripts: the last touch is any", SCRIPTS, "if script == order.last_script:", "if True:"),
    Mutant("live orders: what is corrected is counted again", ACCOUNT,
           "if not bits & bit and getattr(order, status) >= 0:", "if getattr(order, status) >= 0:"),
    Mutant("live orders: refunds are counted with each event", ACCOUNT,
           "order.refunds_fen()[refunds:]", "order.refunds_fen()"),
    Mutant("live orders: all orders are written with one", ACCOUNT,
           "            if kept.changed:\n", "            if True:\n"),
    Mutant("live orders: an order that has ended stands in the gauge", ACCOUNT,
           "desk.stand(kept.stage, kept.firing, -1)", "pass"),
    Mutant("live orders: an order of yesterday makes an orderer of today", PERSON,
           "if start <= order.created < end and not order.cod:", "if order.created < end and not order.cod:"),
    Mutant("live orders: cash on delivery makes an orderer", PERSON,
           "if start <= order.created < end and not order.cod:", "if start <= order.created < end:"),
    Mutant("live orders: late knowledge of agents changes nothing", ACCOUNT,
           "memo is not None and memo.ts >= since_ms for memo", "False for memo"),
    Mutant("live orders: revisions begin anew", ACCOUNT,
           "self.revs = _NO_REVS if row is None else row.revs or _NO_REVS", "self.revs = _NO_REVS"),
)  # fmt: skip


def mutated(text: str, mutant: Mutant) -> str:
    """The text with the mutant in it; a text in which `old` is not exactly once is a `MutantError`."""
    found = text.count(mutant.old)
    if found != 1:
        raise MutantError(
            f"{mutant.name!r}: {mutant.old!r} is {found} times in {mutant.file}; write the text as it is there now"
        )
    return text.replace(mutant.old, mutant.new)


def problems(mutants: Sequence[Mutant], package: Path) -> list[str]:
    """Why mutants cannot be made of the code in a package's folder; empty if all can."""
    found = []
    for mutant in mutants:
        try:
            mutated((package / mutant.file).read_text("utf-8"), mutant)
        except MutantError as error:
            found.append(str(error))
    return found


def sample(seed: int = 20261121, number: int = LOGS) -> list[Case]:
    """Random logs with what the oracle says of each; the same for the same seed."""
    random = Random(seed)
    cases: list[Case] = []
    for at in range(number):
        rough = at % 5 == 0
        draws = [
            (
                random.randrange(len(STEPS_MS) if rough or random.random() < 0.06 else SHORT + 1),
                (
                    random.randrange(27 if at < WITH_ORDERS else MIXED),
                    random.randrange(24),
                    random.randrange(24),
                    random.randrange(12),
                ),
            )
            for _ in range(random.randrange(4, 26))
        ]
        log = build(draws)
        if at % 4 == 0:
            log = with_copies(
                log,
                [
                    (random.randrange(30), random.randrange(4), random.randrange(7))
                    for _ in range(random.randrange(4))
                ],
            )
            random.shuffle(log)
        chosen = POLICIES[at % len(POLICIES)]
        expected = ordered(audit(log, policies.with_settings(policies.load(chosen[0]), chosen[1])))
        cases.append((log, chosen, {f.name: getattr(expected, f.name) for f in fields(Audit)}))
    return cases


def clean_copy(folder: Path) -> Path:
    """The parts of the package that the core needs, as they are now in the tree, and compiled."""
    copy = (folder / "clean").resolve()
    (copy / "csstream").mkdir(parents=True)
    for part in PARTS:
        source, target = ROOT / "csstream" / part, copy / "csstream" / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        else:
            shutil.copyfile(source, target)
    compileall.compile_dir(copy, quiet=2)
    return copy


@dataclass(frozen=True)
class Ground:
    """What every verdict stands on: the package as it is now in the tree, and the cases in a file beside it."""

    clean: Path
    cases: Path


def prepared(folder: Path) -> Ground:
    """The ground, made in an empty folder."""
    clean = clean_copy(folder)
    cases = clean.with_name("cases.pickle")
    cases.write_bytes(pickle.dumps(sample()))
    return Ground(clean, cases)


def broken_copy(clean: Path, mutant: Mutant, copy: Path) -> Path:
    """The clean copy once more, with the mutant in it."""
    # The same files, so that what is compiled stays valid; of the broken one a copy loses the name alone.
    shutil.copytree(clean, copy, copy_function=os.link)
    broken = copy / "csstream" / mutant.file
    text = mutated(broken.read_text("utf-8"), mutant)
    broken.unlink()
    broken.write_text(text, "utf-8")
    Path(cache_from_source(str(broken))).unlink(missing_ok=True)
    return copy


def verdicts(copies: Sequence[Path], cases: Path) -> list[str]:
    """What noticed each copy, from one process of `core/judge.py`."""
    run = subprocess.run(
        [sys.executable, "-P", "-m", "tests.core.judge", str(cases), *map(str, copies)],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_ADDOPTS": "",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    lines = run.stdout.splitlines()
    if run.returncode or len(lines) != len(copies):
        raise MutantError(
            f"the judge failed after {len(lines)} of {len(copies)} copies: {run.stderr.strip()[-500:]}"
        )
    return lines


def judged(mutants: Sequence[Mutant], ground: Ground) -> list[str]:
    """What notices each mutant, in the order given, `nothing` for a survivor. Raises `MutantError`."""
    with tempfile.TemporaryDirectory(dir=ground.clean.parent) as folder:
        copies = [
            broken_copy(ground.clean, mutant, Path(folder, str(number)))
            for number, mutant in enumerate(mutants)
        ]
        return verdicts(copies, ground.cases)


def judge_all(mutants: Sequence[Mutant], workers: int = 2) -> list[str]:
    """As `judged`, on a ground of its own and in so many processes.

    Raises `MutantError` where a mutant cannot be made, and where the rules fail even as they are.
    """
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:
        unmade = problems(mutants, ROOT / "csstream")
        if unmade:  # told all at once, before anything is run
            raise MutantError("\n".join(unmade))
        ground = prepared(Path(folder))
        [as_they_are] = verdicts([ground.clean], ground.cases)
        if as_they_are != "nothing":
            raise MutantError(f"the rules as they are fail: {as_they_are}")
        shares = [mutants[worker::workers] for worker in range(workers)]
        found = [""] * len(mutants)
        for worker, said in enumerate(pool.map(lambda share: judged(share, ground), shares)):
            found[worker::workers] = said
        return found


def survivors(mutants: Sequence[Mutant], found: Sequence[str]) -> list[str]:
    """Names of the mutants that nothing noticed, or that are no mutants because they cannot even be loaded."""
    return [
        f"{mutant.name}: {by}"
        for mutant, by in zip(mutants, found, strict=True)
        if by == "nothing" or by.startswith("BROKEN")
    ]


def main(words: Sequence[str]) -> int:
    """Judge the mutants whose names hold all the words; 1 if one survives or the rules themselves fail."""
    wanted = [word for word in words if word != "-v"]
    chosen = [mutant for mutant in MUTANTS if all(word in mutant.name for word in wanted)]
    try:
        found = judge_all(chosen)
    except MutantError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    if "-v" in words:
        sys.stdout.writelines(f"{mutant.name}  [{by}]\n" for mutant, by in zip(chosen, found, strict=True))
    alive = survivors(chosen, found)
    sys.stdout.writelines(f"SURVIVES  {line}\n" for line in alive)
    sys.stdout.write(f"{len(chosen) - len(alive)} of {len(chosen)} mutants caught\n")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
