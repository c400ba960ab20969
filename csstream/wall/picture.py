"""What the wall shows now: documents of the board, alerts, and which of these somebody has seen.

The picture is fed and asked on one event loop. It holds what it was given as bytes, and puts what changed since the
last time into one message for everybody. Which alerts were seen is kept here alone: it is a courtesy among those who look
at the same wall, it is gone with the process, and no figure depends on it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import orjson

from csstream.core.alert import Alert, encode
from csstream.core.board import BEGIN

STANDING = 500
"""Most alerts that stand and are shown, the newest; a storm has more, and nobody reads them."""

ENDED = 60
"""Alerts that have ended and are shown, the newest."""


class Moment(NamedTuple):
    """What time it is for what is shown (epoch ms), and how many times faster than the wall it passes (0: paused)."""

    now_ms: int
    speed: float = 1.0


class Picture:
    """All that one wall shows. `moment` is asked for the time with every message."""

    def __init__(self, moment: Callable[[], Moment]) -> None:
        self.moment = moment
        self.seen: dict[str, int] = {}
        """Alerts that somebody has seen, and when (ms, by the time that is shown)."""
        self._partitions: dict[int, dict[bytes, bytes]] = {}
        self._changed: dict[bytes, bytes | None] = {}
        self._standing: dict[str, bytes] = {}
        self._ended: dict[str, bytes] = {}
        self._changed_alerts: dict[str, bytes | None] = {}
        self._changed_seen: dict[str, int] = {}

    # ---- in ---------------------------------------------------------------------------------------------

    def show(self, documents: Iterable[tuple[bytes, bytes | None]], partition: int = 0) -> None:
        """Documents of the board of a partition by key, in the order in which `Board.changes` gave them."""
        shown = self._partitions.setdefault(partition, {})
        for key, document in documents:
            if key == BEGIN:
                self._changed.update(dict.fromkeys(shown))
                shown.clear()
                continue
            name = _of_partition(key, partition)
            if document is None:
                shown.pop(name, None)
            else:
                shown[name] = document
            self._changed[name] = document

    def hear(self, alerts: Iterable[Alert]) -> None:
        """Alerts in the order in which they were published; the last record of an id stands."""
        for alert in alerts:
            self.hear_record(alert.alert, alert.state, encode(alert))

    def hear_record(self, alert: str, state: str, record: bytes) -> None:
        """One alert as it was published: its id, its state, and the whole as JSON."""
        self._standing.pop(alert, None)
        self._ended.pop(alert, None)
        self._changed_alerts[alert] = None if state == "retracted" else record
        if state == "firing":
            self._keep(self._standing, alert, record, STANDING)
        elif state == "resolved":
            self._keep(self._ended, alert, record, ENDED)
        if state != "firing":
            self.seen.pop(alert, None)

    def _keep(self, among: dict[str, bytes], alert: str, record: bytes, most: int) -> None:
        among[alert] = record
        if len(among) > most:
            oldest = next(iter(among))
            del among[oldest]
            self.seen.pop(oldest, None)
            self._changed_alerts[oldest] = None

    def acknowledge(self, alert: str) -> bool:
        """Somebody has seen an alert. Whether it stands."""
        if alert not in self._standing:
            return False
        self.seen[alert] = self._changed_seen[alert] = self.moment().now_ms
        return True

    # ---- out --------------------------------------------------------------------------------------------

    def whole(self) -> bytes:
        """Everything, as one message for somebody who has just come."""
        documents = {key: d for partition in self._partitions.values() for key, d in partition.items()}
        return self._message(documents, self._ended | self._standing, self.seen, whole=True)

    def news(self) -> bytes:
        """What has changed since the last call, as one message; the time alone where nothing has."""
        message = self._message(self._changed, self._changed_alerts, self._changed_seen)
        self._changed, self._changed_alerts, self._changed_seen = {}, {}, {}
        return message

    @property
    def changed(self) -> bool:
        """Whether there is news besides the time."""
        return bool(self._changed or self._changed_alerts or self._changed_seen)

    def _message(
        self,
        documents: Mapping[bytes, bytes | None],
        alerts: Mapping[str, bytes | None],
        seen: Mapping[str, int],
        *,
        whole: bool = False,
    ) -> bytes:
        message: dict[str, object] = {"time": self.moment()._asdict()}
        if whole:
            message["whole"] = True
        if documents:
            message["documents"] = [[orjson.Fragment(key), _raw(d)] for key, d in documents.items()]
        if alerts:
            message["alerts"] = [[alert, _raw(record)] for alert, record in alerts.items()]
        if seen:
            message["seen"] = seen
        return orjson.dumps(message)


def _raw(document: bytes | None) -> orjson.Fragment | None:
    return None if document is None else orjson.Fragment(document)


_CLOCK = b'["clock"'


def _of_partition(key: bytes, partition: int) -> bytes:
    """A key that no other partition has: a shop lies in one, but each has a clock."""
    return b'["clock",%d]' % partition if key.startswith(_CLOCK) else key
