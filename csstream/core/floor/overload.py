"""`overload`: an agent has more customers than she can answer in time (SPEC 8).

It begins at any of three limits and ends only when all three figures are well below theirs, so that one reply does
not end it and one more customer begin it again.
"""

from csstream.core.alert import Alert
from csstream.core.changes import OpenWait
from csstream.core.conversation import NEVER
from csstream.core.floor.agent_rule import AgentRule, divert
from csstream.core.floor.desk import Desk
from csstream.core.floor.scene import Scene

NAME = "overload"
OVER_MS = 30_000
"""`over_30`: waits over it on the customer clock."""


def _holds(scene: Scene, desk: Desk, t: int, stands: bool) -> bool:
    policy = scene.policy
    waits = len(desk.legs)
    if stands:
        return _goes_on(scene, desk, t)
    if waits >= policy.overload_open_waits:
        return True
    if waits >= policy.overload_over_30 and _over_30(desk, t) >= policy.overload_over_30:
        return True
    # Guests who fell silent are looked for only where there are enough to matter; nobody overloads nobody.
    return waits + len(desk.guests) >= desk.capacity and scene.concurrent(desk, t) >= max(desk.capacity, 1)


def _goes_on(scene: Scene, desk: Desk, t: int) -> bool:
    """Whether a figure is still above what ends it, and, where it is the guests, until when it surely is."""
    goes_on, sure_ms = _certainty(scene, desk, t)
    if sure_ms != desk.sure_ms:
        desk.sure_ms, desk.changed = sure_ms, True
    return goes_on


def _certainty(scene: Scene, desk: Desk, t: int) -> tuple[bool, int]:
    if len(desk.legs) > scene.few_waits:
        return True, -1
    if _over_30(desk, t) > scene.few(scene.policy.overload_over_30):
        return True, -1
    few = scene.few(desk.capacity)
    guests = scene.present(desk, t)
    if len(guests) > few:
        # All but `few` would have to fall silent: that takes until the first of the most recent ones does.
        recent = sorted([scene.last[guest] for guest in guests])[-few - 1]
        return True, recent + scene.gap
    return scene.concurrent(desk, t) > few, -1


def _gained(scene: Scene, desk: Desk, wait: OpenWait, t: int) -> int:
    policy, waits = scene.policy, len(desk.legs)
    if (
        waits >= policy.overload_open_waits
        or (waits >= policy.overload_over_30 and wait.since + OVER_MS <= t)
        or _crowded(scene, desk, t)
    ):
        return t
    return NEVER


def _crowded(scene: Scene, desk: Desk, t: int) -> bool:
    legs, capacity = desk.legs, desk.capacity
    if len(desk.guests) + len(legs) < capacity:
        return False
    return len(scene.present(desk, t) | legs.keys()) >= capacity


def _lessened(scene: Scene, desk: Desk, t: int) -> bool:
    return len(desk.legs) <= scene.few_waits and t >= desk.sure_ms


def _due(scene: Scene, desk: Desk, t: int) -> int:
    # Of the ages of waits `gained` is told; of silence only the end is of concern.
    if NAME not in desk.standing or len(desk.legs) > scene.few_waits:
        return NEVER
    if desk.sure_ms > t:
        return desk.sure_ms
    # Nobody is let go here: `t` may lie ahead of instants that are still to be judged.
    return min([due for guest in desk.guests if (due := scene.last[guest] + scene.gap) > t], default=NEVER)


def _value(scene: Scene, desk: Desk, t: int) -> dict[str, int]:
    return {
        "open_waits": len(desk.legs),
        "over_30": _over_30(desk, t),
        "concurrent": scene.concurrent(desk, t),
        "capacity": desk.capacity,
    }


def _waits(_scene: Scene, desk: Desk, _t: int) -> list[OpenWait]:
    return list(desk.legs.values())


def _over_30(desk: Desk, t: int) -> int:
    return sum([wait.since + OVER_MS <= t for wait in desk.legs.values()])


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


OVERLOAD = AgentRule(
    NAME, "warning", "an agent has more customers than can be answered", _holds, _due, _value, _waits, _summary,
    gained=_gained, crowded=_crowded, lessened=_lessened, ends_by_word=False, age_ms=OVER_MS, full=True,
)  # fmt: skip
