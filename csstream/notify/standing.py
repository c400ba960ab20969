"""The alerts that stand, and which of them speak for others (SPEC 8, "Inhibited").

A supervisor who is told the same trouble five times reads none of it. So a higher level of a wait speaks for the
lower ones, a storm for the waits in it, and a feed that is silent for whatever is judged by that feed. All of it is
looked up by what an alert is of, never by going through all that stand.
"""

from collections.abc import Iterable, Iterator, Mapping

from csstream.core.alert import Alert
from csstream.core.floor import rulebook
from csstream.notify.marks import Kept
from csstream.notify.message import severity_rank, wait_of

_ABOVE_STORMS = severity_rank("breach")


class Standing:
    """Every alert that is kept, by id, and by what it inhibits."""

    def __init__(self, kept: Iterable[Kept] = ()) -> None:
        self._by_feed = {"wait", *rulebook.by_feed()}
        self._kept: dict[str, Kept] = {}
        self._levels: dict[str, dict[str, Kept]] = {}  # by wait
        self._storms: dict[str, dict[str, Alert]] = {}  # by shop
        self._silent: dict[str, set[str]] = {}  # by shop
        for one in kept:
            self.put(one)

    @property
    def kept(self) -> Mapping[str, Kept]:
        """All of them; change it by `put` and `drop`."""
        return self._kept

    def put(self, kept: Kept) -> None:
        """Keep an alert, or look again at one whose record has changed."""
        alert = kept.alert
        self._kept[alert.alert] = kept
        if alert.rule == "wait":
            self._levels.setdefault(wait_of(alert.alert), {})[alert.alert] = kept
        elif alert.rule == "storm":
            self._storms.setdefault(alert.shop, {})[alert.alert] = alert
        elif alert.rule == "feed_silent":
            silent = self._silent.setdefault(alert.shop, set())
            (silent.add if alert.state == "firing" else silent.discard)(alert.alert)

    def drop(self, alert_id: str) -> None:
        """Forget an alert."""
        alert = self._kept.pop(alert_id).alert
        wait = wait_of(alert_id)
        if wait in self._levels:
            self._levels[wait].pop(alert_id, None)
            if not self._levels[wait]:
                del self._levels[wait]
        self._storms.get(alert.shop, {}).pop(alert_id, None)
        self._silent.get(alert.shop, set()).discard(alert_id)

    def in_storm(self, alert: Alert) -> bool:
        """Whether a storm of the shop speaks for a wait; that is so for good, also when the storm has ended."""
        return (
            alert.rule == "wait"
            and severity_rank(alert.severity) < _ABOVE_STORMS
            and any(
                storm.ts <= alert.ts and (storm.end is None or alert.ts < storm.end)
                for storm in self._storms.get(alert.shop, {}).values()
                if storm.state != "retracted"
            )
        )

    def inhibited(self, alert: Alert) -> bool:
        """Whether another alert that stands speaks for this one now."""
        if alert.rule in self._by_feed and self._silent.get(alert.shop):
            return True
        return any(kept.alert.state == "firing" for kept in self.higher(alert))

    def higher(self, alert: Alert) -> Iterator[Kept]:
        """The higher levels of the same wait, ended ones too."""
        if alert.rule == "wait":
            over = _over(alert)
            for kept in self._levels.get(wait_of(alert.alert), {}).values():
                if _over(kept.alert) > over:
                    yield kept


def _over(alert: Alert) -> float:
    return float(alert.alert.rpartition("|")[2])
