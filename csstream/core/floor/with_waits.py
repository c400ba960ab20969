"""`hung_with_waits`, `offline_with_waits`: an agent left while customers wait for him (SPEC 8).

Both look at the same thing, the legs that he has let lie since he left; who hung up first and then dropped out is
told of twice, for the second is worse.
"""

from csstream.core.alert import Alert
from csstream.core.changes import OpenWait
from csstream.core.conversation import NEVER
from csstream.core.floor.agent_rule import AgentRule, divert, never
from csstream.core.floor.desk import Desk
from csstream.core.floor.scene import Scene


def _left(scene: Scene, desk: Desk, t: int) -> list[OpenWait]:
    """The legs that have lain for `with_waits.over` since he left, at `t`."""
    latest = t - scene.policy.with_waits_over_ms
    if desk.spell_ms > latest:
        return []
    return [wait for wait in desk.legs.values() if wait.leg_from <= latest]


def _value(scene: Scene, desk: Desk, t: int) -> dict[str, int]:
    return {"waits": len(_left(scene, desk, t))}


def _rule(name: str, severity: str, meaning: str, spell: str, zh: str, en: str) -> AgentRule:
    def holds(scene: Scene, desk: Desk, t: int, _stands: bool) -> bool:
        return desk.spell == spell and bool(desk.legs) and bool(_left(scene, desk, t))

    def due(scene: Scene, desk: Desk, t: int) -> int:
        if desk.spell != spell or not desk.legs:
            return NEVER
        begins = max(desk.spell_ms, desk.oldest_leg_ms) + scene.policy.with_waits_over_ms
        return begins if begins > t else NEVER

    def gained(scene: Scene, desk: Desk, wait: OpenWait, _t: int) -> int:
        return max(desk.spell_ms, wait.leg_from) + scene.policy.with_waits_over_ms

    def summary(alert: Alert) -> dict[str, str]:
        waits = alert.value["waits"]
        zh_next, en_next = divert(alert)
        return {
            "zh": f"{alert.agent} 已{zh}，仍有 {waits} 位顾客在等他：请转接；{zh_next}",
            "en": f"{alert.agent} {en} and {waits} of his customers wait: hand them over; {en_next}",
        }

    return AgentRule(
        name,
        severity,
        meaning,
        holds,
        due,
        _value,
        _left,
        summary,
        spell=spell,
        gained=gained,
        crowded=never,
        ends_by_word=False,
    )


HUNG_WITH_WAITS = _rule(
    "hung_with_waits",
    "warning",
    "an agent takes no more, and customers wait",
    "hung",
    "挂起",
    "takes no customers",
)
OFFLINE_WITH_WAITS = _rule(
    "offline_with_waits", "critical", "an agent is gone while customers wait", "offline", "离线", "is offline"
)
