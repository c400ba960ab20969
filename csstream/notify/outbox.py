"""What is sent, when and to whom, as a function of alerts, time, answers and rows (SPEC 8, "Sending"). Pure.

`take` brings alerts in topic order, `advance` lets time pass and composes what is due, `to_send` hands it out,
`answered` says what became of it, `take_rows` gives the rows that changed since. The rule that makes it safe: rows are
kept *before* what `to_send` gave is sent. So after a crash each message under way is known, and goes out again as it
was and under the same id; a message is only doubled if its answer was never heard.

What was clearly refused is taken apart again: when the sink is back it is told what is true then. Each sink has one
message under way at most, which keeps its order, and waits for no other sink.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate
from zlib import crc32

from msgspec.structs import replace

from csstream.core.alert import Alert
from csstream.core.metrics import NOTIFICATION_S, observe
from csstream.notify.marks import (
    ENDED,
    FIRED,
    HELD,
    LENT,
    SUMMED,
    Kept,
    Pace,
    Read,
    Sending,
    decode_kept,
    decode_key,
    decode_pace,
    decode_read,
    encode,
    row_key,
)
from csstream.notify.message import Answer, Message, MessageKind, by_rule, oldest, short_id, wait_of, worst
from csstream.notify.standing import Standing
from csstream.notify.target import Target

KEEP_MS = 48 * 3_600_000
"""How long it is known that an ended alert was told: corrections come no later (SPEC 2, `wait_ttl`)."""

GATHER_MS = 10_000
"""Stale alerts of a shop go out together once no further one has come for so long (SPEC 8)."""

GATHER_MOST_MS = 120_000
"""But a feed that lags for good must not silence its shop: no later than this after the first."""

RETRY_MS, RETRY_MOST_MS = 1_000, 300_000
"""Pause after the first failure, and the longest; it doubles in between."""

ASKED_MOST_MS = 3_600_000
"""The longest pause that a sink may ask for."""

MOST = 500
"""Alerts that one digest counts; what is beyond it is the next one's."""


SUMMED_BYTES = 500_000
"""Most bytes of ids that a summary speaks for: they lie in one row, and Kafka takes a record of 1 MB."""


class _Verdict(Enum):
    DROP = "nothing is left to tell"
    WAIT = "not known yet, and what comes after it in its shop has to wait too"
    HOLD = "not now"
    FIRE = "tell that it fires"
    END = "tell that it has ended"


@dataclass
class Tally:
    """What is counted (SPEC 9): by sink and result, and delays by sink."""

    results: Counter[tuple[str, str]] = field(default_factory=Counter)
    delays: dict[str, list[float]] = field(default_factory=dict)

    def delay(self, sink: str, ms: int) -> None:
        """An alert was told so long after its instant."""
        counts = self.delays.setdefault(sink, [0.0] * (len(NOTIFICATION_S) + 2))
        observe(counts, NOTIFICATION_S, max(0, ms) / 1000)


class _Box:
    """One sink: what it still has to be told, in topic order, and the message under way."""

    def __init__(self, target: Target, pace: Pace) -> None:
        self.target = target
        self.pace = pace
        self.queue: dict[str, None] = {}
        self.summaries: dict[str, None] = {}  # shops
        self.under_way = False
        self.refreshed_ms = 0

    def carries(self, alert_id: str) -> bool:
        """Whether it is still to be told something of an alert."""
        sending = self.pace.sending
        return alert_id in self.queue or (
            sending is not None and alert_id in (*sending.firing, *sending.ended, *sending.summed)
        )


class Outbox:
    """All sinks. Times are epoch ms, `now` is the wall clock; `rows` are those of an earlier outbox."""

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        settle_ms: int,
        stale_after_ms: int,
        rows: Mapping[bytes, bytes] | None = None,
        tally: Tally | None = None,
    ) -> None:
        self.tally = tally or Tally()
        self._settle_ms = settle_ms
        self._stale_after_ms = stale_after_ms
        self._boxes = {target.name: _Box(target, Pace()) for target in targets}
        self._standing = Standing()
        self._reads: dict[str, Read] = {}
        self._stale: dict[str, tuple[int, int]] = {}  # by shop: when the first and the newest came in
        self._stale_ids: dict[str, dict[str, None]] = {}  # by shop, those that stand
        self._ends: list[tuple[int, str]] = []  # when rows of ended alerts may go
        self._ready: list[_Box] = []
        self._changed: set[bytes] = set()
        self._written: set[bytes] = set()
        self._order = 0
        self._wake_ms = 0
        if rows:
            self._load(rows)

    @property
    def reads(self) -> Mapping[str, Read]:
        """How far each source is taken in."""
        return self._reads

    def _load(self, rows: Mapping[bytes, bytes]) -> None:
        self._written = set(rows)
        kept = []
        for key, row in rows.items():
            family, name = decode_key(key)
            if family == "alert":
                kept.append(decode_kept(row))
            elif family == "read":
                self._reads[name] = decode_read(row)
            elif name in self._boxes:
                pace = self._boxes[name].pace = decode_pace(row)
                if pace.sending is not None:
                    pace.sending.maybe = True
            else:
                self._changed.add(key)  # a sink that is no more
        kept.sort(key=lambda one: one.order)
        self._standing = Standing(kept)
        for one in kept:
            alert = one.alert
            self._order = one.order + 1
            if one.stale and not one.ended_ms:
                self._gather(one, one.read_ms)
            for box in self._boxes.values():
                if self._goes_to(box, one):
                    box.queue[alert.alert] = None
            if one.ended_ms:
                self._release(alert.alert)

    # ---- in ---------------------------------------------------------------------------------------------

    def take(self, source: str, read: Read, alerts: Iterable[Alert], now: int) -> None:
        """Take in alerts of one source, in its order; `read` is how far they bring it."""
        for alert in alerts:
            self._take(alert, now)
        self._reads[source] = read
        self._changed.add(row_key("read", source))

    def _take(self, alert: Alert, now: int) -> None:
        name = alert.alert
        kept = self._standing.kept.get(name)
        firing = alert.state == "firing"
        if kept is None:
            if not firing and alert.rule != "storm":
                return  # began and ended unseen: nobody is told
            kept = Kept(alert, now, 0)
            new = True
        else:
            new = firing is (kept.ended_ms > 0)
            kept.alert = alert
        if new:
            kept.order = self._order
            self._order += 1
            kept.ended_ms = 0 if firing else now
        self._standing.put(kept)
        self._change(name)
        if firing:
            self._fires(kept, new, now)
        elif new:
            self._stale_ids.get(alert.shop, {}).pop(name, None)
        if alert.rule == "storm":
            self._cover(alert.shop)
        for box in self._boxes.values():
            queued = name in box.queue
            if new:
                box.queue.pop(name, None)  # its place is now that of this record
            if queued or self._goes_to(box, kept):
                box.queue[name] = None
        if kept.ended_ms:
            self._release(name)

    def _fires(self, kept: Kept, new: bool, now: int) -> None:
        kept.covered = kept.covered or self._standing.in_storm(kept.alert)
        if not new:
            return
        kept.read_ms = now
        kept.stale = now - kept.alert.ts > self._stale_after_ms
        if kept.stale:
            self._gather(kept, now)
            for box in self._boxes.values():
                if box.target.takes(kept.alert) and not _told(box, kept) & FIRED:
                    self.tally.results[box.target.name, "stale"] += 1

    def _gather(self, kept: Kept, now: int) -> None:
        shop = kept.alert.shop
        first, last = self._stale.get(shop, (now, now))
        self._stale[shop] = min(first, now), max(last, now)
        self._stale_ids.setdefault(shop, {})[kept.alert.alert] = None

    def _cover(self, shop: str) -> None:
        """A storm has begun: from now on it speaks for the waits in it, also after its end."""
        for name, kept in self._standing.kept.items():
            if kept.alert.shop == shop and not kept.covered and self._standing.in_storm(kept.alert):
                kept.covered = True
                self._change(name)

    @staticmethod
    def _goes_to(box: _Box, kept: Kept) -> bool:
        """Whether there is anything to tell the sink of this alert."""
        told = _told(box, kept)
        if kept.ended_ms:
            return bool(told & FIRED) and not told & ENDED
        return not told & FIRED and not kept.stale and (bool(told & LENT) or box.target.takes(kept.alert))

    # ---- time -------------------------------------------------------------------------------------------

    def advance(self, now: int) -> None:
        """Let time pass: compose what each idle sink is to be told now."""
        self._wake_ms = now + 1_000  # quiet hours, summaries and the like are looked at once a second
        while self._ends and self._ends[0][0] <= now:
            self._expire(heapq.heappop(self._ends)[1], now)
        for shop, (first, last) in list(self._stale.items()):
            if now >= min(last + GATHER_MS, first + GATHER_MOST_MS):
                del self._stale[shop]
                for box in self._boxes.values():
                    box.summaries[shop] = None
        for box in self._boxes.values():
            self._lend(box, now)
        for box in self._boxes.values():
            self._compose(box, now)

    def next_ms(self) -> int:
        """When `advance` is due again, at the latest; 1 s after the last one, or sooner."""
        return self._wake_ms

    def to_send(self) -> list[tuple[str, Message]]:
        """(sink, message) of what was composed since. Keep `take_rows` before sending them."""
        ready, self._ready = self._ready, []
        return [(box.target.name, box.pace.sending.message) for box in ready if box.pace.sending]

    def _compose(self, box: _Box, now: int) -> None:
        target, pace = box.target, box.pace
        if box.under_way:
            return
        if pace.sending is not None and self._outlived(pace.sending):
            self._tell(box, pace.sending)  # it may have arrived: then its end must, too
        at = max(pace.retry_ms, target.rate.free_ms(pace.full_ms))
        if now < at:
            self._wake_ms = min(self._wake_ms, at)
            return
        if pace.sending is None:
            pace.sending = self._next(box, now)
            if pace.sending is None:
                return
        elif pace.sending.maybe:
            pace.sending.message = replace(pace.sending.message, repeat=True)
        pace.full_ms = target.rate.used(pace.full_ms, now)
        box.under_way = True
        self._ready.append(box)
        self._changed.add(row_key("sink", target.name))

    def _outlived(self, sending: Sending) -> bool:
        """Whether all that a message would tell is over."""
        told = (*sending.firing, *sending.summed)
        return bool(told) and not sending.ended and not any(self._stands(name) for name in told)

    def _stands(self, name: str) -> bool:
        kept = self._standing.kept.get(name)
        return kept is not None and not kept.ended_ms

    def _next(self, box: _Box, now: int) -> Sending | None:
        for shop in list(box.summaries):
            if (summary := self._summary(box, shop, now)) is not None:
                return summary
        due = self._due(box, now)
        target = box.target
        if not due:
            return self._refresh(box, now)
        if target.most is not None:
            return self._several(due[: target.most], "batch", now)
        if len(due) == 1 or len(due) <= target.rate.left(box.pace.full_ms, now):
            kept, verdict = due[0]
            kind: MessageKind = "firing" if verdict is _Verdict.FIRE else "ended"
            alert = kept.alert
            message = Message(short_id(alert.alert, kind), kind, now, alert.severity, [alert])
            only = [alert.alert]
            return Sending(message, only) if kind == "firing" else Sending(message, ended=only)
        return self._several(due, "digest", now)

    def _several(
        self, due: Sequence[tuple[Kept, _Verdict]], kind: MessageKind, now: int, summed: bool = False
    ) -> Sending:
        """One message for many alerts."""
        firing = [kept.alert for kept, verdict in due if verdict is _Verdict.FIRE]
        ended = [kept.alert for kept, verdict in due if verdict is _Verdict.END]
        message = Message(
            id=short_id(kind, str(now), *(kept.alert.alert for kept, _ in due)),
            kind=kind,
            at_ms=now,
            severity=worst(firing or ended),
            alerts=[*firing, *ended] if kind == "batch" else oldest(firing or ended),
            firing=by_rule(firing),
            ended=by_rule(ended),
            waits=len({wait_of(alert.alert) for alert in firing if alert.rule == "wait"}),
        )
        names = [alert.alert for alert in firing]
        if summed:
            return Sending(message, summed=names)
        return Sending(message, names, [alert.alert for alert in ended])

    def _summary(self, box: _Box, shop: str, now: int) -> Sending | None:
        """What stands of a shop's stale alerts, as one message."""
        found, quiet = [], False
        for name in self._stale_ids.get(shop, ()):
            kept = self._standing.kept[name]
            told = _told(box, kept)
            if told & (FIRED | SUMMED) or not (told & LENT or box.target.takes(kept.alert)):
                continue
            if self._quiet(box, kept, now):
                quiet = True
            else:
                found.append((kept, _Verdict.FIRE))
        if not found and not quiet:
            del box.summaries[shop]
        if not found:
            return None
        if box.target.most is not None:
            return self._several(found[: box.target.most], "batch", now)
        sizes = accumulate(len(kept.alert.alert.encode()) for kept, _ in found)
        most = min(10 * MOST, sum(size <= SUMMED_BYTES for size in sizes))
        return self._several(found[:most], "summary", now, summed=True)

    def _refresh(self, box: _Box, now: int) -> Sending | None:
        """All that stand and were told, for a sink that forgets what it is not reminded of. No mark depends on it."""
        every = box.target.refresh_ms
        if every is None or now < box.refreshed_ms + every:
            return None
        box.refreshed_ms = now
        alerts = [
            kept.alert
            for kept in self._standing.kept.values()
            if not kept.ended_ms and _told(box, kept) & FIRED
        ]
        if not alerts:
            return None
        return Sending(Message(short_id("refresh", str(now)), "refresh", now, worst(alerts), alerts))

    def _due(self, box: _Box, now: int) -> list[tuple[Kept, _Verdict]]:
        """What may be told now, in order; what never will be leaves the queue."""
        due: list[tuple[Kept, _Verdict]] = []
        waiting: set[str] = set()
        for name in list(box.queue):
            kept = self._standing.kept.get(name)
            if kept is None:
                del box.queue[name]
                continue
            if kept.alert.shop in waiting:
                continue
            verdict = self._verdict(box, kept, now)
            if verdict is _Verdict.DROP:
                del box.queue[name]
                self._account(box, kept)
                if kept.ended_ms:
                    self._release(name)
            elif verdict is _Verdict.WAIT:
                waiting.add(kept.alert.shop)
                self._wake_ms = min(self._wake_ms, kept.read_ms + self._settle_ms)
            elif verdict is _Verdict.HOLD:
                if not kept.ended_ms and not self._quiet(box, kept, now):
                    self._inhibit(box, kept)
            else:
                due.append((kept, verdict))
                if len(due) == MOST:
                    break
        return due

    def _verdict(self, box: _Box, kept: Kept, now: int) -> _Verdict:
        told, alert = _told(box, kept), kept.alert
        if kept.ended_ms:
            if not told & FIRED or told & ENDED or self._end_is_said(box, alert):
                return _Verdict.DROP
            return _Verdict.HOLD if self._quiet(box, kept, now) else _Verdict.END
        if told & FIRED or kept.stale or kept.covered:
            return _Verdict.DROP
        if self._quiet(box, kept, now):
            return _Verdict.HOLD
        if now < kept.read_ms + self._settle_ms:
            return _Verdict.WAIT
        return _Verdict.HOLD if self._standing.inhibited(alert) else _Verdict.FIRE

    def _end_is_said(self, box: _Box, alert: Alert) -> bool:
        """Whether no end is owed: it passed by itself, or the end of a higher level of the wait tells it.

        A sink that groups by itself holds each alert until it is told, so there every end is owed.
        """
        if box.target.most is not None:
            return False
        return alert.outcome == "passed" or any(
            _told(box, higher) & FIRED for higher in self._standing.higher(alert)
        )

    @staticmethod
    def _quiet(box: _Box, kept: Kept, now: int) -> bool:
        quiet = box.target.quiet
        return quiet is not None and quiet.holds(kept.alert.severity, now)

    def _lend(self, box: _Box, now: int) -> None:
        """A sink has been down for too long: its fall-back is told what it cannot be told."""
        target, since = box.target, box.pace.failing_ms
        if target.fallback is None or not since or now < since + target.fallback_after_ms:
            return
        other = self._boxes[target.fallback]
        for shop in box.summaries:
            for name in self._stale_ids.get(shop, ()):
                kept = self._standing.kept[name]
                if not _told(box, kept) & (FIRED | SUMMED) and not _told(other, kept):
                    self._mark(other, kept, LENT)
                    other.summaries[shop] = None
        for name in box.queue:
            lent = self._standing.kept.get(name)
            if lent is not None and self._verdict(box, lent, now) is _Verdict.FIRE:
                told = _told(other, lent)
                if not told & (LENT | FIRED) and not other.target.takes(lent.alert):
                    self._mark(other, lent, LENT)
                    other.queue[name] = None

    # ---- answers ----------------------------------------------------------------------------------------

    def answered(self, sink: str, answer: Answer, now: int) -> None:
        """What became of the message that is under way to a sink."""
        box = self._boxes[sink]
        pace, sending = box.pace, box.pace.sending
        assert sending is not None, f"nothing was sent to {sink}"
        box.under_way = False
        self._changed.add(row_key("sink", sink))
        if answer.ok:
            pace.failures = pace.failing_ms = pace.retry_ms = 0
            self._count(sink, sending, now)
            self._tell(box, sending)
            return
        self.tally.results[sink, "failed"] += 1
        pace.failures += 1
        pace.failing_ms = pace.failing_ms or now
        pace.retry_ms = now + max(_pause_ms(sink, pace.failures), min(answer.retry_after_ms, ASKED_MOST_MS))
        sending.maybe = sending.maybe or answer.maybe
        if not sending.maybe or sending.message.kind == "refresh":
            pace.sending = None  # surely not taken: what is true at the next try is told then

    def _count(self, sink: str, sending: Sending, now: int) -> None:
        kind = sending.message.kind
        if kind == "refresh":
            return
        self.tally.results[sink, "sent"] += 1
        if kind == "digest":
            self.tally.results[sink, "digested"] += len(sending.firing) + len(sending.ended)
        for name in sending.firing:
            if (kept := self._standing.kept.get(name)) is not None and not kept.stale:
                self.tally.delay(sink, now - kept.alert.ts)
        for name in sending.ended:
            kept = self._standing.kept.get(name)
            if kept is not None and kept.alert.state == "resolved" and kept.alert.end is not None:
                self.tally.delay(sink, now - kept.alert.end)

    def _tell(self, box: _Box, sending: Sending) -> None:
        """All that a message tells is told."""
        box.pace.sending = None
        self._changed.add(row_key("sink", box.target.name))
        for names, bits in ((sending.firing, FIRED), (sending.summed, SUMMED), (sending.ended, ENDED)):
            for name in names:
                kept = self._standing.kept.get(name)
                if kept is None:
                    continue
                self._mark(box, kept, bits)
                box.queue.pop(name, None)
                if self._goes_to(box, kept):
                    box.queue[name] = None
                elif kept.ended_ms:
                    self._release(name)

    def _mark(self, box: _Box, kept: Kept, bits: int) -> None:
        kept.told[box.target.name] = _told(box, kept) | bits
        self._change(kept.alert.alert)

    def _inhibit(self, box: _Box, kept: Kept) -> None:
        if not _told(box, kept) & HELD:
            self._mark(box, kept, HELD)
            self.tally.results[box.target.name, "inhibited"] += 1

    def _account(self, box: _Box, kept: Kept) -> None:
        """Say of an alert that leaves a queue why it was not told."""
        told = _told(box, kept)
        if kept.covered and not told & FIRED:
            self._inhibit(box, kept)
        elif kept.ended_ms and told & FIRED and not told & ENDED:
            self._mark(box, kept, ENDED)
        elif kept.ended_ms and not told & (FIRED | HELD | SUMMED) and not kept.stale:
            self.tally.results[box.target.name, "settled"] += 1

    # ---- rows -------------------------------------------------------------------------------------------

    def _change(self, name: str) -> None:
        self._changed.add(row_key("alert", name))

    def _release(self, name: str) -> None:
        """An alert has ended: once nobody is to be told any more, only what was told of it is kept, for a while."""
        kept = self._standing.kept[name]
        if any(box.carries(name) for box in self._boxes.values()):
            return
        if any(told & FIRED for told in kept.told.values()):
            kept.alert = replace(kept.alert, evidence=[], summary={})
            self._standing.put(kept)
            self._change(name)
            heapq.heappush(self._ends, (kept.ended_ms + KEEP_MS, name))
        elif kept.alert.rule == "storm":  # waits of its time may still come in
            heapq.heappush(self._ends, (kept.ended_ms + self._stale_after_ms + GATHER_MS, name))
        else:
            self._forget(name)

    def _expire(self, name: str, now: int) -> None:
        kept = self._standing.kept.get(name)
        if kept is None or not kept.ended_ms or any(box.carries(name) for box in self._boxes.values()):
            return
        told = any(bits & FIRED for bits in kept.told.values())
        if not told or now >= kept.ended_ms + KEEP_MS:
            self._forget(name)

    def _forget(self, name: str) -> None:
        self._standing.drop(name)
        self._change(name)

    def take_rows(self) -> dict[bytes, bytes | None]:
        """The rows that changed since the last call; None is a row that goes."""
        rows: dict[bytes, bytes | None] = {}
        for key in sorted(self._changed):
            row = self._row(*decode_key(key))
            if row is not None:
                self._written.add(key)
                rows[key] = row
            elif key in self._written:
                self._written.discard(key)
                rows[key] = None
        self._changed.clear()
        return rows

    def _row(self, family: str, name: str) -> bytes | None:
        if family == "read":
            return encode(self._reads[name])
        if family == "alert":
            kept = self._standing.kept.get(name)
            return None if kept is None else encode(kept)
        if name not in self._boxes:
            return None
        pace = self._boxes[name].pace
        if pace.sending is not None and pace.sending.message.kind == "refresh":
            pace = replace(pace, sending=None)
        return encode(pace)

    # ---- readings ---------------------------------------------------------------------------------------

    def oldest_ms(self, now: int) -> Iterator[tuple[str, int]]:
        """By sink, the age of the oldest that it should have been told already; 0 if there is none."""
        for name, box in self._boxes.items():
            ages = [
                now - (kept.ended_ms or kept.alert.ts)
                for alert_id in box.queue
                if (kept := self._standing.kept.get(alert_id)) is not None
                and self._verdict(box, kept, now) in (_Verdict.FIRE, _Verdict.END)
            ]
            yield name, max(0, *ages, 0)


def _told(box: _Box, kept: Kept) -> int:
    return kept.told.get(box.target.name, 0)


def _pause_ms(sink: str, failures: int) -> int:
    """Twice as long after each failure, and never quite the same for two sinks that fail together."""
    whole = min(RETRY_MOST_MS, RETRY_MS << min(failures - 1, 20))
    return whole // 2 + crc32(f"{sink}|{failures}".encode()) % (whole // 2 + 1)
