"""`reply_rate`: the share of today's customers who were answered falls below the target (SPEC 8).

Who has just written would lower the rate of every busy minute, so a customer counts once he is *settled*: answered,
or left alone for `reply_rate.settle`. Only counts and each customer's place in them are kept.
"""

from typing import Any, ClassVar

from csstream.core.changes import View
from csstream.core.conversation import EVIDENCE, NEVER
from csstream.core.floor.scene import Scene
from csstream.core.floor.shop_rule import ShopRule

FRESH, LEFT, REPLIED = range(3)


class ReplyRate(ShopRule):
    """The rule in one shop."""

    name: ClassVar[str] = "reply_rate"
    meaning: ClassVar[str] = "the share answered today is below the target"
    by_feed: ClassVar[bool] = True

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.event: tuple[int, str] = -1, ""
        """When an event last changed the counts, and the greatest id of those that did it then."""
        self.seen: dict[str, tuple[int, str, int]] = {}
        """Today's customers: first message, its id, `FRESH`, `LEFT` or `REPLIED`."""
        self._left = self._replied = 0

    def begin_day(self, _t: int) -> None:
        """Another local day: nobody has written yet."""
        self.seen.clear()
        self._left = self._replied = 0
        self.call()

    def see(self, view: View, t: int) -> None:
        """A customer of the day may count, or count otherwise."""
        customer, wrote, first, replied = view.customer, view.wrote, view.first, view.replied
        before = self.seen.get(customer)
        if (
            before is not None
            and before[0] == wrote
            and before[1] == first
            and replied == (before[2] == REPLIED)
        ):
            return
        place = FRESH
        if wrote < self.scene.day.start_ms:
            if before is None:
                return
            del self.seen[customer]
        else:
            if replied:
                place = REPLIED
            elif wrote + self.scene.policy.reply_rate_settle_ms < t:
                place = LEFT
            elif before is None or before[0] != wrote:
                self.remind(wrote + self.scene.policy.reply_rate_settle_ms, customer)
            now = wrote, first, place
            if now == before:
                return
            self.seen[customer] = now
            self._count(place, 1)
        if before is not None:
            self._count(before[2], -1)
        elif place == FRESH:
            return  # who is new counts only when he is settled
        self.event = max(self.event, (t, view.event))
        self._call_if_turned()

    def come(self, key: str, t: int) -> None:
        """The first message of the customer `key` is as old as it takes."""
        seen = self.seen.get(key)
        if seen is not None and seen[2] == FRESH and seen[0] + self.scene.policy.reply_rate_settle_ms <= t:
            self.seen[key] = seen[0], seen[1], LEFT
            self._left += 1
            self._call_if_turned()

    def real_due(self, due: int, key: str) -> int:
        """Who is answered, or has not written, is not left alone."""
        seen = self.seen.get(key)
        if seen is None or seen[2] != FRESH or seen[0] + self.scene.policy.reply_rate_settle_ms != due:
            return NEVER
        return due

    def kept(self) -> Any:
        """What an alert of this instant names as its cause."""
        return self.event

    def resume(self, kept: Any, _t: int) -> None:
        """What the customers have told again is no event."""
        at, event = kept
        self.event = at, event

    def _count(self, place: int, number: int) -> None:
        if place == LEFT:
            self._left += number
        elif place == REPLIED:
            self._replied += number

    def _low(self) -> bool:
        policy, settled = self.scene.policy, self._left + self._replied
        return settled >= policy.reply_rate_after and 100 * self._replied < policy.reply_rate_target * settled

    def _call_if_turned(self) -> None:
        if self._low() != (self.alert is not None):
            self.call()

    def judge(self, t: int) -> None:
        """Judge the rule at `t`."""
        scene, alert, low = self.scene, self.alert, self._low()
        if alert is not None and (not low or alert.ts < scene.day.start_ms):
            scene.end(alert, t, "passed" if alert.ts < scene.day.start_ms else "cleared")
            self.alert = alert = None
        elif alert is None and low:
            self._fire(t)

    def _fire(self, t: int) -> None:
        scene, replied, settled = self.scene, self._replied, self._left + self._replied
        left = sorted((wrote, first) for wrote, first, place in self.seen.values() if place == LEFT)
        evidence = [first for _, first in left[:EVIDENCE]]
        at, event = self.event
        if at == t and event and event not in evidence:
            evidence.append(event)
        value = {"replied": replied, "settled": settled}
        self.alert = alert = scene.fire(self.name, str(t), "warning", t, left[0][0], value, evidence)
        share = f"{1000 * replied // settled / 10:.1f}"
        target = scene.policy.reply_rate_target
        alert.summary = {
            "zh": f"今日回复率 {share}%（{replied}/{settled}），低于 {target}%：请先回复尚未答复的顾客",
            "en": f"Reply rate today {share} % ({replied} of {settled}), below {target} %: "
            "answer those who were left unanswered first",
        }
