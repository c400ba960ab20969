"""One person at a desk: group, hours and pace.

An agent is a pair of hands: what makes waits look real is that only one reply at a time comes out of them.
"""

from typing import Final

PRESALE: Final = "售前"
AFTERSALE: Final = "售后"

_EARLY, _MIDDLE, _LATE, _NIGHT, _LONG = (8, 17), (9, 23), (15, 25), (0, 9), (9, 24)
# Most people in the evening, one at night; so the first hour of the morning and the last are thin, as in life.
_ROSTER: Final = (_MIDDLE, _LATE, _EARLY, _LATE, _MIDDLE, _EARLY, _LATE, _NIGHT)
_FEW: Final = 4  # fewer agents than this cannot take turns

GONE: Final = {"away": "hang", "dropped": "offline", "offline": "shift_end"}
"""States in which nobody is at the desk, and the reason by which customers are then handed on."""

NAMES: Final = (
    "小禾",
    "小满",
    "小麦",
    "小橙",
    "小雨",
    "小松",
    "小米",
    "小夏",
    "小秋",
    "小月",
    "小竹",
    "小北",
)


class Agent:
    """One person: a pair of hands that is busy until `free_ms`. A `pace` over 1 thinks longer."""

    __slots__ = ("free_ms", "group", "hours", "id", "index", "pace", "state")

    def __init__(self, index: int, agents: int, pace: float) -> None:
        self.id = f"a{index + 1:02d}"
        self.index = index
        self.group = AFTERSALE if index % 4 == 3 else PRESALE
        self.hours = _LONG if agents < _FEW else _ROSTER[index % len(_ROSTER)]
        self.pace = pace
        self.state = "online"
        self.free_ms = 0
