"""`overload`: an agent has more customers than she can answer in time (SPEC 8).

It begins at any of three limits and ends only when all three figures are well below theirs, so that one reply does
not end it and one more customer begin it again.
"""

from csstream.core.changes import OpenWait
from csstream.core.conversation import NEVER
from csstream.core.floor.agent_rule import AgentRule, divert
from csstream.core.floor.desk import Desk
from csstream.core.floor.scene import Scene
from csstream.core.rules import Alert

OVER_MS = 30_000
"""`over_30`: waits over it on the customer clock."""


def _holds(scene: Scene, desk: Desk, t: int, stands: bool) -> bool:
    policy = scene.policy
    waits = len(desk.legs)
    capacity = _capacity(scene, desk)
    if stands:
        ratio = policy.clear_ratio
        top, bottom = ratio.numerator, ratio.denominator
        return not (
            waits * bottom <= top * policy.overload_open_waits
            and _over_30(desk, t) * bottom <= top * policy.overload_over_30
            and scene.concurrent(desk, t) * bottom <= top * capacity
        )
    if waits >= policy.overload_open_waits:
        return True
    if waits >= policy.overload_over_30 and _over_30(desk, t) >= policy.overload_over_30:
        return True
    # Guests who fell silent are looked for only where there are enough to matter; nobody overloads nobody.
    return waits + len(desk.guests) >= capacity and scene.concurrent(desk, t) >= max(capacity, 1)


def _due(scene: Scene, desk: Desk, t: int) -> int:
    # Ages of waits come due by themselves; silence can only end it.
    if "overload" not in desk.standing:
        return NEVER
    return min(
        [scene.last[guest] + scene.gap for guest in scene.present(desk, t) if guest not in desk.legs],
        default=NEVER,
    )


def _value(scene: Scene, desk: Desk, t: int) -> dict[str, int]:
    return {
        "open_waits": len(desk.legs),
        "over_30": _over_30(desk, t),
        "concurrent": scene.concurrent(desk, t),
        "capacity": _capacity(scene, desk),
    }


def _waits(_scene: Scene, desk: Desk, _t: int) -> list[OpenWait]:
    return list(desk.legs.values())


def _over_30(desk: Desk, t: int) -> int:
    return sum([wait.since + OVER_MS <= t for wait in desk.legs.values()])


def _capacity(scene: Scene, desk: Desk) -> int:
    return desk.capacity if desk.capacity >= 0 else scene.policy.overload_concurrent


def _summary(alert: Alert) -> dict[str, str]:
    waits, over, concurrent, capacity = (
        alert.value[name] for name in ("open_waits", "over_30", "concurrent", "capacity")
    )
    zh, en = divert(alert)
    return {
        "zh": f"{alert.agent} 超负荷：{waits} 位顾客在等（{over} 位超过 30 秒），同时接待 {concurrent}/{capacity}：{zh}",
        "en": f"{alert.agent} is overloaded: {waits} customers waiting ({over} over 30 s), "
        f"{concurrent} of {capacity} at once: {en}",
    }


OVERLOAD = AgentRule("overload", "warning", _holds, _due, _value, _waits, _summary)
