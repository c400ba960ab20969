"""The notifier's rows: what outlives a crash (compacted `cs.notified`, or a SQLite file).

Three families. An `alert` row is an alert that stands, or was told to somebody, and how far each sink is with it. A
`sink` row is the pace of a sink and the message under way to it: it is there before the message is sent, so who
comes after a crash knows what may have arrived. A `read` row is how far a partition of alerts has been taken in.
All three change in one step, so none is ever ahead of another.
"""

import msgspec
from msgspec import Struct

from csstream.core.alert import Alert
from csstream.notify.message import Message

FIRED, ENDED, SUMMED, HELD, LENT = 1, 2, 4, 8, 16
"""What a sink has of an alert: that it fires; that it ended; that it stands, in a summary of stale ones. And what
was counted or decided of it: it was inhibited; it came to this sink only because another is down."""


class Kept(Struct, omit_defaults=True):
    """An alert as last published. `order` is its place in the topic, newest record; `read_ms` when it came in as
    firing; `ended_ms` when its end came in, 0 while it stands."""

    alert: Alert
    read_ms: int
    order: int
    ended_ms: int = 0
    stale: bool = False
    covered: bool = False
    """A storm speaks for it."""
    told: dict[str, int] = {}


class Sending(Struct, omit_defaults=True):
    """A message under way. `firing`, `ended` and `summed` are the alerts that it tells, by id."""

    message: Message
    firing: list[str] = []
    ended: list[str] = []
    summed: list[str] = []
    maybe: bool = False


class Pace(Struct, omit_defaults=True):
    """How a sink is doing: when its rate is used up, how often it has failed in a row and since when."""

    full_ms: int = 0
    failures: int = 0
    failing_ms: int = 0
    retry_ms: int = 0
    sending: Sending | None = None


class Read(Struct):
    """How far one source of alerts is taken in: the next position, and the id of the topic it counts in."""

    next: int
    topic_id: str = ""


encode = msgspec.json.Encoder().encode
decode_kept = msgspec.json.Decoder(Kept).decode
decode_pace = msgspec.json.Decoder(Pace).decode
decode_read = msgspec.json.Decoder(Read).decode
decode_key = msgspec.json.Decoder(tuple[str, str]).decode


def row_key(family: str, name: str) -> bytes:
    """The key of a row: a JSON array, as of all rows."""
    return encode((family, name))
