"""`storm`: so many waits grow long at once that the shop has one problem, not many (SPEC 8).

Its parts would ring a hundred times; a storm is two messages, the beginning and the end with the total. What is kept
are the last `storm.waits` crossings, the start of the block under way and two counts, however long it lasts.
"""

from collections import deque
from typing import Any, ClassVar

from csstream.core.alert import Alert
from csstream.core.conversation import NEVER
from csstream.core.floor.scene import Scene, first_messages
from csstream.core.floor.shop_rule import ShopRule


class Storm(ShopRule):
    """The rule in one shop."""

    name: ClassVar[str] = "storm"
    meaning: ClassVar[str] = "many waits grow long at once"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.age_ms = scene.policy.storm_over_ms
        self.crossed = 0
        """Waits that cross `storm.over` at this instant."""
        self.instants: deque[int] = deque(maxlen=scene.policy.storm_waits)
        """The last crossings."""
        self.block_ms = -1
        self.block = 0
        """Crossings in the block under way, from after its start."""
        self.total = 0
        """Crossings since `storm.within` before the alert began."""

    def reached(self, customers: list[str]) -> None:
        """Waits cross `storm.over`."""
        self.crossed = len(customers)
        self.call()

    def real_due(self, due: int, _key: str) -> int:
        """Another block may be under way, or none."""
        return due if self.alert is not None and self._block_end == due else NEVER

    def kept(self) -> Any:
        """The last crossings, and the block under way."""
        return [*self.instants], self.block_ms, self.block, self.total

    def resume(self, kept: Any, _t: int) -> None:
        """Go on in the block under way."""
        instants, self.block_ms, self.block, self.total = kept
        self.instants.extend(instants)
        if self.alert is not None:
            self.remind(self._block_end)

    def judge(self, t: int) -> None:
        """Judge the rule at `t`."""
        policy = self.scene.policy
        crossed, self.crossed = self.crossed, 0
        if self.alert is not None:
            self._go_on(self.alert, t, crossed)
        elif crossed:
            recent = self.instants
            while recent and recent[0] < t - policy.storm_within_ms:
                recent.popleft()
            if len(recent) + crossed > policy.storm_waits:
                self._fire(t, recent[0] if recent else t, len(recent) + crossed)
        self.instants.extend([t] * crossed)

    def _go_on(self, alert: Alert, t: int, crossed: int) -> None:
        self.total += crossed
        self.block += crossed
        if t < self._block_end:
            return
        if self.block > self.scene.policy.storm_waits:
            self._begin_block(t)
        else:
            self.scene.end(alert, t, value={**alert.value, "waits": self.total})
            self.alert = None

    def _begin_block(self, t: int) -> None:
        self.block_ms, self.block = t, 0
        self.remind(self._block_end)

    @property
    def _block_end(self) -> int:
        return self.block_ms + self.scene.policy.storm_within_ms

    def _fire(self, t: int, since: int, crossings: int) -> None:
        scene, policy = self.scene, self.scene.policy
        normal = [wait for wait in scene.waits.values() if not wait.closing]
        first = t - policy.storm_within_ms
        concerned = [wait for wait in normal if first <= wait.since + policy.storm_over_ms <= t]
        self.alert = alert = scene.fire(
            self.name,
            str(t),
            "critical",
            t,
            since,
            {"waits": crossings, "open_waits": len(normal)},
            first_messages(concerned),
        )
        self.total = crossings
        self._begin_block(t)
        over_s, within_s = (f"{ms / 1000:.10g}" for ms in (policy.storm_over_ms, policy.storm_within_ms))
        alert.summary = {
            "zh": f"等待风暴：{within_s} 秒内 {crossings} 位顾客等待超过 {over_s} 秒，共 {len(normal)} 位在等：请全员接待并检查系统",
            "en": f"A storm of waits: {crossings} customers passed {over_s} s within {within_s} s, {len(normal)} are "
            "waiting: put everybody on, and check the systems",
        }
