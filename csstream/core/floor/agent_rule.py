"""What a rule about one agent is: five functions and two words."""

from collections.abc import Callable
from dataclasses import dataclass

from csstream.core.alert import Alert
from csstream.core.changes import OpenWait
from csstream.core.floor.desk import Desk
from csstream.core.floor.scene import Scene


@dataclass(frozen=True)
class AgentRule:
    """A condition on an agent at an instant (SPEC 8, kind s)."""

    name: str
    severity: str
    holds: Callable[[Scene, Desk, int, bool], bool]
    """Whether it holds at an instant; the last argument says whether it has held up to then."""
    due: Callable[[Scene, Desk, int], int]
    """The next instant after one at which time alone may change that; `NEVER` if none."""
    value: Callable[[Scene, Desk, int], dict[str, int]]
    """The integers of the alert."""
    waits: Callable[[Scene, Desk, int], list[OpenWait]]
    """The waits concerned."""
    summary: Callable[[Alert], dict[str, str]]
    """What happened, and what to do next, in Chinese and English."""


def divert(alert: Alert) -> tuple[str, str]:
    """Who takes new customers instead, as the end of a sentence in Chinese and English."""
    if alert.divert_to is None:
        return "本组无人可接，请加派人手", "nobody of the group is free: send help"
    return f"请改派给 {alert.divert_to}", f"divert customers to {alert.divert_to}"
