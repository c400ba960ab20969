"""`feed_silent`: nothing at all comes from a shop although people are on duty: its feed is broken (SPEC 8).

The due moves with every event, so it is not moved at all: an old one comes, finds news, and is set anew.
"""

from typing import Any, ClassVar

from csstream.core.conversation import NEVER
from csstream.core.floor.scene import Scene
from csstream.core.floor.shop_rule import ShopRule


class FeedSilent(ShopRule):
    """The rule in one shop."""

    name: ClassVar[str] = "feed_silent"
    meaning: ClassVar[str] = "nothing comes from a shop on duty"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._next = NEVER
        """The instant it is to be reminded of: one, however often somebody says what he is."""

    def duty(self) -> None:
        """When somebody should be there may be another time."""
        self.call()

    def heard(self) -> bool:
        """Whether an event has come in since the alert that stands."""
        return self.alert is not None and self.scene.newest_ms > self.alert.ts

    def judge(self, t: int) -> None:
        """Judge the rule at `t`."""
        scene, alert = self.scene, self.alert
        over = scene.policy.feed_silent_over_ms
        if over is None:
            return
        rostered = next(
            (stretch for stretch in scene.roster.stretches() if stretch[0] <= t < stretch[1]), None
        )
        newest = scene.newest_ms
        if alert is not None and (self.heard() or rostered is None):
            scene.end(alert, t, "cleared" if self.heard() else "passed")
            self.alert = alert = None
        elif alert is None and rostered is not None and max(newest, rostered[0]) + over <= t:
            self._fire(t)
        self._come_back(t)

    def come(self, key: str, t: int) -> None:
        """It is to be reminded of nothing, until it is judged."""
        self._next = NEVER
        super().come(key, t)

    def real_due(self, due: int, _key: str) -> int:
        """Events have moved it on."""
        if due != self._next:
            return NEVER
        self._next = self._due(due - 1)
        return self._next

    def resume(self, _kept: Any, t: int) -> None:
        """Go on at `t`."""
        self._come_back(t - 1)

    def _due(self, t: int) -> int:
        """The next instant after `t` at which it may begin or end by itself."""
        over = self.scene.policy.feed_silent_over_ms
        if over is None:
            return NEVER
        ahead = [(start, end) for start, end in self.scene.roster.stretches() if end > t]
        if self.alert is not None:
            return next((end for start, end in ahead if start <= self.alert.ts), NEVER)
        newest = self.scene.newest_ms
        dues = ((max(newest, start) + over, end) for start, end in ahead)
        return next((due for due, end in dues if t < due < end), NEVER)

    def _come_back(self, t: int) -> None:
        due = self._due(t)
        if due < self._next:
            self._next = due
            self.remind(due)

    def _fire(self, t: int) -> None:
        scene = self.scene
        silent_ms = t - scene.newest_ms
        self.alert = alert = scene.fire(
            self.name, str(t), "critical", t, scene.newest_ms, {"silent_ms": silent_ms}, [scene.newest_id]
        )
        alert.summary = {
            "zh": f"店铺 {scene.shop} 已 {silent_ms // 1000} 秒没有任何数据，而客服在班：请检查数据接入",
            "en": f"No event from shop {scene.shop} for {silent_ms // 1000} s while people are on duty: check its feed",
        }
