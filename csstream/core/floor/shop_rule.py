"""What a rule about a shop is: a condition with a memory, and the things that happen of which it wants to hear.

The machine calls nobody by name. It looks once, when it is made, which of the functions below a rule has of its own, and
tells it of these things and no others; so a rule that needs little costs little. A rule that may begin or end by what
it hears has itself called (`call`), or comes back when it is time (`remind`), and is judged once that instant is past.
"""

from typing import Any, ClassVar

from csstream.core.alert import Alert
from csstream.core.changes import OpenWait, View
from csstream.core.floor.scene import Scene


class ShopRule:
    """A condition on a shop at an instant (SPEC 8, kind s), in one shop."""

    name: ClassVar[str] = ""
    meaning: ClassVar[str] = ""
    """When it holds, in a few words; for the README."""
    by_feed: ClassVar[bool] = False
    """Whether a feed that is silent makes it meaningless, so that its alerts are not sent singly then (SPEC 8)."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.place = -1
        """Where it stands in the rulebook."""
        self.alert: Alert | None = None
        """Its alert that stands."""
        self.age_ms = 0
        """`reached` is told of waits that reach this age; 0: of none."""

    def judge(self, t: int) -> None:
        """Judge the rule at `t`, after everything that happened then."""
        raise NotImplementedError

    # ---- what it may want to hear ------------------------------------------------------------------------

    def begin_day(self, t: int) -> None:
        """A local day begins, or is entered at `t`: later than at its midnight if nobody waited and its alert did not stand."""

    def see(self, view: View, t: int) -> None:
        """All that is known of a customer from `t` on."""

    def moved(self, customer: str, wait: OpenWait | None) -> None:
        """A customer's wait has begun, ended or changed."""

    def reached(self, customers: list[str]) -> None:
        """The waits of these customers are as old as `age_ms`, and open, at the instant that is judged."""

    def duty(self) -> None:
        """Somebody has said what he is, or a shift was told."""

    def heard(self) -> bool:
        """While its alert stands: whether it is to be judged because of what events have come in."""
        return False

    def come(self, _key: str, _t: int) -> None:
        """An instant has come at which it wanted to be reminded."""
        self.call()

    def real_due(self, due: int, _key: str) -> int:
        """Where an instant at which it wanted to be reminded lies by what is known now, `due` or later; or `NEVER`."""
        return due

    # ---- what outlasts a restart -------------------------------------------------------------------------

    def kept(self) -> Any:
        """What it has to know after a restart beyond its alert and what customers tell again; None: nothing.

        Plain data: what comes back is the same in lists, numbers and text.
        """
        return None

    def resume(self, kept: Any, t: int) -> None:
        """Go on at `t`: the day has begun, the customers are told, and `alert` stands again if it did."""

    # ---- what it can ask for -----------------------------------------------------------------------------

    def call(self) -> None:
        """Have it judged at the instant under way."""
        self.scene.call(self.name)

    def remind(self, due: int, key: str = "") -> None:
        """Come back at `due`; `key` says what for."""
        self.scene.remind(due, self.place, key)
