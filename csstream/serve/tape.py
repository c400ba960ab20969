"""Events in the order of their time, as records of their topics, to be played when their time comes.

A log need not be sorted. Its lines go through a window of `AHEAD` bytes, out of which the earliest is taken: a
log smaller than the window is thereby sorted whole, and in a larger one only what is farther out of order comes
late, which the core corrects or refuses and counts. What is no event is played too, at the time of the line
before it, because it is the engine that sets it aside.
"""

from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from csstream.core.engine import Record
from csstream.events import TOPIC_OF, TOPICS, Reject, decode
from csstream.serve.reel import Reel

AHEAD = 32 << 20
"""Bytes of a log that are looked at before the earliest event is played."""

_CHAT = "cs.chat"


class _Held(NamedTuple):
    ts_ms: int
    number: int
    topic: str
    value: bytes
    place: str


@dataclass
class Played:
    """Records whose time has come, by topic, and where each stood in the log."""

    records: dict[str, list[Record]] = field(default_factory=dict)
    places: dict[tuple[str, int], str] = field(default_factory=dict)
    number: int = 0
    newest_ms: int = 0


class Tape:
    """What is still to be played."""

    def __init__(self, reel: Reel, ahead: int = 0) -> None:
        self._reel = reel
        self._ahead = ahead
        self._held: list[_Held] = []
        self._bytes = 0
        self._number = 0
        self._newest_read_ms = 0
        self._offsets = dict.fromkeys(TOPICS, 0)
        self.read_whole = False

    @property
    def ready(self) -> bool:
        """Whether the next event is known: the window is full, or the log was read to its end."""
        return self.read_whole or (bool(self._held) and self._bytes >= self._ahead)

    @property
    def ended(self) -> bool:
        """Whether all is played."""
        return self.read_whole and not self._held

    def fill(self) -> bool:
        """Take one chunk of lines in, if there is room. Whether anything came. Raises LogError."""
        if self.ready:
            return False
        lines = self._reel.read()
        if lines is None:
            self.read_whole = True
            return True
        for place, value in lines:
            event = decode(value)
            if isinstance(event, Reject):
                ts_ms, topic = self._newest_read_ms, _CHAT
            else:
                ts_ms, topic = event.ts_ms, TOPIC_OF[type(event)]
                self._newest_read_ms = ts_ms
            heappush(self._held, _Held(ts_ms, self._number, topic, value, place))
            self._number += 1
            self._bytes += len(value)
        return bool(lines)

    def next_ms(self) -> int | None:
        """When the next event is due; None at the end, and while it is not known."""
        return self._held[0].ts_ms if self._held and self.ready else None

    def take(self, limit: int, until_ms: int) -> Played:
        """At most `limit` events due at `until_ms` (event time) or before."""
        played = Played()
        while played.number < limit and (self.ready or self.fill()):
            if not self.ready:
                continue
            if not self._held or self._held[0].ts_ms > until_ms:
                break
            held = heappop(self._held)
            self._bytes -= len(held.value)
            offset = self._offsets[held.topic]
            self._offsets[held.topic] = offset + 1
            record = Record(held.topic, 0, offset, held.value, held.ts_ms)
            played.records.setdefault(held.topic, []).append(record)
            played.places[held.topic, offset] = held.place
            played.number += 1
            played.newest_ms = held.ts_ms
        return played
