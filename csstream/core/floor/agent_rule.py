"""What a rule about one agent is: what it looks at, and which changes it can begin or end by.

The machine need not know a rule to be quick about it. Whatever moves on an agent's desk is put to the rules that it may
concern, and only if one of them says so are they judged. A rule that says nothing of this is judged at every change,
which is right and slow: a condition is a function of the state, so looking once more than needed changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from csstream.core.alert import Alert
from csstream.core.changes import OpenWait
from csstream.core.floor.desk import Desk
from csstream.core.floor.scene import Scene


def at_once(_scene: Scene, _desk: Desk, _wait: OpenWait, t: int) -> int:
    """It may begin by any wait more."""
    return t


def perhaps(_scene: Scene, _desk: Desk, _t: int) -> bool:
    """It may begin by any guest more, or end by any wait less."""
    return True


def never(_scene: Scene, _desk: Desk, _t: int) -> bool:
    """It does not."""
    return False


@dataclass(frozen=True)
class AgentRule:
    """A condition on an agent at an instant (SPEC 8, kind s)."""

    name: str
    severity: str
    meaning: str
    """When it holds, in a few words; for the README."""
    holds: Callable[[Scene, Desk, int, bool], bool]
    """Whether it holds at an instant; the last argument says whether it has held up to then."""
    due: Callable[[Scene, Desk, int], int]
    """The next instant after one at which time alone may change that; `NEVER` if none. Between two times that an
    agent is judged, what he sends and a customer less may put it off, and not bring it forward."""
    value: Callable[[Scene, Desk, int], dict[str, int]]
    """The integers of the alert."""
    waits: Callable[[Scene, Desk, int], list[OpenWait]]
    """The waits concerned."""
    summary: Callable[[Alert], dict[str, str]]
    """What happened, and what to do next, in Chinese and English."""
    spell: str = ""
    """The spell of his outside of which it never begins; empty: there is none."""
    gained: Callable[[Scene, Desk, OpenWait, int], int] = at_once
    """While it does not stand, and he is in its `spell`: the first instant from one on at which it may begin because
    one customer more waits for him; `NEVER` if none."""
    crowded: Callable[[Scene, Desk, int], bool] = perhaps
    """While it does not stand: whether it may begin now that he has one guest more."""
    lessened: Callable[[Scene, Desk, int], bool] = perhaps
    """While it stands: whether it may end now that one customer less waits for him. (A guest less may end any.)"""
    ends_by_word: bool = True
    """Whether, while it stands, a message that he sends may end it."""
    age_ms: int = 0
    """`gained` is asked once more when a wait on him reaches this age; 0: it is not."""
    full: bool = False
    """Whether nobody diverts customers to whom it stands on."""


def divert(alert: Alert) -> tuple[str, str]:
    """Who takes new customers instead, as the end of a sentence in Chinese and English."""
    if alert.divert_to is None:
        return "本组无人可接，请加派人手", "nobody of the group is free: send help"
    return f"请改派给 {alert.divert_to}", f"divert customers to {alert.divert_to}"
