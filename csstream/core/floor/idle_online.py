"""`idle_online`: an agent is signed on, customers wait for him, and nothing comes from him (SPEC 8)."""

from csstream.core.alert import Alert
from csstream.core.changes import OpenWait
from csstream.core.conversation import NEVER
from csstream.core.floor.agent_rule import AgentRule, divert, never
from csstream.core.floor.desk import Desk
from csstream.core.floor.scene import Scene


def _begins(scene: Scene, desk: Desk) -> int:
    """When it begins if nothing happens."""
    if desk.spell != "online" or not desk.legs:
        return NEVER
    silent = scene.policy.idle_online_silent_ms
    return max(
        desk.spell_ms + silent, desk.sent_ms + silent, desk.oldest_leg_ms + scene.policy.idle_online_wait_ms
    )


def _holds(scene: Scene, desk: Desk, t: int, _stands: bool) -> bool:
    return _begins(scene, desk) <= t


def _due(scene: Scene, desk: Desk, t: int) -> int:
    begins = _begins(scene, desk)
    return begins if begins > t else NEVER


def _gained(scene: Scene, desk: Desk, wait: OpenWait, _t: int) -> int:
    policy = scene.policy
    silent = max(desk.sent_ms, desk.spell_ms) + policy.idle_online_silent_ms
    return max(wait.leg_from + policy.idle_online_wait_ms, silent)


def _value(_scene: Scene, desk: Desk, t: int) -> dict[str, int]:
    return {"silent_ms": t - max(desk.spell_ms, desk.sent_ms), "leg_ms": t - desk.oldest_leg_ms}


def _waits(_scene: Scene, desk: Desk, _t: int) -> list[OpenWait]:
    return list(desk.legs.values())


def _summary(alert: Alert) -> dict[str, str]:
    silent_s, leg_s = alert.value["silent_ms"] // 1000, alert.value["leg_ms"] // 1000
    zh, en = divert(alert)
    return {
        "zh": f"{alert.agent} 在线但 {silent_s} 秒没有发言，顾客已等 {leg_s} 秒：请联系客服；{zh}",
        "en": f"{alert.agent} is online but has sent nothing for {silent_s} s, a customer waits {leg_s} s: "
        f"call the agent; {en}",
    }


IDLE_ONLINE = AgentRule(
    "idle_online", "warning", "signed on, silent, and customers wait", _holds, _due, _value, _waits, _summary,
    spell="online", gained=_gained, crowded=never,
)  # fmt: skip
