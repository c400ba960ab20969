"""`midnight`: who is still unanswered shortly before the day ends, and spoils the day's reply rate (SPEC 8).

Each mark of `midnight.at` looks at the customers who wait then; later ones are the next mark's. So what is kept is
who of them still waits.
"""

from typing import Any, ClassVar

from csstream.core.changes import OpenWait
from csstream.core.floor.scene import Scene, first_messages
from csstream.core.floor.shop_rule import ShopRule


class Midnight(ShopRule):
    """The rule in one shop."""

    name: ClassVar[str] = "midnight"
    meaning: ClassVar[str] = "who is unanswered shortly before the day ends"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.held: set[str] = set()
        """Customers whose wait holds the alert that stands."""
        self._marks: dict[int, int] = {}  # instants of this day: time of day

    def begin_day(self, t: int) -> None:
        """Its marks lie ahead; what stands of the day before ends."""
        scene = self.scene
        self._marks = {scene.calendar.instant(t, mark): mark for mark in scene.policy.midnight_at}
        for instant in self._marks:
            if instant >= t:
                self.remind(instant)
        self.call()

    def moved(self, customer: str, wait: OpenWait | None) -> None:
        """Who is answered holds the alert no more; it is judged once nobody does."""
        if self.alert is None:
            return
        if wait is None or wait.since > self.alert.ts:
            self.held.discard(customer)
        else:
            self.held.add(customer)
        if not self.held:
            self.call()

    def resume(self, _kept: Any, _t: int) -> None:
        """Those who waited at the mark, and wait, hold the alert."""
        alert = self.alert
        if alert is not None:
            self.held = {customer for customer, wait in self.scene.waits.items() if wait.since <= alert.ts}

    def judge(self, t: int) -> None:
        """Judge the rule at `t`."""
        scene, alert = self.scene, self.alert
        mark = self._marks.get(t)
        if alert is not None and (not self.held or mark is not None or alert.ts < scene.day.start_ms):
            scene.end(alert, t, "passed" if self.held else "cleared")
            self.alert = None
        if mark is not None and scene.waits:
            self._fire(t, mark)

    def _fire(self, t: int, mark: int) -> None:
        scene = self.scene
        waits = scene.waits.values()
        shown = f"{mark // 3_600_000:02}:{mark // 60_000 % 60:02}"
        last = mark == scene.policy.midnight_at[-1]
        self.held = set(scene.waits)
        self.alert = alert = scene.fire(
            self.name,
            f"{scene.day.name}|{shown}",
            "critical" if last else "warning",
            t,
            min([wait.since for wait in waits]),
            {"waits": len(waits)},
            first_messages(waits),
        )
        minutes = (scene.day.end_ms - t) // 60_000
        alert.summary = {
            "zh": f"{shown} 仍有 {len(waits)} 位顾客未回复，距零点 {minutes} 分钟：请在零点前逐一回复",
            "en": f"At {shown} {len(waits)} customers are unanswered, {minutes} min before midnight: "
            "answer each before the day ends",
        }
